package event

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	queueLength  = 1000 // events that may wait for one sink
	tries        = 3
	tryTimeout   = 3 * time.Second
	firstBackoff = 200 * time.Millisecond // doubled after each try
	drainTimeout = 5 * time.Second
)

// Sink takes events to one receiver.
type Sink interface {
	// Name says in the log which receiver it is.
	Name() string
	// Send makes one try. Its error holds no secret.
	Send(ctx context.Context, e Event) error
}

// Options are what a queue needs.
type Options struct {
	Sinks   []Sink
	Log     *slog.Logger // nil: silent
	Dropped func()       // called for each event that a sink will not get; nil: nobody counts
}

// Queue takes events to all its sinks, each in its own time and in order, so
// that a slow receiver holds up neither a request nor the other receivers. An
// event is tried three times, then it is dropped.
type Queue struct {
	log     *slog.Logger
	dropped func()
	lanes   []lane
	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu     sync.RWMutex // held shared to publish, so that no channel is closed meanwhile
	closed bool
}

// lane is a sink and what waits for it.
type lane struct {
	sink    Sink
	waiting chan Event
}

// NewQueue starts a queue. Close ends it.
func NewQueue(o Options) (*Queue, error) {
	q := &Queue{log: o.Log, dropped: o.Dropped}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	if q.dropped == nil {
		q.dropped = func() {}
	}
	for _, s := range o.Sinks {
		if s == nil {
			return nil, errors.New("an event queue cannot send to nothing")
		}
		q.lanes = append(q.lanes, lane{s, make(chan Event, queueLength)})
	}
	ctx, cancel := context.WithCancel(context.Background())
	q.cancel = cancel
	for _, l := range q.lanes {
		q.workers.Go(func() { q.work(ctx, l) })
	}
	return q, nil
}

// Publish implements Publisher.
func (q *Queue) Publish(e Event) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	for _, l := range q.lanes {
		if q.closed {
			q.dropped()
			continue
		}
		select {
		case l.waiting <- e:
		default:
			q.dropped()
		}
	}
}

// Waiting returns how many events wait, over all sinks.
func (q *Queue) Waiting() int {
	n := 0
	for _, l := range q.lanes {
		n += len(l.waiting)
	}
	return n
}

// Close sends what waits, for at most five seconds or as long as ctx lives, and
// drops the rest. Events published later are dropped.
func (q *Queue) Close(ctx context.Context) {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		for _, l := range q.lanes {
			close(l.waiting)
		}
	}
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, q.cancel)()
	q.workers.Wait()
	q.cancel()
}

func (q *Queue) work(ctx context.Context, l lane) {
	left := 0
	for e := range l.waiting {
		if ctx.Err() != nil {
			q.dropped()
			left++
			continue
		}
		if err := send(ctx, l.sink, e); err != nil {
			q.dropped()
			q.log.Warn("an event was not delivered", "sink", l.sink.Name(), "event_type", e.Type, "error", err)
		}
	}
	if left > 0 {
		q.log.Warn("events were not delivered before the end", "sink", l.sink.Name(), "count", left)
	}
}

// send tries until the sink took the event, the tries are used up or ctx ends.
func send(ctx context.Context, s Sink, e Event) error {
	pause := firstBackoff
	for try := 1; ; try++ {
		attempt, cancel := context.WithTimeout(ctx, tryTimeout)
		err := s.Send(attempt, e)
		cancel()
		if err == nil || try == tries {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
		pause *= 2
	}
}
