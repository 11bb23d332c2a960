package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// writer is the state of whoever leads. Everything it believes about the
// directory is checked under the lock before it is used: another process may
// have appended, begun a segment or rotated.
type writer struct {
	lock    *lockFile
	edition edition // of the set of segments that this state knows
	live    *live
	size    int64 // of the live segment
	head    head
	gone    error // the log lost records behind our back; final
	buf     []byte
	date    []byte
	put     func(*os.File, []byte) (int, error) // (*os.File).Write
}

// open finds the end of the log.
func (w *writer) open(l *FileLog) error {
	lock, err := openLock(l.dir)
	if err != nil {
		return err
	}
	w.lock, w.put = lock, (*os.File).Write
	now, err := lock.acquire()
	if err == nil {
		err = l.withSpace(func() error { return w.load(l, now, true) })
		lock.release()
	}
	if err != nil {
		w.close()
		return err
	}
	return nil
}

func (w *writer) close() error {
	var err error
	if w.live != nil {
		err = w.live.file.Close()
	}
	return errors.Join(err, w.lock.close())
}

// write appends a batch. Either all of its records are in the log afterwards or
// none is.
func (w *writer) write(l *FileLog, batch *pending) error {
	now, err := w.lock.acquire()
	if err != nil {
		return err
	}
	defer w.lock.release()
	if err := w.catchUp(l, now); err != nil {
		return err
	}
	h := w.head
	w.date = appendDate(w.date[:0], l.now())
	w.buf = w.buf[:0]
	for p := batch; p != nil; p = p.next {
		w.buf = h.appendLine(w.buf, w.date, nil, p.body)
		p.number = h.number
	}
	err = l.withSpace(func() error {
		if w.size > 0 && w.size+int64(len(w.buf)) > l.segmentSize {
			if err := w.nextSegment(l); err != nil {
				return err
			}
		}
		return w.add(w.buf)
	})
	if err != nil {
		return err
	}
	w.head = h
	w.size += int64(len(w.buf))
	if cap(w.buf) > maxLine {
		w.buf = nil
	}
	l.flush.wrote(h.number)
	return nil
}

// catchUp makes the state agree with the directory as it is now. The caller
// holds the lock.
func (w *writer) catchUp(l *FileLog, now edition) error {
	if w.gone != nil {
		return w.gone
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(w.live.file.Fd()), &st); err != nil {
		return fmt.Errorf("look at the audit segment: %w", err)
	}
	same := now == w.edition && st.Nlink > 0
	if same && st.Size == w.size {
		return nil
	}
	known := w.head
	err := l.withSpace(func() error {
		if same {
			return w.reload(l, st.Size)
		}
		return w.load(l, now, false)
	})
	if err != nil {
		w.head = known
		return err
	}
	if w.head.number < known.number || w.head.number == known.number && w.head.hash != known.hash {
		w.gone = fmt.Errorf("records were removed while the log was in use: %d was the last, now it is %d", known.number, w.head.number)
		l.log.Error("the audit log takes no more records", "error", w.gone)
		return w.gone
	}
	return nil
}

// reload reads the end of the live segment again, which another process or a
// write that failed has moved.
func (w *writer) reload(l *FileLog, size int64) error {
	end, err := w.loadTail(l, w.live.segment, w.live.file, size, false)
	if err != nil {
		return err
	}
	w.size = end
	return nil
}

// load reads from the directory which segment is live and how the chain ends.
// The first time it also looks for what a power failure left, and may begin an
// empty log. The caller holds the lock.
func (w *writer) load(l *FileLog, now edition, first bool) error {
	segments, err := listSegments(l.dir)
	if err != nil {
		return err
	}
	if len(segments) == 0 {
		if !first {
			return errors.New("its segments were removed while it was in use")
		}
		w.head = head{hash: genesis()}
		return w.begin(l, segment{1, 1})
	}
	newest := segments[len(segments)-1]
	file, size, err := openLive(l.dir, newest)
	if err != nil {
		return err
	}
	end, err := w.loadTail(l, newest, file, size, first)
	if err == nil && end == 0 {
		// Begun and not yet written to: the chain ends in an earlier one.
		err = w.loadEarlier(l.dir, segments[:len(segments)-1])
	}
	if err == nil {
		// What another process wrote and did not flush is ours to flush.
		err = file.Sync()
	}
	if err != nil {
		file.Close()
		return err
	}
	w.use(l, newest, file, end)
	w.edition = now
	return nil
}

