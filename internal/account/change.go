package account

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// NewAccount is the input of Add.
type NewAccount struct {
	Name     string
	Email    string  // may be empty
	Password *Secret // nil: an account for API tokens alone
}

// Change is the input of Change. A nil member keeps what is stored.
type Change struct {
	Email    *string
	Password *Secret
	Enabled  *bool
	// NoTOTP removes one-time codes, if there are any.
	NoTOTP bool
}

// about is the operation on an account.
func about(action authz.Action, name, words string, info map[string]any) operation {
	return operation{
		action:   action,
		resource: authz.Resource{Type: authz.Account, ID: fold(name), Name: name},
		words:    words,
		info:     info,
	}
}

// List returns all accounts by name. Denied: the policy says no.
func (a *Accounts) List(ctx context.Context, c authz.Caller) ([]Account, error) {
	op := operation{action: authz.List, resource: authz.Resource{Type: authz.Account}, words: "list accounts"}
	all, err := a.look(ctx, c, op)
	if err != nil {
		return nil, err
	}
	list := make([]Account, len(all))
	for i, r := range all {
		list[i] = r.Account
	}
	return list, nil
}

// look returns all accounts by name to who may do something.
func (a *Accounts) look(ctx context.Context, c authz.Caller, op operation) ([]record, error) {
	d, err := a.permit(ctx, c, op)
	if err != nil {
		return nil, err
	}
	if err := a.Refresh(ctx); err != nil {
		return nil, storeFault(err)
	}
	if err := a.record(ctx, entry(c, op, d)); err != nil {
		return nil, err
	}
	byName := func(x, y record) int { return strings.Compare(fold(x.Name), fold(y.Name)) }
	return slices.SortedFunc(maps.Values(a.state.Load().accounts), byName), nil
}

// Add makes an enabled account. Exists: there is one of that name. Invalid: the
// name, the address or the password breaks a rule.
func (a *Accounts) Add(ctx context.Context, c authz.Caller, in NewAccount) (Account, error) {
	op := about(authz.Update, in.Name, "add accounts", map[string]any{"operation": "add"})
	return a.add(ctx, c, op, in, func(context.Context) error { return nil })
}

// add makes an account once first has nothing against it, which is asked last of
// all.
func (a *Accounts) add(ctx context.Context, c authz.Caller, op operation, in NewAccount, first func(context.Context) error) (Account, error) {
	d, err := a.permit(ctx, c, op)
	if err != nil {
		return Account{}, err
	}
	exists := fault.Newf(fault.Exists, "There is an account %s already.", in.Name).About(fold(in.Name))
	now := a.now().UTC()
	added := record{Account: Account{
		Name: in.Name, Email: in.Email, Enabled: true, HasPassword: in.Password != nil,
		Created: now, Modified: now, Generation: newGeneration(now, 0),
	}}
	err = a.perform(ctx, c, d, act{
		operation: op,
		account:   in.Name,
		check: func() error {
			if err := CheckName(in.Name); err != nil {
				return err
			}
			if err := checkEmail(in.Email); err != nil {
				return err
			}
			switch _, err := a.read(ctx, in.Name); {
			case err == nil:
				return exists
			case !errors.Is(err, store.ErrNotFound):
				return err
			}
			added.hash, err = a.newHash(ctx, in.Password)
			return err
		},
		commit: func(ctx context.Context) error {
			if err := first(ctx); err != nil {
				return err
			}
			err := a.write(ctx, added)
			if errors.Is(err, store.ErrStale) {
				return exists
			}
			return err
		},
	})
	if err != nil {
		return Account{}, err
	}
	return added.Account, nil
}

// Change changes an account. A new password and disabling end its sessions and
// refuse the API tokens issued before; the call then returns only once a token
// made next is good. Removing one-time codes ends its sessions. NotFound: there is no such account. Invalid: nothing is to
// be changed, or a value breaks a rule.
func (a *Accounts) Change(ctx context.Context, c authz.Caller, name string, in Change) (Account, error) {
	var members []string
	if in.Email != nil {
		members = append(members, "email")
	}
	if in.Password != nil {
		members = append(members, "password")
	}
	if in.Enabled != nil {
		members = append(members, "enabled")
	}
	if in.NoTOTP {
		members = append(members, "totp")
	}
	op := about(authz.Update, name, "change accounts", map[string]any{"operation": "change", "members": members})
	d, err := a.permit(ctx, c, op)
	if err != nil {
		return Account{}, err
	}
	var hash string
	var before, after record
	err = a.perform(ctx, c, d, act{
		operation: op,
		account:   name,
		check: func() error {
			if len(members) == 0 {
				return fault.New(fault.Invalid, "Nothing is to be changed.")
			}
			if in.Email != nil {
				if err := checkEmail(*in.Email); err != nil {
					return err
				}
			}
			if _, err := a.find(ctx, name); err != nil {
				return err
			}
			hash, err = a.newHash(ctx, in.Password)
			return err
		},
		commit: func(ctx context.Context) error {
			return retryStale(func() (err error) {
				if before, err = a.find(ctx, name); err != nil {
					return err
				}
				after = before
				if in.Password != nil {
					after.hash, after.HasPassword = hash, true
				}
				if in.Email != nil {
					after.Email = *in.Email
				}
				if in.Enabled != nil {
					after.Enabled = *in.Enabled
				}
				if in.NoTOTP {
					after.setTOTP(nil)
				}
				endSessions(before, &after, a.now().UTC())
				return a.write(ctx, after)
			})
		},
	})
	if err != nil {
		return Account{}, err
	}
	if after.TokensValidAfter.After(before.TokensValidAfter) {
		err = a.begun(ctx, after.TokensValidAfter)
	}
	return after.Account, err
}

