package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// Portable is an entry in an export. Of a shipped one there is nothing but whether
// it is active: its text belongs to the program.
type Portable struct {
	Name        string  `json:"name" yaml:"name"`
	Active      bool    `json:"active" yaml:"active"`
	Description *string `json:"description,omitempty" yaml:"description,omitempty"`
	Cedar       *string `json:"cedar,omitempty" yaml:"cedar,omitempty"`
}

// Document is an export.
type Document struct {
	Version string     `json:"confidant_version" yaml:"confidant_version"`
	Policy  []Portable `json:"policy" yaml:"policy"`
}

// Export returns the entries, by name; with names, those alone. NotFound: one of
// the names is unknown.
func (p *Policies) Export(ctx context.Context, c authz.Caller, names ...string) ([]Portable, error) {
	op := operation{authz.List, "", "list policies", map[string]any{"operation": "export", "names": names}}
	all, err := p.look(ctx, c, op)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if find(all, name) < 0 {
			return nil, missing(name)
		}
	}
	list := make([]Portable, 0, len(all))
	for _, e := range all {
		if len(names) > 0 && !slices.Contains(names, e.Name) {
			continue
		}
		portable := Portable{Name: e.Name, Active: e.Active}
		if _, ok := shipped(e.Name); !ok {
			portable.Description, portable.Cedar = &e.Description, &e.Cedar
		}
		list = append(list, portable)
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

// ReadDocument reads an export, JSON or YAML. An entry that cannot be understood
// is judged by Import, not here. Invalid: the text is no export.
func ReadDocument(text []byte) (Imported, error) {
	var d struct {
		Version string            `json:"confidant_version"`
		Policy  []json.RawMessage `json:"policy"`
	}
	if len(text) == 0 {
		return Imported{}, fault.New(fault.Invalid, "The export is empty; one without anything in it is {}.")
	}
	if err := unmarshal(text, &d); err != nil {
		return Imported{}, fault.Wrap(fault.Invalid, "The export cannot be read", err)
	}
	return Imported{d.Version, d.Policy}, nil
}

// Imported is an export as it came.
type Imported struct {
	Version string // of the program that made it; empty: it does not say
	policy  []json.RawMessage
}

// ImportOptions say how Import does it.
type ImportOptions struct {
	Names       []string // if there are any, other entries are passed over
	SkipInvalid bool     // leave out what does not hold, instead of refusing everything
	ReplaceAll  bool     // remove stored entries that are not in the import
	DryRun      bool     // change nothing
}

// ImportReport says what an import did, or would do.
type ImportReport struct {
	Created, Changed, Unchanged, Deleted int
	Skipped                              []string // what is wrong with the entries left out
}

// Import puts the entries of an export in place of those with their names, all
// in one write. Invalid: some do not hold, and what is wrong with each; nothing
// was changed.
func (p *Policies) Import(ctx context.Context, c authz.Caller, d Imported, o ImportOptions) (ImportReport, error) {
	var r ImportReport
	op := operation{authz.Update, "", "change policies", map[string]any{
		"operation": "import", "entries": len(d.policy), "replace_all": o.ReplaceAll, "dry_run": o.DryRun,
	}}
	edit := func(entries []authz.Entry) ([]authz.Entry, error) {
		r = ImportReport{}
		seen := map[string]bool{}
		var wrong []error
		for i, text := range d.policy {
			var e Portable
			err := unmarshal(text, &e)
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
			entries = r.put(entries, e.entry())
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
func (r *ImportReport) put(entries []authz.Entry, e authz.Entry) []authz.Entry {
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
