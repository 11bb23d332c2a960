package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/portable"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Portable is an account in an export. What is nil keeps, on import, what is
// stored; of a new account it is empty, enabled, and created now.
type Portable struct {
	Name    string     `json:"name" yaml:"name"`
	Email   *string    `json:"email,omitempty" yaml:"email,omitempty"`
	Enabled *bool      `json:"enabled,omitempty" yaml:"enabled,omitempty"`
	Created *time.Time `json:"created,omitempty" yaml:"created,omitempty"`
	// TOTP says that log-ins ask for a one-time code where the export was made. The
	// seed is never exported.
	TOTP bool `json:"totp,omitempty" yaml:"totp,omitempty"`
	// PasswordHash is in the PHC string format, or Censored.
	PasswordHash string `json:"password_hash,omitempty" yaml:"password_hash,omitempty"`
}

// Censored stands in an export in place of a password's hash: there is one, but
// not here.
const Censored = redacted

// ExportOptions say what Export tells.
type ExportOptions struct {
	Names  []string // if there are any, those alone as far as there are any
	Hashes bool     // of passwords too
	Censor bool     // Censored in place of each hash
}

// Export returns the accounts by name. Hashes are for who may change accounts, for
// passwords can be tried against them.
func (a *Accounts) Export(ctx context.Context, c authz.Caller, o ExportOptions) ([]Portable, error) {
	op := operation{action: authz.List, resource: authz.Resource{Type: authz.Account}, words: "export accounts", info: map[string]any{
		"operation": "export", "names": o.Names, "hashes": o.Hashes && !o.Censor,
	}}
	if o.Hashes && !o.Censor {
		op.action = authz.Update
	}
	all, err := a.look(ctx, c, op)
	if err != nil {
		return nil, err
	}
	list := make([]Portable, 0, len(all))
	for _, r := range all {
		if !named(o.Names, r.Name) {
			continue
		}
		created := r.Created.UTC()
		p := Portable{Name: r.Name, Email: &r.Email, Enabled: &r.Enabled, Created: &created, TOTP: r.TOTP}
		switch {
		case !o.Hashes || !r.HasPassword:
		case o.Censor:
			p.PasswordHash = Censored
		default:
			p.PasswordHash = r.hash
		}
		list = append(list, p)
	}
	return list, nil
}

// named reports whether a name is among those that are asked for; none means all.
func named(names []string, name string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return fold(n) == fold(name) })
}

// check holds an entry to the rules of accounts.
func (p Portable) check() error {
	if err := CheckName(p.Name); err != nil {
		return err
	}
	if p.Email != nil {
		if err := checkEmail(*p.Email); err != nil {
			return err
		}
	}
	if !p.hasHash() {
		return nil
	}
	_, err := parseHash(p.PasswordHash)
	return err
}

func (p Portable) hasHash() bool { return p.PasswordHash != "" && p.PasswordHash != Censored }

// over returns what the entry makes of the account that stands, nil if there is
// none, and whether that is another.
func (p Portable) over(before *record, now time.Time) (after record, changed bool) {
	if before == nil {
		after.Account = Account{Enabled: true, Created: now, Modified: now, Generation: newGeneration(now, 0)}
	} else {
		after = *before
	}
	after.Name = p.Name
	if p.Email != nil {
		after.Email = *p.Email
	}
	if p.Enabled != nil {
		after.Enabled = *p.Enabled
	}
	if p.Created != nil && !p.Created.Equal(after.Created) {
		after.Created = p.Created.UTC()
	}
	if p.hasHash() {
		after.hash, after.HasPassword = p.PasswordHash, true
	}
	if before == nil {
		return after, true
	}
	if after == *before {
		return after, false
	}
	endSessions(*before, &after, now)
	return after, true
}

// ImportOptions say how accounts are imported.
type ImportOptions struct {
	portable.Options
	Force bool // although no enabled account is left

	// Progress, if not nil, is called by Commit with how much is done and of how
	// much.
	Progress func(done, total int)
}

