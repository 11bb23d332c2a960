package keyring

import "sync"

// shard is one part of a cache, with its own lock and bound. Identities are
// hashes, so keys spread evenly over the shards.
type shard[V any] struct {
	mu      sync.Mutex
	size    int
	entries map[identity]*entry[V]
	flights map[identity]*flight[V]

	// ends closes the ring of entries by last use: ends.older is the entry
	// used last, ends.newer the one not used for the longest time.
	ends entry[V]
}

const (
	maxShards    = 16
	minShardSize = 64 // below it, chance would fill one shard while others are empty
)

// makeShards divides size among a power of two of shards.
func makeShards[V any](size int) []shard[V] {
	n := 1
	for n < maxShards && size >= 2*n*minShardSize {
		n *= 2
	}
	shards := make([]shard[V], n)
	for i := range shards {
		s := &shards[i]
		s.size = size / n
		if i < size%n {
			s.size++
		}
		s.entries = make(map[identity]*entry[V])
		s.flights = make(map[identity]*flight[V])
		s.ends.newer, s.ends.older = &s.ends, &s.ends
	}
	return shards
}

// leave takes one waiter off a flight, and ends the flight if it was the last.
// It reports false if the flight has landed.
func (s *shard[V]) leave(f *flight[V], id identity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flights[id] != f {
		return false
	}
	f.waiters--
	if f.waiters == 0 {
		f.cancel()
		delete(s.flights, id) // the next caller must not join a cancelled flight
	}
	return true
}

// insert lists an entry as the one used last and returns the one that had to
// go for it, no longer listed, or nil. The lock must be held, as for all below.
func (s *shard[V]) insert(e *entry[V]) (evicted *entry[V]) {
	if len(s.entries) == s.size {
		evicted = s.ends.newer
		s.remove(evicted)
	}
	s.entries[e.id] = e
	s.link(e)
	return evicted
}

// remove takes an entry off the list. It reports false if it was not on it.
func (s *shard[V]) remove(e *entry[V]) bool {
	if s.entries[e.id] != e {
		return false
	}
	delete(s.entries, e.id)
	s.unlink(e)
	e.timer.Stop()
	return true
}

// touch makes e the entry used last.
func (s *shard[V]) touch(e *entry[V]) {
	if s.ends.older != e {
		s.unlink(e)
		s.link(e)
	}
}

func (s *shard[V]) link(e *entry[V]) {
	e.newer, e.older = &s.ends, s.ends.older
	e.newer.older, e.older.newer = e, e
}

func (s *shard[V]) unlink(e *entry[V]) {
	e.newer.older, e.older.newer = e.older, e.newer
	e.newer, e.older = nil, nil
}