// loadTail reads how the live segment ends and moves aside what is incomplete.
func (w *writer) loadTail(l *FileLog, s segment, file *os.File, size int64, first bool) (end int64, err error) {
	whole := size
	if first {
		if whole, err = cutAt(file, size); err != nil {
			return 0, err
		}
	}
	t, err := readTail(file, whole)
	if err != nil {
		return 0, err
	}
	if t.end < size {
		if err := moveAside(l.dir, s, file, t.end, size, l.now()); err != nil {
			return 0, err
		}
		l.log.Warn("moved the incomplete end of the audit log aside",
			"segment", s.name(), "offset", t.end, "bytes", size-t.end)
	}
	w.head = t.head
	return t.end, nil
}

func (w *writer) loadEarlier(dir string, segments []segment) error {
	for i := len(segments) - 1; i >= 0; i-- {
		t, err := segmentTail(dir, segments[i])
		if err != nil {
			return err
		}
		if t.end > 0 {
			w.head = t.head
			return nil
		}
	}
	w.head = head{hash: genesis()}
	return nil
}

func segmentTail(dir string, s segment) (tail, error) {
	file, err := os.Open(filepath.Join(dir, s.name()))
	if err != nil {
		return tail{}, fmt.Errorf("open an audit segment: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return tail{}, fmt.Errorf("look at an audit segment: %w", err)
	}
	return readTail(file, info.Size())
}

// nextSegment closes the live segment, flushed and signed, and begins another.
// The caller holds the lock.
func (w *writer) nextSegment(l *FileLog) error {
	if err := l.flush.sync(w.live.file); err != nil {
		l.flush.broken.CompareAndSwap(nil, w.live) // the flusher will not be told again
		return fmt.Errorf("flush the audit segment: %w", err)
	}
	if l.key != nil {
		if err := sign(l.dir, w.live.segment, w.head, l.key); err != nil {
			return err
		}
	}
	return w.begin(l, segment{w.live.ordinal + 1, w.head.number + 1})
}

// begin creates a segment and makes it the live one. What fails half way is
// seen by the next batch as a change of the set of segments.
func (w *writer) begin(l *FileLog, s segment) error {
	now, err := w.lock.announce(s.name())
	if err != nil {
		return err
	}
	file, size, err := openLive(l.dir, s)
	if err != nil {
		return err
	}
	if err := syncDir(l.dir); err != nil {
		file.Close()
		return fmt.Errorf("flush the audit directory: %w", err)
	}
	w.use(l, s, file, size)
	w.edition = now
	return nil
}

// use makes a segment the live one. Everything before its end is on the disk.
func (w *writer) use(l *FileLog, s segment, file *os.File, end int64) {
	before := w.live
	w.live = &live{s, file, inodeOf(file), end}
	w.size = end
	l.flush.live.Store(w.live)
	if before != nil {
		before.file.Close()
	}
}

func openLive(dir string, s segment) (*os.File, int64, error) {
	file, err := os.OpenFile(filepath.Join(dir, s.name()), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open the audit segment: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, fmt.Errorf("look at the audit segment: %w", err)
	}
	if info.Size() == 0 {
		if err := adopt(file); err != nil {
			file.Close()
			return nil, 0, err
		}
	}
	return file, info.Size(), nil
}

// add writes b at the end of the live segment. If that fails half way, it takes
// back what was written.
func (w *writer) add(b []byte) error {
	n, err := w.put(w.live.file, b)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("write the audit segment: %w", err)
	if n > 0 {
		// If this fails too, the next batch finds a segment of another size.
		if cut := w.live.file.Truncate(w.size); cut != nil {
			err = errors.Join(err, fmt.Errorf("take back what was written: %w", cut))
		}
	}
	return err
}

// withSpace runs f, and once more if the disk is full and the reserve could be
// given up.
func (l *FileLog) withSpace(f func() error) error {
	err := f()
	if err != nil && isFull(err) && l.reserve.giveUp() {
		l.log.Error("the disk of the audit log is full: its reserve is in use", "error", err)
		err = f()
	}
	return err
}
