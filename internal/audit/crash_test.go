package audit

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test program starts itself again as a process to kill or to starve.
var (
	childRole = flag.String("child", "", "act as a child process of a test: append, starve or rotate")
	childDir  = flag.String("child-dir", "", "the child's audit directory")
	childName = flag.String("child-name", "", "begins the user of the child's records, or names its selection and where it is killed")
)

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	switch *childRole {
	case "":
		os.Exit(m.Run())
	case "append":
		err = appendForever(*childDir, *childName)
	case "starve":
		err = starve(*childDir)
	case "rotate":
		err = rotateUntil(*childDir, *childName)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func childCommand(t *testing.T, role, dir, name string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, "-child", role, "-child-dir", dir, "-child-name", name)
	c.Stderr = os.Stderr
	return c
}

// appendForever appends from eight goroutines and prints number and user of
// each record once it is acknowledged.
func appendForever(dir, name string) error {
	l, err := OpenFile(FileOptions{Dir: dir, SegmentSize: 64 << 10, Interval: 5 * time.Millisecond})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				user := fmt.Sprintf("%s-%d-%d", name, w, i)
				r, err := l.Append(context.Background(), Entry{Phase: Done, Action: "get", User: user})
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				fmt.Printf("%d %s\n", r.Number(), user) // one write, so lines stay whole
			}
		})
	}
	wg.Wait()
	return errors.New("appending ended")
}

// acknowledged starts a child that appends, kills it after so many
// acknowledgements, and returns all that it printed.
func acknowledged(t *testing.T, dir, name string, after int) map[uint64]string {
	c := childCommand(t, "append", dir, name)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Error(err)
		return nil
	}
	if err := c.Start(); err != nil {
		t.Error(err)
		return nil
	}
	users := make(map[uint64]string)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var number uint64
		var user string
		if n, _ := fmt.Sscan(lines.Text(), &number, &user); n == 2 {
			users[number] = user
		}
		if len(users) == after {
			if err := c.Process.Signal(unix.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	if err := c.Wait(); err == nil || c.ProcessState.Success() {
		t.Errorf("the child ended by itself: %v", err)
	}
	return users
}

func checkAcknowledged(t *testing.T, dir string, users map[uint64]string) {
	t.Helper()
	openTest(t, FileOptions{Dir: dir}) // moves aside what was torn
	r := verifyTest(t, dir)
	if r.Entries < uint64(len(users)) {
		t.Errorf("%d records for %d acknowledgements", r.Entries, len(users))
	}
	segments, err := snapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(segments)
	for _, s := range segments {
		_, err := dumpSegment(t.Context(), s, "", func(line []byte, _ frame) error {
			record, err := decodeLine(line)
			if want, ok := users[record.Number]; ok && record.User != want {
				t.Errorf("record %d is of %q, acknowledged to %q", record.Number, record.User, want)
			}
			delete(users, record.Number)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if len(users) > 0 {
		t.Errorf("%d acknowledged records are not in the log: %v", len(users), users)
	}
}

func TestFileLog_AKilledProcessLosesNoAcknowledgedRecord(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "audit")
	all := make(map[uint64]string)
	for i := range 5 {
		for number, user := range acknowledged(t, dir, fmt.Sprint("run", i), 500) {
			if before, ok := all[number]; ok {
				t.Errorf("number %d was given to %q and to %q", number, before, user)
			}
			all[number] = user
		}
	}
	checkAcknowledged(t, dir, all)
}

func TestFileLog_TwoProcessesMakeOneChainThoughBothAreKilled(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "audit")
	var wg sync.WaitGroup
	var mu sync.Mutex
	all := make(map[uint64]string)
	for _, name := range []string{"a", "b"} {
		wg.Go(func() {
			users := acknowledged(t, dir, name, 1000)
			mu.Lock()
			defer mu.Unlock()
			for number, user := range users {
				if before, ok := all[number]; ok {
					t.Errorf("number %d was given to %q and to %q", number, before, user)
				}
				all[number] = user
			}
		})
	}
	wg.Wait()
	checkAcknowledged(t, dir, all)
}

// starve appends under a limit for the size of files until it is hit, then
// lifts it.
func starve(dir string) error {
	signal.Ignore(unix.SIGXFSZ)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	low := unix.Rlimit{Cur: 10_000, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &low); err != nil {
		return err
	}
	l, err := OpenFile(FileOptions{Dir: dir})
	if err != nil {
		return err
	}
	taken := uint64(0)
	for range 1000 {
		var r Receipt
		if r, err = l.Append(context.Background(), Entry{Phase: Done, User: "u"}); err != nil {
			break
		}
		taken = r.Number()
	}
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("after %d records: %v, want ErrUnavailable", taken, err)
	}
	if report, err := Verify(context.Background(), dir, VerifyOptions{}); err != nil || report.Broken != nil || report.Last != taken || report.TornEnd > 0 {
		return fmt.Errorf("with the limit: %+v, %v, want %d records", report, err, taken)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	r, err := l.Append(context.Background(), Entry{Phase: Done, User: "u"})
	if err != nil || r.Number() != taken+1 {
		return fmt.Errorf("without the limit: %v, want record %d", err, taken+1)
	}
	return l.Close()
}

func TestFileLog_WhatTheSystemRefusesHalfWayIsTakenBack(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "audit")
	if err := childCommand(t, "starve", dir, "").Run(); err != nil {
		t.Fatal(err)
	}
	if r := verifyTest(t, dir); r.Entries < 10 {
		t.Errorf("report %+v, want some entries", r)
	}
}
