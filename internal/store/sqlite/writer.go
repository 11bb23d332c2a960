package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// groupLimit is how many changes one transaction takes.
	groupLimit = 64
	// pollInterval is how often the writer asks whether another process wrote.
	pollInterval = 20 * time.Millisecond
	// lockPatience is how long the writer waits for another process to finish.
	lockPatience = 10 * time.Second
)

// writer does all writing, in one goroutine with its own connection. Whatever
// has queued up is committed as one transaction, which a change that fails
// leaves alone.
type writer struct {
	conn   *connection
	reopen func() (*connection, error)
	cache  *cache
	now    func() time.Time

	patience time.Duration // lockPatience; tests lower it

	queue    chan *change
	closing  chan struct{} // closed to end the goroutine
	finished chan struct{} // closed when it has ended
	closed   sync.Once
	closeErr error

	dataVersion int64
	polled      time.Time
}

// change is one act of a caller.
type change struct {
	apply func(*transaction) error
	done  chan error // takes one result
	// state decides between a caller who gives up and the writer who begins.
	state atomic.Int32
}

// States of a change.
const (
	waiting = iota
	begun
	abandoned
)

func newWriter(conn *connection, cache *cache, now func() time.Time, reopen func() (*connection, error)) (*writer, error) {
	w := &writer{
		conn: conn, reopen: reopen, cache: cache, now: now, patience: lockPatience,
		queue: make(chan *change, 4*groupLimit), closing: make(chan struct{}), finished: make(chan struct{}),
	}
	if err := conn.doNotWait(); err != nil {
		return nil, err
	}
	w.poll()
	go w.run()
	return w, nil
}

// do has a change carried out and returns when it is on the disk, or when it
// failed and left nothing. A caller whose context ends gives up unless the
// change has begun; then he learns what came of it.
func (w *writer) do(ctx context.Context, apply func(*transaction) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &change{apply: apply, done: make(chan error, 1)}
	select {
	case w.queue <- c:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return errClosed
	}
	select {
	case err := <-c.done:
		return outcome(err)
	case <-ctx.Done():
		if c.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
	case <-w.finished:
		if c.state.CompareAndSwap(waiting, abandoned) {
			return errClosed
		}
	}
	return outcome(<-c.done)
}

// outcome goes on with a panic where the change came from.
func outcome(err error) error {
	if p, ok := err.(*panicked); ok {
		panic(p.Error())
	}
	return err
}

// close ends the goroutine, refuses what is queued and closes the connection.
func (w *writer) close() error {
	w.closed.Do(func() {
		close(w.closing)
		<-w.finished
		w.closeErr = w.conn.close()
	})
	return w.closeErr
}

func (w *writer) run() {
	defer close(w.finished)
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-w.closing:
			return
		case <-ticker.C:
			w.poll()
		case c := <-w.queue:
			w.carryOut([]*change{c}, true)
		}
	}
}

// begin takes the change out of its caller's hands. It reports false if he has
// given up.
func (c *change) begin() bool {
	return c.state.CompareAndSwap(waiting, begun) || c.state.Load() == begun
}

// queued returns at most so many changes that have queued up.
func (w *writer) queued(limit int) []*change {
	var group []*change
	for len(group) < limit {
		select {
		case c := <-w.queue:
			group = append(group, c)
		default:
			return group
		}
	}
	return group
}

// poll empties the cache if another connection, which means another process, has
// written since the last time. If that cannot be told, it has.
func (w *writer) poll() {
	w.polled = time.Now()
	var version int64
	known, err := w.conn.row("PRAGMA data_version", nil, &version)
	if err != nil || !known {
		version = -1
		w.mend(err)
	}
	if version != w.dataVersion || version < 0 {
		w.cache.clear()
	}
	w.dataVersion = version
}

// mend replaces a connection that can no longer be used.
func (w *writer) mend(err error) {
	if !isBroken(err) {
		return
	}
	conn, err := w.reopen()
	if err != nil {
		return // the next change fails and tries again
	}
	if err := conn.doNotWait(); err != nil {
		conn.close()
		return
	}
	w.conn.close() // it is broken: whatever this returns says so
	w.conn, w.dataVersion = conn, -1
}

// carryOut commits a group, which grows by what queues up meanwhile if it may,
// and answers its members. If the group fails as a whole, its members are tried
// one by one, so that each has an answer of its own.
func (w *writer) carryOut(group []*change, mayGrow bool) {
	w.conn.trim()
	if err := w.lock(group); err != nil {
		// Those behind would wait as long for the same answer.
		w.mend(err)
		for _, c := range append(group, w.queued(cap(w.queue))...) {
			if c.begin() {
				c.done <- err
			}
		}
		return
	}
	members, results, err := w.commit(group, mayGrow)
	if err == nil {
		for i, c := range members {
			c.done <- results[i]
		}
		return
	}
	w.mend(err)
	if len(members) == 1 {
		members[0].done <- err
		return
	}
	for _, c := range members {
		w.carryOut([]*change{c}, false)
	}
}

// commit carries out a group in the transaction that lock has begun. It returns
// those who did not give up before their turn, and the result of each or an
// error that befell the transaction, of which nothing is left then.
func (w *writer) commit(group []*change, mayGrow bool) (members []*change, results []error, err error) {
	t := &transaction{conn: w.conn, now: w.now}
	for len(group) > 0 {
		for _, c := range group {
			if !c.begin() {
				continue
			}
			members = append(members, c)
			if err == nil {
				var result error
				result, err = t.attempt(c.apply)
				results = append(results, result)
			}
		}
		group = nil
		if err == nil && mayGrow {
			group = w.queued(groupLimit - len(members))
		}
	}
	if err == nil {
		w.cache.begin(t.touched)
		err = t.commit()
		w.cache.end(t.touched, err == nil)
	}
	if err != nil {
		t.rollback()
	}
	return members, results, err
}

// lock begins a transaction, waiting for other processes. It waits in short
// steps of its own instead of SQLite's growing ones: a process that writes all
// the time lets go of the lock for moments only.
func (w *writer) lock(group []*change) error {
	started := time.Now()
	for {
		_, err := w.conn.exec("BEGIN IMMEDIATE")
		if err == nil || !isBusy(err) {
			return err
		}
		if waited := time.Since(started); waited > w.patience {
			return fmt.Errorf("waiting %v for another process to finish writing: %w", waited.Round(time.Millisecond), err)
		}
		if !slices.ContainsFunc(group, func(c *change) bool { return c.state.Load() != abandoned }) {
			return err
		}
		select {
		case <-w.closing:
			return errClosed
		case <-time.After(200*time.Microsecond + rand.N(time.Millisecond)):
		}
		if time.Since(w.polled) > pollInterval {
			w.poll()
		}
	}
}
