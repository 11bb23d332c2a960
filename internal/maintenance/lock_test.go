package maintenance_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/maintenance"
)

// TestMain lets the test binary play another process: one that holds the lock
// until its standard input closes, or one that is killed while it archives.
func TestMain(m *testing.M) {
	if dir, ok := os.LookupEnv("MOVE_AND_DIE"); ok {
		times, err := strconv.ParseInt(os.Getenv("TIMES"), 10, 64)
		if err == nil {
			err = moveAndDie(dir, os.Getenv("COMMAND"), os.Getenv("POINT"), times)
		}
		fmt.Println("not killed:", err)
		os.Exit(1)
	}
	dir, ok := os.LookupEnv("HOLD_LOCK_OF")
	if !ok {
		os.Exit(m.Run())
	}
	mode := maintenance.Shared
	if os.Getenv("HOLD_EXCLUSIVELY") != "" {
		mode = maintenance.Exclusive
	}
	if _, err := maintenance.Acquire(context.Background(), dir, mode, 0); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// hold has another process hold the lock and returns its number and a function
// that ends it.
func hold(t *testing.T, dir string, exclusively bool) (pid int, release func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "HOLD_LOCK_OF="+dir)
	if exclusively {
		cmd.Env = append(cmd.Env, "HOLD_EXCLUSIVELY=1")
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	t.Cleanup(release)
	if line, _ := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != "held" {
		t.Fatalf("the other process says %q", line)
	}
	return cmd.Process.Pid, release
}

func TestAcquire_SharedLocksGoTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hold(t, dir, false)
	l, err := maintenance.Acquire(t.Context(), dir, maintenance.Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestAcquire_ExclusiveKeepsOthersOutAndSaysWho(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		theirs bool
		ours   maintenance.Mode
	}{
		"exclusive against shared":    {false, maintenance.Exclusive},
		"shared against exclusive":    {true, maintenance.Shared},
		"exclusive against exclusive": {true, maintenance.Exclusive},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			pid, release := hold(t, dir, tt.theirs)
			_, err := maintenance.Acquire(t.Context(), dir, tt.ours, 0)
			var locked *maintenance.LockedError
			if !errors.As(err, &locked) || locked.PID != pid {
				t.Fatalf("Acquire = %v, want a LockedError of process %d", err, pid)
			}
			if want := fmt.Sprintf("The database is in use by process %d.", pid); locked.Error() != want {
				t.Errorf("message %q, want %q", locked.Error(), want)
			}
			release()
			l, err := maintenance.Acquire(t.Context(), dir, tt.ours, 0)
			if err != nil {
				t.Fatalf("after the other process ended: %v", err)
			}
			_ = l.Release()
		})
	}
}

func TestAcquire_WaitsUntilTheLockIsFree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, release := hold(t, dir, false)
	time.AfterFunc(50*time.Millisecond, release)
	l, err := maintenance.Acquire(t.Context(), dir, maintenance.Exclusive, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Release()
}

func TestAcquire_EndsAtTheTimeoutAndWithTheContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := maintenance.Acquire(t.Context(), dir, maintenance.Exclusive, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release() })
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := maintenance.Acquire(t.Context(), dir, maintenance.Shared, 5*time.Second)
		var locked *maintenance.LockedError
		if waited := time.Since(start); !errors.As(err, &locked) || waited < 5*time.Second || waited > 6*time.Second {
			t.Errorf("after %v: %v, want a LockedError after 5s", waited, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := maintenance.Acquire(ctx, dir, maintenance.Shared, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

func TestAcquire_DoesNotNameTheDead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, release := hold(t, dir, false)
	l, err := maintenance.Acquire(t.Context(), dir, maintenance.Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release() })
	release() // the number in the file is now that of a process that is gone
	_, err = maintenance.Acquire(t.Context(), dir, maintenance.Exclusive, 0)
	var locked *maintenance.LockedError
	if !errors.As(err, &locked) || locked.PID != 0 || locked.Error() != "The database is in use by another process." {
		t.Errorf("Acquire = %v, want a LockedError without a number", err)
	}
}

func TestAcquire_KeepsTheFileToItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := maintenance.Acquire(t.Context(), dir, maintenance.Exclusive, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release() })
	path := filepath.Join(dir, "confidant.lock")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("the file says %q, %v; want this process", text, err)
	}
	if _, err := maintenance.Acquire(t.Context(), filepath.Join(dir, "absent"), maintenance.Shared, 0); err == nil {
		t.Error("a directory that does not exist is locked")
	}
}
