package dynamo_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
)

func cached(o *dynamo.Options) { o.CacheTTL = time.Minute }

// TestCache_AReadBesideAWriteLeavesNothingOld has a read begin after a write did,
// see the row as it was, and end after the write.
func TestCache_AReadBesideAWriteLeavesNothingOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	sound := w.indexed(t, w.client(nil))
	for name, read := range map[string]func(*dynamo.Store) error{
		"GetItem": func(s *dynamo.Store) error { _, err := s.Credentials().Get(t.Context(), faultID); return err },
		"BatchGetItem": func(s *dynamo.Store) error {
			_, err := s.Credentials().BatchGet(t.Context(), []string{faultID})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			current, err := sound.Credentials().Get(t.Context(), faultID)
			if errors.Is(err, store.ErrNotFound) {
				current = prepareCredential(t, sound, faultID, "cached")
			}
			var (
				watching                              atomic.Bool
				writing, mayWrite, seen, mayEnd, ends = make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan error)
			)
			s := w.open(t, w.client(intercept(func(e *exchange) (*http.Response, error) {
				if !watching.Load() {
					return e.send()
				}
				if e.operation == "TransactWriteItems" {
					close(writing)
					<-mayWrite
					return e.send()
				}
				out, err := e.send()
				close(seen)
				<-mayEnd
				return out, err
			})), cached)
			watching.Store(true)
			go func() {
				_, err := s.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: faultID, Previous: current, Rows: []*credential.Credential{current}})
				ends <- err
			}()
			<-writing
			readEnds := make(chan error)
			go func() { readEnds <- read(s) }()
			<-seen
			close(mayWrite)
			if err := <-ends; err != nil {
				t.Fatalf("Append: %v", err)
			}
			close(mayEnd)
			if err := <-readEnds; err != nil {
				t.Fatalf("read: %v", err)
			}
			watching.Store(false)
			if got, err := s.Credentials().Get(t.Context(), faultID); err != nil || got.Revision != current.Revision+1 {
				t.Errorf("Get = revision %d, %v; want %d, which this process wrote", got.Revision, err, current.Revision+1)
			}
		})
	}
}

// TestCache_IsNoPartOfADecision has another process change rows that this one has
// in memory: a write based on them is stale once, and then is not.
func TestCache_IsNoPartOfADecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	other := w.indexed(t, w.client(nil))
	s := w.open(t, w.client(nil), cached)
	first := prepareCredential(t, other, faultID, "one")
	guarded := prepareCredential(t, other, otherID, "two")
	for _, id := range []string{faultID, otherID} {
		if _, err := s.Credentials().Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for id, v := range map[string]*credential.Credential{faultID: first, otherID: guarded} {
		if _, err := other.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: id, Previous: v, Rows: []*credential.Credential{v}}); err != nil {
			t.Fatal(err)
		}
	}
	write := func() error {
		own, err := s.Credentials().Get(t.Context(), faultID)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.Credentials().BatchGet(t.Context(), []string{otherID})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Credentials().Append(t.Context(), store.Write[credential.Credential]{
			ID: faultID, Previous: own, Rows: []*credential.Credential{own}, Guards: []store.Guard{store.RowGuard(otherID, rows[0].Revision)},
		})
		return err
	}
	if err := write(); !errors.Is(err, store.ErrStale) {
		t.Errorf("a write on what is in memory: %v, want %v", err, store.ErrStale)
	}
	if err := write(); err != nil {
		t.Errorf("the write again: %v, want it based on what is in the table", err)
	}
}

// TestCache_ServesFromMemoryForItsTime counts reads.
func TestCache_ServesFromMemoryForItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	clock := newClock()
	count := &counter{}
	s := w.indexed(t, w.client(count.trace), cached, clock.set)
	prepareCredential(t, s, faultID, "cached")
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, "1: GetItem 1"}, {time.Second, "0: "}, {58 * time.Second, "0: "}, {2 * time.Second, "1: GetItem 1"}, {time.Second, "0: "},
	} {
		clock.advance(step.after)
		count.reset()
		if _, err := s.Credentials().Get(t.Context(), faultID); err != nil {
			t.Fatal(err)
		}
		if got := count.reset(); got != step.want {
			t.Errorf("after %v more: %q, want %q", step.after, got, step.want)
		}
	}
}
