package vault

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/service"
)

// A preview is judged and checked like the change itself, in the same order and
// by the same code, and then says what would become of it. It seals nothing,
// writes nothing and tells nobody. Conflicts, over which the change would be
// refused, are part of the answer.

// Effect is what becomes of what a service receives. Lists are ascending.
type Effect struct {
	Dependent
	Keys           []string // that it receives after the change
	Added, Removed []string
}

// Collision is a key name that a service would get from several credentials. In
// the preview of a credential the others are told, in that of a service all.
type Collision struct {
	Service string
	Key     string
	With    []Ref // by name
}

// CredentialPreview is what a change or a revert of a credential would do. The
// row After is not stored: its revision and what is sealed in it mean nothing.
type CredentialPreview struct {
	Comparison credential.Comparison
	Effects    []Effect    // ascending by service
	Collisions []Collision // ascending by service and key; not empty: it would be refused
}

// BlindPreview is what a change or a revert of a blind credential would do, like
// CredentialPreview.
type BlindPreview struct {
	Comparison BlindComparison
	Effects    []Effect
	Collisions []Collision
}

// ServicePreview is what a change or a revert of a service would do. After is
// not stored: its revision means nothing.
type ServicePreview struct {
	Comparison ServiceComparison
	Keys       []Receipt // that it receives after the change, ascending
	Added      []string  // keys, ascending
	Removed    []string
	Gone       []string    // ids that were to be mapped and are of nothing: they are left out
	Collisions []Collision // ascending by key; not empty: it would be refused
	New        bool        // there is no such service yet
}

// PreviewCredential says what UpdateCredential would do.
func (v *Vault) PreviewCredential(ctx context.Context, c authz.Caller, id string, change CredentialChange) (CredentialPreview, error) {
	k := v.begin(c, authz.Update, authz.Credential)
	return perform(ctx, k, func() (none CredentialPreview, _ error) {
		k.note("preview", true)
		plan, err := k.planUpdate(ctx, id, change, false)
		if err != nil {
			return none, err
		}
		keys := plan.row.KeyNames
		var compared credential.Comparison
		switch {
		case change.Pairs != nil:
			keys = plan.current.Keys()
			compared = change.Pairs.Preview(plan.row, plan.next, plan.current, plan.pairs, plan.mayGet)
		case plan.opened:
			keys = plan.current.Keys()
			fallthrough
		default:
			compared = credential.CompareKept(plan.row, plan.next, keys)
		}
		after := keys
		if plan.opened {
			after = plan.pairs.Keys()
		}
		return k.previewCredential(ctx, plan, compared, keys, after)
	})
}

// PreviewRevertCredential says what RevertCredential would do.
func (v *Vault) PreviewRevertCredential(ctx context.Context, c authz.Caller, id string, to, ifRevision int) (CredentialPreview, error) {
	k := v.begin(c, authz.Revert, authz.Credential)
	return perform(ctx, k, func() (none CredentialPreview, _ error) {
		k.note("preview", true)
		k.note("to_revision", to)
		plan, err := k.planRevert(ctx, id, to, ifRevision)
		if err != nil {
			return none, err
		}
		compared := credential.Compare(plan.row, plan.next, plan.current, plan.pairs, false)
		return k.previewCredential(ctx, plan, compared, plan.current.Keys(), plan.pairs.Keys())
	})
}

func (k *call) previewCredential(
	ctx context.Context, plan credentialPlan, compared credential.Comparison, before, after []string,
) (out CredentialPreview, err error) {
	k.entry.Revision = plan.row.Revision
	out.Comparison = compared
	out.Effects, out.Collisions, err = k.effects(ctx, service.Holder{ID: plan.row.ID, KeyNames: before}, after, plan.mapping)
	return out, err
}

// PreviewBlindCredential says what UpdateBlindCredential would do.
func (v *Vault) PreviewBlindCredential(ctx context.Context, c authz.Caller, id string, change BlindChange) (BlindPreview, error) {
	k := v.begin(c, authz.Update, authz.BlindCredential)
	return perform(ctx, k, func() (none BlindPreview, _ error) {
		return k.previewBlind(ctx, id, authz.Update, change.IfRevision, func(row *blind.Credential) (*blind.Credential, error) {
			return k.updatedBlind(ctx, row, change, func([]string) error { return nil })
		})
	})
}

// PreviewRevertBlindCredential says what RevertBlindCredential would do.
func (v *Vault) PreviewRevertBlindCredential(ctx context.Context, c authz.Caller, id string, to, ifRevision int) (BlindPreview, error) {
	k := v.begin(c, authz.Revert, authz.BlindCredential)
	return perform(ctx, k, func() (none BlindPreview, _ error) {
		k.note("to_revision", to)
		return k.previewBlind(ctx, id, authz.Revert, ifRevision, func(row *blind.Credential) (*blind.Credential, error) {
			return k.earlierBlind(ctx, row, to)
		})
	})
}

// previewBlind says what storing what make makes of the current row would do.
func (k *call) previewBlind(
	ctx context.Context, id string, action authz.Action, ifRevision int, make func(*blind.Credential) (*blind.Credential, error),
) (out BlindPreview, err error) {
	k.note("preview", true)
	s, err := changing(ctx, k, k.v.blindCredentials(), id, action, ifRevision)
	if err != nil {
		return out, err
	}
	k.entry.Revision = s.row.Revision
	next, err := make(s.row)
	if err != nil {
		return out, err
	}
	next.ModifiedDate, next.ModifiedBy = k.at, k.caller.Name
	out.Comparison = compareBlind(s.row, next)
	out.Effects, out.Collisions, err = k.effects(ctx,
		service.Holder{ID: id, Blind: true, KeyNames: s.row.KeyNames}, next.KeyNames, s.mapping)
	return out, err
}

