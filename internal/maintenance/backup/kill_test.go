package backup_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/maintenance/backup"
)

// die has another process work on a machine until it is killed at a point.
func die(t *testing.T, m machine, act, point, file string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MACHINE="+string(m), "ACT="+act, "DIE_AT="+point, "BACKUP="+file)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("killed at %q: %v\n%s", point, err, out)
	}
}

func TestCreate_KilledAnywhereTheNextRunIsClean(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"snapshot taken", "member manifest.json", "member database/confidant.db", "member config/confidant.env", "archive written"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, "one")
			before := tree(t, m.path("data"))
			die(t, m, "create", point, "")
			if diff := cmp.Diff(before, tree(t, m.path("data"))); diff != "" {
				t.Errorf("the data (-before +after):\n%s", diff)
			}
			if named, _ := filepath.Glob(m.path("backups", "*.tgz")); len(named) != 0 {
				t.Errorf("an incomplete backup bears the name of one: %v", named)
			}
			made, err := m.create(t.Context(), func(string) {})
			if err != nil {
				t.Fatalf("the next run: %v", err)
			}
			if _, err := backup.Read(t.Context(), made.File, m.path("copy.db"), nil); err != nil {
				t.Errorf("the next run's backup: %v", err)
			}
			left, err := os.ReadDir(m.path("backups"))
			if err != nil || len(left) != 2 { // the backup, and where it was written
				t.Errorf("in the directory of backups: %v, %v", left, err)
			}
		})
	}
}

// TestRestore_KilledAnywhereLosesNothing holds every point between the first
// change and the last to this: the old data is there, the next server does not
// take half of it for the whole, and the next restore completes.
func TestRestore_KilledAnywhereLosesNothing(t *testing.T) {
	t.Parallel()
	made, err := newMachine(t, "old").create(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for point, unfinished := range map[string]bool{
		"log in place":           false,
		"journal written":        true,
		"aside confidant.env":    true,
		"in place confidant.env": true,
		"aside confidant.db-wal": true,
		"aside confidant.db":     true,
		"in place confidant.db":  true,
		"all in place":           true,
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, "new")
			write(t, m.path("data", "confidant.db-wal"), "what was written last")
			if point == "log in place" {
				if err := os.RemoveAll(m.path("data", "audit")); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, string(m))
			die(t, m, "restore", point, made.File)
			if got := backup.Unfinished(m.path("data")); got != unfinished {
				t.Errorf("Unfinished = %v, want %v", got, unfinished)
			}
			if !slices.Contains(contentsOf(tree(t, m.path("data"))), "database new") {
				t.Error("the old database is gone")
			}
			if unfinished && point != "in place confidant.db" && point != "all in place" {
				if _, undone, err := backup.Recover(m.path("data")); err != nil || !undone {
					t.Errorf("Recover: undone %v, %v", undone, err)
				}
				if diff := cmp.Diff(before, tree(t, string(m))); diff != "" {
					t.Errorf("undone (-before +after):\n%s", diff)
				}
			}
			if err := m.restore(t.Context(), made.File, func(string) {}); err != nil {
				t.Fatalf("the next run: %v", err)
			}
			after := tree(t, string(m))
			if after["data/confidant.db"] != "database old" || after["config/confidant.env"] != "BRAND_NAME=old\n" {
				t.Errorf("after the next run: %q", after)
			}
			for _, want := range []string{"database new", "BRAND_NAME=new\n", "what was written last"} {
				if !slices.Contains(contentsOf(after), want) {
					t.Errorf("%q is gone", want)
				}
			}
			for name := range after {
				if strings.Contains(name, ".confidant-restore") || name == "data/confidant.db-wal" {
					t.Errorf("%s is left", name)
				}
			}
		})
	}
}

func contentsOf(tree map[string]string) []string {
	var all []string
	for _, content := range tree {
		all = append(all, content)
	}
	return all
}

func TestSwap_AFailureBetweenTheMovesIsRolledBack(t *testing.T) {
	t.Parallel()
	made, err := newMachine(t, "old").create(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, "new")
	before := tree(t, string(m))
	staged, err := backup.Stage(t.Context(), made.File, m.target(), clock, nil)
	if err != nil {
		t.Fatal(err)
	}
	staged.StopAt(func(point string) {
		if point == "aside confidant.db" {
			if err := os.Remove(staged.Database()); err != nil {
				t.Error(err)
			}
		}
	})
	if _, err := staged.Swap(); err == nil {
		t.Error("Swap succeeds without a database")
	}
	if diff := cmp.Diff(before, tree(t, string(m))); diff != "" {
		t.Errorf("after the failure (-before +after):\n%s", diff)
	}
}

func TestStage_AnInterruptionLeavesEverythingAsItWas(t *testing.T) {
	t.Parallel()
	made, err := newMachine(t, "old").create(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, "new")
	before := tree(t, string(m))
	ctx, cancel := context.WithCancel(t.Context())
	stop := func(done, total int) {
		if done == total {
			cancel()
		}
	}
	if _, err := backup.Stage(ctx, made.File, m.target(), clock, stop); !errors.Is(err, context.Canceled) {
		t.Errorf("Stage = %v, want %v", err, context.Canceled)
	}
	if diff := cmp.Diff(before, tree(t, string(m))); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}