// Import is an import of accounts that was judged and can be carried out.
type Import struct {
	Report portable.Report // what Commit does, or would do

	accounts *Accounts
	caller   authz.Caller
	force    bool
	progress func(done, total int)
	steps    []importStep
}

// importStep writes or removes one account.
type importStep struct {
	name     string
	entry    Portable
	remove   bool
	enabled  bool // afterwards
	decision authz.Decision
}

// PlanImport judges an import of accounts as a whole and writes nothing. Invalid:
// some entries do not hold, and what is wrong with each. Denied: the policy says no,
// or no enabled account would be left where there is one. A refusal, a dry run and
// an import that leaves everything as it is are recorded here.
func (a *Accounts) PlanImport(ctx context.Context, c authz.Caller, list []json.RawMessage, o ImportOptions) (*Import, error) {
	op := operation{action: authz.Update, resource: authz.Resource{Type: authz.Account}, words: "import accounts", info: map[string]any{
		"operation": "import", "entries": len(list), "replace_all": o.ReplaceAll, "force": o.Force, "dry_run": o.DryRun,
	}}
	d, err := a.permit(ctx, c, op)
	if err != nil {
		return nil, err
	}
	im := &Import{accounts: a, caller: c, force: o.Force, progress: o.Progress}
	if err := im.plan(ctx, list, o); err != nil {
		if err := a.record(ctx, refusal(c, op, d)); err != nil {
			return nil, err
		}
		return nil, storeFault(err)
	}
	for i, s := range im.steps {
		if im.steps[i].decision, err = a.permit(ctx, c, s.operation()); err != nil {
			return nil, err
		}
	}
	if o.DryRun || len(im.steps) == 0 {
		return im, a.record(ctx, entry(c, op, d))
	}
	return im, nil
}

func (s importStep) operation() operation {
	if s.remove {
		return about(authz.Update, s.name, "delete accounts", map[string]any{"operation": "import", "delete": true})
	}
	return about(authz.Update, s.name, "import accounts", map[string]any{"operation": "import"})
}

func (im *Import) plan(ctx context.Context, list []json.RawMessage, o ImportOptions) error {
	a := im.accounts
	if err := a.Refresh(ctx); err != nil {
		return err
	}
	enabled := map[string]bool{} // by folded name, once all is done
	had := false
	for id, r := range a.state.Load().accounts {
		enabled[id], had = r.Enabled, had || r.Enabled
	}
	seen := map[string]bool{}
	var wrong []error
	for i, text := range list {
		var p Portable
		err := portable.Unmarshal(text, &p)
		id := fold(p.Name)
		switch {
		case err != nil:
			err = fmt.Errorf("entry %d: %w", i+1, err)
		case !named(o.Names, p.Name):
			continue
		case seen[id]:
			err = fmt.Errorf("account %q stands twice", p.Name)
		default:
			if err = p.check(); err != nil {
				err = fmt.Errorf("account %q: %w", p.Name, err)
			}
		}
		seen[id] = true // what is left out is not removed either
		if err != nil {
			wrong = append(wrong, err)
			im.Report.Skipped = append(im.Report.Skipped, err.Error())
			continue
		}
		if enabled[id], err = im.put(ctx, p); err != nil {
			return err
		}
	}
	if len(wrong) > 0 && !o.SkipInvalid {
		return fault.Wrap(fault.Invalid, "The accounts do not hold and nothing was changed", errors.Join(wrong...))
	}
	if o.ReplaceAll {
		for id, r := range a.state.Load().accounts {
			if seen[id] || !named(o.Names, id) {
				continue
			}
			im.Report.Deleted++
			im.steps = append(im.steps, importStep{name: r.Name, remove: true})
			delete(enabled, id)
		}
	}
	left := false
	for _, e := range enabled {
		left = left || e
	}
	if had && !left && !o.Force {
		return fault.New(fault.Denied, "No enabled account would be left.")
	}
	im.sort()
	return nil
}

