package dynamo

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// errAmended says that an attribute was not what it was read as.
var errAmended = errors.New("the row was amended meanwhile")

// Amend writes the attributes that a change touches, and nothing else, under the
// condition that each still has the value that was read.
func (r *revisions[T]) Amend(ctx context.Context, id string, n int, change func(*T) bool) (err error) {
	if n < 1 {
		return store.ErrNotFound
	}
	defer func() { r.written(id, nil, err) }()
	for wait := newBackoff(ctx); ; {
		actions, current, err := r.amendment(ctx, id, n, change)
		if err != nil || len(actions) == 0 {
			return err
		}
		err = r.store.transact(ctx, "amending a row", actions)
		if err == nil && current != nil {
			r.noted(current)
		}
		if !errors.Is(err, errAmended) {
			return err
		}
		if !wait.wait(ctx) {
			return fmt.Errorf("amending revision %d of %q: %w: %w", n, id, store.ErrUnavailable, err)
		}
	}
}

// amendment reads both copies, has the row changed and builds the updates. Where
// n is current the current copy is what is changed, and its historic copy
// follows: it alone has a head to show. It returns the changed row if that is
// current.
func (r *revisions[T]) amendment(ctx context.Context, id string, n int, change func(*T) bool) ([]*action, *T, error) {
	standing, err := r.store.batch(ctx, r.table, []string{id, revision.Key(id, n)})
	if err != nil {
		return nil, nil, err
	}
	current, err := r.copyAt(standing[id], r.noun.current(), n)
	if err != nil {
		return nil, nil, err
	}
	historic, err := r.copyAt(standing[revision.Key(id, n)], r.noun.history(), n)
	if err != nil {
		return nil, nil, err
	}
	leading := current
	if leading == nil {
		leading = historic
	}
	if leading == nil {
		return nil, nil, store.ErrNotFound
	}
	changed := r.noun.clone(leading)
	if !change(changed) {
		return nil, nil, nil
	}
	before, after := r.noun.row(leading), r.noun.row(changed)
	if err := fits(after); err != nil {
		return nil, nil, err
	}
	touched := r.touched(before, after)
	var actions []*action
	if current != nil && len(touched) > 0 {
		actions = append(actions, r.rewrite(standing[id], after, touched, n))
	}
	touched = slices.DeleteFunc(touched, func(name string) bool { return slices.Contains(r.noun.head, name) })
	if historic != nil && len(touched) > 0 {
		actions = append(actions, r.rewrite(standing[revision.Key(id, n)], after, touched, n))
	}
	if current == nil {
		changed = nil
	}
	return actions, changed, nil
}

// copyAt decodes one copy of revision n; nil if that is not what stands there.
func (r *revisions[T]) copyAt(it item, kind string, n int) (*T, error) {
	if dataType(it) != kind {
		return nil, nil
	}
	v, err := r.noun.read(it)
	if err != nil || r.revisionOf(v) != n {
		return nil, err
	}
	return v, nil
}

// touched names the attributes that differ.
func (r *revisions[T]) touched(before, after item) []string {
	var names []string
	for _, name := range append([]string{attrEnabled}, r.noun.own...) {
		if !reflect.DeepEqual(before[name], after[name]) {
			names = append(names, name)
		}
	}
	return names
}

// rewrite sets attributes of one copy. The condition compares with what stands
// in the table, which in an older row may be another spelling of the same value.
func (r *revisions[T]) rewrite(stored, after item, touched []string, n int) *action {
	id := &reader{item: stored}
	a := &action{verb: update, table: r.table, key: id.text(attrID), bytes: after.size()}
	conditions := []string{a.is(attrRevision, number(n))}
	var set, remove []string
	for _, name := range touched {
		conditions = append(conditions, a.is(name, stored[name]))
		if after[name] == nil {
			remove = append(remove, a.name(name))
		} else {
			set = append(set, a.is(name, after[name]))
		}
	}
	var clauses []string
	if len(set) > 0 {
		clauses = append(clauses, "SET "+strings.Join(set, ", "))
	}
	if len(remove) > 0 {
		clauses = append(clauses, "REMOVE "+strings.Join(remove, ", "))
	}
	a.change = strings.Join(clauses, " ")
	return a.only(all(conditions...), func(item) error { return errAmended })
}
