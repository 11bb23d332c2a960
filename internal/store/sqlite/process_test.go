package sqlite

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// What this program does instead of its tests when a test starts it again.
var (
	writeForever = flag.String("write-forever", "", "write to the store at this path until killed")
	fillDisk     = flag.String("fill-disk", "", "fill up what the store at this path may take, and recover")
)

func TestMain(m *testing.M) {
	flag.Parse()
	switch {
	case *writeForever != "":
		exit(runWriter(*writeForever))
	case *fillDisk != "":
		exit(runOnFullDisk(*fillDisk))
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// again is this program started again.
func again(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), program, args...)
}

// runWriter writes from several goroutines and tells each write that was
// acknowledged.
func runWriter(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	var (
		out sync.Mutex
		wg  sync.WaitGroup
	)
	errs := make(chan error, 8)
	for i := range 8 {
		wg.Go(func() { errs <- writeOn(ctx, s, i, &out) })
	}
	return <-errs
}

func writeOn(ctx context.Context, s *Store, i int, out *sync.Mutex) error {
	id, name := fmt.Sprintf("c%d", i), fmt.Sprintf("s%d", i)
	for n := 0; ; n++ {
		previous, err := s.Credentials().Get(ctx, id)
		if err != nil {
			previous = nil
		}
		first, last := benchRow(1000*i+n), benchRow(1000*i+n)
		first.Name, last.Name = fmt.Sprintf("%s before %d", id, n), fmt.Sprintf("%s at %d", id, n)
		last.KeyNames = append(last.KeyNames, fmt.Sprintf("key_%d", n))
		stored, err := s.Credentials().Append(ctx, write(id, previous, first, last))
		if err != nil {
			return err
		}
		mapping := &service.Service{Credentials: []string{fmt.Sprintf("c%d", n%8)}}
		now, err := s.Services().Get(ctx, name)
		if err != nil {
			now = nil
		}
		mapped, err := s.Services().Append(ctx, store.Write[service.Service]{ID: name, Previous: now, Rows: []*service.Service{mapping}})
		if err != nil {
			return err
		}
		out.Lock()
		fmt.Printf("%s %d\n%s %d\n", id, stored[1].Revision, name, mapped[0].Revision)
		out.Unlock()
	}
}

func TestCrash_LosesNothingAcknowledgedAndLeavesNothingHalf(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "confidant.db")
	acknowledged := map[string]int{}
	for round := range 4 {
		child := again(t, "-write-forever", path)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines, told := bufio.NewScanner(out), 0
		for enough := 20 + rand.IntN(200); lines.Scan(); told++ {
			id, number, _ := strings.Cut(lines.Text(), " ")
			var n int
			if _, err := fmt.Sscan(number, &n); err == nil {
				acknowledged[id] = max(acknowledged[id], n)
			}
			if told == enough {
				child.Process.Kill()
			}
		}
		child.Wait() // it was killed
		if told == 0 {
			t.Fatalf("round %d: nothing was written", round)
		}
		verify(t, path, acknowledged)
	}
}

// verify checks a store against what was acknowledged before a crash.
func verify(t *testing.T, path string, acknowledged map[string]int) {
	t.Helper()
	s := open(t, path)
	defer s.Close()
	ctx := t.Context()
	for id, n := range acknowledged {
		if strings.HasPrefix(id, "s") {
			if row, err := s.Services().Get(ctx, id); err != nil || row.Revision < n {
				t.Errorf("service %s: %+v, %v; want revision %d or a later one", id, row, err, n)
			}
			continue
		}
		row, err := s.Credentials().Get(ctx, id)
		if err != nil || row.Revision < n || row.Revision%2 != 0 {
			t.Errorf("credential %s: %+v, %v; want an even revision, %d or a later one", id, row, err, n)
			continue
		}
		history, err := s.Credentials().History(ctx, id, revision.Page{})
		if err != nil || len(history.Items) != row.Revision {
			t.Errorf("credential %s has %d rows of history, %v; want %d", id, len(history.Items), err, row.Revision)
		}
	}
	if report, err := s.Check(ctx); err != nil || len(report.Orphans)+len(report.EqualNames) > 0 {
		t.Errorf("Check: %+v, %v; want nothing found", report, err)
	}
	if report, err := s.Reindex(ctx, nil); err != nil || len(report.Changed) > 0 {
		t.Errorf("Reindex: %+v, %v; want nothing changed", report, err)
	}
	wantSound(t, s)
}

