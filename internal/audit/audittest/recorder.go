// Package audittest stands in for the audit log in the tests of other rooms.
package audittest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/confidant-secrets/confidant/internal/audit"
)

// Recorder is an audit log in memory. The zero value is ready. It is safe for
// concurrent use.
type Recorder struct {
	mu       sync.Mutex
	entries  []audit.Entry
	failing  error
	flushing error
}

// Append keeps the entry, unless Fail said otherwise.
func (r *Recorder) Append(ctx context.Context, e audit.Entry) (audit.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != nil {
		return nil, fmt.Errorf("%w: %w", audit.ErrUnavailable, r.failing)
	}
	e.Info, e.Policies = maps.Clone(e.Info), slices.Clone(e.Policies)
	r.entries = append(r.entries, e)
	return receipt{uint64(len(r.entries)), r}, nil
}

// Entries returns what was recorded so far; the record numbered n is the
// element n-1.
func (r *Recorder) Entries() []audit.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.entries)
}

// Fail makes every further Append fail with err, wrapped in
// audit.ErrUnavailable; nil ends that.
func (r *Recorder) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing = err
}

// FailFlush makes every further Wait of a receipt fail in the same way.
func (r *Recorder) FailFlush(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushing = err
}

type receipt struct {
	number uint64
	of     *Recorder
}

func (r receipt) Number() uint64 { return r.number }

func (r receipt) Wait(ctx context.Context) error {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	if r.of.flushing != nil {
		return fmt.Errorf("%w: %w", audit.ErrUnavailable, r.of.flushing)
	}
	return nil
}
