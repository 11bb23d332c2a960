package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// PutService creates a service or stores a new revision of one. Of the ids to
// be mapped those stay that are current credentials; the answer shows them
// without values.
func (v *Vault) PutService(ctx context.Context, c authz.Caller, id string, change ServiceChange) (ServiceView, error) {
	k := v.begin(c, authz.Update, authz.ServiceResource)
	return perform(ctx, k, func() (none ServiceView, _ error) {
		if err := k.writable(); err != nil {
			return none, err
		}
		return retry(ctx, k, id, change.IfRevision != 0, func() (ServiceView, error) {
			return k.putService(ctx, id, change)
		})
	})
}

func (k *call) putService(ctx context.Context, id string, change ServiceChange) (none ServiceView, _ error) {
	plan, err := k.planPut(ctx, id, change)
	if err != nil {
		return none, err
	}
	check, err := k.checkMapping(ctx, plan.row, plan.next, plan.mapped, change.maps())
	if err != nil {
		return none, err
	}
	if err := k.checkAccount(change); err != nil {
		return none, err
	}
	view, err := k.storeService(ctx, id, plan.row, plan.next, plan.mapped, check)
	if err != nil {
		return none, err
	}
	view.Permissions = Permissions{
		string(authz.Create): true, string(authz.Metadata): true, string(authz.Get): true, string(authz.Update): true,
	}
	return view, nil
}

// servicePlan is a change of a service that is not written yet.
type servicePlan struct {
	row    *service.Service // nil: the service is new
	next   *service.Service
	mapped content  // what next maps
	gone   []string // ids that were asked for and are of nothing
}

// planPut checks a put, in the order in which rules are reported, up to those
// about the mapping.
func (k *call) planPut(ctx context.Context, id string, change ServiceChange) (plan servicePlan, err error) {
	n := k.v.services()
	p, err := locate(ctx, k, n, id)
	if err != nil {
		return plan, err
	}
	plan.row = p.current
	if p.taken {
		plan.row = nil
	}
	plan.next = changedService(plan.row, change)
	if err := k.requirePut(ctx, p, plan.row, plan.next, id); err != nil {
		return plan, err
	}
	if p.taken {
		return plan, n.words.mistaken()
	}
	if plan.row == nil && !service.ValidID(id) {
		return plan, fault.New(fault.Invalid,
			"id must be 1 to 255 printable characters without slashes and white space")
	}
	if change.New && plan.row != nil {
		return plan, fault.New(fault.Exists, "There is a service of this name already.").About(id)
	}
	if err := pinned(id, revisionOf(plan.row), change.IfRevision); err != nil {
		return plan, err
	}
	if err := change.Unread.first("", "credentials", "blind_credentials", "enabled"); err != nil {
		return plan, err
	}
	return plan, k.existing(ctx, &plan)
}

// existing reads what a service is to map, and leaves the ids in it that are of
// something.
func (k *call) existing(ctx context.Context, plan *servicePlan) (err error) {
	next := plan.next
	if plan.mapped, err = k.contents(ctx, next.Credentials, next.BlindCredentials); err != nil {
		return err
	}
	asked := service.Mapping(slices.Concat(next.Credentials, next.BlindCredentials))
	next.Credentials, next.BlindCredentials = idsOf(plan.mapped.credentials), blindIDsOf(plan.mapped.blind)
	plan.gone = credential.Missing(service.Mapping(slices.Concat(next.Credentials, next.BlindCredentials)), asked)
	return nil
}

// maps reports whether a change is about the mapping.
func (c ServiceChange) maps() bool { return c.Credentials != nil || c.BlindCredentials != nil }

// checkAccount checks the account that a change asks for.
func (k *call) checkAccount(change ServiceChange) error {
	if err := change.Unread.first("account"); err != nil {
		return err
	}
	if change.Account != "" && !slices.Contains(k.v.rules.Accounts, change.Account) {
		return fault.New(fault.Invalid, change.Account+" is not a valid account.")
	}
	return nil
}

// changedService returns the row that a change asks for, before it is known
// which of its ids exist. row is nil for a new service.
func changedService(row *service.Service, change ServiceChange) *service.Service {
	next := &service.Service{Enabled: true}
	if row != nil {
		next = row.Clone()
	}
	if change.Credentials != nil {
		next.Credentials = service.Mapping(*change.Credentials)
	}
	if change.BlindCredentials != nil {
		next.BlindCredentials = service.Mapping(*change.BlindCredentials)
	}
	if change.Enabled != nil {
		next.Enabled = *change.Enabled
	}
	next.Account = change.Account
	return next
}

func revisionOf(row *service.Service) int {
	if row == nil {
		return 0
	}
	return row.Revision
}

// requirePut asks the policy for what a put needs: that the service may be
// created, if it is new, and that what is to be mapped may be.
func (k *call) requirePut(ctx context.Context, p place[service.Service], row, next *service.Service, id string) error {
	if row == nil {
		if err := k.require(ctx, authz.Create, p.resource, "create service "+id, id); err != nil {
			return err
		}
		k.entry.Action = string(authz.Create)
	} else {
		k.entry.Action = string(authz.Update)
	}
	return k.require(ctx, authz.Update, intended(p.resource, row, next),
		"map the credentials because they do not own the credentials being added", id)
}

