package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"syscall"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// call is one use case being carried out for a caller: what it asks of the
// policy, and what the audit log will say about it.
type call struct {
	v      *Vault
	caller authz.Caller
	began  time.Time
	at     time.Time // the one instant that rows and answer of this call bear
	entry  audit.Entry
	// settled says that the outcome is on record already, as an attempt and,
	// where it came to nothing, its failure.
	settled bool
	// after runs when the answer is on record. What it does is best effort.
	after func(context.Context)
}

// begin starts a call that acts on resources of a type.
func (v *Vault) begin(c authz.Caller, action authz.Action, on authz.ResourceType) *call {
	now := v.now()
	k := &call{v: v, caller: c, began: now, at: revision.Instant(now)}
	k.entry = audit.Entry{
		Action:        string(action),
		User:          c.Name,
		UserType:      string(c.Type),
		Administrator: c.Administrator,
		RequestID:     c.RequestID,
		Door:          c.Door,
		ResourceType:  string(on),
	}
	if c.Client.IsValid() {
		k.entry.Client = c.Client.String()
	}
	return k
}

// perform carries out a call and makes its record. Nothing that do returns
// gets out without one.
func perform[T any](ctx context.Context, k *call, do func() (T, error)) (T, error) {
	out, err := do()
	if !k.settled {
		if unrecorded := k.record(ctx, err); unrecorded != nil {
			var none T
			return none, unrecorded
		}
	}
	if err == nil && k.after != nil {
		k.after(ctx)
	}
	return out, err
}

// record writes how a call ended that changed nothing.
func (k *call) record(ctx context.Context, outcome error) error {
	e := k.entry
	e.Phase = audit.Done
	e.Success = outcome == nil
	e.Duration = k.v.now().Sub(k.began)
	if outcome != nil {
		e.Info = withReason(e.Info, outcome)
		ctx = context.WithoutCancel(ctx) // who went away before the answer is recorded too
	}
	_, err := k.v.audit.Append(ctx, e)
	return k.v.auditFault(ctx, err)
}

// auditFault turns what the audit log answered into a fault, unless calls
// shall go on without it.
func (v *Vault) auditFault(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case v.rules.AuditFailOpen:
		v.log.ErrorContext(ctx, "going on without an audit record", slog.Any("error", err))
		return nil
	case errors.Is(err, syscall.ENOSPC):
		return fault.Wrap(fault.Unavailable, "The disk of the audit log is full.", err)
	default:
		return fault.Wrap(fault.Unavailable, "The audit log does not take records.", err)
	}
}

// note adds to what the record says beyond its fixed members.
func (k *call) note(name string, value any) {
	if k.entry.Info == nil {
		k.entry.Info = map[string]any{}
	}
	k.entry.Info[name] = value
}

// withReason returns info together with the public words of an error.
func withReason(info map[string]any, err error) map[string]any {
	out := make(map[string]any, len(info)+1)
	maps.Copy(out, info)
	f := fault.As(err)
	switch {
	case f != nil && f.Message != "":
		out["error"] = f.Message
	case errors.Is(err, store.ErrStale):
		out["error"] = fault.Stale.String()
	case errors.Is(err, context.Canceled):
		out["error"] = "canceled"
	default:
		out["error"] = fault.KindOf(err).String()
	}
	return out
}

// about names the resource in the record.
func (k *call) about(r authz.Resource) {
	k.entry.ResourceID, k.entry.ResourceName, k.entry.Revision = r.ID, r.Name, r.Revision
}

// may asks the policy, for this caller, without a record of its own.
func (k *call) may(ctx context.Context, action authz.Action, r authz.Resource) authz.Decision {
	return k.v.policy.Decide(ctx, authz.Request{Caller: k.caller, Action: action, Resource: r, Now: k.at})
}

// require asks the policy whether the call may go on. The refusal says what
// the caller has no access to, and names the reference if there is one; it is
// the same for resources that are there and that are not.
func (k *call) require(ctx context.Context, action authz.Action, r authz.Resource, what, reference string) error {
	k.about(r)
	d := k.may(ctx, action, r)
	k.entry.Policies = d.By
	if d.Allowed {
		return nil
	}
	return &fault.Error{
		Kind:      fault.Denied,
		Message:   fmt.Sprintf("%s does not have access to %s", k.caller.Name, what),
		Reference: reference,
		By:        strings.Join(d.By, ", "),
	}
}

// writable refuses changes in maintenance mode, to everybody but operators.
func (k *call) writable() error {
	if k.caller.Type != authz.Operator && k.v.readOnly() {
		return fault.New(fault.ReadOnly, "Server in maintenance mode.")
	}
	return nil
}
