package audit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	segmentSuffix = ".jsonl"
	tornName      = "torn"
)

// segment names one file of a log. Names sort in the order of the chain.
type segment struct {
	ordinal uint64 // counts up by one
	first   uint64 // number of the first record when the segment was started
}

func (s segment) name() string {
	return fmt.Sprintf("%08d-%012d%s", s.ordinal, s.first, segmentSuffix)
}

func parseSegment(name string) (segment, bool) {
	stem, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return segment{}, false
	}
	ordinal, first, ok := strings.Cut(stem, "-")
	if !ok {
		return segment{}, false
	}
	o, err1 := strconv.ParseUint(ordinal, 10, 64)
	f, err2 := strconv.ParseUint(first, 10, 64)
	s := segment{o, f}
	return s, err1 == nil && err2 == nil && s.name() == name
}

// listSegments returns the segments of a directory, oldest first.
func listSegments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list the audit segments: %w", err)
	}
	var list []segment
	for _, e := range entries {
		if s, ok := parseSegment(e.Name()); ok {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b segment) int { return cmp.Compare(a.ordinal, b.ordinal) })
	return list, nil
}

// inodeOf returns what tells a file from another that is put in its place; 0 if
// that cannot be known.
func inodeOf(file *os.File) uint64 {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return 0
	}
	return st.Ino
}

// opened is a segment as it stood at one moment.
type opened struct {
	segment
	file *os.File
	size int64
}

// snapshot opens all segments of a directory as they stand between two batches.
func snapshot(dir string) (list []opened, err error) {
	err = shared(dir, func() error {
		segments, err := listSegments(dir)
		if err != nil {
			return err
		}
		for _, s := range segments {
			file, err := os.Open(filepath.Join(dir, s.name()))
			if err != nil {
				return fmt.Errorf("open an audit segment: %w", err)
			}
			list = append(list, opened{s, file, 0})
			info, err := file.Stat()
			if err != nil {
				return fmt.Errorf("look at an audit segment: %w", err)
			}
			list[len(list)-1].size = info.Size()
		}
		return nil
	})
	if err != nil {
		closeAll(list)
		return nil, err
	}
	return list, nil
}

func closeAll(list []opened) {
	for _, s := range list {
		s.file.Close()
	}
}

// tail is how a segment ends.
type tail struct {
	head head  // after its last record; zero if it has none
	end  int64 // behind its last record; what follows was never completed
}

// suspect is how much of a segment's end may not have reached the disk before
// the power failed, in bytes: far more than is written between two flushes.
const suspect = 8 << 20

// readTail finds the last record of a segment of the given size.
func readTail(r io.ReaderAt, size int64) (tail, error) {
	for window := int64(4096); ; window *= 4 {
		from := max(0, size-window)
		b := make([]byte, size-from)
		if _, err := r.ReadAt(b, from); err != nil {
			return tail{}, fmt.Errorf("read the end of an audit segment: %w", err)
		}
		for {
			end := bytes.LastIndexByte(b, '\n') + 1
			if end == 0 {
				break
			}
			start := bytes.LastIndexByte(b[:end-1], '\n') + 1
			if start == 0 && from > 0 {
				break // the line begins before the window
			}
			if f, err := parseFrame(b[start : end-1]); err == nil {
				return tail{f.head(), from + int64(end)}, nil
			}
			b = b[:start]
		}
		if from == 0 {
			return tail{}, nil
		}
	}
}

// cutAt returns where in the suspect end of a segment the first NUL stands, or
// size. JSON holds none, so it can only be a block that was lost with the power.
func cutAt(r io.ReaderAt, size int64) (int64, error) {
	b := make([]byte, 64<<10)
	for at := max(0, size-suspect); at < size; at += int64(len(b)) {
		n, err := r.ReadAt(b[:min(int64(len(b)), size-at)], at)
		if i := bytes.IndexByte(b[:n], 0); i >= 0 {
			return at + int64(i), nil
		}
		if err != nil {
			return 0, fmt.Errorf("read the end of an audit segment: %w", err)
		}
	}
	return size, nil
}

// torn is one line of the file "torn": the end of a segment that a crash left
// incomplete, moved aside once.
type torn struct {
	Date    time.Time `json:"date"`
	Segment string    `json:"segment"`
	Offset  int64     `json:"offset"`
	Bytes   []byte    `json:"bytes"`
}

// moveAside moves what stands behind end in a segment to the file "torn". A
// crash in between leaves it in both places, never in none.
func moveAside(dir string, s segment, file *os.File, end, size int64, now time.Time) error {
	b := make([]byte, size-end)
	if _, err := file.ReadAt(b, end); err != nil {
		return fmt.Errorf("read a torn audit record: %w", err)
	}
	line, err := json.Marshal(torn{now.UTC(), s.name(), end, b})
	if err != nil {
		return fmt.Errorf("encode a torn audit record: %w", err)
	}
	aside, err := os.OpenFile(filepath.Join(dir, tornName), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the file for torn audit records: %w", err)
	}
	defer aside.Close()
	if _, err := aside.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("move a torn audit record aside: %w", err)
	}
	if err := aside.Sync(); err != nil {
		return fmt.Errorf("flush a torn audit record: %w", err)
	}
	if err := file.Truncate(end); err != nil {
		return fmt.Errorf("cut off a torn audit record: %w", err)
	}
	return nil
}

// countTorn returns how often a torn end was moved aside.
func countTorn(dir string) (int, error) {
	b, err := os.ReadFile(filepath.Join(dir, tornName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the file of torn audit records: %w", err)
	}
	return bytes.Count(b, []byte("\n")), nil
}

// syncDir flushes the names in a directory.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
