package kmsauth

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// refusedFor is how long a refused token is remembered, so that a client that
// goes on with it does not use up the key service's quota.
const refusedFor = 5 * time.Second

// refusedMost bounds how many refused tokens are remembered.
const refusedMost = 1024

// opened is a token that was opened once.
type opened struct {
	validity
	account string
}

// cache remembers opened and refused tokens by a hash of all that matters about
// them; the tokens themselves are not kept.
type cache struct {
	mu      sync.Mutex
	opened  *simplelru.LRU[[32]byte, opened]
	refused *simplelru.LRU[[32]byte, refusal]
}

type refusal struct {
	err   error
	until time.Time
}

func newCache(size int) (*cache, error) {
	o, err := simplelru.NewLRU[[32]byte, opened](max(size, 1), nil)
	if err != nil {
		return nil, err
	}
	r, err := simplelru.NewLRU[[32]byte, refusal](refusedMost, nil)
	if err != nil {
		return nil, err
	}
	return &cache{opened: o, refused: r}, nil
}

// cacheKey hashes version, type, from, to and token, each with its length before
// it, so that no two different proofs share an entry.
func cacheKey(c claimed, to, token string) [32]byte {
	h := sha256.New()
	var length [8]byte
	for _, part := range []string{string(rune('0' + c.version)), string(c.kind), c.name, to, token} {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return [32]byte(h.Sum(nil))
}

// get returns what is known of a token.
func (c *cache) get(key [32]byte, now time.Time) (o opened, known bool, refused error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o, ok := c.opened.Get(key); ok {
		if now.After(o.notAfter) {
			c.opened.Remove(key)
		}
		return o, true, nil
	}
	if r, ok := c.refused.Get(key); ok && now.Before(r.until) {
		return opened{}, false, r.err
	}
	return opened{}, false, nil
}

func (c *cache) keep(key [32]byte, o opened) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened.Add(key, o)
	c.refused.Remove(key)
}

func (c *cache) refuse(key [32]byte, err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused.Add(key, refusal{err, now.Add(refusedFor)})
}
