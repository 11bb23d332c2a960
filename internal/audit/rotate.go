package audit

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrBroken says that a log is not what was written, so that nothing is
	// removed from it: what is wrong would no longer show. Verify says more.
	ErrBroken = errors.New("the audit log is broken")
	// ErrRotating says that another rotation is at work.
	ErrRotating = errors.New("another rotation of the audit log is at work")
	// ErrKeyWanted says that the live segment has to be closed and would be the
	// only one without a signature.
	ErrKeyWanted = errors.New("the audit log is signed; something is to be removed from its last segment, which then needs the signing key too")
)

// RotateOptions say what Rotate removes and how.
type RotateOptions struct {
	Dir        string
	Select     Selection
	SigningKey crypto.Signer // signs the live segment if that is closed; nil: it stays unsigned, as those before it must be
	DryRun     bool
	Chunk      int // entries between two looks at context and progress; 0: 1000

	// Record is told what would be removed and has to call remove, which does
	// it. It is not called in a dry run or if there is nothing to remove. What
	// it appends to the log comes later than everything that is removed. nil:
	// nothing is recorded.
	Record func(found Rotation, remove func() error) error

	Progress func(done, total int) // bytes read; nil: nobody asks
	Now      func() time.Time      // nil: time.Now
	Log      *slog.Logger          // nil: silent

	fault func(point string) // tests end the process there
}

// Rotation is what a rotation removed; in a dry run, what it would remove.
type Rotation struct {
	Total   int // entries before it, without those removed earlier
	Deleted int
	Rules   []RuleCount // of a selection by rules
}

// Rotate removes entries from a log. What goes from the beginning leaves a
// checkpoint behind, what goes from the middle a tombstone each, so that Verify
// still proves all the rest.
//
// It works beside writers and readers. A first pass reads and proves the log as
// it stands and counts; without a dry run the live segment is then closed, if
// something is to go from it, and the segments concerned are written anew
// beside the old ones, oldest first, while writers write. Only to put one into
// place does it take their lock:
//
//	00000007-000000004711.jsonl       put in place: begins with a checkpoint
//	00000001-… to 00000006-…          then removed
//	00000008-….jsonl, 00000009-….jsonl  put in place: with tombstones
//
// Each of these steps leaves a whole log. The first decides: segments before
// one that begins with a checkpoint are remains, which the next rotation
// removes if this one is interrupted. Signatures are over number and hash of a
// segment's last record, which stay the same, so they still hold.
//
// After an error, Rotation.Deleted says what was removed nevertheless.
func Rotate(ctx context.Context, o RotateOptions) (Rotation, error) {
	if o.Chunk == 0 {
		o.Chunk = 1000
	}
	if o.Chunk < 0 {
		return Rotation{}, errors.New("a chunk of a rotation must not be negative")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Record == nil {
		o.Record = func(_ Rotation, remove func() error) error { return remove() }
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	if o.fault == nil {
		o.fault = func(string) {}
	}
	r := rotation{RotateOptions: o, judge: o.Select.judge(o.Now())}
	if o.DryRun {
		err := r.survey(ctx)
		return r.found, err
	}
	release, err := lockRotation(o.Dir)
	if err != nil {
		return Rotation{}, err
	}
	defer release()
	if err := r.finish(); err != nil {
		return Rotation{}, err
	}
	if err := r.survey(ctx); err != nil || r.found.Deleted == 0 {
		return Rotation{Total: r.found.Total, Rules: r.found.Rules}, err
	}
	if r.SigningKey == nil && r.newest().removed > 0 && r.signed() {
		return Rotation{Total: r.found.Total, Rules: r.found.Rules}, ErrKeyWanted
	}
	r.fault("surveyed")
	err = o.Record(r.found, func() error { return r.remove(ctx) })
	if err != nil {
		return Rotation{r.found.Total, r.removed, r.found.Rules}, err
	}
	return r.found, nil
}

// rotation is a rotation under way.
type rotation struct {
	RotateOptions
	judge   *judge
	parts   []part
	last    uint64 // number of the last record that was surveyed
	found   Rotation
	removed int // entries, so far
	read    int // bytes, for Progress
	toRead  int
}

const rotationLock = "rotation"

// lockRotation keeps a second rotation out. Writers have a lock of their own,
// which a rotation holds for moments only.
func lockRotation(dir string) (release func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, rotationLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of audit rotations: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrRotating
	}
	if err == nil {
		err = adopt(file)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return func() {
		// Closing alone would not do while a process that was just started still
		// has the file open too.
		unix.Flock(int(file.Fd()), unix.LOCK_UN)
		file.Close()
	}, nil
}

// finish removes what an interrupted rotation left: segments before the last
// checkpoint, and those that it did not put into place.
func (r *rotation) finish() error {
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		return fmt.Errorf("list the audit segments: %w", err)
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), newSuffix); ok {
			if _, ok := parseSegment(name); ok {
				r.Log.Debug("removing what an interrupted rotation left", "file", e.Name())
				if err := os.Remove(filepath.Join(r.Dir, e.Name())); err != nil {
					return fmt.Errorf("remove what an interrupted rotation left: %w", err)
				}
			}
		}
	}
	segments, err := snapshot(r.Dir)
	if err != nil {
		return err
	}
	defer closeAll(segments)
	remains := segments[:beginning(segments)]
	if len(remains) == 0 {
		return nil
	}
	r.Log.Info("finishing an interrupted rotation of the audit log", "segments", len(remains))
	lock, err := openLock(r.Dir)
	if err != nil {
		return err
	}
	defer lock.close()
	var names []segment
	for _, s := range remains {
		names = append(names, s.segment)
	}
	return r.drop(lock, names)
}

