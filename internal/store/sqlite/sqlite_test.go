package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/storetest"
)

// open opens a store on a new file, or on one that other opens share.
func open(t testing.TB, path string) *Store {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "confidant.db")
	}
	s, err := Open(t.Context(), Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, "") }, storetest.Options{Damage: damage})
}

// damage falsifies what the tables derive from the current rows.
func damage(t *testing.T, st store.Store, kind, id string, body json.RawMessage) {
	t.Helper()
	err := st.(*Store).write(t.Context(), "damaging", func(tx *transaction) error {
		if kind == store.KindMapping {
			return damageMapping(tx, id, body)
		}
		n, sum := claimKey(kind, id)
		if err := tx.exec("UPDATE current SET claim = NULL WHERE noun = ? AND claim = ?", string(n), sum); err != nil || body == nil {
			return err
		}
		var claim store.Claim
		if err := json.Unmarshal(body, &claim); err != nil {
			return err
		}
		planted, err := tx.count("UPDATE current SET claim = ? WHERE id = ?", sum, claim.ID)
		if err == nil && planted != 1 {
			err = fmt.Errorf("there is no %s to plant a claim for", claim.ID)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func damageMapping(tx *transaction, id string, body json.RawMessage) error {
	if err := tx.exec("DELETE FROM mapping WHERE credential = ?", id); err != nil {
		return err
	}
	if body == nil {
		return tx.exec("DELETE FROM mapping_version WHERE credential = ?", id)
	}
	var m store.Mapping
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	for _, service := range m.Services {
		if err := tx.setMapping(id, service, true); err != nil {
			return err
		}
	}
	return nil
}

type page = revision.Page

func write(id string, previous *credential.Credential, rows ...*credential.Credential) store.Write[credential.Credential] {
	return store.Write[credential.Credential]{ID: id, Previous: previous, Rows: rows}
}

// appendRow appends revisions of a credential and returns the last.
func appendRow(t testing.TB, s *Store, id string, previous *credential.Credential, rows ...*credential.Credential) *credential.Credential {
	t.Helper()
	stored, err := s.Credentials().Append(t.Context(), write(id, previous, rows...))
	if err != nil {
		t.Fatalf("Append(%q): %v", id, err)
	}
	return stored[len(stored)-1]
}

// touchHead is an amendment.
func touchHead(c *credential.Credential) bool {
	c.Head.LastAccessed = c.Head.LastAccessed.AddDate(0, 0, 1)
	return true
}

func isUnavailable(err error) bool { return errors.Is(err, store.ErrUnavailable) }
