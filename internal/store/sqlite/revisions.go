package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// revisions reads and writes one noun in one key space.
type revisions[T any] struct {
	store *Store
	space *space
	codec codec[T]
}

// cache holds current rows of the main space only.
func (r *revisions[T]) cache() *cache {
	if !r.space.main {
		return nil
	}
	return r.store.cache
}

func (r *revisions[T]) key(id string) cacheKey { return cacheKey{r.codec.noun(), id} }

// from is the join that reads current rows, starting from the small table.
func (r *revisions[T]) from() string {
	return " FROM " + r.space.current + " c CROSS JOIN " + r.space.history + " h ON h.number = c.content"
}

// Get returns the current row.
func (r *revisions[T]) Get(ctx context.Context, id string) (*T, error) {
	if err := ctx.Err(); err != nil {
		return nil, wrap(ctx, "reading a row", err)
	}
	if row, known := r.cache().get(r.codec.noun(), id); known && row != nil {
		return row.(*T), nil
	}
	v, err := r.read(ctx, id)
	return v, wrap(ctx, "reading a row", err)
}

// read reads a current row from the file.
func (r *revisions[T]) read(ctx context.Context, id string) (*T, error) {
	generation := r.cache().now()
	var (
		c     content
		found bool
	)
	err := r.store.query(ctx, "SELECT "+selection("c", false)+r.from()+" WHERE c.id = ?", func(rows *sql.Rows) error {
		found = true
		return rows.Scan(c.targets()...)
	}, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, r.notCurrent(ctx, id)
	}
	if c.noun != r.codec.noun() {
		return nil, takenKey(id, id, c.noun)
	}
	v, err := r.codec.decode(&c)
	if err != nil {
		return nil, err
	}
	r.keep(generation, v, &c)
	return v, nil
}

// notCurrent says why there is no current row under a key.
func (r *revisions[T]) notCurrent(ctx context.Context, key string) error {
	base, number, ok := revision.Split(key)
	if !ok {
		return store.ErrNotFound
	}
	err := store.ErrNotFound
	queryErr := r.store.query(ctx, "SELECT noun FROM "+r.space.history+" WHERE id = ? AND revision = ?", func(rows *sql.Rows) error {
		var n noun
		scanErr := rows.Scan((*string)(&n))
		err = takenKey(key, base, n)
		return scanErr
	}, base, number)
	if queryErr != nil {
		return queryErr
	}
	return err
}

// keep puts a current row that was read into the cache.
func (r *revisions[T]) keep(generation uint64, v *T, c *content) {
	if cache := r.cache(); cache != nil {
		r.codec.remember(v)
		cache.fill(generation, r.key(c.id), v, c.size())
	}
}

// BatchGet returns current rows in the order asked.
func (r *revisions[T]) BatchGet(ctx context.Context, ids []string) ([]*T, error) {
	if err := ctx.Err(); err != nil {
		return nil, wrap(ctx, "reading rows", err)
	}
	ids = once(ids)
	rows := make([]*T, len(ids))
	if unknown := getAll(r.cache(), r.codec.noun(), ids, rows); len(unknown) > 0 {
		if err := r.readAll(ctx, ids, rows, unknown); err != nil {
			return nil, wrap(ctx, "reading rows", err)
		}
	}
	return slices.DeleteFunc(rows, func(v *T) bool { return v == nil }), nil
}

// once leaves repeated ids out. A list without any, as those of services are,
// comes back as it is.
func once(ids []string) []string {
	ascending := true
	for i := 1; i < len(ids) && ascending; i++ {
		ascending = ids[i-1] < ids[i]
	}
	if ascending {
		return ids
	}
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		repeated := seen[id]
		seen[id] = true
		return repeated
	})
}

// readAll reads the rows at some places from the file, and notes which are not
// there.
func (r *revisions[T]) readAll(ctx context.Context, ids []string, into []*T, places []int) error {
	generation := r.cache().now()
	place := make(map[string]int, len(places))
	wanted := make([]string, len(places))
	for i, p := range places {
		place[ids[p]], wanted[i] = p, ids[p]
	}
	list, err := json.Marshal(wanted)
	if err != nil {
		return err
	}
	var c content
	targets := c.targets()
	err = r.store.query(ctx, "SELECT "+selection("c", false)+" FROM json_each(?) j CROSS JOIN "+r.space.current+
		" c ON c.id = j.value CROSS JOIN "+r.space.history+" h ON h.number = c.content WHERE c.noun = ?",
		func(rows *sql.Rows) error {
			if err := rows.Scan(targets...); err != nil {
				return err
			}
			v, err := r.codec.decode(&c)
			if err != nil {
				return err
			}
			into[place[c.id]] = v
			r.keep(generation, v, &c)
			return nil
		}, string(list), string(r.codec.noun()))
	if err != nil {
		return err
	}
	for _, p := range places {
		if into[p] == nil {
			r.cache().fill(generation, r.key(ids[p]), nil, len(ids[p]))
		}
	}
	return nil
}

// Revision returns one row of history.
func (r *revisions[T]) Revision(ctx context.Context, id string, n int) (v *T, err error) {
	if err := ctx.Err(); err != nil {
		return nil, wrap(ctx, "reading a revision", err)
	}
	var c content
	err = r.store.query(ctx, "SELECT "+selection("", false)+" FROM "+r.space.history+" h WHERE h.id = ? AND h.revision = ? AND h.noun = ?",
		func(rows *sql.Rows) (err error) {
			if err := rows.Scan(c.targets()...); err != nil {
				return err
			}
			v, err = r.codec.decode(&c)
			return err
		}, id, n, string(r.codec.noun()))
	if err == nil && v == nil {
		err = store.ErrNotFound
	}
	return v, wrap(ctx, "reading a revision", err)
}
