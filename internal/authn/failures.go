package authn

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// FailureOptions bound how often a client may fail.
type FailureOptions struct {
	Burst int              // failures at once; 0: 60
	Every time.Duration    // time in which one failure is forgiven; 0: a second
	Now   func() time.Time // nil: time.Now
}

const (
	defaultBurst = 60
	defaultEvery = time.Second

	// unknownFactor is how much more is allowed to those whose address nobody
	// knows, for they share one bucket.
	unknownFactor = 10

	// mostClients bounds the memory. Who can send from more addresses than that
	// is not held back by a limit for each of them anyway.
	mostClients = 10_000
)

// Failures limits how often a client fails to prove who it is: at most Burst
// times at once, and once each Every from then on. A client is an address, of
// IPv6 the first 64 bits, for that is what one customer has at the least.
// Requests without any proof are no failures. A nil Failures limits nobody. It is
// safe for concurrent use.
//
// Behind one address there may be many callers, good and bad (a NAT, a proxy
// that does not tell whom it speaks for). Therefore no proof is refused that can
// be judged at little cost: a session, an API token, a KMS token that is known
// already are good however many others have failed, and only whoever fails is
// told to wait (Judged). What costs a call to a key service or the hash of a
// password is asked for first (Allow), and there the good wait with the bad. To
// keep that apart too, tokens and log-ins have a Failures each.
type Failures struct {
	burst int
	every time.Duration
	now   func() time.Time

	mu sync.Mutex
	// forgiven says for each client when all its failures are forgiven: so many
	// times every from now as there are failures in its bucket.
	forgiven *simplelru.LRU[netip.Addr, time.Time]
}

// NewFailures returns a limit that nobody has reached.
func NewFailures(o FailureOptions) (*Failures, error) {
	if o.Burst < 0 || o.Every < 0 {
		return nil, errors.New("a limit on failures cannot be negative")
	}
	f := &Failures{burst: o.Burst, every: o.Every, now: o.Now}
	if f.burst == 0 {
		f.burst = defaultBurst
	}
	if f.every == 0 {
		f.every = defaultEvery
	}
	if f.now == nil {
		f.now = time.Now
	}
	var err error
	f.forgiven, err = simplelru.NewLRU[netip.Addr, time.Time](mostClients, nil)
	return f, err
}

// Allow returns nil, or RateLimited if the client has failed too often to have
// another proof judged that costs more than a little.
func (f *Failures) Allow(client netip.Addr) error {
	if f == nil {
		return nil
	}
	key, burst, every := f.bucket(client)
	f.mu.Lock()
	forgiven, found := f.forgiven.Peek(key)
	f.mu.Unlock()
	if !found {
		return nil
	}
	return limited(forgiven.Sub(f.now())-time.Duration(burst-1)*every, nil)
}

// Judged takes the error with which a client's proof was judged, nil if it holds.
// A refusal counts, and is returned as RateLimited if there were too many before
// it. Everything else, also that there was no proof, is returned as it is.
func (f *Failures) Judged(client netip.Addr, err error) error {
	if f == nil || errors.Is(err, ErrNoProof) || !fault.Is(err, fault.Unauthenticated) && !fault.Is(err, fault.BadProof) {
		return err
	}
	if wait := limited(f.count(client), err); wait != nil {
		return wait
	}
	return err
}

// Begun counts what a client has begun and has yet to bring to its end, as if it
// were a failure: keeping it costs something too.
func (f *Failures) Begun(client netip.Addr) {
	if f != nil {
		f.count(client)
	}
}

// count adds a failure and returns by how much there are too many.
func (f *Failures) count(client netip.Addr) (wait time.Duration) {
	key, burst, every := f.bucket(client)
	full := time.Duration(burst) * every
	now := f.now()

	f.mu.Lock()
	defer f.mu.Unlock()
	forgiven, _ := f.forgiven.Get(key)
	owed := max(forgiven.Sub(now), 0) + every
	f.forgiven.Add(key, now.Add(min(owed, full)))
	return owed - full
}

// bucket returns which bucket a client has and how large it is.
func (f *Failures) bucket(client netip.Addr) (key netip.Addr, burst int, every time.Duration) {
	client = client.Unmap()
	switch {
	case !client.IsValid():
		return client, f.burst * unknownFactor, f.every / unknownFactor
	case client.Is6():
		network, _ := client.Prefix(64) // without an error, for the length fits
		return network.Addr(), f.burst, f.every
	default:
		return client, f.burst, f.every
	}
}

// limited returns RateLimited over a cause if there is anything to wait for.
func limited(wait time.Duration, cause error) error {
	if wait <= 0 {
		return nil
	}
	return &fault.Error{
		Kind:    fault.RateLimited,
		Message: "Too many failed attempts. Try again later.",
		RetryIn: wait,
		Cause:   cause,
	}
}
