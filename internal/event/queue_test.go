package event

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// sink is a receiver whose behaviour a test decides.
type sink struct {
	send func(ctx context.Context, e Event) error

	mu    sync.Mutex
	tried []string
	at    []time.Time
}

func (s *sink) Name() string { return "test" }

func (s *sink) Send(ctx context.Context, e Event) error {
	s.mu.Lock()
	s.tried = append(s.tried, e.Text)
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	if s.send == nil {
		return nil
	}
	return s.send(ctx, e)
}

func hang(ctx context.Context, _ Event) error {
	<-ctx.Done()
	return ctx.Err()
}

func newQueue(t *testing.T, o Options) *Queue {
	t.Helper()
	q, err := NewQueue(o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestQueue_DeliversInOrderToEachSink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := &sink{}, &sink{}
		q := newQueue(t, Options{Sinks: []Sink{a, b}})
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprint(i))
			q.Publish(Event{Text: want[i]})
		}
		q.Close(t.Context())
		if !slices.Equal(a.tried, want) || !slices.Equal(b.tried, want) {
			t.Errorf("delivered %v and %v", a.tried, b.tried)
		}
	})
}

func TestQueue_TriesThreeTimesWithLongerPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dropped atomic.Int32
		var log bytes.Buffer
		s := &sink{send: func(context.Context, Event) error { return errors.New("no") }}
		q := newQueue(t, Options{
			Sinks: []Sink{s}, Dropped: func() { dropped.Add(1) }, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		start := time.Now()
		q.Publish(Event{Text: "a"})
		time.Sleep(time.Minute)
		synctest.Wait()
		var after []time.Duration
		for _, at := range s.at {
			after = append(after, at.Sub(start))
		}
		want := []time.Duration{0, 200 * time.Millisecond, 600 * time.Millisecond}
		if !slices.Equal(after, want) || dropped.Load() != 1 {
			t.Errorf("tries after %v, %d dropped; want %v and 1", after, dropped.Load(), want)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings, want 1:\n%s", n, &log)
		}
		q.Close(t.Context())
	})
}

func TestQueue_StopsTryingAfterSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := true
		s := &sink{send: func(context.Context, Event) error {
			defer func() { first = false }()
			if first {
				return errors.New("not yet")
			}
			return nil
		}}
		q := newQueue(t, Options{Sinks: []Sink{s}, Dropped: func() { t.Error("dropped") }})
		q.Publish(Event{Text: "a"})
		q.Publish(Event{Text: "b"})
		q.Close(t.Context())
		if want := []string{"a", "a", "b"}; !slices.Equal(s.tried, want) {
			t.Errorf("tries %v, want %v", s.tried, want)
		}
	})
}

func TestQueue_ATryEndsAfterThreeSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{send: hang}
		q := newQueue(t, Options{Sinks: []Sink{s}})
		start := time.Now()
		q.Publish(Event{Text: "a"})
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(s.at) != 3 || s.at[1].Sub(start) != 3200*time.Millisecond {
			t.Errorf("%d tries, the second %v after the first", len(s.at), s.at[1].Sub(start))
		}
		q.Close(t.Context())
	})
}

func TestQueue_PublishNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dropped := 0
		slow, quick := &sink{send: hang}, &sink{}
		q := newQueue(t, Options{Sinks: []Sink{slow, quick}, Dropped: func() { dropped++ }})
		q.Publish(Event{})
		synctest.Wait() // one is on its way, the queue is empty
		start := time.Now()
		for range 1100 {
			q.Publish(Event{})
			synctest.Wait() // the quick one keeps up
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("Publish waited %v", waited)
		}
		if dropped != 100 || q.Waiting() != 1000 {
			t.Errorf("%d dropped and %d waiting, want 100 and 1000", dropped, q.Waiting())
		}
		if len(quick.tried) != 1101 {
			t.Errorf("the other sink got %d events, want 1101", len(quick.tried))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		q.Close(ctx)
	})
}

func TestQueue_CloseDrainsForFiveSecondsAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dropped atomic.Int32
		var log bytes.Buffer
		s := &sink{send: hang}
		q := newQueue(t, Options{
			Sinks: []Sink{s}, Dropped: func() { dropped.Add(1) }, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		for range 10 {
			q.Publish(Event{})
		}
		start := time.Now()
		q.Close(t.Context())
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("Close took %v, want 5s", took)
		}
		q.Publish(Event{})
		if dropped.Load() != 11 {
			t.Errorf("%d dropped, want all 10 and the late one", dropped.Load())
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 2 {
			t.Errorf("%d warnings, want one for the event on its way and one for the rest:\n%s", n, &log)
		}
		q.Close(t.Context())
	})
}

func TestNewQueue_RefusesAMissingSink(t *testing.T) {
	t.Parallel()
	if _, err := NewQueue(Options{Sinks: []Sink{nil}}); err == nil {
		t.Error("NewQueue takes a nil sink")
	}
}

func TestDiscard_IsAPublisher(t *testing.T) {
	t.Parallel()
	Discard.Publish(Event{Type: ServiceUpdate})
}
