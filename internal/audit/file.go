package audit

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// Sync says when Append returns.
type Sync string

// The ways to sync. With both, a record is on the disk at most
// FileOptions.Interval after it was written.
const (
	Interval Sync = "interval" // once the operating system has the record
	Always   Sync = "always"   // once the disk has it
)

// FileOptions say how a file log is kept.
type FileOptions struct {
	Dir         string           // created with mode 0700 if it is missing
	SegmentSize int64            // bytes after which a new segment is begun; 0: 64 MiB
	Sync        Sync             // empty: Interval
	Interval    time.Duration    // longest time between two flushes; 0: 100 ms
	SigningKey  crypto.Signer    // signs the last record of each segment; nil: none does
	Reserve     int64            // bytes kept free for a full disk; 0: none
	Now         func() time.Time // nil: time.Now
	Log         *slog.Logger     // nil: silent
}

// FileLog is the log in a directory: segments of JSON lines in one chain,
// whichever process writes.
//
//	00000001-000000000001.jsonl      a segment: its ordinal, its first record
//	00000001-000000000001.jsonl.sig  the signature of its last record
//	00000001-000000000001.jsonl.new  the same, which a rotation is writing anew
//	lock                             orders the writers
//	rotation                         keeps rotations apart
//	torn                             ends of lines that a crash left behind
//	reserve                          space kept free for a full disk
//	index.db                         see Index
//
// Goroutines that append at the same time share one lock and one write: the
// first becomes the leader and writes what is queued, those who come meanwhile
// wait and one of them leads the next batch. An idle log adds no delay.
type FileLog struct {
	dir         string
	segmentSize int64
	sync        Sync
	key         crypto.Signer
	now         func() time.Time
	log         *slog.Logger
	reserve     reserve
	flush       *flusher
	pool        sync.Pool // of *pending

	mu     sync.Mutex // guards what follows
	first  *pending   // the queue
	last   *pending
	led    bool // some goroutine leads, or was told to
	closed bool
	idle   sync.Cond // on mu: led became false

	w writer // belongs to the leader
}

// pending is a record on its way into the log.
type pending struct {
	body     []byte
	next     *pending
	turn     chan bool // true: lead the next batch; false: the record was dealt with
	promoted bool      // guarded by FileLog.mu: turn holds or held true
	number   uint64
	err      error
}

// OpenFile opens a log for appending and goes on behind its last record. What a
// crash left incomplete behind that is moved aside.
func OpenFile(o FileOptions) (*FileLog, error) {
	if o.Dir == "" {
		return nil, errors.New("the audit log needs a directory")
	}
	switch o.Sync {
	case Interval, Always:
	case "":
		o.Sync = Interval
	default:
		return nil, fmt.Errorf("unknown audit sync %q", o.Sync)
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = 64 << 20
	}
	if o.Interval == 0 {
		o.Interval = 100 * time.Millisecond
	}
	if o.SegmentSize < 0 || o.Interval < 0 || o.Reserve < 0 {
		return nil, errors.New("the sizes and times of the audit log must not be negative")
	}
	if o.SigningKey != nil {
		if _, _, err := scheme(o.SigningKey.Public()); err != nil {
			return nil, err
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the audit directory: %w", err)
	}
	// So that the directory itself survives a power failure. Whoever may not
	// read the parent cannot do that, and still has a log.
	_ = syncDir(filepath.Dir(o.Dir))
	l := &FileLog{
		dir:         o.Dir,
		segmentSize: o.SegmentSize,
		sync:        o.Sync,
		key:         o.SigningKey,
		now:         o.Now,
		log:         o.Log,
		reserve:     newReserve(o.Dir, o.Reserve),
	}
	l.idle.L = &l.mu
	l.pool.New = func() any { return &pending{turn: make(chan bool, 1)} }
	l.flush = newFlusher(o, l.reserve)
	if err := l.w.open(l); err != nil {
		return nil, err
	}
	if err := l.reserve.fill(); err != nil {
		l.log.Warn("the audit log has no reserve", "error", err)
	}
	go l.flush.run()
	return l, nil
}

// Append implements Log.
func (l *FileLog) Append(ctx context.Context, e Entry) (Receipt, error) {
	if err := l.flush.failing(); err != nil {
		return nil, err
	}
	p := l.pool.Get().(*pending)
	p.body = appendBody(p.body[:0], &e)
	if err := l.submit(ctx, p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	number, err := p.number, p.err
	p.err, p.promoted = nil, false
	l.pool.Put(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if l.sync == Always {
		// Those who are about to append get the chance to share the flush.
		runtime.Gosched()
		if err := l.flush.wait(ctx, number); err != nil {
			return nil, err
		}
	}
	return &receipt{l.flush, number}, nil
}

// submit queues a record and returns when it was dealt with. After an error p
// may still be in use.
func (l *FileLog) submit(ctx context.Context, p *pending) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errors.New("it is closed")
	}
	if l.last == nil {
		l.first = p
	} else {
		l.last.next = p
	}
	l.last = p
	follow := l.led
	l.led = true
	l.mu.Unlock()

	if follow {
		select {
		case lead := <-p.turn:
			if !lead {
				return nil
			}
		case <-ctx.Done():
			l.withdraw(p)
			return ctx.Err()
		}
	}

	l.mu.Lock()
	batch := l.first
	l.first, l.last = nil, nil
	l.mu.Unlock()

	err := l.w.write(l, batch)

	l.mu.Lock()
	l.promote()
	l.mu.Unlock()
	for q := batch; q != nil; {
		next := q.next // q belongs to its owner once it has its turn
		q.next, q.err = nil, err
		if q != p {
			q.turn <- false
		}
		q = next
	}
	return nil
}

// promote makes the first in the queue the leader. The caller holds mu.
func (l *FileLog) promote() {
	if l.first == nil {
		l.led = false
		l.idle.Broadcast()
		return
	}
	l.first.promoted = true
	l.first.turn <- true
}

// withdraw takes a record out of the queue whose owner no longer waits. If a
// leader has it already, it is written, and nobody reads what became of it.
func (l *FileLog) withdraw(p *pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var before *pending
	for q := l.first; q != nil; before, q = q, q.next {
		if q != p {
			continue
		}
		if before == nil {
			l.first = q.next
		} else {
			before.next = q.next
		}
		if l.last == q {
			l.last = before
		}
		if q.promoted {
			l.promote()
		}
		return
	}
}

// Unflushed returns for how long the oldest record that is not on the disk has
// been waiting for that; 0 if there is none.
func (l *FileLog) Unflushed() time.Duration { return l.flush.age() }

// Spare reports whether the disk has room enough for records that could be done
// without: the reserve has not been touched.
func (l *FileLog) Spare() bool { return l.reserve.whole() }

// Close flushes the log and gives it up. Records appended later are refused.
func (l *FileLog) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	for l.led {
		l.idle.Wait()
	}
	l.mu.Unlock()
	return errors.Join(l.flush.stop(), l.w.close())
}

type receipt struct {
	flush  *flusher
	number uint64
}

func (r *receipt) Number() uint64                 { return r.number }
func (r *receipt) Wait(ctx context.Context) error { return r.flush.wait(ctx, r.number) }

// live is the segment that is written to.
type live struct {
	segment
	file    *os.File
	inode   uint64 // of the file, which a rotation may replace by another
	flushed int64  // bytes known to be on the disk; the flusher's
}
