package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/portable"
)

// Portable is an entry in an export. Of a shipped one there is nothing but whether
// it is active: its text belongs to the program.
type Portable struct {
	Name        string  `json:"name" yaml:"name"`
	Active      bool    `json:"active" yaml:"active"`
	Description *string `json:"description,omitempty" yaml:"description,omitempty"`
	Cedar       *string `json:"cedar,omitempty" yaml:"cedar,omitempty"`
}

// Export returns the entries, by name; with names, those alone as far as there are
// any.
func (p *Policies) Export(ctx context.Context, c authz.Caller, names ...string) ([]Portable, error) {
	op := operation{authz.List, "", "list policies", map[string]any{"operation": "export", "names": names}}
	all, err := p.look(ctx, c, op)
	if err != nil {
		return nil, err
	}
	list := make([]Portable, 0, len(all))
	for _, e := range all {
		if len(names) > 0 && !slices.Contains(names, e.Name) {
			continue
		}
		moved := Portable{Name: e.Name, Active: e.Active}
		if _, ok := shipped(e.Name); !ok {
			moved.Description, moved.Cedar = &e.Description, &e.Cedar
		}
		list = append(list, moved)
	}
	return list, nil
}

// entry is the inverse.
func (e Portable) entry() authz.Entry {
	entry := authz.Entry{Name: e.Name, Active: e.Active}
	if e.Description != nil {
		entry.Description = *e.Description
	}
	if e.Cedar != nil {
		entry.Cedar = *e.Cedar
	}
	return entry
}

// Import puts the entries of an export in place of those with their names, all
// in one write. Invalid: some do not hold, and what is wrong with each; nothing
// was changed.
func (p *Policies) Import(ctx context.Context, c authz.Caller, list []json.RawMessage, o portable.Options) (portable.Report, error) {
	var r portable.Report
	op := operation{authz.Update, "", "change policies", map[string]any{
		"operation": "import", "entries": len(list), "replace_all": o.ReplaceAll, "dry_run": o.DryRun,
	}}
	edit := func(entries []authz.Entry) ([]authz.Entry, error) {
		r = portable.Report{}
		seen := map[string]bool{}
		var wrong []error
		for i, text := range list {
			var e Portable
			err := portable.Unmarshal(text, &e)
			switch {
			case err != nil:
				err = fmt.Errorf("entry %d: %w", i+1, err)
			case len(o.Names) > 0 && !slices.Contains(o.Names, e.Name):
				continue
			case seen[e.Name]:
				err = fmt.Errorf("policy %q stands twice", e.Name)
			default:
				err = p.engine.Check(e.entry())
			}
			if err != nil {
				wrong = append(wrong, err)
				r.Skipped = append(r.Skipped, err.Error())
				continue
			}
			seen[e.Name] = true
			entries = put(&r, entries, e.entry())
		}
		if len(wrong) > 0 && !o.SkipInvalid {
			return nil, fault.Wrap(fault.Invalid, "The export does not hold and nothing was changed", errors.Join(wrong...))
		}
		if o.ReplaceAll {
			entries = slices.DeleteFunc(entries, func(e authz.Entry) bool {
				_, keep := shipped(e.Name)
				keep = keep || seen[e.Name]
				if !keep {
					r.Deleted++
				}
				return !keep
			})
		}
		return entries, nil
	}
	change := p.change
	if o.DryRun {
		change = p.tryOut
	}
	_, err := change(ctx, c, op, edit)
	return r, err
}

// put puts an entry among the others and counts what that is.
func put(r *portable.Report, entries []authz.Entry, e authz.Entry) []authz.Entry {
	i := find(entries, e.Name)
	if i < 0 {
		r.Created++
		return append(entries, e)
	}
	if _, ok := shipped(e.Name); ok {
		e.Description, e.Cedar = entries[i].Description, entries[i].Cedar
	}
	if entries[i] == e {
		r.Unchanged++
	} else {
		r.Changed++
		entries[i] = e
	}
	return entries
}