// put adds what is to be done for an entry and says whether its account will be
// enabled.
func (im *Import) put(ctx context.Context, p Portable) (enabled bool, err error) {
	before, err := im.accounts.standing(ctx, p.Name)
	if err != nil {
		return false, err
	}
	after, changed := p.over(before, im.accounts.now().UTC())
	switch {
	case before == nil:
		im.Report.Created++
	case changed:
		im.Report.Changed++
	default:
		im.Report.Unchanged++
	}
	if p.TOTP && !after.TOTP && after.HasPassword {
		im.Report.Warnings = append(im.Report.Warnings, fmt.Sprintf(
			"%s logged in with a one-time code where the export was made; here the password is enough until one-time codes are set up anew", p.Name))
	}
	if changed {
		im.steps = append(im.steps, importStep{name: p.Name, entry: p, enabled: after.Enabled})
	}
	return after.Enabled, nil
}

// sort has those written first that will be enabled, and those removed last, so
// that at every moment somebody can get in.
func (im *Import) sort() {
	rank := func(s importStep) int {
		switch {
		case s.remove:
			return 2
		case !s.enabled:
			return 1
		default:
			return 0
		}
	}
	slices.SortFunc(im.steps, func(x, y importStep) int {
		if by := rank(x) - rank(y); by != 0 {
			return by
		}
		return strings.Compare(fold(x.name), fold(y.name))
	})
}

// standing reads an account; nil if there is none.
func (a *Accounts) standing(ctx context.Context, name string) (*record, error) {
	r, err := a.read(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// Commit carries the import out, account by account, each recorded by itself, and
// says how many it wrote or removed. Cut short, it leaves what is done; the same
// import made again does the rest. Like Change it returns only once an API token
// made next is good.
func (im *Import) Commit(ctx context.Context) (done int, err error) {
	var moment time.Time
	take := func(steps []importStep) error {
		for _, s := range steps {
			valid, err := im.take(ctx, s)
			if err != nil {
				return err
			}
			if valid.After(moment) {
				moment = valid
			}
			if done++; im.progress != nil {
				im.progress(done, len(im.steps))
			}
		}
		return nil
	}
	writes := len(im.steps) - im.Report.Deleted
	err = take(im.steps[:writes])
	if done > 0 {
		// Others are told of all at once, and before any removal asks who is left.
		err = errors.Join(err, im.accounts.spread(ctx, im.names(done)...))
	}
	if err == nil {
		err = take(im.steps[writes:])
	}
	if err != nil {
		return done, err
	}
	return done, im.accounts.begun(ctx, moment)
}

// names returns the accounts of the first steps.
func (im *Import) names(n int) []string {
	names := make([]string, n)
	for i, s := range im.steps[:n] {
		names[i] = s.name
	}
	return names
}

// take takes one step and says since when the account's tokens are good.
func (im *Import) take(ctx context.Context, s importStep) (valid time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return valid, err
	}
	if !s.remove {
		return im.write(ctx, s)
	}
	valid, err = im.accounts.remove(ctx, im.caller, s.decision, s.operation(), s.name, im.force)
	if fault.Is(err, fault.NotFound) {
		err = nil // somebody else deleted it meanwhile
	}
	return valid, err
}

// write writes one account as it stands now. Commit tells others.
func (im *Import) write(ctx context.Context, s importStep) (valid time.Time, err error) {
	a := im.accounts
	err = a.perform(ctx, im.caller, s.decision, act{
		operation: s.operation(),
		check:     holds,
		quiet:     true,
		commit: func(ctx context.Context) error {
			return retryStale(func() error {
				before, err := a.standing(ctx, s.name)
				if err != nil {
					return err
				}
				after, changed := s.entry.over(before, a.now().UTC())
				valid = after.TokensValidAfter
				if !changed {
					return nil
				}
				return a.write(ctx, after)
			})
		},
	})
	return valid, err
}
