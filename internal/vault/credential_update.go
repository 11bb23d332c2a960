package vault

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// UpdateCredential stores a new revision of a credential in which the members
// given are changed. A change made beside another one is made again on top of
// it. The answer holds the pairs if the caller may get them.
func (v *Vault) UpdateCredential(ctx context.Context, c authz.Caller, id string, change CredentialChange) (CredentialView, error) {
	k := v.begin(c, authz.Update, authz.Credential)
	defer v.metrics.Time("update_credential", k.began)
	return perform(ctx, k, func() (none CredentialView, _ error) {
		if err := k.writable(); err != nil {
			return none, err
		}
		return retry(ctx, k, id, change.IfRevision != 0, func() (CredentialView, error) {
			return k.updateCredential(ctx, id, change)
		})
	})
}

func (k *call) updateCredential(ctx context.Context, id string, change CredentialChange) (none CredentialView, _ error) {
	v, n := k.v, k.v.credentials()
	p, m, err := locateMapped(ctx, k, n, id)
	if err != nil {
		return none, err
	}
	if err := k.require(ctx, authz.Update, p.resource, "update credential "+id, id); err != nil {
		return none, err
	}
	row, err := p.changeable(n.words)
	if err != nil {
		return none, err
	}
	if err := pinned(id, row.Revision, change.IfRevision); err != nil {
		return none, err
	}
	next := row.Clone()
	if err := v.changeMembers(ctx, next, change); err != nil {
		return none, err
	}
	next.ModifiedDate, next.ModifiedBy = k.at, k.caller.Name

	// The pairs are opened where they are to be changed or shown, and where
	// nothing else tells their names.
	mayGet := k.may(ctx, authz.Get, p.resource).Allowed
	view := CredentialView{KeyNames: row.KeyNames}
	var check conflictCheck
	if mayGet || change.Pairs != nil || row.KeyNames == nil {
		current, err := v.open(ctx, row)
		if err != nil {
			return none, err
		}
		pairs := current
		if change.Pairs != nil {
			if pairs, err = change.Pairs.Apply(current); err != nil {
				return none, err
			}
			if check, err = k.changePairs(ctx, next, current, pairs, m); err != nil {
				return none, err
			}
		}
		next.KeyNames, view.KeyNames = v.keyNames(pairs), pairs.Keys()
		if mayGet {
			view.Pairs = &pairs
			k.note("values", true)
		}
	}

	k.entry.Revision = row.Revision + 1
	view.Row, err = write(ctx, k, n, store.Write[credential.Credential]{
		ID: id, Previous: row, Rows: []*credential.Credential{next}, Guards: check.guards,
	}, k.announceCredential(m))
	if err != nil {
		return none, err
	}
	k.recheck(ctx, id, check)
	view.NextRotation = v.rules.Rotation.Next(view.Row, k.at)
	view.Permissions = Permissions{string(authz.Metadata): true, string(authz.Get): mayGet, string(authz.Update): true}
	return view, nil
}

// changeMembers checks the change, in the order in which rules are reported,
// and makes it in next, but for the pairs.
func (v *Vault) changeMembers(ctx context.Context, next *credential.Credential, change CredentialChange) (err error) {
	if err := change.Unread.first("", "metadata"); err != nil {
		return err
	}
	if change.Metadata != nil {
		if next.Metadata, err = credential.ParseMetadata(*change.Metadata); err != nil {
			return err
		}
	}
	if err := change.Unread.first("name"); err != nil {
		return err
	}
	if change.Name != nil && *change.Name != next.Name {
		if *change.Name == "" {
			return errNameless
		}
		if err := v.nameFree(ctx, store.KindCredentialName, *change.Name, next.ID); err != nil {
			return err
		}
		next.Name = *change.Name
	}
	if err := change.Unread.first("documentation"); err != nil {
		return err
	}
	if change.Documentation != nil {
		next.Documentation = *change.Documentation
	}
	if v.rules.EnforceDocumentation && !change.SkipDocumentation && !credential.Documented(next.Documentation) {
		return errUndocumented
	}
	if err := change.Unread.first("enabled", "tags", "credential_pairs"); err != nil {
		return err
	}
	if change.Enabled != nil {
		next.Enabled = *change.Enabled
	}
	if change.Tags != nil {
		next.Tags = slices.Clone(*change.Tags)
	}
	return nil
}

// changePairs puts new pairs into next, sealed under a key of their own, after
// checking that they leave the services that map the credential without
// conflict.
func (k *call) changePairs(
	ctx context.Context, next *credential.Credential, current, pairs credential.Pairs, m mapping,
) (check conflictCheck, err error) {
	if pairs.Empty() {
		return check, fault.New(fault.Invalid, "Credential Pairs cannot be empty.")
	}
	if check, err = k.checkPairs(ctx, next.ID, current, pairs, m); err != nil {
		return check, err
	}
	if !pairs.Equal(current) {
		next.LastRotation = k.at
		next.LastDecrypted = time.Time{}
	}
	next.Sealed, err = k.v.seal(ctx, next.ID, pairs)
	return check, err
}

// checkPairs checks new pairs of a credential for conflicts, which only those
// can make that add a key name.
func (k *call) checkPairs(ctx context.Context, id string, current, pairs credential.Pairs, m mapping) (check conflictCheck, _ error) {
	keys := pairs.Keys()
	if len(credential.Missing(current.Keys(), keys)) == 0 {
		return check, nil
	}
	return k.neighbours(ctx, id, keys, m)
}

// announceCredential returns what tells others of a stored revision of a
// credential; nobody is told of one that no service maps.
func (k *call) announceCredential(m mapping) func(context.Context, *credential.Credential) {
	return func(_ context.Context, row *credential.Credential) {
		k.v.announce(event.CredentialUpdate, m, row.Name, row.ID, row.Revision)
	}
}

// announce publishes that a credential, blind or not, has a new revision.
func (v *Vault) announce(what event.Type, m mapping, name, id string, number int) {
	if len(m.services) == 0 {
		return
	}
	v.events.Publish(event.Event{
		Type: what, Services: m.services, Credentials: []string{id},
		Text: fmt.Sprintf("Updated credential \"%s\" (%s); Revision %d", name, id, number),
	})
}
