package keyring

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"sync/atomic"
	"time"
)

// Cache keeps what was prepared from data keys, unwrapped or just made, so that a key in use
// is neither unwrapped nor prepared again. It is bounded by number and age, and
// however many callers want the same key at once, it is unwrapped once.
//
// An entry answers for one wrapped key under one context: a wrapped key that
// was moved to another row is still refused. Errors are not kept.
//
// V is the form in which the keys are used. It is overwritten when the entry
// goes and its last reader is done with it, never under a reader. A Cache is
// safe for concurrent use.
type Cache[V any] struct {
	keyring Keyring
	prepare func(key []byte) (V, error)
	wipe    func(V)
	ttl     time.Duration
	shards  []shard[V] // none: nothing is kept. Otherwise a power of two
}

// CacheOptions are a cache's dependencies and bounds.
type CacheOptions[V any] struct {
	Keyring Keyring
	Size    int           // most entries kept; 0 keeps none
	TTL     time.Duration // how long an entry is kept, used or not; 0 keeps none

	// Prepare makes the usable form of a key. The key is overwritten when it
	// returns.
	Prepare func(key []byte) (V, error)
	// Wipe overwrites a prepared form that nobody uses any more. It must not
	// call the cache.
	Wipe func(V)
}

// NewCache returns an empty cache. It is an error to leave Keyring, Prepare or
// Wipe out.
func NewCache[V any](o CacheOptions[V]) (*Cache[V], error) {
	if o.Keyring == nil || o.Prepare == nil || o.Wipe == nil {
		return nil, errors.New("a data key cache needs a keyring and the functions that prepare and wipe")
	}
	c := &Cache[V]{keyring: o.Keyring, prepare: o.Prepare, wipe: o.Wipe, ttl: o.TTL}
	if o.Size > 0 && o.TTL > 0 {
		c.shards = makeShards[V](o.Size)
	}
	return c, nil
}

// Use unwraps the key, or finds it, and calls use with its prepared form, which
// is valid until use returns. It returns what use returns, an error of the
// keyring or of Prepare, or the context's error if that ends first; then the
// others who wait for the same key still get it.
func (c *Cache[V]) Use(ctx context.Context, wrapped []byte, ec Context, use func(V) error) error {
	e, err := c.acquire(ctx, wrapped, ec)
	if err != nil {
		return err
	}
	defer c.release(e)
	return use(e.value)
}

// Put keeps the prepared form of a key that the caller has just wrapped, for
// whoever uses it next, and takes it over: the caller must not use it any more.
func (c *Cache[V]) Put(wrapped []byte, ec Context, value V) {
	if len(c.shards) == 0 {
		c.wipe(value)
		return
	}
	id := identify(wrapped, ec)
	s := c.shard(id)
	s.mu.Lock()
	known := s.entries[id] != nil
	if !known {
		c.list(s, &entry[V]{id: id, value: value})
	}
	s.mu.Unlock()
	if known {
		c.wipe(value)
	}
}

func (c *Cache[V]) shard(id identity) *shard[V] {
	return &c.shards[int(id[0])&(len(c.shards)-1)]
}

// list makes an entry, which is not used yet, one of the shard's, with the
// shard's reference. The shard's lock must be held.
func (c *Cache[V]) list(s *shard[V], e *entry[V]) {
	e.refs.Add(1)
	e.timer = time.AfterFunc(c.ttl, func() { c.expire(s, e) })
	if evicted := s.insert(e); evicted != nil {
		c.release(evicted)
	}
}

// acquire returns an entry with a reference that the caller must release. No
// argument is kept, and wrapped and ec are copied before they are handed on, so
// that a caller's map can stay on its stack as long as the key is found.
func (c *Cache[V]) acquire(ctx context.Context, wrapped []byte, ec Context) (*entry[V], error) {
	if len(c.shards) == 0 {
		value, err := c.unwrap(ctx, bytes.Clone(wrapped), ec.clone())
		if err != nil {
			return nil, err
		}
		e := &entry[V]{value: value}
		e.refs.Store(1)
		return e, nil
	}

	id := identify(wrapped, ec)
	s := c.shard(id)
	s.mu.Lock()
	if e := s.entries[id]; e != nil {
		e.refs.Add(1)
		s.touch(e)
		s.mu.Unlock()
		return e, nil
	}
	f := s.flights[id]
	if f == nil {
		// The flight belongs to all who wait for it, so it has a life of its
		// own: it ends with the answer, or when the last of them gives up.
		shared, cancel := context.WithCancel(context.WithoutCancel(ctx))
		f = &flight[V]{done: make(chan struct{}), cancel: cancel}
		s.flights[id] = f
		go c.fly(shared, s, f, id, bytes.Clone(wrapped), ec.clone())
	}
	f.waiters++
	s.mu.Unlock()

	select {
	case <-f.done:
	case <-ctx.Done():
		if s.leave(f, id) {
			return nil, ctx.Err()
		}
		<-f.done // it landed meanwhile, with a reference counted for this caller
	}
	return f.entry, f.err
}

// fly unwraps one key for everyone who waits for it.
func (c *Cache[V]) fly(ctx context.Context, s *shard[V], f *flight[V], id identity, wrapped []byte, ec Context) {
	value, err := c.unwrap(ctx, wrapped, ec)
	f.cancel()

	s.mu.Lock()
	if s.flights[id] == f {
		delete(s.flights, id)
	}
	switch {
	case err != nil:
		f.err = err
	case f.waiters == 0:
		c.wipe(value)
	default:
		e := s.entries[id]
		if e != nil { // it was put there meanwhile
			c.wipe(value)
		} else {
			e = &entry[V]{id: id, value: value}
			c.list(s, e)
		}
		e.refs.Add(int64(f.waiters))
		f.entry = e
	}
	s.mu.Unlock()
	close(f.done)
}

func (c *Cache[V]) unwrap(ctx context.Context, wrapped []byte, ec Context) (V, error) {
	key, err := c.keyring.Unwrap(ctx, wrapped, ec)
	if err != nil {
		var none V
		return none, err
	}
	defer clear(key)
	return c.prepare(key)
}

// expire takes an entry out at the end of its life, whether or not anyone asks
// for it again.
func (c *Cache[V]) expire(s *shard[V], e *entry[V]) {
	s.mu.Lock()
	listed := s.remove(e)
	s.mu.Unlock()
	if listed {
		c.release(e)
	}
}

func (c *Cache[V]) release(e *entry[V]) {
	if e.refs.Add(-1) == 0 {
		c.wipe(e.value)
	}
}

// identity names a wrapped key under a context.
type identity [sha256.Size]byte

func identify(wrapped []byte, ec Context) identity {
	var space [512]byte // enough for a KMS ciphertext, so that nothing is allocated
	b := ec.AppendCanonical(space[:0])
	return sha256.Sum256(append(b, wrapped...))
}

// entry is a prepared key. References are held by the shard that lists it and
// by every reader; whoever drops the last one wipes it. New references are
// taken only under the shard's lock while it is listed, so none appears after
// the last was dropped.
type entry[V any] struct {
	id           identity
	value        V
	refs         atomic.Int64
	timer        *time.Timer
	newer, older *entry[V]
}

// flight is a key being unwrapped. waiters is guarded by the shard's lock;
// entry and err are written before done is closed.
type flight[V any] struct {
	waiters int
	cancel  context.CancelFunc
	done    chan struct{}
	entry   *entry[V] // holds one reference for each waiter
	err     error
}
