package sqlite

import (
	"context"

	"github.com/confidant-secrets/confidant/internal/store"
)

// Delete removes a thing with its history in one transaction.
func (r *revisions[T]) Delete(ctx context.Context, id string, expect int, guards []store.Guard) error {
	return r.store.write(ctx, "deleting a row", func(t *transaction) error {
		old, err := t.thing(r.space, id)
		switch {
		case err != nil:
			return err
		case old == nil:
			return store.ErrNotFound
		case old.noun != r.codec.noun():
			return takenKey(id, id, old.noun)
		case old.revision != expect:
			return staleRow(id)
		}
		if err := checkLimits(len(guards), 0); err != nil {
			return err
		}
		if err := t.checkGuards(r.space, guards); err != nil {
			return err
		}
		r.forget(t, id)
		if err := t.remove(r.space, old, id); err != nil {
			return err
		}
		// The plus keeps SQLite from going through all rows of a noun by the index of
		// lists; by its id a thing has a handful.
		return t.exec("DELETE FROM "+r.space.history+" WHERE id = ? AND +noun = ?", id, string(old.noun))
	})
}

// DeleteOrphans removes history without a current row in one transaction.
func (r *revisions[T]) DeleteOrphans(ctx context.Context, id string, numbers []int) error {
	return r.store.write(ctx, "deleting orphans", func(t *transaction) error {
		old, err := t.thing(r.space, id)
		if err != nil {
			return err
		}
		if old != nil {
			return staleRow(id)
		}
		r.forget(t, id)
		for _, n := range numbers {
			err := t.exec("DELETE FROM "+r.space.history+" WHERE id = ? AND revision = ? AND +noun = ?", id, n, string(r.codec.noun()))
			if err != nil {
				return err
			}
		}
		return nil
	})
}
