package commands

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

// fatality is a command that is stopped before changes that it makes to the disk.
type fatality struct {
	args    string   // behind its name; "{{dir}}" stands for the directory of the world
	points  []string // the changes
	prepare func(*testing.T, *world)
	// intact checks what stands when it was stopped, finished what stands after
	// the next run.
	intact, finished func(*testing.T, *world)
}

// fatalities are the commands that have something to lose, over SQLite and
// files. Their points are the changes that the system is asked for, in their order.
var fatalities = map[string]fatality{
	"archive-credentials": {
		args: "--days 30 --force",
		points: []string{
			"write data/audit/00000001-000000000001.jsonl", "sync data/audit/00000001-000000000001.jsonl", "write data/confidant.db-wal",
			"sync data/confidant.db-wal", "write data/confidant.db",
		},
		intact:   nothingLost,
		finished: func(t *testing.T, w *world) { stands(t, w, "data/confidant.db", nil, moving) },
	},
	"restore-credentials": {
		args: "--all --force",
		points: []string{
			"write data/audit/00000001-000000000001.jsonl", "sync data/audit/00000001-000000000001.jsonl", "write data/confidant.db-wal",
			"sync data/confidant.db-wal",
		},
		prepare:  archived,
		intact:   nothingLost,
		finished: func(t *testing.T, w *world) { stands(t, w, "data/confidant.db", moving, moving) },
	},
	"backup create": {
		args: "-d {{dir}}/backups",
		points: []string{
			"make backups", "write backups/.confidant-backup/partial/confidant.db", "sync backups/.confidant-backup/partial/confidant.db",
			"write backups/.confidant-backup/partial/archive", "sync backups/.confidant-backup/partial/archive", "rename backups/.confidant-backup/partial/archive",
			"sync backups",
		},
		// What bears the name of a backup is one. It makes room for the next, which
		// may be of the same second.
		intact: func(t *testing.T, w *world) {
			made, _ := filepath.Glob(filepath.Join(w.dir, "backups", "*.tgz"))
			for _, file := range made {
				w.MustRun("backup", "verify", file)
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
		},
		finished: func(t *testing.T, w *world) {
			stands(t, w, "data/confidant.db", moving, nil)
			for _, made := range matching(t, w, "backups/*.tgz") {
				w.MustRun("backup", "verify", filepath.Join(w.dir, made))
			}
		},
	},
	"backup restore": {
		args: "{{dir}}/backup.tgz --yes",
		points: []string{
			"make data/.confidant-restore", "write data/.confidant-restore/database/confidant.db", "sync data/.confidant-restore/database/confidant.db",
			"write data/.confidant-restore/database/confidant.db-wal", "write data/audit/00000001-000000000001.jsonl", "write data/.confidant-restore.json.new",
			"sync data/.confidant-restore.json.new", "rename data/.confidant-restore.json.new", "rename data/confidant.db",
			"rename data/.confidant-restore/database/confidant.db", "sync data",
		},
		prepare: archived,
		finished: func(t *testing.T, w *world) {
			stands(t, w, "data/confidant.db", moving, nil)
			aside := matching(t, w, "data/confidant.db.before-restore-??????????????*")
			stands(t, w, aside[0], nil, moving)
		},
	},
	"audit rotate": {
		args: "--config {{dir}}/rules.yaml",
		points: []string{
			"write data/audit/00000001-000000000001.jsonl.new", "sync data/audit/00000001-000000000001.jsonl.new", "write data/audit/lock",
			"rename data/audit/00000001-000000000001.jsonl.new", "sync data/audit", "write data/audit/00000001-000000000001.jsonl",
		},
		prepare: func(t *testing.T, w *world) {
			w.write(t, "rules.yaml", "- {rotate: 0, user: ^goes$}\n")
			appended(t, w, "stays", "goes", "stays", "goes")
		},
		intact: func(t *testing.T, w *world) {
			if n := recordsOf(t, w)["stays"]; n != 2 {
				t.Errorf("%d records are left of two that have to stay", n)
			}
		},
		finished: func(t *testing.T, w *world) {
			if got := recordsOf(t, w); got["stays"] != 2 || got["goes"] != 0 {
				t.Errorf("the log holds records of %v", got)
			}
		},
	},
	"setup drop-tables": {
		args: "--dropit=yes",
		points: []string{
			"write data/audit/00000001-000000000001.jsonl", "rename data/confidant.db", "sync data",
		},
		intact: func(t *testing.T, w *world) { stands(t, w, theDatabase(t, w), moving, nil) },
		finished: func(t *testing.T, w *world) {
			at := theDatabase(t, w)
			if at == "data/confidant.db" {
				t.Error("the database is still in its place")
			}
			stands(t, w, at, moving, nil)
		},
	},
}

// moving are the credentials of these worlds.
var (
	movingKeys = []string{"{{OLD3}}-1", "{{OLD3}}-2", "{{OLD3}}-3", "{{ONE}}-1"}
	moving     = expand(movingKeys)
)

// A command that is killed before one of its changes to the disk has lost
// nothing, and the next run finishes. Interrupted by Ctrl-C it finishes what it
// is at or leaves it, says so, and the next run finishes too.
func TestStoppedBeforeAChange_TheNextRunFinishes(t *testing.T) {
	t.Parallel()
	template := loaded(t)
	for name, f := range fatalities {
		for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
			t.Run(name+"/"+signal.String(), func(t *testing.T) {
				t.Parallel()
				var all sync.WaitGroup // most of the time is waiting
				for _, point := range f.points {
					all.Go(func() {
						t.Run(point, func(t *testing.T) { stopped(t, template, name, f, point, signal) })
					})
				}
				all.Wait()
			})
		}
	}
}

