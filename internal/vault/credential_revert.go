package vault

import (
	"context"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// RevertCredential stores a new revision with the content of an earlier one,
// whose sealed value is copied as it is. Its answer never holds the pairs.
func (v *Vault) RevertCredential(ctx context.Context, c authz.Caller, id string, to, ifRevision int) (CredentialView, error) {
	k := v.begin(c, authz.Revert, authz.Credential)
	return perform(ctx, k, func() (none CredentialView, _ error) {
		if err := k.writable(); err != nil {
			return none, err
		}
		k.note("to_revision", to)
		return retry(ctx, k, id, ifRevision != 0, func() (CredentialView, error) {
			return k.revertCredential(ctx, id, to, ifRevision)
		})
	})
}

func (k *call) revertCredential(ctx context.Context, id string, to, ifRevision int) (none CredentialView, _ error) {
	n := k.v.credentials()
	plan, err := k.planRevert(ctx, id, to, ifRevision)
	if err != nil {
		return none, err
	}
	check, err := k.checkPairs(ctx, id, plan.current, plan.pairs, plan.mapping)
	if err != nil {
		return none, err
	}
	k.entry.Revision = plan.row.Revision + 1
	stored, err := write(ctx, k, n, store.Write[credential.Credential]{
		ID: id, Previous: plan.row, Rows: []*credential.Credential{plan.next}, Guards: check.guards,
	}, k.announceCredential(plan.mapping))
	if err != nil {
		return none, err
	}
	k.recheck(ctx, id, check)
	view := k.view(stored)
	view.KeyNames = plan.pairs.Keys()
	r := n.resource(id, stored)
	r.MappedBy = plan.resource.MappedBy
	view.Permissions = k.hints(ctx, r, authz.Metadata, authz.Get, authz.Update)
	return view, nil
}

// planRevert checks a revert, in the order in which rules are reported, but for
// conflicts.
func (k *call) planRevert(ctx context.Context, id string, to, ifRevision int) (plan credentialPlan, err error) {
	v, n := k.v, k.v.credentials()
	plan.subject, err = changing(ctx, k, n, id, authz.Revert, ifRevision)
	if err != nil {
		return plan, err
	}
	row := plan.row
	old, err := past(ctx, n, row, to)
	if err != nil {
		return plan, err
	}
	plan.pairs, plan.current, err = v.openBoth(ctx, old, row)
	if err != nil {
		return plan, err
	}
	plan.opened = true
	if credential.Equal(old, row, plan.pairs, plan.current) {
		return plan, fault.New(fault.Invalid, "No difference between old and new credential.")
	}
	if err := plan.pairs.Check(); err != nil {
		return plan, err
	}
	if old.Name != row.Name {
		if err := v.nameFree(ctx, store.KindCredentialName, old.Name, id); err != nil {
			return plan, err
		}
	}
	next := old.Clone()
	next.Head = row.Clone().Head
	next.KeyNames = v.keyNames(plan.pairs)
	next.ModifiedDate, next.ModifiedBy = k.at, k.caller.Name
	next.LastDecrypted = time.Time{}
	if plan.pairs.Equal(plan.current) {
		next.LastDecrypted = row.LastDecrypted
	}
	plan.next = next
	return plan, nil
}
