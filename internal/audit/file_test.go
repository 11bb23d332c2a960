package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTest opens a log in a directory and closes it at the end of the test.
func openTest(t *testing.T, o FileOptions) *FileLog {
	t.Helper()
	l, err := OpenFile(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

func appendN(t *testing.T, l Log, n int) (last uint64) {
	t.Helper()
	for i := range n {
		r, err := l.Append(t.Context(), Entry{Phase: Done, Action: "get", Success: true, User: fmt.Sprint("u", i), UserType: "user"})
		if err != nil {
			t.Fatal(err)
		}
		last = r.Number()
	}
	return last
}

func verifyTest(t *testing.T, dir string) Report {
	t.Helper()
	r, err := Verify(t.Context(), dir, VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Broken != nil {
		t.Fatalf("the log is broken: %v", r.Broken)
	}
	return r
}

func segmentNames(t *testing.T, dir string) []string {
	t.Helper()
	list, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list {
		names = append(names, s.name())
	}
	return names
}

func TestFileLog_GoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "audit")
	for i := range 3 {
		l, err := OpenFile(FileOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := appendN(t, l, 5), uint64(5*(i+1)); got != want {
			t.Errorf("run %d: last number %d, want %d", i, got, want)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r := verifyTest(t, dir); r.Entries != 15 || r.Last != 15 || r.TornAside != 0 {
		t.Errorf("report %+v, want 15 entries", r)
	}
}

func TestFileLog_NobodyElseMayReadIt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "audit")
	l := openTest(t, FileOptions{Dir: dir, Reserve: 4096})
	appendN(t, l, 1)
	for name, want := range map[string]os.FileMode{
		".": 0o700 | os.ModeDir, lockName: 0o600, reserveName: 0o600, segment{1, 1}.name(): 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestFileLog_ManyGoroutinesMakeOneChain(t *testing.T) {
	t.Parallel()
	for _, sync := range []Sync{Interval, Always} {
		t.Run(string(sync), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := openTest(t, FileOptions{Dir: dir, Sync: sync, SegmentSize: 8 << 10})
			numbers := appendFromMany(t, l, 16, 50)
			if len(numbers) != 16*50 {
				t.Errorf("%d different numbers, want %d", len(numbers), 16*50)
			}
			if r := verifyTest(t, dir); r.Entries != 16*50 || r.Segments < 10 {
				t.Errorf("report %+v, want 800 entries in many segments", r)
			}
		})
	}
}

// appendFromMany appends from several goroutines and returns the numbers.
func appendFromMany(t *testing.T, l Log, writers, each int) map[uint64]bool {
	var mu sync.Mutex
	numbers := make(map[uint64]bool)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r, err := l.Append(t.Context(), Entry{Phase: Done, User: fmt.Sprint(w, "-", i)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				numbers[r.Number()] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return numbers
}

// Two open logs behave like two processes: nothing is shared but the directory.
func TestFileLog_TwoWritersMakeOneChain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := openTest(t, FileOptions{Dir: dir, SegmentSize: 16 << 10})
	b := openTest(t, FileOptions{Dir: dir, SegmentSize: 16 << 10})
	var wg sync.WaitGroup
	for _, l := range []*FileLog{a, b} {
		wg.Go(func() { appendFromMany(t, l, 4, 100) })
	}
	wg.Wait()
	if r := verifyTest(t, dir); r.Entries != 800 || r.TornAside != 0 {
		t.Errorf("report %+v, want 800 entries", r)
	}
}

func TestFileLog_WaitMeansOnTheDisk(t *testing.T) {
	t.Parallel()
	l := openTest(t, FileOptions{Dir: t.TempDir(), Interval: time.Hour})
	r, err := l.Append(t.Context(), Entry{Phase: Done})
	if err != nil {
		t.Fatal(err)
	}
	if l.Unflushed() <= 0 {
		t.Error("a record that nobody flushed counts as flushed")
	}
	if err := r.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := l.flush.flushed; got != r.Number() {
		t.Errorf("flushed up to %d after Wait, want %d", got, r.Number())
	}
	if got := l.Unflushed(); got != 0 {
		t.Errorf("Unflushed() = %v after Wait, want 0", got)
	}
}

func TestFileLog_FlushesByItself(t *testing.T) {
	t.Parallel()
	flushed := make(chan struct{}, 10)
	l := openTest(t, FileOptions{Dir: t.TempDir(), Interval: time.Millisecond})
	l.flush.sync = func(f *os.File) error {
		flushed <- struct{}{}
		return f.Sync()
	}
	appendN(t, l, 1)
	select {
	case <-flushed:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was flushed")
	}
}

func TestFileLog_WhoWaitsMeanwhileSharesTheNextFlush(t *testing.T) {
	t.Parallel()
	const others = 20
	var flushes atomic.Int64
	begun, goOn := make(chan struct{}), make(chan struct{})
	l := openTest(t, FileOptions{Dir: t.TempDir(), Interval: time.Hour})
	l.flush.sync = func(f *os.File) error {
		if flushes.Add(1) == 1 {
			close(begun)
			<-goOn
		}
		return f.Sync()
	}
	var wg sync.WaitGroup
	wait := func(ctx context.Context) error {
		r, err := l.Append(ctx, Entry{})
		if err != nil {
			return err
		}
		return r.Wait(ctx)
	}
	wg.Go(func() {
		if err := wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
	<-begun
	// The first to join may be the one told to make the round, and goes away.
	leaving, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- wait(leaving) }()
	joined := func(n uint64) func() bool {
		return func() bool { return l.flush.written.Load() == n }
	}
	eventually(t, "the second has written", joined(2))
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who left was told %v", err)
	}
	for range others {
		wg.Go(func() {
			if err := wait(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "the others have written", joined(2+others))
	close(goOn)
	wg.Wait()
	if got := flushes.Load(); got > 3 {
		t.Errorf("%d flushes, want the first and one or two for all others", got)
	}
}

func TestFileLog_RefusesWhileItCannotBeFlushedAndRecovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openTest(t, FileOptions{Dir: dir, Interval: time.Millisecond})
	appendN(t, l, 3)
	var mu sync.Mutex
	broken := errors.New("input/output error")
	l.flush.sync = func(f *os.File) error {
		mu.Lock()
		defer mu.Unlock()
		return errors.Join(broken, f.Sync())
	}
	r, err := l.Append(t.Context(), Entry{Phase: Attempt})
	if err != nil && !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	if err == nil {
		if err := r.Wait(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Wait = %v, want ErrUnavailable", err)
		}
	}
	eventually(t, "records are refused", func() bool {
		_, err := l.Append(t.Context(), Entry{Phase: Done})
		return errors.Is(err, ErrUnavailable)
	})
	mu.Lock()
	broken = nil
	mu.Unlock()
	eventually(t, "records are taken again", func() bool {
		r, err := l.Append(t.Context(), Entry{Phase: Done})
		return err == nil && r.Wait(t.Context()) == nil
	})
	verifyTest(t, dir)
}

func TestFileLog_ASegmentThatCannotBeFlushedIsNotClosed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openTest(t, FileOptions{Dir: dir, SegmentSize: 1, Interval: time.Hour})
	appendN(t, l, 1)
	l.flush.sync = func(*os.File) error { return unix.EIO }
	if _, err := l.Append(t.Context(), Entry{}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, unix.EIO) {
		t.Errorf("Append = %v, want ErrUnavailable with the reason", err)
	}
	if got := segmentNames(t, dir); len(got) != 1 {
		t.Errorf("segments %v, want the first alone", got)
	}
	l.flush.sync = (*os.File).Sync
	r, err := l.Append(t.Context(), Entry{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); err != nil || l.flush.broken.Load() != nil {
		t.Errorf("Wait = %v; want everything flushed, the first segment by writing it again", err)
	}
	verifyTest(t, dir)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestFileLog_AFullDiskUsesTheReserveThenRefusesThenRecovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openTest(t, FileOptions{Dir: dir, Reserve: 64 << 10})
	appendN(t, l, 3)
	if !l.Spare() {
		t.Fatal("the reserve is not there")
	}
	// A disk with room for nothing, then for what the reserve held.
	full, room := true, 2
	l.w.put = func(f *os.File, b []byte) (int, error) {
		if full && (l.reserve.held() > 0 || room == 0) {
			n, _ := f.Write(b[:len(b)/2])
			return n, unix.ENOSPC
		}
		room--
		return f.Write(b)
	}
	appendN(t, l, 2)
	if l.Spare() {
		t.Error("the reserve is said to be whole while it is in use")
	}
	if _, err := l.Append(t.Context(), Entry{}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Append on the full disk: %v, want ErrUnavailable with the reason", err)
	}
	full = false
	if got := appendN(t, l, 1); got != 6 {
		t.Errorf("number %d after the disk has room again, want 6", got)
	}
	if r := verifyTest(t, dir); r.Entries != 6 || r.TornAside != 0 || r.TornEnd != 0 {
		t.Errorf("report %+v, want 6 entries and nothing torn", r)
	}
	eventually(t, "the reserve is whole again", func() bool {
		r, err := l.Append(t.Context(), Entry{})
		if err == nil {
			err = r.Wait(t.Context())
		}
		return err == nil && l.Spare()
	})
}

func TestFileLog_ACutThatFailsIsMadeGoodLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openTest(t, FileOptions{Dir: dir})
	appendN(t, l, 2)
	put := l.w.put
	l.w.put = func(f *os.File, b []byte) (int, error) {
		f.Write(b[:len(b)/2]) // as a process that died here leaves it
		return 0, unix.EIO
	}
	if _, err := l.Append(t.Context(), Entry{}); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("Append = %v, want ErrUnavailable", err)
	}
	l.w.put = put
	if got := appendN(t, l, 1); got != 3 {
		t.Errorf("number %d, want 3", got)
	}
	if r := verifyTest(t, dir); r.Entries != 3 || r.TornAside != 1 {
		t.Errorf("report %+v, want 3 entries and one torn end", r)
	}
}

func TestFileLog_MovesATornEndAside(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("x", 300)
	for name, tt := range map[string]struct {
		tear func(line string) string // of the last of three lines
		kept uint64
	}{
		"half a line":            {func(l string) string { return l[:len(l)/2] }, 2},
		"no line end":            {func(l string) string { return l[:len(l)-1] }, 2},
		"one byte":               {func(string) string { return "{" }, 2},
		"foreign line":           {func(l string) string { return l + whole + "\n" }, 3},
		"zeros":                  {func(l string) string { return strings.Repeat("\x00", len(l)) }, 2},
		"zeros before its end":   {func(l string) string { return strings.Repeat("\x00", 50) + l[50:] }, 2},
		"zeros, then whole ones": {func(l string) string { return strings.Repeat("\x00", 4096) + l }, 2},
		"longer than a window":   {func(l string) string { return l + strings.Repeat("y", 100_000) }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l, err := OpenFile(FileOptions{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			appendN(t, l, 3)
			l.Close()
			path := filepath.Join(dir, segment{1, 1}.name())
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(string(b), "\n")
			torn := lines[0] + lines[1] + tt.tear(lines[2])
			if err := os.WriteFile(path, []byte(torn), 0o600); err != nil {
				t.Fatal(err)
			}

			if got := appendN(t, openTest(t, FileOptions{Dir: dir}), 1); got != tt.kept+1 {
				t.Errorf("the next number is %d, want %d", got, tt.kept+1)
			}
			if r := verifyTest(t, dir); r.Entries != tt.kept+1 || r.TornAside != 1 || r.TornEnd != 0 {
				t.Errorf("report %+v, want %d entries and one torn end aside", r, tt.kept+1)
			}
		})
	}
}

// A changed record is not torn: it stays, the log goes on, and Verify tells.
func TestFileLog_DoesNotMoveAChangedRecordAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := OpenFile(FileOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	appendN(t, l, 3)
	l.Close()
	edit(t, filepath.Join(dir, segment{1, 1}.name()), func(s string) string { return strings.Replace(s, `"u2"`, `"v2"`, 1) })
	if got := appendN(t, openTest(t, FileOptions{Dir: dir}), 1); got != 4 {
		t.Errorf("the next number is %d, want 4", got)
	}
	r, err := Verify(t.Context(), dir, VerifyOptions{})
	if err != nil || r.Broken == nil || r.Broken.Line != 3 {
		t.Errorf("Verify = %v, %v; want line 3 broken", r.Broken, err)
	}
}

func edit(t *testing.T, path string, f func(string) string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(f(string(b))), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFileLog_TakesNoMoreRecordsAfterItsEndWasRemoved(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(dir string) error{
		"cut": func(dir string) error {
			return os.Truncate(filepath.Join(dir, segment{1, 1}.name()), 0)
		},
		"segment removed": func(dir string) error { return os.Remove(filepath.Join(dir, segment{1, 1}.name())) },
		"all removed":     os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "audit")
			l := openTest(t, FileOptions{Dir: dir})
			appendN(t, l, 3)
			if err := harm(dir); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := l.Append(t.Context(), Entry{}); !errors.Is(err, ErrUnavailable) {
					t.Errorf("Append = %v, want ErrUnavailable", err)
				}
			}
		})
	}
}

func TestFileLog_ARemovedLockIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := openTest(t, FileOptions{Dir: dir})
	appendN(t, a, 1)
	if err := os.Remove(filepath.Join(dir, lockName)); err != nil {
		t.Fatal(err)
	}
	// The new lock gets as long as the old one was, though another segment is
	// live.
	b := openTest(t, FileOptions{Dir: dir, SegmentSize: 1})
	for range 3 {
		appendN(t, b, 1)
		appendN(t, a, 1)
	}
	if r := verifyTest(t, dir); r.Entries != 7 || r.Segments != 4 {
		t.Errorf("report %+v, want 7 entries in 4 segments", r)
	}
}

func TestFileLog_SegmentsAreBegunBySizeAndEmptyOnesAreGoneOnWith(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := OpenFile(FileOptions{Dir: dir, SegmentSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	appendN(t, l, 3)
	l.Close()
	want := []string{segment{1, 1}.name(), segment{2, 2}.name(), segment{3, 3}.name()}
	if got := segmentNames(t, dir); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("segments %v, want %v", got, want)
	}
	// As a crash between creating a segment and writing to it leaves it.
	if err := os.WriteFile(filepath.Join(dir, segment{4, 4}.name()), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := appendN(t, openTest(t, FileOptions{Dir: dir}), 1); got != 4 {
		t.Errorf("number %d, want 4", got)
	}
	if r := verifyTest(t, dir); r.Entries != 4 || r.Segments != 4 {
		t.Errorf("report %+v, want 4 entries in 4 segments", r)
	}
}

func TestFileLog_RefusesAfterClose(t *testing.T) {
	t.Parallel()
	l := openTest(t, FileOptions{Dir: t.TempDir(), Interval: time.Hour})
	r, err := l.Append(t.Context(), Entry{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); err != nil {
		t.Errorf("Wait after Close = %v; Close flushes", err)
	}
	if _, err := l.Append(t.Context(), Entry{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Append after Close = %v, want ErrUnavailable", err)
	}
}

func TestFileLog_WhoGivesUpWaitingLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openTest(t, FileOptions{Dir: dir})
	appendN(t, l, 1)
	entered, release := make(chan struct{}), make(chan struct{})
	put, once := l.w.put, sync.Once{}
	l.w.put = func(f *os.File, b []byte) (int, error) {
		once.Do(func() { close(entered); <-release })
		return put(f, b)
	}
	var wg sync.WaitGroup
	wg.Go(func() { appendN(t, l, 1) }) // leads, and hangs in its write
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	for range 3 {
		wg.Go(func() {
			if _, err := l.Append(ctx, Entry{User: "impatient"}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Errorf("Append = %v, want ErrUnavailable because of the context", err)
			}
		})
	}
	wg.Go(func() { appendN(t, l, 1) })
	eventually(t, "all are queued", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		n := 0
		for p := l.first; p != nil; p = p.next {
			n++
		}
		return n == 4
	})
	cancel()
	eventually(t, "the impatient have left", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.first != nil && l.first.next == nil
	})
	close(release)
	wg.Wait()
	if r := verifyTest(t, dir); r.Entries != 3 {
		t.Errorf("report %+v, want 3 entries", r)
	}
}

func TestOpenFile_ChecksItsOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]FileOptions{
		"no directory":  {},
		"unknown sync":  {Dir: t.TempDir(), Sync: "sometimes"},
		"negative size": {Dir: t.TempDir(), SegmentSize: -1},
		"a file there":  {Dir: "/dev/null/audit"},
	} {
		if l, err := OpenFile(o); err == nil {
			l.Close()
			t.Errorf("%s: OpenFile succeeds, want an error", name)
		}
	}
}
