package maintenance_test

import (
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

func openStoreIn(t *testing.T, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(dir, "confidant.db"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// strand puts copies of archived revisions back without their current rows, as
// the older service leaves them when it is cut short.
func strand(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "confidant.db"))
	if err != nil {
		t.Fatal(err)
	}
	const columns = "noun, id, revision, modified, modified_by, enabled, name, key_names, cipher_type, cipher_version, data_key, credential_pairs, metadata"
	if _, err := db.ExecContext(t.Context(), "INSERT INTO history ("+columns+") SELECT "+columns+" FROM archive_history"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// fatal lists the points at which a run is killed.
var fatal = map[string][]string{
	"archive": {
		"before locking", "after locking", "before reading the main row", "before reading the main history",
		"before copying to the archive", "after copying to the archive", "before reading the archive row",
		"before reading the archive history", "after reading the archive history", // the copy is verified
		"before removing", "after removing", "before unlocking", "after unlocking",
	},
	"restore": {
		"before locking", "after locking", "before reading the archive row", "before reading the archive history",
		"before copying to the main", "after copying to the main", "before unlocking", "after unlocking",
	},
	"repair": {
		"after locking", "before reading the main row", "before removing orphans", "after removing orphans", "before unlocking",
	},
}

// A killed run loses nothing, and the next one ends as if there had been none:
// what is moved stands once in the main store or whole in the archive.
func TestKill_TheNextRunFinishes(t *testing.T) {
	t.Parallel()
	for command, points := range fatal {
		for _, point := range points {
			t.Run(command+"/"+point, func(t *testing.T) {
				t.Parallel()
				killed(t, command, point)
			})
		}
	}
}

func killed(t *testing.T, command, point string) {
	dir := t.TempDir()
	s := openStoreIn(t, dir)
	all := ids(12)
	for i, id := range all {
		seed(t, s, id, 1+i%3, false, 9*day)
	}
	everything, _ := state(t, s)
	if command != "archive" {
		a, _ := collect(t, s)
		if err := move(t.Context(), a, "archive"); err != nil {
			t.Fatal(err)
		}
	}
	if command == "repair" {
		strand(t, dir)
	}
	times := "5"
	if slices.Contains([]string{"before locking", "after locking", "before unlocking", "after unlocking"}, point) {
		times = "1"
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MOVE_AND_DIE="+dir, "COMMAND="+command, "POINT="+point, "TIMES="+times)
	out, err := cmd.CombinedOutput()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the process is not killed at %q: %v\n%s", point, err, out)
	}

	main, archive := state(t, s)
	for key, content := range everything {
		if main[key] != content && archive[key] != content {
			t.Errorf("%s is lost: %q here, %q in the archive", key, main[key], archive[key])
		}
	}
	a, _ := collect(t, s)
	if err := move(t.Context(), a, command); err != nil {
		t.Fatalf("the next run: %v", err)
	}
	main, archive = state(t, s)
	want := map[string]string{}
	if command == "restore" {
		want = everything
	}
	if !maps.Equal(main, want) || !maps.Equal(archive, everything) {
		t.Errorf("after the next run %v stand here and %v in the archive", keys(main), keys(archive))
	}
	if found, err := s.Check(t.Context()); err != nil || len(found.Orphans) > 0 {
		t.Errorf("orphans %v, %v", found.Orphans, err)
	}
	if _, err := s.Documents().Get(t.Context(), "maintenance-lock", "run"); err == nil {
		t.Error("the lock is still held")
	}
	if command == "restore" {
		claimed(t, s, all)
	}
}

// claimed checks that restored credentials have their names back.
func claimed(t *testing.T, s store.Store, all []string) {
	t.Helper()
	for _, id := range all {
		d, err := s.Documents().Get(t.Context(), store.KindCredentialName, store.NameID("name of "+id))
		if err != nil || string(d.Body) != fmt.Sprintf(`{"id":%q}`, id) {
			t.Errorf("the name of %s: %+v, %v", id, d, err)
		}
	}
}
