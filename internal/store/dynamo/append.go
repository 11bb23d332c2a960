package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// What a failed condition can mean beside the sentinels of package store: the
// transaction is built again, in another way.
type (
	numberTaken  struct{ index int }  // a history key is taken by something else
	foreignClaim struct{}             // the old name is claimed by another: nothing to release
	claimHeld    struct{ claim item } // the new name is claimed
)

func (numberTaken) Error() string  { return "the revision's key is taken" }
func (foreignClaim) Error() string { return "the old name is claimed by another" }
func (claimHeld) Error() string    { return "the name is claimed" }

const (
	// maxRounds bounds how often a transaction is built anew: once for each
	// thing that can stand in its way, and again where somebody is quicker.
	maxRounds = 20
	// maxNumbersSkipped bounds the search for a free revision number.
	maxNumbersSkipped = 1000
)

// Append is one transaction: the history rows, the current row, its name claim,
// the mapping documents that change, and a check for each guard.
func (r *revisions[T]) Append(ctx context.Context, w store.Write[T]) (rows []*T, err error) {
	defer func() { r.written(w.ID, w.Guards, err) }()
	if err := checkWrite(w); err != nil {
		return nil, err
	}
	p := r.plan(w.Previous, w.Rows[len(w.Rows)-1])
	for i := range w.Rows {
		p.numbers = append(p.numbers, r.revisionOf(w.Previous)+1+i)
	}
	if err := checkLimits(len(p.mapped)+len(p.unmapped), len(w.Guards)); err != nil {
		return nil, err
	}
	if w.Guards, err = r.guardSelf(w.Guards, w.ID, r.revisionOf(w.Previous)); err != nil {
		return nil, err
	}
	if err := r.nameIsFree(ctx, p, w.ID); err != nil {
		return nil, err
	}
	for range maxRounds {
		rows, actions, err := r.build(w, p)
		if err != nil {
			return nil, err
		}
		refusal := r.store.transact(ctx, "writing a revision", actions)
		if refusal == nil {
			r.noted(rows[len(rows)-1])
			return rows, nil
		}
		if err := r.replan(ctx, p, w.ID, refusal); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("writing a revision of %q: %w: others were quicker %d times", w.ID, store.ErrUnavailable, maxRounds)
}

// replan changes the plan after a refusal, or returns the refusal if nothing can
// be done about it.
func (r *revisions[T]) replan(ctx context.Context, p *plan, id string, refusal error) (err error) {
	if taken, ok := errors.AsType[numberTaken](refusal); ok {
		p.numbers, err = r.freeNumbers(ctx, id, p.numbers, taken.index)
		return err
	}
	if held, ok := errors.AsType[claimHeld](refusal); ok {
		p.heir, err = r.inherit(ctx, p.claim, held.claim)
		return err
	}
	if errors.Is(refusal, foreignClaim{}) {
		p.release = ""
		return nil
	}
	return refusal
}

func checkWrite[T any](w store.Write[T]) error {
	switch {
	case len(w.Rows) == 0:
		return errors.New("dynamo: a write without rows")
	case w.ID == "":
		return errors.New("dynamo: a write without an id")
	case len(w.Rows) > store.MaxRows:
		return fmt.Errorf("%w: %d revisions at once, at most %d", store.ErrTooLarge, len(w.Rows), store.MaxRows)
	case !validKey(revision.Key(w.ID, maxNumbersSkipped)):
		return fmt.Errorf("%w: an id of %d bytes", store.ErrTooLarge, len(w.ID))
	}
	return nil
}

func checkLimits(changes, guards int) error {
	switch {
	case changes > store.MaxMappingChanges:
		return fmt.Errorf("%w: %d mapping changes, at most %d", store.ErrTooLarge, changes, store.MaxMappingChanges)
	case changes+guards > store.MaxGuards:
		return fmt.Errorf("%w: %d guards and mapping changes, at most %d", store.ErrTooLarge, changes+guards, store.MaxGuards)
	}
	return nil
}

// plan is what a write changes beside its rows.
type plan struct {
	numbers          []int  // of the new rows
	claim, release   string // names to claim and to give up; empty: none
	heir             *heir  // how to take the claim from who no longer bears the name
	mapped, unmapped []string
}

// plan compares the last row with the one before; nil: there was none.
func (r *revisions[T]) plan(previous, last *T) *plan {
	p := &plan{}
	if r.archive {
		return p
	}
	var mappedBefore []string
	nameBefore := ""
	if previous != nil {
		mappedBefore, nameBefore = r.noun.mapped(previous), r.noun.named(previous)
	}
	if name := r.noun.named(last); r.noun.claim != "" && (previous == nil || name != nameBefore) {
		p.claim, p.release = name, nameBefore
	}
	after := r.noun.mapped(last)
	p.mapped = missing(mappedBefore, after)
	p.unmapped = missing(after, mappedBefore)
	return p
}

// missing returns what b has and a has not, each once.
func missing(a, b []string) []string {
	seen := make(map[string]bool, len(a))
	for _, s := range a {
		seen[s] = true
	}
	var out []string
	for _, s := range b {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

func (r *revisions[T]) revisionOf(v *T) int {
	if v == nil {
		return 0
	}
	return r.noun.meta(v).Revision
}

// guardSelf takes out guards of the row that is written anyway, under a
// condition on the same number.
func (r *revisions[T]) guardSelf(guards []store.Guard, id string, n int) ([]store.Guard, error) {
	var others []store.Guard
	for _, g := range guards {
		switch {
		case g.Kind != "" || g.ID != id:
			others = append(others, g)
		case g.Version != n:
			return nil, &store.StaleError{What: id}
		}
	}
	return others, nil
}

// build makes the numbered rows as they will be read, and the actions that write
// them.
func (r *revisions[T]) build(w store.Write[T], p *plan) ([]*T, []*action, error) {
	rows := make([]*T, len(w.Rows))
	history := make([]item, len(w.Rows))
	var current item
	for i, v := range w.Rows {
		row := r.noun.clone(v)
		m := r.noun.meta(row)
		m.ID, m.Revision = w.ID, p.numbers[i]
		current, history[i] = r.noun.row(row), r.noun.revisionRow(row)
		stands := history[i]
		if i == len(w.Rows)-1 {
			stands = current
		}
		var err error
		if rows[i], err = r.writable(stands); err != nil {
			return nil, nil, err
		}
	}
	actions := []*action{r.putCurrent(w, current)}
	if w.Previous == nil && r.noun.name == store.Service {
		if base, _, ok := revision.Split(w.ID); ok {
			actions = append(actions, r.noServiceAt(base, w.ID))
		}
	}
	actions = append(actions, r.nameActions(p, w.ID)...)
	for i, it := range history {
		a := putItem(r.table, it)
		actions = append(actions, a.only(a.is(attrID, nil), func(item) error { return numberTaken{i} }))
	}
	for _, id := range p.mapped {
		actions = append(actions, r.store.changeMapping(r.table, "ADD", id, w.ID))
	}
	for _, id := range p.unmapped {
		actions = append(actions, r.store.changeMapping(r.table, "DELETE", id, w.ID))
	}
	return rows, r.store.guardAll(r.table, actions, w.Guards), nil
}

// writable makes sure that an item fits and can be read, and reads it.
func (r *revisions[T]) writable(it item) (*T, error) {
	if err := fits(it); err != nil {
		return nil, err
	}
	v, err := r.noun.read(it)
	if err != nil {
		return nil, fmt.Errorf("dynamo: not written: %w", err)
	}
	return v, nil
}

// putCurrent writes the current row if it is still as it was read.
func (r *revisions[T]) putCurrent(w store.Write[T], row item) *action {
	a := putItem(r.table, row)
	a.told = true
	return a.only(r.isAsRead(&a.expression, w.Previous), func(old item) error {
		if len(old) > 0 && !r.noun.isCurrent(old) {
			return &store.TakenError{Key: w.ID, Holder: w.ID, Noun: nounOf(dataType(old))}
		}
		return &store.StaleError{Own: true, What: w.ID}
	})
}

// isAsRead is the condition that the current row, its head too, is what was read;
// nil: that there is none.
func (r *revisions[T]) isAsRead(e *expression, v *T) string {
	if v == nil {
		return e.is(attrID, nil)
	}
	conditions, row := []string{r.isAt(e, r.revisionOf(v))}, r.noun.row(v)
	for _, name := range r.noun.head {
		conditions = append(conditions, e.is(name, row[name]))
	}
	return all(conditions...)
}

// isAt is the condition that the current row is at a revision.
func (r *revisions[T]) isAt(e *expression, n int) string {
	return all(e.is(attrDataType, text(r.noun.current())), e.is(attrRevision, number(n)))
}

// noServiceAt refuses a service "x-<digits>" beside a current service x, whose
// history would compete for its key.
func (r *revisions[T]) noServiceAt(base, id string) *action {
	a := checkItem(r.table, base)
	when := either(a.is(attrID, nil), a.compare(attrDataType, "<>", text(string(store.Service))))
	return a.only(when, func(item) error { return &store.TakenError{Key: id, Holder: base, Noun: store.Service} })
}

// freeNumbers numbers the rows from index on anew, with numbers whose keys are
// free.
func (r *revisions[T]) freeNumbers(ctx context.Context, id string, numbers []int, index int) ([]int, error) {
	free := slices.Clone(numbers[:index])
	for first := numbers[index]; len(free) < len(numbers); first += batchSize {
		if first > numbers[index]+maxNumbersSkipped {
			return nil, fmt.Errorf("numbering a revision of %q: %w: more than %d numbers are taken", id, store.ErrUnavailable, maxNumbersSkipped)
		}
		keys := make([]string, batchSize)
		for i := range keys {
			keys[i] = revision.Key(id, first+i)
		}
		taken, err := r.store.batch(ctx, r.table, keys, attrID)
		if err != nil {
			return nil, err
		}
		for i, k := range keys {
			if taken[k] == nil && len(free) < len(numbers) {
				free = append(free, first+i)
			}
		}
	}
	return free, nil
}