// stopped sends a signal before a change and runs the command again.
func stopped(t *testing.T, template, name string, f fatality, point string, signal syscall.Signal) {
	w := copied(t, template)
	if f.prepare != nil {
		f.prepare(t, w)
	}
	args := append(strings.Fields(name), strings.Fields(strings.ReplaceAll(f.args, "{{dir}}", w.dir))...)
	reached, r := trace(t, w.Command(t.Context(), args...), w.dir, point, signal)
	if !reached {
		t.Fatalf("it makes no such change\n%s%s", r.Stdout, r.Stderr)
	}
	code := map[syscall.Signal][]int{syscall.SIGKILL: {-1}, syscall.SIGINT: {done, interrupted}}[signal]
	if !slices.Contains(code, r.Code) {
		t.Errorf("it ends with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r.Code == interrupted && !strings.Contains(r.Stderr, "confidant: interrupted") {
		t.Errorf("interrupted it says\n%s", r.Stderr)
	}
	if f.intact != nil {
		f.intact(t, w)
	}
	if r := w.Run(args...); r.Code != done {
		t.Errorf("the next run ends with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	f.finished(t, w)
	w.MustRun("audit", "verify")
}

// loaded makes the directory that these worlds are copies of.
func loaded(t *testing.T) string {
	t.Helper()
	s := embedded(t)
	s.with(t, func(st store.Store) { fill(t, st, time.Now(), movingKeys, nil) })
	var made struct{ File string }
	dir := filepath.Dir(s.DataDir)
	if err := json.Unmarshal([]byte(s.MustRun("backup", "create", "--json", "-d", filepath.Join(dir, "made"))), &made); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(made.File, filepath.Join(dir, "backup.tgz")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func archived(_ *testing.T, w *world) { w.MustRun("archive-credentials", "--days", "30", "--force") }

// look opens a database of the world.
func look(t *testing.T, w *world, name string) (main, archive []string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(w.dir, name), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	main, archive = contents(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return main, archive
}

// stands checks that every revision is there exactly once where it belongs.
func stands(t *testing.T, w *world, name string, main, archive []string) {
	t.Helper()
	gotMain, gotArchive := look(t, w, name)
	if !slices.Equal(gotMain, main) || !slices.Equal(gotArchive, archive) {
		t.Errorf("%s holds %v, and %v in the archive; want %v and %v", name, gotMain, gotArchive, main, archive)
	}
}

func nothingLost(t *testing.T, w *world) {
	t.Helper()
	main, archive := look(t, w, "data/confidant.db")
	for _, row := range moving {
		if !slices.Contains(main, row) && !slices.Contains(archive, row) {
			t.Errorf("%s is lost", row)
		}
	}
}

// matching returns the files of the world that a pattern matches, of which there
// must be one.
func matching(t *testing.T, w *world, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(w.dir, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no file is named %s, %v", pattern, err)
	}
	for i, path := range found {
		found[i], _ = filepath.Rel(w.dir, path) // it is below
	}
	return found
}

// theDatabase returns where the one database is, in its place or aside.
func theDatabase(t *testing.T, w *world) string {
	t.Helper()
	found := slices.DeleteFunc(matching(t, w, "data/confidant.db*"), func(name string) bool {
		return strings.HasSuffix(name, "-wal") || strings.HasSuffix(name, "-shm")
	})
	if len(found) != 1 {
		t.Fatalf("there are %v", found)
	}
	return found[0]
}

// appended adds records of these users to the log.
func appended(t *testing.T, w *world, users ...string) {
	t.Helper()
	l, err := audit.OpenFile(audit.FileOptions{Dir: filepath.Join(w.DataDir, "audit")})
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range users {
		if _, err := l.Append(t.Context(), audit.Entry{Phase: audit.Done, Action: "get", Success: true, User: user, UserType: "user"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// recordsOf proves the log and counts its records by user.
func recordsOf(t *testing.T, w *world) map[string]int {
	t.Helper()
	w.MustRun("audit", "verify")
	count := map[string]int{}
	for line := range strings.Lines(w.MustRun("audit", "dump", "--json")) {
		var record struct{ User string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		count[record.User]++
	}
	return count
}
