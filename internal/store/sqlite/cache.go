package sqlite

import (
	"slices"
	"sync"
)

// mappingDocument stands in keys of the cache where the noun of a row would: the
// id is that of the credential.
const mappingDocument noun = "m"

// cacheKey is a current row in the main key space, or a mapping document.
type cacheKey struct {
	noun noun
	id   string
}

// cached is what is known of a key: its row, a pointer to the noun's type or to a
// document, or that there is none, which is nil.
type cached struct {
	key        cacheKey
	row        any
	size       int
	prev, next *cached // in the order of use
}

// cache keeps current rows by id, the most recently used ones that fit. A nil
// cache keeps nothing.
//
// What it holds is never older than what a reader could have seen before. A fill
// states the generation it read before its query, and is dropped if that has
// moved: rows were written or the cache was emptied in between. From just before
// a commit until just after it the rows written are neither held nor filled, so
// that whoever reads them meanwhile reads the file.
type cache struct {
	limit int

	mu         sync.Mutex
	rows       map[noun]map[string]*cached
	used       cached // ring: next is the most recently used, prev the least
	size       int
	generation uint64
	committing []cacheKey
}

func newCache(limit int) *cache {
	if limit < 0 {
		return nil
	}
	c := &cache{limit: limit}
	c.reset()
	return c
}

func (c *cache) reset() {
	c.rows = map[noun]map[string]*cached{}
	for _, n := range append(slices.Clone(nouns), mappingDocument) {
		c.rows[n] = map[string]*cached{}
	}
	c.used.next, c.used.prev = &c.used, &c.used
	c.size = 0
}

// get returns what is known of a key. Known to be absent is a nil row.
func (c *cache) get(n noun, id string) (row any, known bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lookup(c.rows[n], id)
}

func (c *cache) lookup(rows map[string]*cached, id string) (row any, known bool) {
	e := rows[id]
	if e == nil {
		return nil, false
	}
	if e != c.used.next {
		e.unlink()
		c.link(e)
	}
	return e.row, true
}

// getAll puts the rows it knows of into their places and returns the places of
// the keys that it knows nothing of.
func getAll[T any](c *cache, n noun, ids []string, into []*T) (unknown []int) {
	if c == nil {
		for i := range ids {
			unknown = append(unknown, i)
		}
		return unknown
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := c.rows[n]
	for i, id := range ids {
		row, known := c.lookup(rows, id)
		if !known {
			unknown = append(unknown, i)
		} else if row != nil {
			into[i] = row.(*T)
		}
	}
	return unknown
}

// now returns the generation that a fill states later.
func (c *cache) now() uint64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.generation
}

// fill keeps what a query told that began at a generation.
func (c *cache) fill(generation uint64, key cacheKey, row any, size int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == generation && !slices.Contains(c.committing, key) {
		c.put(key, row, size)
	}
}

// written is a row that a transaction changed. A nil row is not known: it is gone,
// or the next reader may read it.
type written struct {
	key  cacheKey
	row  any
	size int
}

// begin forgets the rows that are about to be committed.
func (c *cache) begin(changes []written) {
	if c == nil || len(changes) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for _, w := range changes {
		c.remove(w.key)
		c.committing = append(c.committing, w.key)
	}
}

// end takes up the rows that were committed, or none of them if they were not.
func (c *cache) end(changes []written, committed bool) {
	if c == nil || len(changes) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.committing = c.committing[:0]
	if !committed {
		return
	}
	for _, w := range changes {
		if w.row != nil {
			c.put(w.key, w.row, w.size)
		}
	}
}

// clear forgets everything: another process has written.
func (c *cache) clear() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.reset()
}

// entryBytes is what a row takes beside its own members: the entry, the map's
// share, the row's header and the form that a transport derives from it.
const entryBytes = 512

func (c *cache) put(key cacheKey, row any, size int) {
	c.remove(key)
	e := &cached{key: key, row: row, size: size + entryBytes}
	c.rows[key.noun][key.id] = e
	c.size += e.size
	c.link(e)
	for c.size > c.limit {
		c.remove(c.used.prev.key)
	}
}

func (c *cache) remove(key cacheKey) {
	e := c.rows[key.noun][key.id]
	if e == nil {
		return
	}
	delete(c.rows[key.noun], key.id)
	c.size -= e.size
	e.unlink()
}

func (c *cache) link(e *cached) {
	e.prev, e.next = &c.used, c.used.next
	e.prev.next, e.next.prev = e, e
}

func (e *cached) unlink() { e.prev.next, e.next.prev = e.next, e.prev }
