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
	v := k.v
	plan, err := k.planUpdate(ctx, id, change, true)
	if err != nil {
		return none, err
	}
	view := CredentialView{KeyNames: plan.row.KeyNames}
	var check conflictCheck
	if plan.opened {
		if change.Pairs != nil {
			if check, err = k.sealPairs(ctx, plan); err != nil {
				return none, err
			}
		}
		plan.next.KeyNames, view.KeyNames = v.keyNames(plan.pairs), plan.pairs.Keys()
		if plan.mayGet {
			view.Pairs = &plan.pairs
			k.note("values", true)
		}
	}

	k.entry.Revision = plan.row.Revision + 1
	view.Row, err = write(ctx, k, v.credentials(), store.Write[credential.Credential]{
		ID: id, Previous: plan.row, Rows: []*credential.Credential{plan.next}, Guards: check.guards,
	}, k.announceCredential(plan.mapping))
	if err != nil {
		return none, err
	}
	k.recheck(ctx, id, check)
	view.NextRotation = v.rules.Rotation.Next(view.Row, k.at)
	view.Permissions = Permissions{string(authz.Metadata): true, string(authz.Get): plan.mayGet, string(authz.Update): true}
	return view, nil
}

// credentialPlan is a change of a credential that is checked, but for conflicts,
// and neither sealed nor written.
type credentialPlan struct {
	subject[credential.Credential]
	next   *credential.Credential
	mayGet bool
	// opened says that current and pairs are what the credential holds now and
	// after the change.
	opened         bool
	current, pairs credential.Pairs
}

// planUpdate checks a change, in the order in which rules are reported. The
// pairs are opened where they are to be changed, where nothing else tells their
// names, and, if show is set, where the caller may see them.
func (k *call) planUpdate(ctx context.Context, id string, change CredentialChange, show bool) (plan credentialPlan, err error) {
	v := k.v
	plan.subject, err = changing(ctx, k, v.credentials(), id, authz.Update, change.IfRevision)
	if err != nil {
		return plan, err
	}
	plan.next = plan.row.Clone()
	if err := v.changeMembers(ctx, plan.next, change); err != nil {
		return plan, err
	}
	plan.next.ModifiedDate, plan.next.ModifiedBy = k.at, k.caller.Name

	plan.mayGet = k.may(ctx, authz.Get, plan.resource).Allowed
	plan.opened = show && plan.mayGet || change.Pairs != nil || plan.row.KeyNames == nil
	if !plan.opened {
		return plan, nil
	}
	if plan.current, err = v.open(ctx, plan.row); err != nil {
		return plan, err
	}
	plan.pairs = plan.current
	if change.Pairs == nil {
		return plan, nil
	}
	if plan.pairs, err = change.Pairs.Apply(plan.current); err != nil {
		return plan, err
	}
	if plan.pairs.Empty() {
		return plan, fault.New(fault.Invalid, "Credential Pairs cannot be empty.")
	}
	if !plan.pairs.Equal(plan.current) {
		plan.next.LastRotation = k.at
		plan.next.LastDecrypted = time.Time{}
	}
	return plan, nil
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

// sealPairs puts new pairs into the row to be written, sealed under a key of
// their own, after checking that they leave the services that map the credential
// without conflict.
func (k *call) sealPairs(ctx context.Context, plan credentialPlan) (conflictCheck, error) {
	check, err := k.checkPairs(ctx, plan.next.ID, plan.current, plan.pairs, plan.mapping)
	if err != nil {
		return check, err
	}
	plan.next.Sealed, err = k.v.seal(ctx, plan.next.ID, plan.pairs)
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
