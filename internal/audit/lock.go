package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockName = "lock"
	// lockWait bounds how long a batch waits for another process. Writers hold
	// the lock for microseconds; a rotation holds it longer.
	lockWait = 5 * time.Second
)

// lockFile is the file whose flock orders all writers of a directory. It also
// counts the changes of the set of segments: whoever starts, rewrites or
// removes one appends a line, before doing so, and so every other writer sees
// by the file's edition alone that it has to look at the directory again.
type lockFile struct {
	path string
	file *os.File
	fd   int
}

// edition tells one state of the set of segments from another.
type edition struct {
	inode uint64 // of the lock file, which somebody may have replaced
	size  int64  // of the lock file
}

func openLock(dir string) (*lockFile, error) {
	l := &lockFile{path: filepath.Join(dir, lockName)}
	return l, l.open()
}

func (l *lockFile) open() error {
	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the audit lock: %w", err)
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.fd = file, int(file.Fd())
	return nil
}

// acquire takes the lock and returns the edition of the set of segments.
func (l *lockFile) acquire() (edition, error) {
	for {
		if err := flock(l.fd, unix.LOCK_EX); err != nil {
			return edition{}, fmt.Errorf("lock the audit log: %w", err)
		}
		e, links, err := l.look()
		if err != nil {
			l.release()
			return edition{}, err
		}
		if links > 0 {
			return e, nil
		}
		// Somebody removed the file; other writers would lock another one.
		if err := l.open(); err != nil {
			return edition{}, err
		}
	}
}

func (l *lockFile) look() (e edition, links uint64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(l.fd, &st); err != nil {
		return e, 0, fmt.Errorf("look at the audit lock: %w", err)
	}
	return edition{st.Ino, st.Size}, uint64(st.Nlink), nil
}

func (l *lockFile) release() { unix.Flock(l.fd, unix.LOCK_UN) }

// announce tells the other writers that the set of segments is about to change.
// The caller holds the lock.
func (l *lockFile) announce(segment string) (edition, error) {
	if _, err := l.file.WriteString(segment + "\n"); err != nil {
		return edition{}, fmt.Errorf("write the audit lock: %w", err)
	}
	e, _, err := l.look()
	return e, err
}

func (l *lockFile) close() error { return l.file.Close() }

// shared runs f while no writer is in the middle of a batch. Where the lock
// file cannot be opened, as in a copy of a log or on a medium that cannot be
// written, no writer can be at work and f simply runs.
func shared(dir string, f func() error) error {
	file, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return f()
	}
	if err != nil {
		return fmt.Errorf("open the audit lock: %w", err)
	}
	defer file.Close() // and with it the lock
	if err := flock(int(file.Fd()), unix.LOCK_SH); err != nil {
		return fmt.Errorf("lock the audit log: %w", err)
	}
	return f()
}

// flock takes a lock, waiting at most lockWait. It asks again and again instead
// of waiting in the kernel, because that wait could not be ended.
func flock(fd, how int) error {
	err := unix.Flock(fd, how|unix.LOCK_NB)
	if err == nil {
		return nil
	}
	deadline := time.Now().Add(lockWait)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 2*time.Millisecond) {
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK):
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("another process holds it for more than %v", lockWait)
		default:
			time.Sleep(pause)
		}
		err = unix.Flock(fd, how|unix.LOCK_NB)
	}
}
