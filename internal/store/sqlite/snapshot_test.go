package sqlite_test

import (
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

func TestCopy_TellsWhatItHoldsAndTouchesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "confidant.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	row := &service.Service{Meta: revision.Meta{ID: "web", Revision: 1, ModifiedDate: time.Unix(1, 0).UTC(), ModifiedBy: "x"}, Enabled: true}
	if _, err := s.Services().Import(t.Context(), row, []*service.Service{row}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Documents().Put(t.Context(), store.Document{Kind: "enckey", ID: "current", Body: json.RawMessage(`{"a":1}`)}, 0); err != nil {
		t.Fatal(err)
	}
	copies := filepath.Join(dir, "copies")
	if err := os.Mkdir(copies, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(copies, "copy.db")
	if err := errors.Join(s.Snapshot(t.Context(), path), s.Close()); err != nil {
		t.Fatal(err)
	}
	c, err := sqlite.OpenCopy(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Contents(), (sqlite.Contents{Services: 1}); got != want || c.Schema() < 1 {
		t.Errorf("schema %d, contents %+v, want %+v", c.Schema(), got, want)
	}
	if body, err := c.Document(t.Context(), "enckey", "current"); err != nil || string(body) != `{"a":1}` {
		t.Errorf("the document is %s, %v", body, err)
	}
	if _, err := c.Document(t.Context(), "enckey", "other"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a document that is not there: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(copies); err != nil || len(left) != 1 {
		t.Errorf("beside the copy: %v, %v", left, err)
	}

	bare := filepath.Join(copies, "bare")
	db, err := sql.Open("sqlite", bare)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), "PRAGMA application_id = 1667654772; PRAGMA user_version = 1; CREATE TABLE t (x)")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.OpenCopy(t.Context(), bare); !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("without our tables: OpenCopy = %v, want %v", err, sqlite.ErrDamaged)
	}

	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		spoil func(b []byte) []byte
		want  error
	}{
		"newer":   {func(b []byte) []byte { binary.BigEndian.PutUint32(b[60:], 900); return b }, sqlite.ErrNewerSchema},
		"foreign": {func(b []byte) []byte { binary.BigEndian.PutUint32(b[68:], 1); return b }, sqlite.ErrForeign},
		"text":    {func([]byte) []byte { return []byte("no database, only text") }, sqlite.ErrDamaged},
		"empty":   {func([]byte) []byte { return nil }, sqlite.ErrForeign},
		"short":   {func(b []byte) []byte { return b[:len(b)/2] }, sqlite.ErrDamaged},
	} {
		bad := filepath.Join(copies, name)
		if err := os.WriteFile(bad, tt.spoil(append([]byte(nil), whole...)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.OpenCopy(t.Context(), bad); !errors.Is(err, tt.want) {
			t.Errorf("%s: OpenCopy = %v, want %v", name, err, tt.want)
		}
	}
}
