package vault

import (
	"context"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/service"
)

// RevertService stores a new revision with the mapping, account and state of an
// earlier one, as far as what it maps still exists.
func (v *Vault) RevertService(ctx context.Context, c authz.Caller, id string, to, ifRevision int) (ServiceView, error) {
	k := v.begin(c, authz.Revert, authz.ServiceResource)
	return perform(ctx, k, func() (none ServiceView, _ error) {
		if err := k.writable(); err != nil {
			return none, err
		}
		k.note("to_revision", to)
		return retry(ctx, k, id, ifRevision != 0, func() (ServiceView, error) {
			return k.revertService(ctx, id, to, ifRevision)
		})
	})
}

func (k *call) revertService(ctx context.Context, id string, to, ifRevision int) (none ServiceView, _ error) {
	plan, err := k.planServiceRevert(ctx, id, to, ifRevision)
	if err != nil {
		return none, err
	}
	check, err := k.checkMapping(ctx, plan.row, plan.next, plan.mapped, true)
	if err != nil {
		return none, err
	}
	if service.Equal(plan.row, plan.next) {
		return none, errSameService
	}
	view, err := k.storeService(ctx, id, plan.row, plan.next, plan.mapped, check)
	if err != nil {
		return none, err
	}
	view.Permissions = k.serviceHints(ctx, k.v.services().resource(id, view.Row), "")
	return view, nil
}

var errSameService = fault.New(fault.Invalid, "No difference between old and new service.")

// planServiceRevert checks a revert, in the order in which rules are reported,
// up to those about the mapping.
func (k *call) planServiceRevert(ctx context.Context, id string, to, ifRevision int) (plan servicePlan, _ error) {
	n := k.v.services()
	p, err := locate(ctx, k, n, id)
	if err != nil {
		return plan, err
	}
	// The policy judges what comes back with the old mapping, like what a put
	// adds; a revision that is not there brings nothing back.
	var old *service.Service
	r := p.resource
	if !p.taken && p.current != nil {
		if old, err = past(ctx, n, p.current, to); err != nil && !fault.Is(err, fault.NotFound) {
			return plan, err
		}
		if old != nil {
			r = intended(r, p.current, old)
		}
	}
	if err := k.require(ctx, authz.Revert, r, "revert service "+id, id); err != nil {
		return plan, err
	}
	if plan.row, err = p.changeable(n.words); err != nil {
		return plan, err
	}
	if err := pinned(id, plan.row.Revision, ifRevision); err != nil {
		return plan, err
	}
	if old == nil {
		return plan, n.words.missing()
	}
	plan.next = old.Clone()
	return plan, k.existing(ctx, &plan)
}