// wantSound has SQLite check the file and its search index.
func wantSound(t *testing.T, s *Store) {
	t.Helper()
	err := s.write(t.Context(), "checking", func(tx *transaction) error {
		var result string
		if _, err := tx.row("PRAGMA integrity_check", nil, &result); err != nil {
			return err
		}
		if result != "ok" {
			return fmt.Errorf("integrity_check: %s", result)
		}
		stray := 0
		_, err := tx.row(`SELECT count(*) FROM current c JOIN history h ON h.number = c.content
			WHERE c.rotated <> coalesce(h.last_rotation, `+noTimeText+`) OR c.modified <> h.modified OR c.enabled <> h.enabled
			OR c.mapped <> EXISTS (SELECT 1 FROM mapping WHERE credential = c.id)
			OR c.seen IS NOT CASE WHEN h.last_decrypted > c.rotated THEN h.last_decrypted END`, nil, &stray)
		if err != nil || stray > 0 {
			return fmt.Errorf("%d rows say other than their content, %w", stray, err)
		}
		return tx.exec("INSERT INTO current_text (current_text, rank) VALUES ('integrity-check', 1)")
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSecondProcess_SeesWritesAndForgetsWhatItKnew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "confidant.db")
	ours, theirs := open(t, path), open(t, path)
	row := appendRow(t, ours, "c", nil, benchRow(1))
	var slowest time.Duration
	for n := 2; n <= 11; n++ {
		if _, err := theirs.Credentials().Get(t.Context(), "c"); err != nil {
			t.Fatalf("Get: %v", err)
		}
		row = appendRow(t, ours, "c", row, benchRow(n))
		written := time.Now()
		for {
			seen, err := theirs.Credentials().Get(t.Context(), "c")
			if err != nil {
				t.Fatalf("Get: %v", err)
			}
			if seen.Revision == n {
				break
			}
			if time.Since(written) > 5*time.Second {
				t.Fatalf("revision %d is not seen", n)
			}
			time.Sleep(time.Millisecond)
		}
		slowest = max(slowest, time.Since(written))
	}
	t.Logf("a write of another process was seen after %v at most", slowest)
	// A write never decides on what a cache holds.
	known, err := theirs.Credentials().Get(t.Context(), "c")
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	appendRow(t, ours, "c", row, benchRow(20))
	if _, err := theirs.Credentials().Append(t.Context(), write("c", known, benchRow(21))); err == nil {
		t.Error("a write behind a row that another process has changed: no error")
	}
}

func TestSecondProcess_GetsItsTurnBesideSixteenWriters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "confidant.db")
	ours, theirs := open(t, path), open(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			previous := appendRow(t, ours, fmt.Sprint("c", i), nil, benchRow(i))
			for ctx.Err() == nil {
				previous = appendRow(t, ours, previous.ID, previous, benchRow(i))
			}
		})
	}
	var slowest time.Duration
	for range 20 {
		started := time.Now()
		if err := theirs.Ping(t.Context()); err != nil {
			t.Errorf("a write beside sixteen writers of another process: %v", err)
		}
		slowest = max(slowest, time.Since(started))
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	wg.Wait()
	t.Logf("a write beside sixteen writers of another process took %v at most", slowest)
	if slowest > 5*time.Second {
		t.Errorf("a write beside sixteen writers of another process took %v", slowest)
	}
}

func TestWriter_WaitsForAnotherProcessSoLongAndThenGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "confidant.db")
	ours, theirs := open(t, path), open(t, path)
	appendRow(t, ours, "c", nil, benchRow(1))
	release := hold(t, theirs)
	theirsHolds := make(chan error)
	go func() { theirsHolds <- ours.Ping(t.Context()) }()
	time.Sleep(50 * time.Millisecond)
	if _, err := ours.Credentials().Get(t.Context(), "c"); err != nil {
		t.Errorf("Get while another process writes: %v", err)
	}
	release()
	if err := <-theirsHolds; err != nil {
		t.Errorf("a write that waited for another process: %v", err)
	}

	impatient, err := Open(t.Context(), Options{Path: path, Log: ours.log})
	if err != nil {
		t.Fatal(err)
	}
	defer impatient.Close()
	impatient.writes.patience = 20 * time.Millisecond
	release = hold(t, theirs)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := impatient.Ping(ctx); !isUnavailable(err) || ctx.Err() != nil {
		t.Errorf("a write for which the lock does not come: %v, want it unavailable", err)
	}
	release()
	if err := impatient.Ping(t.Context()); err != nil {
		t.Errorf("the next write: %v", err)
	}
}

// TestFullDisk runs in a process of its own, whose files must not grow beyond a
// limit.
func TestFullDisk_ReadsGoOnAndWritesRecover(t *testing.T) {
	t.Parallel()
	child := again(t, "-fill-disk", filepath.Join(t.TempDir(), "confidant.db"))
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func runOnFullDisk(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer s.Close()
	row, err := s.Credentials().Append(ctx, write("c", nil, benchRow(1)))
	if err != nil {
		return err
	}
	limit := func(to uint64) error {
		var l syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			return err
		}
		l.Cur = min(to, l.Max)
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)
	}
	for round := range 3 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			return err
		}
		if err := limit(uint64(info.Size())); err != nil {
			return err
		}
		if err := s.Ping(ctx); !isUnavailable(err) {
			return fmt.Errorf("round %d: Ping on a full disk: %w, want it unavailable", round, orNone(err))
		}
		if _, err := s.Credentials().Append(ctx, write("c", row[0], benchRow(2))); !isUnavailable(err) {
			return fmt.Errorf("round %d: Append on a full disk: %w, want it unavailable", round, orNone(err))
		}
		s.cache.clear()
		got, err := s.Credentials().Get(ctx, "c")
		if err != nil || got.Revision != row[0].Revision {
			return fmt.Errorf("round %d: Get on a full disk: %+v, %w", round, got, orNone(err))
		}
		if _, err := s.Credentials().List(ctx, revision.Page{}); err != nil {
			return fmt.Errorf("round %d: List on a full disk: %w", round, err)
		}
		if err := limit(1 << 40); err != nil {
			return err
		}
		if err := s.Ping(ctx); err != nil {
			return fmt.Errorf("round %d: Ping with room again: %w", round, err)
		}
		if row, err = s.Credentials().Append(ctx, write("c", got, benchRow(2+round))); err != nil || row[0].Revision != round+2 {
			return fmt.Errorf("round %d: Append with room again: %+v, %w", round, row, orNone(err))
		}
	}
	return nil
}

// orNone makes an absent error fit for %w.
func orNone(err error) error {
	if err == nil {
		return fmt.Errorf("no error")
	}
	return err
}
