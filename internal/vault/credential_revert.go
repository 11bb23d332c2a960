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
	v, n := k.v, k.v.credentials()
	p, m, err := locateMapped(ctx, k, n, id)
	if err != nil {
		return none, err
	}
	if err := k.require(ctx, authz.Revert, p.resource, "revert credential "+id, id); err != nil {
		return none, err
	}
	row, err := p.changeable(n.words)
	if err != nil {
		return none, err
	}
	if err := pinned(id, row.Revision, ifRevision); err != nil {
		return none, err
	}
	old, err := past(ctx, n, row, to)
	if err != nil {
		return none, err
	}
	pairs, current, err := v.openBoth(ctx, old, row)
	if err != nil {
		return none, err
	}
	if credential.Equal(old, row, pairs, current) {
		return none, fault.New(fault.Invalid, "No difference between old and new credential.")
	}
	if err := pairs.Check(); err != nil {
		return none, err
	}
	if old.Name != row.Name {
		if err := v.nameFree(ctx, store.KindCredentialName, old.Name, id); err != nil {
			return none, err
		}
	}
	check, err := k.checkPairs(ctx, id, current, pairs, m)
	if err != nil {
		return none, err
	}

	next := old.Clone()
	next.Head = row.Clone().Head
	next.KeyNames = v.keyNames(pairs)
	next.ModifiedDate, next.ModifiedBy = k.at, k.caller.Name
	next.LastDecrypted = time.Time{}
	if pairs.Equal(current) {
		next.LastDecrypted = row.LastDecrypted
	}
	k.entry.Revision = row.Revision + 1
	stored, err := write(ctx, k, n, store.Write[credential.Credential]{
		ID: id, Previous: row, Rows: []*credential.Credential{next}, Guards: check.guards,
	}, k.announceCredential(m))
	if err != nil {
		return none, err
	}
	k.recheck(ctx, id, check)
	view := k.view(stored)
	view.KeyNames = pairs.Keys()
	r := n.resource(id, stored)
	r.MappedBy = p.resource.MappedBy
	view.Permissions = k.hints(ctx, r, authz.Metadata, authz.Get, authz.Update)
	return view, nil
}