// intended returns what the policy may look at of a service whose mapping is
// about to change: all ids it will map, and those it does not map yet.
func intended(r authz.Resource, row, next *service.Service) authz.Resource {
	r.CredentialIDs = slices.Concat(next.Credentials, next.BlindCredentials)
	added, addedBlind := gains(row, next)
	r.AddedCredentialIDs = slices.Concat(added, addedBlind)
	return r
}

// gains returns the ids that next maps and row, which may be nil, does not.
func gains(row, next *service.Service) (plain, blinds []string) {
	if row == nil {
		return next.Credentials, next.BlindCredentials
	}
	return credential.Missing(row.Credentials, next.Credentials), credential.Missing(row.BlindCredentials, next.BlindCredentials)
}

// checkMapping checks a service's mapping, of which mapped are the contents,
// for its size and, if conflicts is set, for conflicts. Only a service that
// gains credentials has something to guard.
func (k *call) checkMapping(ctx context.Context, row, next *service.Service, mapped content, conflicts bool) (check conflictCheck, _ error) {
	changes, err := mappingChanges(row, next)
	if err != nil {
		return check, err
	}
	conflicts = conflicts && !k.v.rules.IgnoreConflicts
	if conflicts {
		holders, err := k.holders(ctx, mapped)
		if err != nil {
			return check, err
		}
		if err := conflictFault(service.ConflictsAmong(holders)); err != nil {
			return check, err
		}
	}
	added, addedBlind := gains(row, next)
	if len(added)+len(addedBlind) == 0 {
		return check, nil
	}

	// What is added must not be archived meanwhile, and what is mapped beside
	// it must not gain keys.
	room := store.MaxGuards - changes
	if guards := mapped.guards(); conflicts && len(guards) <= room {
		check.guards = guards
		return check, nil
	}
	guards := mapped.only(added, addedBlind).guards()
	check.guards = guards[:min(len(guards), room)]
	if conflicts {
		check.again = func(ctx context.Context) (service.Conflicts, error) {
			mapped, err := k.contents(ctx, next.Credentials, next.BlindCredentials)
			if err != nil {
				return nil, err
			}
			holders, err := k.holders(ctx, mapped)
			return service.ConflictsAmong(holders), err
		}
	}
	return check, nil
}

// mappingChanges returns how many ids next, in place of row, maps or unmaps, and
// the fault of too many.
func mappingChanges(row, next *service.Service) (int, error) {
	added, addedBlind := gains(row, next)
	changes := len(added) + len(addedBlind)
	if row != nil {
		lost, lostBlind := gains(next, row)
		changes += len(lost) + len(lostBlind)
	}
	if changes > store.MaxMappingChanges {
		return changes, fault.Newf(fault.Invalid,
			"At most %d credentials can be mapped or unmapped at once, this would be %d.", store.MaxMappingChanges, changes)
	}
	return changes, nil
}

// only returns the contents with the ids.
func (c content) only(plain, blinds []string) (out content) {
	for _, row := range c.credentials {
		if slices.Contains(plain, row.ID) {
			out.credentials = append(out.credentials, row)
		}
	}
	for _, row := range c.blind {
		if slices.Contains(blinds, row.ID) {
			out.blind = append(out.blind, row)
		}
	}
	return out
}

// storeService commits a service's revision, tells others, and shows it
// without values.
func (k *call) storeService(
	ctx context.Context, id string, row, next *service.Service, mapped content, check conflictCheck,
) (none ServiceView, _ error) {
	next.ModifiedDate, next.ModifiedBy = k.at, k.caller.Name
	k.entry.ResourceName, k.entry.Revision = id, revisionOf(row)+1
	k.note("credentials", next.Credentials)
	k.note("blind_credentials", next.BlindCredentials)
	// The answer is made first: what cannot be answered is not written.
	view, err := k.serviceView(ctx, next, mapped, false)
	if err != nil {
		return none, err
	}
	view.Row, err = write(ctx, k, k.v.services(), store.Write[service.Service]{
		ID: id, Previous: row, Rows: []*service.Service{next}, Guards: check.guards,
	}, func(_ context.Context, stored *service.Service) { k.v.announceService(row, stored) })
	if err != nil {
		return none, err
	}
	k.recheck(ctx, id, check)
	return view, nil
}

// announceService publishes that a service has a new revision.
func (v *Vault) announceService(row, stored *service.Service) {
	added, _ := gains(row, stored)
	var removed []string
	if row != nil {
		removed, _ = gains(stored, row)
	}
	v.events.Publish(event.Event{
		Type: event.ServiceUpdate, Services: []string{stored.ID}, Credentials: stored.Credentials,
		Text: fmt.Sprintf("Added credentials: %s; Removed credentials %s; Revision %d",
			pythonList(added), pythonList(removed), stored.Revision),
	})
}

// pythonList writes ids as receivers of these events know it: ['a', 'b'].
func pythonList(ids []string) string {
	if len(ids) == 0 {
		return "[]"
	}
	return "['" + strings.Join(ids, "', '") + "']"
}
