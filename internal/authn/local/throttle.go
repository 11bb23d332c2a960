package local

import (
	"context"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// Bounds of the throttle.
const (
	freeFailures = 4                // the next attempt has to wait
	firstDelay   = time.Second      // and each further failure doubles it
	maxDelay     = 15 * time.Second // until here
	forgetAfter  = 15 * time.Minute // without an attempt

	maxWaiting    = 128 // attempts of everybody
	maxWaitingOne = 8   // attempts from one address: nobody shall take all places
)

// throttle makes guessing slow and never locks anybody out. Each account and each
// address has a count of attempts that did not succeed, and the higher one decides
// how long the next attempt waits before its password is looked at. An attempt
// counts as failed until it has succeeded, so that many at once are no cheaper
// than one after the other.
//
// The counts are tables of fixed size under a hash that nobody outside can
// predict: two names in one place share a delay, and whatever is tried costs no
// more memory. Each process counts for itself.
type throttle struct {
	now  func() time.Time
	seed maphash.Seed

	mu        sync.Mutex
	accounts  table
	addresses table
	waiting   int
	from      map[netip.Prefix]int // of those who wait
}

// table counts failures.
type table [1 << 13]struct {
	failures int32
	last     int64 // seconds of Unix time
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, seed: maphash.MakeSeed(), from: map[netip.Prefix]int{}}
}

// attempt is one try to prove oneself.
type attempt struct {
	t             *throttle
	account, addr int // places in the tables
}

// begin waits until an attempt may be made. RateLimited: too many wait already.
// The context's error: it ended before.
func (t *throttle) begin(ctx context.Context, account string, addr netip.Addr) (*attempt, error) {
	source := network(addr)
	a := &attempt{
		t:       t,
		account: int(maphash.String(t.seed, account) % uint64(len(t.accounts))),
		addr:    int(maphash.Comparable(t.seed, source) % uint64(len(t.addresses))),
	}
	t.mu.Lock()
	now := t.now()
	delay := max(t.accounts.delay(a.account, now), t.addresses.delay(a.addr, now))
	if delay > 0 {
		if t.waiting == maxWaiting || t.from[source] == maxWaitingOne {
			t.mu.Unlock()
			return nil, &fault.Error{Kind: fault.RateLimited, Message: "Too many attempts. Wait a while and try again.", RetryIn: delay}
		}
		t.waiting++
		t.from[source]++
	}
	t.accounts.add(a.account, now)
	t.addresses.add(a.addr, now)
	t.mu.Unlock()
	if delay == 0 {
		return a, nil
	}

	// A wait that the request does not survive would be a lock.
	if deadline, ok := ctx.Deadline(); ok {
		delay = min(delay, deadline.Sub(now)/2)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	var err error
	select {
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.mu.Lock()
	t.waiting--
	if t.from[source]--; t.from[source] == 0 {
		delete(t.from, source)
	}
	t.mu.Unlock()
	if err != nil {
		a.untried()
		return nil, err
	}
	return a, nil
}

// succeeded forgets the account's failures, and that the address made this
// attempt: with an account of one's own, one's other attempts are not forgotten.
func (a *attempt) succeeded() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	a.t.accounts[a.account].failures = 0
	a.t.addresses.remove(a.addr)
}

// untried takes an attempt back that told nothing of whether the guess was right.
func (a *attempt) untried() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	a.t.accounts.remove(a.account)
	a.t.addresses.remove(a.addr)
}

// delay returns how long the next attempt has to wait.
func (t *table) delay(place int, now time.Time) time.Duration {
	c := &t[place]
	if now.Unix()-c.last >= int64(forgetAfter/time.Second) {
		c.failures = 0
	}
	if c.failures < freeFailures {
		return 0
	}
	return min(maxDelay, firstDelay<<min(c.failures-freeFailures, 10))
}

func (t *table) add(place int, now time.Time) {
	c := &t[place]
	c.failures = min(c.failures+1, 1000) // enough for any delay
	c.last = now.Unix()
}

func (t *table) remove(place int) { t[place].failures = max(t[place].failures-1, 0) }

// network returns what counts as one address: an IPv4 address, or the /64 of an
// IPv6 address, which is what one customer has.
func network(addr netip.Addr) netip.Prefix {
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: they count together
	}
	return p
}
