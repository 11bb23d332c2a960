package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// flusher brings what was written to the disk, in rounds that everybody who
// waits meanwhile shares. Whoever waits while no round is under way makes one
// himself: on an idle machine waking another goroutine for it takes longer than
// half of a flush.
type flusher struct {
	dir      string
	interval time.Duration
	now      func() time.Time
	log      *slog.Logger
	reserve  reserve
	sync     func(*os.File) error // (*os.File).Sync

	live    atomic.Pointer[live] // set by the leader
	written atomic.Uint64        // number of the last record written
	dirty   atomic.Int64         // when the first record after the last round began was written, Unix ns; 0: none
	since   atomic.Int64         // the same for records that a round has not yet brought to the disk
	fault   atomic.Pointer[error]
	broken  atomic.Pointer[live] // could not be flushed; its bytes have to be written again

	wake  chan struct{} // a record was written to a clean log
	quit  chan struct{}
	ended chan struct{}

	mu      sync.Mutex
	flushed uint64 // number of the last record known to be on the disk
	running *round
	next    *round // joined by those whose record the running one does not cover
	stopped bool

	filled time.Time // when the reserve was last looked after; used by rounds alone
}

// round is one flush.
type round struct {
	upTo uint64        // covers records up to this number; set when it begins
	lead chan struct{} // takes the word that it can begin, for one of those who wait
	done chan struct{}
	err  error
}

func newRound() *round {
	return &round{lead: make(chan struct{}, 1), done: make(chan struct{})}
}

func newFlusher(o FileOptions, r reserve) *flusher {
	return &flusher{
		dir:      o.Dir,
		interval: o.Interval,
		now:      o.Now,
		log:      o.Log,
		reserve:  r,
		sync:     (*os.File).Sync,
		wake:     make(chan struct{}, 1),
		quit:     make(chan struct{}),
		ended:    make(chan struct{}),
	}
}

// notify leaves a message in a channel of capacity one, unless there is one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wrote notes that records up to number were written. Only the leader calls it.
func (f *flusher) wrote(number uint64) {
	f.written.Store(number)
	if f.dirty.Load() == 0 && f.dirty.CompareAndSwap(0, f.now().UnixNano()) {
		notify(f.wake)
	}
}

// failing returns why records cannot be brought to the disk at present, or nil.
func (f *flusher) failing() error {
	if err := f.fault.Load(); err != nil {
		return *err
	}
	return nil
}

// age returns for how long the oldest unflushed record has been waiting.
func (f *flusher) age() time.Duration {
	since := f.since.Load()
	if since == 0 {
		since = f.dirty.Load()
	}
	if since == 0 {
		return 0
	}
	return f.now().Sub(time.Unix(0, since))
}

// wait returns when the record is on the disk. Whoever makes the round himself
// does not heed ctx meanwhile.
func (f *flusher) wait(ctx context.Context, number uint64) error {
	for {
		r, mine, err := f.join(number)
		switch {
		case r == nil:
			return err
		case mine:
			f.carryOut(r)
			return r.err
		}
		select {
		case <-r.done:
			return r.err
		case <-r.lead: // unless somebody who came just now has begun it
		case <-ctx.Done():
			return fmt.Errorf("%w: wait for the flush: %w", ErrUnavailable, ctx.Err())
		}
	}
}

// join returns the round that covers a record, and whether it has begun just now
// and is the caller's to carry out. Without a round the record is on the disk,
// or will not get there because of err.
func (f *flusher) join(number uint64) (r *round, mine bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.flushed >= number:
		return nil, false, nil
	case f.stopped:
		return nil, false, fmt.Errorf("%w: it was closed before record %d was flushed", ErrUnavailable, number)
	case f.running == nil:
		return f.begin(), true, nil
	case f.running.upTo >= number:
		return f.running, false, nil
	case f.next == nil:
		f.next = newRound()
	}
	return f.next, false, nil
}

// begin makes the next round, or a new one, the running one. The caller holds mu
// and carries it out.
func (f *flusher) begin() *round {
	r := f.next
	if r == nil {
		r = newRound()
	}
	f.next, f.running = nil, r
	if since := f.dirty.Swap(0); f.since.Load() == 0 {
		f.since.Store(since)
	}
	r.upTo = f.written.Load() // after dirty was cleared: a later record sets it again
	return r
}

// carryOut flushes what was written when the round began.
func (f *flusher) carryOut(r *round) {
	err := f.bring()
	f.judge(err)

	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = nil
	if err != nil {
		r.err = f.failing()
		notify(f.wake) // to try again
	} else {
		f.flushed = r.upTo
		f.since.Store(0)
	}
	close(r.done)
	if f.next != nil {
		notify(f.next.lead)
	}
}

// run sees to it that no record waits for longer than the interval.
func (f *flusher) run() {
	defer close(f.ended)
	for {
		select {
		case <-f.wake:
		case <-f.quit:
			return
		}
		select {
		case <-time.After(f.interval):
		case <-f.quit:
			return
		}
		_ = f.wait(context.Background(), f.written.Load()) // a failure has been noted
	}
}

// stop makes a last round and ends. Nobody appends any more.
func (f *flusher) stop() error {
	close(f.quit)
	<-f.ended
	err := f.wait(context.Background(), f.written.Load())
	f.mu.Lock()
	f.stopped = true
	f.mu.Unlock()
	return err
}

// bring brings everything to the disk.
func (f *flusher) bring() error {
	if l := f.broken.Load(); l != nil {
		if err := rewrite(filepath.Join(f.dir, l.name()), l.inode, l.flushed); err != nil {
			return err
		}
		f.broken.Store(nil)
	}
	for {
		l := f.live.Load()
		info, err := l.file.Stat()
		if err == nil {
			err = f.sync(l.file)
		}
		if errors.Is(err, os.ErrClosed) && f.live.Load() != l {
			continue // the leader flushed and closed it
		}
		if err != nil {
			f.broken.Store(l)
			return err
		}
		l.flushed = info.Size()
		return nil
	}
}

// judge makes the log refuse records while they cannot be brought to the disk.
func (f *flusher) judge(err error) {
	failing := f.failing() != nil
	switch {
	case err != nil:
		fault := fmt.Errorf("%w: flush: %w", ErrUnavailable, err)
		f.fault.Store(&fault)
		if !failing {
			f.log.Error("the audit log cannot be flushed", "error", err)
		}
	case failing:
		f.fault.Store(nil)
		f.log.Info("the audit log can be flushed again")
	}
	if now := f.now(); err == nil && now.Sub(f.filled) >= time.Second {
		f.filled = now
		if err := f.reserve.fill(); err != nil {
			f.log.Warn("the audit log's reserve could not be restored", "error", err)
		}
	}
}

// rewrite writes a segment's bytes from an offset on once more and flushes
// them. The kernel reports a failed flush once and then takes the pages for
// clean, so flushing again would say nothing about them. Bytes that no longer
// form the chain they were written as were lost. A rotation that put another
// file into place, or none, proved and flushed what it took over.
func rewrite(path string, inode uint64, from int64) error {
	// Not the file opened for appending: that cannot be written in its middle.
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if inodeOf(file) != inode {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	b := make([]byte, max(0, info.Size()-from))
	if _, err := file.ReadAt(b, from); err != nil && len(b) > 0 {
		return err
	}
	// A batch may be under way behind the last complete line.
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	if err := checkLines(b); err != nil {
		return err
	}
	if _, err := file.WriteAt(b, from); err != nil {
		return err
	}
	return file.Sync()
}
