package policy

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// commitTimeout bounds the work that is finished once a change is recorded, even
// if the caller has gone.
const commitTimeout = 30 * time.Second

// edit makes out of the entries as they are those that shall be. It may change
// the list that it gets.
type edit func([]authz.Entry) ([]authz.Entry, error)

// Create adds an entry. Exists: there is one of that name and replace is false.
// Invalid: the name breaks a rule, or the Cedar text holds a mistake, which is
// an *authz.MistakeError. It reports false if an equal one was there.
func (p *Policies) Create(ctx context.Context, c authz.Caller, e authz.Entry, replace bool) (changed bool, err error) {
	op := operation{authz.Update, e.Name, "change policies", map[string]any{"operation": "create", "active": e.Active, "replace": replace}}
	return p.change(ctx, c, op, func(entries []authz.Entry) ([]authz.Entry, error) {
		if err := p.check(e); err != nil {
			return nil, err
		}
		i := find(entries, e.Name)
		switch {
		case i < 0:
			return append(entries, e), nil
		case !replace:
			return nil, fault.Newf(fault.Exists, "There is a policy %q already.", e.Name).About(e.Name)
		}
		entries[i] = e
		return entries, nil
	})
}

// check holds an entry that administrators make to the rules.
func (p *Policies) check(e authz.Entry) error {
	if _, ok := shipped(e.Name); ok {
		return fault.Newf(fault.Denied, "The policy %q is shipped: it can be disabled, not changed.", e.Name).About(e.Name)
	}
	if err := p.engine.Check(e); err != nil {
		return fault.Wrap(fault.Invalid, "The policy does not hold", err)
	}
	return nil
}

// SetActive enables or disables an entry. NotFound: there is none of that name.
// Invalid: it is to be enabled and does not hold. It reports false if it was so
// already.
func (p *Policies) SetActive(ctx context.Context, c authz.Caller, name string, active bool) (changed bool, err error) {
	operationName := "disable"
	if active {
		operationName = "enable"
	}
	op := operation{authz.Update, name, "change policies", map[string]any{"operation": operationName}}
	return p.change(ctx, c, op, func(entries []authz.Entry) ([]authz.Entry, error) {
		i := find(entries, name)
		if i < 0 {
			return nil, missing(name)
		}
		if _, ok := shipped(name); active && !ok {
			if err := p.check(entries[i]); err != nil {
				return nil, err
			}
		}
		entries[i].Active = active
		return entries, nil
	})
}

// Delete removes an entry. NotFound: there is none of that name. Denied: it is a
// shipped one.
func (p *Policies) Delete(ctx context.Context, c authz.Caller, name string) error {
	op := operation{authz.Update, name, "change policies", map[string]any{"operation": "delete"}}
	_, err := p.change(ctx, c, op, func(entries []authz.Entry) ([]authz.Entry, error) {
		if _, ok := shipped(name); ok {
			return nil, fault.Newf(fault.Denied, "The policy %q is shipped: it can be disabled, not deleted.", name).About(name)
		}
		i := find(entries, name)
		if i < 0 {
			return nil, missing(name)
		}
		return slices.Delete(entries, i, i+1), nil
	})
	return err
}

// change carries out an edit: the policy is asked, an attempt recorded, the
// document written if nobody else did meanwhile, and everybody told. It reports
// false, and writes nothing, if the edit leaves everything as it is.
func (p *Policies) change(ctx context.Context, c authz.Caller, op operation, edit edit) (changed bool, err error) {
	d, version, body, err := p.prepare(ctx, c, op, edit)
	if err != nil {
		return false, err
	}
	if body == nil {
		return false, p.record(ctx, entry(c, op, d))
	}
	return true, p.commit(ctx, c, op, d, version, body)
}

// tryOut is change without the change.
func (p *Policies) tryOut(ctx context.Context, c authz.Caller, op operation, edit edit) (changed bool, err error) {
	d, _, body, err := p.prepare(ctx, c, op, edit)
	if err != nil {
		return false, err
	}
	return body != nil, p.record(ctx, entry(c, op, d))
}

// prepare asks the policy and makes the document that shall be, as plan does. A
// refusal is recorded.
func (p *Policies) prepare(ctx context.Context, c authz.Caller, op operation, edit edit) (authz.Decision, int, json.RawMessage, error) {
	d, err := p.permit(ctx, c, op)
	if err != nil {
		return d, 0, nil, err
	}
	version, body, err := p.plan(ctx, c, edit)
	if err != nil {
		if err := p.record(ctx, refusal(c, op, d)); err != nil {
			return d, 0, nil, err
		}
		return d, 0, nil, storeFault(err)
	}
	return d, version, body, nil
}

// plan reads what is stored and makes the document that shall be; nil if that
// is the one that is.
func (p *Policies) plan(ctx context.Context, c authz.Caller, edit edit) (version int, body json.RawMessage, err error) {
	before, err := p.read(ctx)
	if err != nil {
		return 0, nil, err
	}
	all, err := edit(before.all())
	if err != nil {
		return 0, nil, err
	}
	after := storable(all)
	if slices.Equal(before.entries, after) {
		return before.version, nil, nil
	}
	if err := p.undoable(ctx, c, after); err != nil {
		return 0, nil, err
	}
	body, err = encode(after)
	return before.version, body, err
}

// undoable refuses a change that its author could not take back. Whoever gives
// commands always can.
func (p *Policies) undoable(ctx context.Context, c authz.Caller, entries []authz.Entry) error {
	if c.Type == authz.Operator {
		return nil
	}
	engine, err := authz.NewEngine(entries)
	if err != nil {
		return fault.Wrap(fault.Invalid, "The policies would not hold", err)
	}
	ask := authz.Request{Caller: c, Action: authz.Update, Resource: authz.Resource{Type: authz.PolicyResource}, Now: p.now()}
	if !engine.Decide(ctx, ask).Allowed {
		return fault.New(fault.Denied, "The change would take the right to change policies from whoever makes it.")
	}
	return nil
}

// commit records, writes and tells. Once the attempt is recorded it finishes,
// whatever becomes of the caller.
func (p *Policies) commit(ctx context.Context, c authz.Caller, op operation, d authz.Decision, version int, body json.RawMessage) error {
	attempt := entry(c, op, d)
	attempt.Phase = audit.Attempt
	receipt, err := p.append(ctx, attempt)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if _, err := p.store.Documents().Put(ctx, store.Document{Kind: kind, ID: idCurrent, Body: body}, version); err != nil {
		failed := refusal(c, op, d)
		failed.Phase = audit.Failed
		if receipt != nil {
			failed.Of = receipt.Number()
		}
		if err := p.record(ctx, failed); err != nil {
			p.log.ErrorContext(ctx, "a failed change is not recorded", "error", err)
		}
		return storeFault(err)
	}
	// What one of other entries gets wrong is no failure of this change.
	if err := errors.Join(p.announce(ctx), ignore(p.Refresh(ctx), ErrBroken)); err != nil {
		return fault.Wrap(fault.Unavailable, "The change is stored, but other processes notice it a minute late.", err)
	}
	if receipt != nil {
		if err := receipt.Wait(ctx); err != nil && !p.auditFailOpen {
			return auditFault(err)
		}
	}
	return nil
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}
