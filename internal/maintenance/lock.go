// Package maintenance holds what operators do to the store as a whole: checking
// it, moving credentials into the archive and back; and what keeps them and the
// running server out of each other's way: the lock on the data directory and the
// read-only switch. It knows no transport and no store in particular.
package maintenance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Mode says with whom a lock may be held together.
type Mode int

// The modes.
const (
	Shared    Mode = unix.LOCK_SH // beside a server and other commands
	Exclusive Mode = unix.LOCK_EX // alone
)

// LockedError says that the data directory is in use.
type LockedError struct {
	PID int // of a process that holds the lock; 0: not known
}

// Error names the process, if it is known.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return "The database is in use by another process."
	}
	return fmt.Sprintf("The database is in use by process %d.", e.PID)
}

// Lock is the advisory lock of a data directory, held until Release or the end
// of the process.
//
// The file "confidant.lock" carries the lock (flock) and, as text, the process
// number of one holder. The number is for people alone: it is written by who
// finds none of a living process there, so it may name nobody after the first
// of several holders has gone.
type Lock struct{ file *os.File }

const (
	lockFile  = "confidant.lock"
	retryLock = 25 * time.Millisecond
)

// Acquire locks the data directory, which must exist. It tries until the
// timeout is over, at least once, and then returns a *LockedError.
func Acquire(ctx context.Context, dir string, mode Mode, timeout time.Duration) (*Lock, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	deadline := time.Now().Add(timeout)
	for {
		err := unix.Flock(int(file.Fd()), int(mode)|unix.LOCK_NB)
		if err == nil {
			return &Lock{file}, sign(file, mode)
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", file.Name(), err), file.Close())
		}
		if time.Now().After(deadline) {
			held := &LockedError{PID: holder(file)}
			return nil, errors.Join(held, file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), file.Close())
		case <-time.After(retryLock):
		}
	}
}

// sign writes this process into the file, unless another holder stands there.
func sign(file *os.File, mode Mode) error {
	if mode == Shared && holder(file) != 0 {
		return nil
	}
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("writing the lock file: %w", err)
	}
	if _, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("writing the lock file: %w", err)
	}
	return nil
}

// holder returns the living process that the file names, or 0.
func holder(file *os.File) int {
	text := make([]byte, 20)
	n, _ := file.ReadAt(text, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil || pid <= 0 {
		return 0
	}
	// Signal 0 asks only whether the process exists; EPERM means that it does.
	if err := unix.Kill(pid, 0); err != nil && !errors.Is(err, unix.EPERM) {
		return 0
	}
	return pid
}

// Release gives the lock up.
func (l *Lock) Release() error { return l.file.Close() }
