package sqlite

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"github.com/confidant-secrets/confidant/internal/store"
)

var errNotAmendable = errors.New("an amendment must not change identity, name or mapping")

// Amend rewrites a row in place. Both copies of the current row are one row of
// history here, so they cannot differ.
func (r *revisions[T]) Amend(ctx context.Context, id string, n int, change func(*T) bool) error {
	return r.store.write(ctx, "amending a row", func(t *transaction) error {
		before, number, old, err := t.amendable(r.space, r.codec.noun(), id, n)
		if err != nil {
			return err
		}
		v, err := r.codec.decode(before)
		if err != nil {
			return err
		}
		if !change(v) {
			return nil
		}
		after := r.codec.encode(v)
		if err := t.amend(r.space, before, &after, number, old); err != nil || old == nil {
			return err
		}
		// What change was given may still be in its hands.
		v, err = r.codec.decode(&after)
		if err == nil {
			r.publish(t, v, &after)
		}
		return err
	})
}

// amendable reads revision n of id with its number, and the thing if that is its
// current revision.
func (t *transaction) amendable(sp *space, kind noun, id string, n int) (c *content, number int64, current *thing, err error) {
	old, err := t.thing(sp, id)
	if err != nil {
		return nil, 0, nil, err
	}
	c = &content{}
	found, err := t.row("SELECT "+selection("", false)+", h.number FROM "+sp.history+" h WHERE h.id = ? AND h.revision = ? AND h.noun = ?",
		[]any{id, n, string(kind)}, c.targets(&number)...)
	if err != nil {
		return nil, 0, nil, err
	}
	if !found {
		return nil, 0, nil, store.ErrNotFound
	}
	if old != nil && old.noun == kind && old.revision == n {
		c.head = old.head
		current = old
	}
	return c, number, current, nil
}

func (t *transaction) amend(sp *space, before, after *content, number int64, old *thing) error {
	if after.id != before.id || after.revision != before.revision || after.modified != before.modified ||
		after.modifiedBy != before.modifiedBy || after.name != before.name ||
		after.credentials != before.credentials || after.blindCredentials != before.blindCredentials {
		return errNotAmendable
	}
	if err := after.checkSize(); err != nil {
		return err
	}
	if old == nil || *before == *after {
		return t.rewrite(sp, before, after, number)
	}
	// What the details are of is rewritten next.
	was, err := t.detailsOf(sp, old)
	if err != nil {
		return err
	}
	if err := t.rewrite(sp, before, after, number); err != nil {
		return err
	}
	return t.place(sp, old, before, after, number, was.claim)
}

// rewrite writes the columns of a row of history that differ.
func (t *transaction) rewrite(sp *space, before, after *content, number int64) error {
	var names []string
	var args []any
	was := before.args()
	for i, value := range after.args() {
		if !reflect.DeepEqual(was[i], value) {
			names = append(names, columns[i]+" = ?")
			args = append(args, value)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return t.exec("UPDATE "+sp.history+" SET "+strings.Join(names, ", ")+" WHERE number = ?", append(args, number)...)
}