// effects says what the services that map a holder receive once it hands out
// other keys, and where that would be refused.
func (k *call) effects(ctx context.Context, holder service.Holder, keys []string, m mapping) ([]Effect, []Collision, error) {
	around, err := k.neighbourhood(ctx, holder.ID, m)
	if err != nil {
		return nil, nil, err
	}
	names := around.refs()
	refused := !k.v.rules.IgnoreConflicts && len(credential.Missing(holder.KeyNames, keys)) > 0
	after := service.Holder{ID: holder.ID, Blind: holder.Blind, KeyNames: keys}
	effects := make([]Effect, 0, len(around.services))
	var collisions []Collision
	for _, s := range around.services {
		was := keysOfReceived(service.Receives(s, append(slices.Clone(around.holders), holder)))
		is := keysOfReceived(service.Receives(s, append(slices.Clone(around.holders), after)))
		effects = append(effects, Effect{
			Dependent: Dependent{s.ID, s.Enabled}, Keys: is,
			Added: credential.Missing(was, is), Removed: credential.Missing(is, was),
		})
		if refused {
			conflicts := service.ConflictsWith(holder.ID, keys, []*service.Service{s}, around.holders)
			collisions = append(collisions, collide(s.ID, conflicts, names)...)
		}
	}
	slices.SortFunc(effects, func(a, b Effect) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortStableFunc(collisions, func(a, b Collision) int { return cmp.Compare(a.Service, b.Service) })
	return effects, collisions, nil
}

// collide puts names to the conflicts within one service, ascending by key.
func collide(id string, conflicts service.Conflicts, names map[string]Ref) []Collision {
	var out []Collision
	for _, key := range slices.Sorted(maps.Keys(conflicts)) {
		var with []Ref
		for _, other := range slices.Concat(conflicts[key].Credentials, conflicts[key].BlindCredentials) {
			with = append(with, names[other])
		}
		slices.SortFunc(with, byName)
		out = append(out, Collision{id, key, with})
	}
	return out
}

func keysOfReceived(list []service.Received) []string {
	keys := make([]string, len(list))
	for i, r := range list {
		keys[i] = r.Key
	}
	return keys
}

// PreviewService says what PutService would do.
func (v *Vault) PreviewService(ctx context.Context, c authz.Caller, id string, change ServiceChange) (ServicePreview, error) {
	k := v.begin(c, authz.Update, authz.ServiceResource)
	return perform(ctx, k, func() (none ServicePreview, _ error) {
		k.note("preview", true)
		plan, err := k.planPut(ctx, id, change)
		if err != nil {
			return none, err
		}
		if _, err := mappingChanges(plan.row, plan.next); err != nil {
			return none, err
		}
		if err := k.checkAccount(change); err != nil {
			return none, err
		}
		return k.previewService(ctx, id, plan, change.maps())
	})
}

// PreviewRevertService says what RevertService would do.
func (v *Vault) PreviewRevertService(ctx context.Context, c authz.Caller, id string, to, ifRevision int) (ServicePreview, error) {
	k := v.begin(c, authz.Revert, authz.ServiceResource)
	return perform(ctx, k, func() (none ServicePreview, _ error) {
		k.note("preview", true)
		k.note("to_revision", to)
		plan, err := k.planServiceRevert(ctx, id, to, ifRevision)
		if err != nil {
			return none, err
		}
		if _, err := mappingChanges(plan.row, plan.next); err != nil {
			return none, err
		}
		if service.Equal(plan.row, plan.next) {
			return none, errSameService
		}
		return k.previewService(ctx, id, plan, true)
	})
}

// previewService says what comes of a plan. Conflicts are told if the change
// would be refused over them.
func (k *call) previewService(ctx context.Context, id string, plan servicePlan, conflicts bool) (out ServicePreview, err error) {
	row := plan.row
	if row == nil {
		row = &service.Service{}
		row.ID = id
	}
	k.entry.Revision = row.Revision
	plan.next.ModifiedDate, plan.next.ModifiedBy = k.at, k.caller.Name
	lost, lostBlind := gains(plan.next, row)
	before, err := k.contents(ctx, lost, lostBlind)
	if err != nil {
		return out, err
	}
	all := content{slices.Concat(plan.mapped.credentials, before.credentials), slices.Concat(plan.mapped.blind, before.blind)}
	holders, err := k.holders(ctx, all)
	if err != nil {
		return out, err
	}
	names := all.refs()
	was, is := service.Receives(row, holders), service.Receives(plan.next, holders)
	out = ServicePreview{
		Comparison: compareServices(row, plan.next, all), New: plan.row == nil,
		Keys: receipts(is, names), Gone: plan.gone,
		Added:   credential.Missing(keysOfReceived(was), keysOfReceived(is)),
		Removed: credential.Missing(keysOfReceived(is), keysOfReceived(was)),
	}
	if conflicts && !k.v.rules.IgnoreConflicts {
		for _, key := range out.Keys {
			if len(key.From) > 1 {
				out.Collisions = append(out.Collisions, Collision{id, key.Key, key.From})
			}
		}
	}
	return out, nil
}