// drop removes whole segments, which a checkpoint behind them stands for.
func (r *rotation) drop(lock *lockFile, segments []segment) error {
	if _, err := lock.acquire(); err != nil {
		return err
	}
	defer lock.release()
	return r.unlink(lock, segments)
}

// unlink removes segments and their signatures. The caller holds the lock.
func (r *rotation) unlink(lock *lockFile, segments []segment) error {
	for _, s := range segments {
		if _, err := lock.announce(s.name()); err != nil {
			return err
		}
		r.Log.Debug("removing an audit segment", "segment", s.name())
		for _, name := range []string{s.name(), s.name() + signatureSuffix} {
			if err := os.Remove(filepath.Join(r.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove an audit segment: %w", err)
			}
			r.fault("removed " + name)
		}
	}
	return syncDir(r.Dir)
}

// remove removes what the survey found.
func (r *rotation) remove(ctx context.Context) (err error) {
	// Opening the log flushes it, the record of this rotation included, and
	// moves a torn end aside.
	l, err := OpenFile(FileOptions{Dir: r.Dir, SigningKey: r.SigningKey, Log: r.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	r.fault("recorded")
	if r.newest().removed > 0 {
		if err := l.w.leave(l, r.newest().segment); err != nil {
			return fmt.Errorf("close the live audit segment: %w", err)
		}
		r.fault("closed")
	}
	front, behind := r.divide()
	for _, i := range behind {
		r.toRead += int(r.parts[i].size)
	}
	if front >= 0 {
		r.toRead += int(r.parts[front].size)
		if err := r.replace(ctx, l.w.lock, front, true); err != nil {
			return err
		}
	}
	for _, i := range behind {
		if err := r.replace(ctx, l.w.lock, i, false); err != nil {
			return err
		}
	}
	return nil
}

func (r *rotation) newest() part { return r.parts[len(r.parts)-1] }

// signed reports whether segments have signatures.
func (r *rotation) signed() bool {
	return slices.ContainsFunc(r.parts, func(p part) bool {
		_, err := os.Stat(filepath.Join(r.Dir, p.name()+signatureSuffix))
		return err == nil
	})
}

// divide returns which part begins the log afterwards, with a checkpoint, or -1
// if nothing goes from the beginning; and in which later ones something is
// removed.
func (r *rotation) divide() (front int, behind []int) {
	front = -1
	gone := 0 // entries from the beginning
	for i, p := range r.parts {
		whole := p.removed == p.entries
		if whole {
			gone += p.removed
		} else {
			gone += p.leading
		}
		if whole && i < len(r.parts)-1 {
			continue
		}
		if gone > 0 {
			front = i
			if p.leading == 0 {
				front = i - 1 // becomes the checkpoint alone
			}
		}
		break
	}
	for i, p := range r.parts {
		if i > front && p.removed > 0 {
			behind = append(behind, i)
		}
	}
	return front, behind
}

// leave closes a segment if it is still the live one.
func (w *writer) leave(l *FileLog, s segment) error {
	now, err := w.lock.acquire()
	if err != nil {
		return err
	}
	defer w.lock.release()
	if err := w.catchUp(l, now); err != nil || w.live.segment != s {
		return err
	}
	return l.withSpace(func() error { return w.nextSegment(l) })
}

// adopt gives a file that root made to the owner of its directory, so that a
// server running as that user can go on.
func adopt(file *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	var owner unix.Stat_t
	if err := unix.Stat(filepath.Dir(file.Name()), &owner); err != nil {
		return fmt.Errorf("look at the audit directory: %w", err)
	}
	if err := file.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
		return fmt.Errorf("give a file to the owner of the audit directory: %w", err)
	}
	return nil
}
