package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/migrations"
)

// steps are the migrations with one more, as a newer program has them.
func steps(t *testing.T, further string) fstest.MapFS {
	t.Helper()
	all := fstest.MapFS{}
	err := fs.WalkDir(migrations.SQLite(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations.SQLite(), name)
		all[name] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all[fmt.Sprintf("%04d_further.sql", len(all)+1)] = &fstest.MapFile{Data: []byte(further)}
	return all
}

func apply(t *testing.T, path string, steps fstest.MapFS) error {
	t.Helper()
	conn, err := connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	m := migration{path: path, steps: steps, now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }}
	return m.apply(t.Context(), conn)
}

// stored makes a store with one credential and returns its path.
func stored(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a ü%20?#&.db")
	s := open(t, path)
	appendRow(t, s, "c", nil, benchRow(1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%d files are left after Close, %v; want the database alone", len(entries), err)
	}
	return path
}

func TestOpen_MakesFilesThatOthersCannotRead(t *testing.T) {
	t.Parallel()
	path := stored(t)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 {
		t.Errorf("%d files, want the database and two beside it", len(entries))
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has the mode %v, %v; want 0600", e.Name(), info.Mode(), err)
		}
	}
}

func TestOpen_KeepsWhatAnEarlierOneWrote(t *testing.T) {
	t.Parallel()
	s := open(t, stored(t))
	if row, err := s.Credentials().Get(t.Context(), "c"); err != nil || row.Name != benchRow(1).Name {
		t.Errorf("Get: %+v, %v", row, err)
	}
}

func TestOpen_RefusesANewerSchemaAndLeavesItAlone(t *testing.T) {
	t.Parallel()
	path := stored(t)
	if err := apply(t, path, steps(t, "CREATE TABLE newer (x INTEGER)")); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, ErrNewerSchema) {
		t.Errorf("Open: %v, want %v", err, ErrNewerSchema)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the refused file changed, or %v", err)
	}
}

func TestOpen_RefusesAForeignDatabaseAndLeavesItAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE theirs (x)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, ErrForeign) {
		t.Errorf("Open: %v, want %v", err, ErrForeign)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the refused file changed, or %v", err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Path: text, Log: slog.New(slog.DiscardHandler)}); !isUnavailable(err) {
		t.Errorf("Open of a text: %v, want it unavailable", err)
	}
	if _, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "none", "x.db"), Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open in a folder that does not exist: %v, want %v", err, os.ErrNotExist)
	}
	if _, err := Open(t.Context(), Options{}); err == nil {
		t.Error("Open of nothing: no error")
	}
}

func TestOpen_AtOnceMakesOneSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "confidant.db")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s, err := Open(t.Context(), Options{Path: path, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Errorf("Open %d: %v", i, err)
				return
			}
			if err := s.Ping(t.Context()); err != nil {
				t.Errorf("Ping %d: %v", i, err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

func TestMigration_KeepsACopyOfWhatItChanges(t *testing.T) {
	t.Parallel()
	path := stored(t)
	newer := steps(t, "CREATE TABLE newer (x INTEGER); ALTER TABLE probe ADD COLUMN y INTEGER")
	for range 2 { // the second time there is nothing to do
		if err := apply(t, path, newer); err != nil {
			t.Fatal(err)
		}
	}
	copies, err := filepath.Glob(filepath.Dir(path) + "/*.before-*")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%s.before-%d-20260102T030405Z", path, len(newer)-1)
	if !slices.Equal(copies, []string{want}) {
		t.Fatalf("copies %q, want %q", copies, want)
	}
	if info, err := os.Stat(want); err != nil || info.Mode() != 0o600 {
		t.Errorf("the copy has the mode %v, %v; want 0600", info.Mode(), err)
	}
	s := open(t, want)
	if row, err := s.Credentials().Get(t.Context(), "c"); err != nil || row.Name != benchRow(1).Name {
		t.Errorf("Get from the copy: %+v, %v", row, err)
	}
}

// asBefore brings a file back to schema 1.
const asBefore = `DROP INDEX current_mapped; DROP INDEX current_seen; DROP INDEX current_unrotated;
	ALTER TABLE current DROP COLUMN mapped; ALTER TABLE current DROP COLUMN seen; PRAGMA user_version = 1`

func TestMigration_FillsInWhatOlderRowsHoldOfMappingAndRotation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "confidant.db")
	s := open(t, path)
	for i := range 60 {
		row := aged(i)
		if i%6 == 0 {
			row.LastRotation = time.Time{}
		}
		appendRow(t, s, benchID(i), nil, row)
	}
	_, err := s.Services().Append(t.Context(), store.Write[service.Service]{
		ID: "service", Rows: []*service.Service{{Credentials: []string{benchID(1), benchID(7), "gone"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantSound(t, s)
	q := store.SummaryQuery{Rules: benchRules, At: benchNow, Ages: []int{30, 90}, Days: 30}
	want, err := s.Catalogue().Summary(t.Context(), q)
	if err != nil || want.Due < 20 || want.NeverRotated != 60 || want.DisabledMapped != 1 {
		t.Fatalf("Summary: %+v, %v", want, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.conn.ExecContext(t.Context(), asBefore); err != nil {
		t.Fatal(err)
	}
	conn.close()
	s = open(t, path)
	wantSound(t, s)
	got, err := s.Catalogue().Summary(t.Context(), q)
	got.AsOf = want.AsOf
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Summary after the migration: %+v, %v; want %+v", got, err, want)
	}
	if copies, err := filepath.Glob(path + ".before-1-*"); err != nil || len(copies) != 1 {
		t.Errorf("copies %q, %v; want one", copies, err)
	}
}

func TestMigration_ThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	path := stored(t)
	if err := apply(t, path, steps(t, "CREATE TABLE newer (x INTEGER); nonsense")); err == nil {
		t.Error("apply: no error")
	}
	s := open(t, path)
	err := s.write(t.Context(), "looking", func(tx *transaction) error {
		if found, err := tx.exists("SELECT 1 FROM sqlite_schema WHERE name = 'newer'"); err != nil || found {
			return fmt.Errorf("the failed migration left its table: %v, %w", found, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMigration_RefusesAGapInItsSteps(t *testing.T) {
	t.Parallel()
	gap := steps(t, "CREATE TABLE newer (x INTEGER)")
	gap["0009_late.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE late (x INTEGER)")}
	if err := apply(t, stored(t), gap); err == nil {
		t.Error("apply: no error")
	}
}

func TestSnapshot_IsAStoreOfItsOwn(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	appendRow(t, s, "c", nil, benchRow(1))
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := s.Snapshot(t.Context(), path); err != nil {
		t.Fatalf("Snapshot: %v", err)
	}
	appendRow(t, s, "d", nil, benchRow(2))
	if err := s.Snapshot(t.Context(), path); !errors.Is(err, os.ErrExist) {
		t.Errorf("Snapshot over a file: %v, want %v", err, os.ErrExist)
	}
	c := open(t, path)
	if _, err := c.Credentials().Get(t.Context(), "c"); err != nil {
		t.Errorf("Get of what was there: %v", err)
	}
	if _, err := c.Credentials().Get(t.Context(), "d"); err == nil {
		t.Error("Get of what came later: no error")
	}
	wantSound(t, c)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the copy has the mode %v, %v; want 0600", info.Mode(), err)
	}
}
