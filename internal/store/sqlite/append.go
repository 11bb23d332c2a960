package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// numberLimit bounds the search for a revision number that is not taken.
const numberLimit = 10_000

// Append adds revisions, the last becoming current.
func (r *revisions[T]) Append(ctx context.Context, w store.Write[T]) ([]*T, error) {
	const what = "appending a revision"
	rows, err := r.prepare(w)
	if err != nil {
		return nil, wrap(ctx, what, err)
	}
	var previous *version
	if w.Previous != nil {
		previous = &version{r.codec.meta(w.Previous).Revision, r.codec.head(w.Previous)}
	}
	var stored []*T
	err = r.store.write(ctx, what, func(t *transaction) error {
		if err := t.append(r.space, previous, rows, w.Guards); err != nil {
			return err
		}
		stored = make([]*T, len(rows))
		for i := range rows {
			var err error
			if stored[i], err = r.codec.decode(&rows[i]); err != nil {
				return err
			}
		}
		r.publish(t, stored[len(rows)-1], &rows[len(rows)-1])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return stored, nil
}

// prepare turns the rows of a write into what the tables keep, but for their
// numbers.
func (r *revisions[T]) prepare(w store.Write[T]) ([]content, error) {
	if len(w.Rows) == 0 || w.ID == "" {
		return nil, errors.New("a write without rows or id")
	}
	if len(w.Rows) > store.MaxRows {
		return nil, fmt.Errorf("%w: %d rows, at most %d", store.ErrTooLarge, len(w.Rows), store.MaxRows)
	}
	rows := make([]content, len(w.Rows))
	for i, v := range w.Rows {
		rows[i] = r.codec.encode(v)
		rows[i].id = w.ID
		if i < len(w.Rows)-1 {
			rows[i].head = noHead
		}
		if err := rows[i].checkSize(); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// publish has the cache hold a current row once this is committed.
func (r *revisions[T]) publish(t *transaction, v *T, c *content) {
	if r.cache() != nil {
		r.codec.remember(v)
		t.touch(r.key(c.id), v, c.size())
	}
}

// forget has the cache forget a current row once this is committed.
func (r *revisions[T]) forget(t *transaction, id string) {
	if r.cache() != nil {
		t.touch(r.key(id), nil, 0)
	}
}

// version is what must still stand of the row a caller read.
type version struct {
	revision int
	head     head
}

// append numbers the rows and writes them.
func (t *transaction) append(sp *space, previous *version, rows []content, guards []store.Guard) error {
	last := &rows[len(rows)-1]
	old, err := t.thing(sp, last.id)
	if err != nil {
		return err
	}
	if err := t.mayFollow(sp, old, previous, last); err != nil {
		return err
	}
	var claim []byte
	mappings := 0
	if !old.keeps(sp, last) {
		was, err := t.detailsOf(sp, old)
		if err != nil {
			return err
		}
		added, removed, err := mappingChanges(was, last)
		if err != nil {
			return err
		}
		if sp.main {
			mappings = len(added) + len(removed)
		}
		if claim, err = t.claimFor(sp, old, was, last); err != nil {
			return err
		}
	}
	if err := checkLimits(len(guards), mappings); err != nil {
		return err
	}
	if err := t.checkGuards(sp, guards); err != nil {
		return err
	}
	after := 0
	if old != nil {
		after = old.revision
	}
	var number int64
	for i := range rows {
		if number, err = t.addNumbered(sp, &rows[i], after); err != nil {
			return err
		}
		after = rows[i].revision
	}
	return t.place(sp, old, nil, last, number, claim)
}

// mayFollow checks that the current row is the one the caller read and that the
// id is not the key of something else.
func (t *transaction) mayFollow(sp *space, old *thing, previous *version, c *content) error {
	switch {
	case old != nil && old.noun != c.noun:
		return takenKey(c.id, c.id, old.noun)
	case old == nil && previous == nil:
		return t.mayCreate(sp, c)
	case old == nil, previous == nil, *previous != version{old.revision, old.head}:
		return staleRow(c.id)
	}
	return nil
}

func (t *transaction) mayCreate(sp *space, c *content) error {
	base, _, ok := revision.Split(c.id)
	if !ok {
		return nil
	}
	holder, n, err := t.keyOfHistory(sp, c.id)
	if err != nil {
		return err
	}
	if holder != "" {
		return takenKey(c.id, holder, n)
	}
	if c.noun != serviceNoun {
		return nil
	}
	beside, err := t.exists("SELECT 1 FROM "+sp.current+" WHERE id = ? AND noun = ?", base, string(serviceNoun))
	if err == nil && beside {
		err = takenKey(c.id, base, serviceNoun)
	}
	return err
}

// claimFor returns the claim that a row is to hold. One that keeps its name keeps
// what it had, be that a claim or none.
func (t *transaction) claimFor(sp *space, old *thing, was *details, c *content) ([]byte, error) {
	if old != nil && was.name == c.name {
		return was.claim, nil
	}
	claim, holder, err := t.nameClaim(sp, c)
	if err == nil && holder != "" && holder != c.id {
		err = takenName(c.name, holder, c.noun)
	}
	return claim, err
}

// addNumbered inserts a row as the first revision after one whose key is not
// taken.
func (t *transaction) addNumbered(sp *space, c *content, after int) (number int64, err error) {
	for c.revision = after + 1; c.revision <= after+numberLimit; c.revision++ {
		number, err = t.addHistory(sp, c)
		if err != nil || number != 0 {
			return number, err
		}
	}
	return 0, fmt.Errorf("%w: the %d numbers after revision %d of %q are taken", store.ErrUnavailable, numberLimit, after, c.id)
}
