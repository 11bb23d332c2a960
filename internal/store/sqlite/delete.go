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
		return t.exec("DELETE FROM "+r.space.history+" WHERE id = ? AND noun = ?", id, string(old.noun))
	})
}
