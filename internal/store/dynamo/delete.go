package dynamo

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Delete removes history and then, last and in one act with its claim, its
// mapping document and what it maps, the current row.
func (r *revisions[T]) Delete(ctx context.Context, id string, expect int, guards []store.Guard) (err error) {
	defer func() { r.written(id, guards, err) }()
	if err := checkLimits(0, len(guards)); err != nil {
		return err
	}
	it, err := r.store.item(ctx, r.table, id)
	if err != nil {
		return err
	}
	v, err := r.current(it, id)
	if err != nil {
		return err
	}
	if r.revisionOf(v) != expect {
		return &store.StaleError{Own: true, What: id}
	}
	if guards, err = r.guardSelf(guards, id, expect); err != nil {
		return err
	}
	// Nothing is deleted unless the guards hold now; the last step asks again.
	if len(guards) > 0 {
		if err := r.store.transact(ctx, "checking guards", r.store.guardAll(r.table, nil, guards)); err != nil {
			return err
		}
	}
	if err := r.deleteHistory(ctx, id, expect); err != nil {
		return err
	}
	mapped, err := r.unmapSurplus(ctx, v, store.MaxGuards-len(guards))
	if err != nil {
		return err
	}
	if err := r.deleteCurrent(ctx, v, mapped, guards); err != nil {
		return err
	}
	r.forgotten(v)
	return nil
}

// deleteHistory removes revisions 1..current, several transactions at once; keys
// that belong to something else stay.
func (r *revisions[T]) deleteHistory(ctx context.Context, id string, current int) error {
	keys := make([]string, current)
	for i := range keys {
		keys[i] = revision.Key(id, i+1)
	}
	standing, err := r.store.batch(ctx, r.table, keys)
	if err != nil {
		return err
	}
	var deletes [][]*action
	for _, k := range keys {
		old := standing[k]
		if !r.noun.isHistory(old) {
			continue
		}
		a := removeItem(r.table, k)
		a.bytes = old.size()
		when := either(a.is(attrID, nil), a.is(attrDataType, text(r.noun.history())))
		deletes = append(deletes, []*action{a.only(when, nil)})
	}
	refused, err := r.store.settle(ctx, "deleting history", deletes)
	if err == nil && len(refused) > 0 {
		err = &store.StaleError{What: deletes[refused[0]][0].key}
	}
	return err
}

// unmapSurplus takes out of a row what it maps beyond what there is room for in
// the act that deletes it, in steps that leave row and mappings alike, and
// returns the rest.
func (r *revisions[T]) unmapSurplus(ctx context.Context, v *T, room int) ([]string, error) {
	id, mapped := r.noun.meta(v).ID, missing(nil, r.noun.mapped(v))
	for len(mapped) > room {
		step := mapped[:min(len(mapped), store.MaxMappingChanges)]
		mapped = mapped[len(step):]
		a := &action{verb: update, table: r.table, key: id}
		set := a.value(&types.AttributeValueMemberSS{Value: step})
		var parts []string
		for _, name := range r.noun.maps {
			parts = append(parts, a.name(name)+" "+set)
		}
		a.change = "DELETE " + strings.Join(parts, ", ")
		a.only(r.isAt(&a.expression, r.revisionOf(v)), func(item) error { return &store.StaleError{Own: true, What: id} })
		actions := []*action{a}
		for _, other := range step {
			actions = append(actions, r.store.changeMapping(r.table, "DELETE", other, id))
		}
		if err := r.store.transact(ctx, "unmapping", actions); err != nil {
			return nil, err
		}
	}
	return mapped, nil
}

// deleteCurrent removes the current row and all that follows from it.
func (r *revisions[T]) deleteCurrent(ctx context.Context, v *T, mapped []string, guards []store.Guard) error {
	id := r.noun.meta(v).ID
	p := &plan{}
	if r.noun.claim != "" && !r.archive {
		p.release = r.noun.named(v)
	}
	for {
		a := removeItem(r.table, id)
		actions := []*action{a.only(r.isAt(&a.expression, r.revisionOf(v)), func(item) error {
			return &store.StaleError{Own: true, What: id}
		})}
		actions = append(actions, r.nameActions(p, id)...)
		if r.noun.claim != "" && !r.archive {
			actions = append(actions, removeItem(r.table, documentKey(store.KindMapping, id)))
		}
		for _, other := range mapped {
			actions = append(actions, r.store.changeMapping(r.table, "DELETE", other, id))
		}
		err := r.store.transact(ctx, "deleting a row", r.store.guardAll(r.table, actions, guards))
		if !errors.Is(err, foreignClaim{}) {
			return err
		}
		p.release = ""
	}
}

// DeleteOrphans removes history as long as no current row stands beside it.
func (r *revisions[T]) DeleteOrphans(ctx context.Context, id string, numbers []int) (err error) {
	defer func() { r.written(id, nil, err) }()
	stale := &store.StaleError{Own: true, What: id}
	groups := make([][]*action, len(numbers))
	for i, n := range numbers {
		alone := checkItem(r.table, id)
		alone.only(alone.is(attrID, nil), func(item) error { return stale })
		a := removeItem(r.table, revision.Key(id, n))
		a.only(either(a.is(attrID, nil), a.is(attrDataType, text(r.noun.history()))), nil)
		groups[i] = []*action{alone, a}
	}
	refused, err := r.store.settle(ctx, "deleting orphans", groups)
	if err == nil && len(refused) > 0 {
		err = stale
	}
	return err
}
