package audit

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	// refusalWindow is how long refusals of one address are counted together.
	refusalWindow = time.Minute
	// refusalsRecorded is how many of them get a record of their own.
	refusalsRecorded = 10
	// refusalAddresses bounds how many addresses are told apart in a window;
	// those beyond share one count.
	refusalAddresses = 10_000
)

// RefusalOptions are what Refusals needs.
type RefusalOptions struct {
	To    Log
	Spare func() bool  // whether the log has room for what could be done without; nil: always
	Log   *slog.Logger // nil: silent
}

// Refusals records proofs that were refused. Anybody may send as many as he
// likes, so each address gets ten records a minute, and one more that counts
// the rest when the minute is over; none of them uses the log's reserve.
//
// IPv6 addresses count by their /64, which is what one customer has.
type Refusals struct {
	to    Log
	spare func() bool
	log   *slog.Logger
	quit  chan struct{}
	ended chan struct{}

	close sync.Once

	mu   sync.Mutex
	seen map[string]*refused
}

// refused is what happened to one address in the present window.
type refused struct {
	total   int
	counted int   // those without a record of their own
	last    Entry // of them
}

// NewRefusals starts recording. Close ends it.
func NewRefusals(o RefusalOptions) (*Refusals, error) {
	if o.To == nil {
		return nil, errors.New("refused proofs need a log")
	}
	if o.Spare == nil {
		o.Spare = func() bool { return true }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Refusals{
		to: o.To, spare: o.Spare, log: o.Log,
		quit: make(chan struct{}), ended: make(chan struct{}),
		seen: make(map[string]*refused),
	}
	go r.run()
	return r, nil
}

// Record records or counts one refused proof. It has no error: the proof is
// refused whether or not that can be recorded.
func (r *Refusals) Record(ctx context.Context, e Entry) {
	if !r.admit(e) {
		return
	}
	if _, err := r.to.Append(ctx, e); err != nil {
		r.count(e)
	}
}

// admit reports whether the refusal gets its own record; if not, it is counted.
func (r *Refusals) admit(e Entry) bool {
	r.mu.Lock()
	s := r.of(e)
	s.total++
	admitted := s.total <= refusalsRecorded
	r.mu.Unlock()
	if admitted && r.spare() {
		return true
	}
	r.count(e)
	return false
}

func (r *Refusals) count(e Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.of(e)
	s.counted++
	s.last = e
}

// of returns the state of an entry's address. The caller holds mu.
func (r *Refusals) of(e Entry) *refused {
	key := refusalKey(e.Client)
	s := r.seen[key]
	if s == nil && len(r.seen) >= refusalAddresses {
		key = "" // all others
		s = r.seen[key]
	}
	if s == nil {
		s = &refused{}
		r.seen[key] = s
	}
	return s
}

func refusalKey(client string) string {
	a, err := netip.ParseAddr(client)
	if err != nil || a.Unmap().Is4() {
		return "address " + client
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return "address " + client
	}
	return p.String()
}

func (r *Refusals) run() {
	defer close(r.ended)
	ticker := time.NewTicker(refusalWindow)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.summarise(context.Background())
		case <-r.quit:
			return
		}
	}
}

// summarise ends the window: one record for each address with refusals that
// have none of their own.
func (r *Refusals) summarise(ctx context.Context) {
	r.mu.Lock()
	window := r.seen
	r.seen = make(map[string]*refused)
	r.mu.Unlock()
	lost := 0
	for key, s := range window {
		if s.counted == 0 {
			continue
		}
		e := Entry{
			Phase: Done, Action: s.last.Action, Client: s.last.Client, Door: s.last.Door,
			User: s.last.User, UserType: s.last.UserType, ResourceType: s.last.ResourceType,
			Info: map[string]any{"refusals": s.counted},
		}
		if key == "" {
			e.Client, e.Info["several_addresses"] = "", true
		}
		if !r.spare() {
			lost += s.counted
			continue
		}
		if _, err := r.to.Append(ctx, e); err != nil {
			lost += s.counted
		}
	}
	if lost > 0 {
		r.log.Warn("refused proofs were not recorded", "count", lost)
	}
}

// Close records what was counted so far and ends.
func (r *Refusals) Close(ctx context.Context) {
	r.close.Do(func() {
		close(r.quit)
		<-r.ended
		r.summarise(ctx)
	})
}
