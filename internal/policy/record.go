package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// operation is what a caller wants to do: what the policy is asked and what the
// audit record says.
type operation struct {
	action authz.Action
	name   string // of the policy concerned; empty: all
	words  string // "<who> does not have access to <words>"
	info   map[string]any
}

// permit asks the policy; a refusal is recorded and returned as Denied.
func (p *Policies) permit(ctx context.Context, c authz.Caller, op operation) (authz.Decision, error) {
	d := p.policy.Decide(ctx, authz.Request{
		Caller:   c,
		Action:   op.action,
		Resource: authz.Resource{Type: authz.PolicyResource, ID: op.name},
		Now:      p.now(),
	})
	if d.Allowed {
		return d, nil
	}
	if err := p.record(ctx, refusal(c, op, d)); err != nil {
		return d, err
	}
	denied := fault.Newf(fault.Denied, "%s does not have access to %s", c.Name, op.words).About(op.name)
	if len(d.By) > 0 {
		denied.By = d.By[0]
	}
	return d, denied
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
		ResourceType:  string(authz.PolicyResource),
		ResourceID:    op.name,
		ResourceName:  op.name,
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
func (p *Policies) record(ctx context.Context, e audit.Entry) error {
	_, err := p.append(ctx, e)
	return err
}

// append appends an entry. The receipt is nil if there is no record and the
// configuration says to go on without.
func (p *Policies) append(ctx context.Context, e audit.Entry) (audit.Receipt, error) {
	receipt, err := p.audit.Append(ctx, e)
	switch {
	case err == nil:
		return receipt, nil
	case p.auditFailOpen:
		p.log.ErrorContext(ctx, "going on without an audit record", "error", err)
		return nil, nil
	default:
		return nil, auditFault(err)
	}
}

func auditFault(err error) error {
	return fault.Wrap(fault.Unavailable, "The audit log is not available.", err)
}

// storeFault turns what a store answers into a fault. Faults stay what they are.
func storeFault(err error) error {
	switch {
	case fault.As(err) != nil:
		return err
	case errors.Is(err, store.ErrUnavailable):
		return fault.Wrap(fault.Unavailable, "The store is not available.", err)
	case errors.Is(err, store.ErrStale):
		return fault.Wrap(fault.Stale, "Somebody else changed the policies at the same time. Nothing was changed here; try again.", err)
	default:
		return fmt.Errorf("working on policies: %w", err)
	}
}