// Delete removes an account and refuses its API tokens. NotFound: there is no
// such account. Denied: it is the last enabled one and force is false.
func (a *Accounts) Delete(ctx context.Context, c authz.Caller, name string, force bool) error {
	op := about(authz.Update, name, "delete accounts", map[string]any{"operation": "delete", "force": force})
	d, err := a.permit(ctx, c, op)
	if err != nil {
		return err
	}
	moment, err := a.remove(ctx, c, d, op, name, force)
	if err != nil {
		return err
	}
	return a.begun(ctx, moment)
}

// remove removes an account, which the policy allowed, and returns the moment
// before which its API tokens are refused.
func (a *Accounts) remove(ctx context.Context, c authz.Caller, d authz.Decision, op operation, name string, force bool) (time.Time, error) {
	moment := nextSecond(a.now())
	err := a.perform(ctx, c, d, act{
		operation: op,
		account:   name,
		check: func() error {
			r, err := a.find(ctx, name)
			if err != nil {
				return err
			}
			if err := a.Refresh(ctx); err != nil {
				return err
			}
			if r.Enabled && !force && a.lastEnabled(name) {
				return fault.Newf(fault.Denied, "%s is the last enabled account.", r.Name).About(fold(name))
			}
			return nil
		},
		commit: func(ctx context.Context) error {
			// Tokens first: if the process dies between, the account is still
			// there and the command can be given again.
			if err := a.revokeAccount(ctx, name, moment); err != nil {
				return err
			}
			return retryStale(func() error {
				r, err := a.find(ctx, name)
				if err != nil {
					return err
				}
				err = a.documents.Delete(ctx, kindAccount, fold(name), r.version)
				if errors.Is(err, store.ErrNotFound) {
					return nil // somebody else deleted it just now
				}
				return err
			})
		},
	})
	return moment, err
}

// find reads an account from the store. NotFound: there is none.
func (a *Accounts) find(ctx context.Context, name string) (record, error) {
	r, err := a.read(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return record{}, fault.Newf(fault.NotFound, "There is no account %s.", name).About(fold(name))
	}
	return r, err
}

// write stores an account if the stored one is still at r.version.
func (a *Accounts) write(ctx context.Context, r record) error {
	d, err := r.document()
	if err != nil {
		return err
	}
	_, err = a.documents.Put(ctx, d, r.version)
	return err
}

// newHash checks and hashes a new password; nil gives no hash.
func (a *Accounts) newHash(ctx context.Context, password *Secret) (string, error) {
	if password == nil {
		return "", nil
	}
	if err := CheckPassword(*password); err != nil {
		return "", err
	}
	return a.passwords.hash(ctx, *password)
}

// endSessions stamps a change and, if it is one of those, ends sessions and
// refuses tokens.
func endSessions(before record, after *record, now time.Time) {
	after.Modified = now
	refuse := after.hash != before.hash || before.Enabled && !after.Enabled
	if refuse {
		after.TokensValidAfter = nextSecond(now)
	}
	if refuse || before.TOTP && !after.TOTP {
		after.Generation = newGeneration(now, before.Generation)
	}
}

// newGeneration returns a generation above the one before and, since it follows
// the clock, above those of a deleted account of the same name.
func newGeneration(now time.Time, before int64) int64 { return max(now.UnixMicro(), before+1) }

// lastEnabled reports whether no account but this one is enabled.
func (a *Accounts) lastEnabled(name string) bool {
	for id, r := range a.state.Load().accounts {
		if r.Enabled && id != fold(name) {
			return false
		}
	}
	return true
}

// revokeAccount refuses the tokens that stand for an account. Those of a
// service that bears the same name are not its.
func (a *Accounts) revokeAccount(ctx context.Context, name string, before time.Time) error {
	_, err := a.revoke(ctx,
		Revocation{name, RoleAdmin, before}, Revocation{name, RoleRead, before}, Revocation{name, RoleCleanup, before})
	return err
}
