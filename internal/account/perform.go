package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/store"
)

// operation is what a caller wants to do: what the policy is asked and what the
// audit record says.
type operation struct {
	action   authz.Action
	resource authz.Resource
	words    string // "<who> does not have access to <words>"
	info     map[string]any
}

// act is an operation that changes something and is recorded before it does.
type act struct {
	operation
	check   func() error                // reads and judges
	commit  func(context.Context) error // writes
	account string                      // the account that changes; empty: none
	quiet   bool                        // there is nothing that others must notice, or they are told later
}

// spreadTimeout bounds the work that must follow a stored change, even if the
// caller has gone.
const spreadTimeout = 10 * time.Second

// perform carries out an act that the policy allowed: check, attempt record,
// commit, news for everybody. A refusal by check is recorded and nothing more
// happens; a commit that fails is recorded as failed.
func (a *Accounts) perform(ctx context.Context, c authz.Caller, d authz.Decision, do act) error {
	if err := do.check(); err != nil {
		if err := a.record(ctx, refusal(c, do.operation, d)); err != nil {
			return err
		}
		return storeFault(err)
	}
	attempt := entry(c, do.operation, d)
	attempt.Phase = audit.Attempt
	receipt, err := a.append(ctx, attempt)
	if err != nil {
		return err
	}
	if err := do.commit(ctx); err != nil {
		failed := refusal(c, do.operation, d)
		failed.Phase = audit.Failed
		if receipt != nil {
			failed.Of = receipt.Number()
		}
		// The caller may have gone; what became of the attempt is recorded all
		// the same.
		if err := a.record(context.WithoutCancel(ctx), failed); err != nil {
			a.log.ErrorContext(ctx, "a failed change is not recorded", "error", err)
		}
		return storeFault(err)
	}
	if !do.quiet {
		if err := a.spread(ctx, do.account); err != nil {
			return err
		}
	}
	if receipt != nil {
		if err := receipt.Wait(ctx); err != nil && !a.auditFailOpen {
			return auditFault(err)
		}
	}
	return nil
}

// spread lets this process and all others know of a change of accounts.
func (a *Accounts) spread(ctx context.Context, names ...string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), spreadTimeout)
	defer cancel()
	if err := errors.Join(a.announce(ctx, names...), a.Refresh(ctx)); err != nil {
		return fault.Wrap(fault.Unavailable, "The change is stored, but other processes notice it a minute late.", err)
	}
	return nil
}

// permit asks the policy; a refusal is recorded and returned as Denied.
func (a *Accounts) permit(ctx context.Context, c authz.Caller, op operation) (authz.Decision, error) {
	d := a.decide(ctx, c, op.action, op.resource)
	if d.Allowed {
		return d, nil
	}
	return d, a.refuse(ctx, c, op, d)
}

func (a *Accounts) decide(ctx context.Context, c authz.Caller, action authz.Action, r authz.Resource) authz.Decision {
	return a.policy.Decide(ctx, authz.Request{Caller: c, Action: action, Resource: r, Now: a.now()})
}

// refuse records that the policy said no and returns the fault that says so.
func (a *Accounts) refuse(ctx context.Context, c authz.Caller, op operation, d authz.Decision) error {
	if err := a.record(ctx, refusal(c, op, d)); err != nil {
		return err
	}
	denied := fault.Newf(fault.Denied, "%s does not have access to %s", c.Name, op.words)
	denied.Reference = op.resource.ID
	if len(d.By) > 0 {
		denied.By = d.By[0]
	}
	return denied
}

// entry is the record of an operation that succeeds.
func entry(c authz.Caller, op operation, d authz.Decision) audit.Entry {
	e := audit.Entry{
		Phase:         audit.Done,
		Action:        string(op.action),
		Success:       true,
		User:          c.Name,
		UserType:      string(c.Type),
		Administrator: c.Administrator,
		RequestID:     c.RequestID,
		Door:          c.Door,
		ResourceType:  string(op.resource.Type),
		ResourceID:    op.resource.ID,
		ResourceName:  op.resource.Name,
		Info:          op.info,
		Policies:      d.By,
	}
	if c.Client.IsValid() {
		e.Client = c.Client.String()
	}
	return e
}

// refusal is the record of one that does not.
func refusal(c authz.Caller, op operation, d authz.Decision) audit.Entry {
	e := entry(c, op, d)
	e.Success = false
	return e
}

// record appends an entry that nobody waits for.
func (a *Accounts) record(ctx context.Context, e audit.Entry) error {
	_, err := a.append(ctx, e)
	return err
}

// append appends an entry. The receipt is nil if there is no record and the
// configuration says to go on without.
func (a *Accounts) append(ctx context.Context, e audit.Entry) (audit.Receipt, error) {
	receipt, err := a.audit.Append(ctx, e)
	switch {
	case err == nil:
		return receipt, nil
	case a.auditFailOpen:
		a.log.ErrorContext(ctx, "going on without an audit record", "error", err)
		return nil, nil
	default:
		return nil, auditFault(err)
	}
}

func auditFault(err error) error {
	return fault.Wrap(fault.Unavailable, "The audit log is not available.", err)
}

// storeFault turns what a store or a keyring answers into a fault. Faults stay what they
// are.
func storeFault(err error) error {
	switch {
	case fault.As(err) != nil:
		return err
	case errors.Is(err, store.ErrUnavailable):
		return fault.Wrap(fault.Unavailable, "The store is not available.", err)
	case errors.Is(err, keyring.ErrUnavailable):
		return fault.Wrap(fault.Unavailable, "The key service is not available.", err)
	case errors.Is(err, store.ErrStale):
		return fault.Wrap(fault.Stale, "Somebody else changed it at the same time. Try again.", err)
	case errors.Is(err, store.ErrTooLarge):
		return fault.Wrap(fault.TooLarge, "There is no more room for it.", err)
	default:
		return fmt.Errorf("working on accounts: %w", err)
	}
}
