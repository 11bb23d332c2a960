package dynamo

import (
	"errors"
	"sync"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// cacheRows bounds the rows a cache holds. A full cache is emptied: with a life
// of seconds nothing better pays.
const cacheRows = 10_000

// cache serves current rows for a short time where the operator accepts that
// other machines' writes show late. A nil cache holds nothing.
type cache[T any] struct {
	ttl  time.Duration
	mu   sync.Mutex
	rows map[string]cached[T]
	// dropped remembers when an id was last dropped, so that a read that began
	// before does not put the old row back.
	dropped map[string]time.Time
}

type cached[T any] struct {
	row   *T
	until time.Time
}

func newCache[T any](ttl time.Duration) *cache[T] {
	if ttl <= 0 {
		return nil
	}
	return &cache[T]{ttl: ttl, rows: map[string]cached[T]{}, dropped: map[string]time.Time{}}
}

func (c *cache[T]) get(id string, now time.Time) *T {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.rows[id]; ok && now.Before(e.until) {
		return e.row
	}
	return nil
}

// put keeps a row whose read began at started.
func (c *cache[T]) put(id string, row *T, started time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !started.After(c.dropped[id]) {
		return
	}
	if len(c.rows) >= cacheRows {
		clear(c.rows)
	}
	c.rows[id] = cached[T]{row, started.Add(c.ttl)}
}

// drop forgets an id.
func (c *cache[T]) drop(id string, now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.rows, id)
	if len(c.dropped) >= cacheRows {
		// A read older than its life in the cache cannot bring back what it saw.
		for k, at := range c.dropped {
			if now.Sub(at) > c.ttl {
				delete(c.dropped, k)
			}
		}
	}
	c.dropped[id] = now
}

// written forgets what a write at id, whatever came of it, has made doubtful: the
// row itself, and if something moved, the rows that the decision was based on.
// Read again from memory, they would be found as stale as before.
func (r *revisions[T]) written(id string, guards []store.Guard, err error) {
	now := r.store.now()
	r.cache.drop(id, now)
	if !errors.Is(err, store.ErrStale) {
		return
	}
	for _, g := range guards {
		if g.Kind == "" {
			r.store.credentials.cache.drop(g.ID, now)
			r.store.blinds.cache.drop(g.ID, now)
			r.store.services.cache.drop(g.ID, now)
		}
	}
}
