package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const reserveName = "reserve"

// reserve is a file that holds disk space free. When the disk is full the log
// gives it up, so that readers can go on being recorded for a while and the
// operator has the time to make room.
type reserve struct {
	path string
	size int64 // 0: none is kept
}

func newReserve(dir string, size int64) reserve {
	return reserve{filepath.Join(dir, reserveName), size}
}

// held returns how many bytes are kept free at present.
func (r reserve) held() int64 {
	info, err := os.Stat(r.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// whole reports whether the reserve has not been touched.
func (r reserve) whole() bool { return r.size == 0 || r.held() >= r.size }

// fill restores the reserve if there is room for it twice, so that it is not
// taken back from the very records that it was given up for. A disk without
// room is no error.
func (r reserve) fill() error {
	if r.whole() {
		return nil
	}
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the audit log's reserve: %w", err)
	}
	defer f.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		return fmt.Errorf("look at the free space for the audit log: %w", err)
	}
	if free := int64(fs.Bavail) * int64(fs.Bsize); free < 2*r.size {
		return nil
	}
	zeros := make([]byte, min(r.size, 1<<20))
	for at := int64(0); at < r.size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), r.size-at)], at); err != nil {
			return errors.Join(fmt.Errorf("fill the audit log's reserve: %w", err), f.Truncate(0))
		}
	}
	return nil
}

// giveUp frees the reserve and reports whether there was anything to free.
func (r reserve) giveUp() bool {
	return r.size > 0 && r.held() > 0 && os.Truncate(r.path, 0) == nil
}

// isFull reports whether an error means that there is no room to write.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
