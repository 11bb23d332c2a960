package keyringtest_test

import (
	"testing"

	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	one := keyringtest.NewMemory()
	silent := keyringtest.NewMemory()
	silent.Fail(keyring.ErrUnavailable)
	keyringtest.Run(t, keyringtest.Suite{
		Open:        func(*testing.T) keyring.Keyring { return one },
		Other:       func(*testing.T) keyring.Keyring { return keyringtest.NewMemory() },
		Unreachable: func(*testing.T) keyring.Keyring { return silent },
	})
}

func TestMemory_RemembersContexts(t *testing.T) {
	t.Parallel()
	m := keyringtest.NewMemory()
	wrapped, err := m.Wrap(t.Context(), []byte("k"), keyring.Context{"id": "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Unwrap(t.Context(), wrapped, keyring.Context{"id": "b"}); err == nil {
		t.Error("Unwrap under another context: no error")
	}
	if got := m.Wraps(); len(got) != 1 || got[0]["id"] != "a" {
		t.Errorf("Wraps() = %v, want one with id a", got)
	}
	if got := m.Unwraps(); len(got) != 1 || got[0]["id"] != "b" {
		t.Errorf("Unwraps() = %v, want one with id b", got)
	}
}
