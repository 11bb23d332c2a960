package maintenance_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

// opener opens a value whose ciphertext is its plaintext, but for some.
type opener struct{}

var errDamaged = errors.New("damaged")

func (opener) Open(_ context.Context, _ string, v sealed.Value) ([]byte, error) {
	switch v.Ciphertext {
	case "damaged":
		return nil, errDamaged
	case "unreachable":
		return nil, keyring.ErrUnavailable
	}
	return []byte(v.Ciphertext), nil
}

func openStore(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(t.TempDir(), "confidant.db"),
		Log:  slog.New(slog.DiscardHandler),
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

// put imports the first revision of a credential, as older data may hold it.
func put(t *testing.T, s store.Store, id, name, plaintext string, keys ...string) {
	t.Helper()
	row := &credential.Credential{
		Meta:     revision.Meta{ID: id, Revision: 1, ModifiedDate: time.Unix(1, 0).UTC(), ModifiedBy: "x"},
		Name:     name,
		Sealed:   sealed.Value{Ciphertext: plaintext, DataKey: []byte("k"), Version: 2},
		KeyNames: keys,
		Enabled:  true,
	}
	if _, err := s.Credentials().Import(t.Context(), row, []*credential.Credential{row}); err != nil {
		t.Fatal(err)
	}
}

func TestCheck_FindsWhatOlderDataMayHold(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	put(t, s, "c1", "one", `{"user":"x","pass":"x"}`, "pass", "user")
	put(t, s, "c2", "two", `{"pass":"y"}`) // tells its names only when it is opened
	put(t, s, "c3", "two", `{"other":"z"}`, "other")
	put(t, s, "c4", "four", "damaged")
	sealedBlind := &blind.Credential{
		Meta: revision.Meta{ID: "b1", Revision: 1, ModifiedDate: time.Unix(1, 0).UTC(), ModifiedBy: "x"},
		Name: "blind", KeyNames: []string{"user"}, Enabled: true,
		Pairs: []byte(`{"us-east-1":"x"}`), DataKey: []byte(`{"us-east-1":"x"}`), CipherType: "fernet", CipherVersion: 2,
	}
	if _, err := s.BlindCredentials().Import(t.Context(), sealedBlind, []*blind.Credential{sealedBlind}); err != nil {
		t.Fatal(err)
	}
	for id, mapped := range map[string][]string{"web": {"c1", "c2", "c4", "gone"}, "batch": {"c1", "c3"}} {
		row := &service.Service{
			Meta:        revision.Meta{ID: id, Revision: 1, ModifiedDate: time.Unix(1, 0).UTC(), ModifiedBy: "x"},
			Credentials: mapped, BlindCredentials: []string{"b1"}, Enabled: true,
		}
		if _, err := s.Services().Import(t.Context(), row, []*service.Service{row}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := maintenance.Check(t.Context(), s, opener{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.EqualNames {
		slices.Sort(got.EqualNames[i].IDs)
	}
	want := maintenance.Findings{
		EqualNames: []maintenance.EqualNames{{Noun: store.Credential, Name: "two", IDs: []string{"c2", "c3"}}},
		Conflicts: []maintenance.EqualKeys{
			{Service: "batch", Key: "user", Credentials: []string{"c1", "b1"}},
			{Service: "web", Key: "pass", Credentials: []string{"c1", "c2"}},
			{Service: "web", Key: "user", Credentials: []string{"c1", "b1"}},
		},
		Orphans:    []string{},
		Unmapped:   []string{"web gone"},
		Unreadable: []string{"c4"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Check (-want +got):\n%s", diff)
	}
	if got.Clean() {
		t.Error("it counts as clean")
	}
}

func TestCheck_AKeyThatDoesNotAnswerIsNoFinding(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	put(t, s, "c1", "one", "unreachable")
	row := &service.Service{
		Meta:        revision.Meta{ID: "web", Revision: 1, ModifiedDate: time.Unix(1, 0).UTC(), ModifiedBy: "x"},
		Credentials: []string{"c1"}, Enabled: true,
	}
	if _, err := s.Services().Import(t.Context(), row, []*service.Service{row}); err != nil {
		t.Fatal(err)
	}
	if _, err := maintenance.Check(t.Context(), s, opener{}); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("Check = %v, want ErrUnavailable", err)
	}
}
