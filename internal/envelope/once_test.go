package envelope_test

import (
	"errors"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/envelope"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
)

// The vector published with the Fernet specification.
const (
	vectorKey   = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	vectorToken = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="
)

func TestOpenOnce(t *testing.T) {
	t.Parallel()
	ring := keyringtest.NewMemory()
	ec := keyring.Context{"type": "bootstrap"}
	wrapped, err := ring.Wrap(t.Context(), []byte(vectorKey), ec)
	if err != nil {
		t.Fatal(err)
	}
	got, err := envelope.OpenOnce(t.Context(), ring, ec, wrapped, vectorToken)
	if err != nil || string(got) != "hello" {
		t.Errorf("OpenOnce = %q, %v; want hello", got, err)
	}
	if _, err := envelope.OpenOnce(t.Context(), ring, keyring.Context{"id": "x"}, wrapped, vectorToken); !errors.Is(err, envelope.ErrDecrypt) {
		t.Errorf("another context: %v, want ErrDecrypt", err)
	}
	if _, err := envelope.OpenOnce(t.Context(), ring, ec, wrapped, vectorToken[:40]); !errors.Is(err, envelope.ErrDecrypt) {
		t.Errorf("a cut token: %v, want ErrDecrypt", err)
	}
	ring.Fail(keyring.ErrUnavailable)
	if _, err := envelope.OpenOnce(t.Context(), ring, ec, wrapped, vectorToken); !errors.Is(err, keyring.ErrUnavailable) || errors.Is(err, envelope.ErrDecrypt) {
		t.Errorf("no key service: %v, want ErrUnavailable alone", err)
	}
}

func TestSealOnce(t *testing.T) {
	t.Parallel()
	ring := keyringtest.NewMemory()
	ec := keyring.Context{"type": "bootstrap"}
	wrapped, token, err := envelope.SealOnce(t.Context(), ring, ec, []byte("hello"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	// Whoever opened what the older service sealed finds a key in its form.
	if key, err := ring.Unwrap(t.Context(), wrapped, ec); err != nil || len(key) != 44 {
		t.Errorf("the data key has %d bytes, %v; want the text of 44", len(key), err)
	}
	if got, err := envelope.OpenOnce(t.Context(), ring, ec, wrapped, token); err != nil || string(got) != "hello" {
		t.Errorf("OpenOnce = %q, %v; want hello", got, err)
	}
	if again, other, err := envelope.SealOnce(t.Context(), ring, ec, []byte("hello"), time.Now()); err != nil || string(again) == string(wrapped) || other == token {
		t.Errorf("a second time gives the same, or %v", err)
	}
	ring.Fail(keyring.ErrUnavailable)
	if _, _, err := envelope.SealOnce(t.Context(), ring, ec, nil, time.Now()); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("no key service: %v, want ErrUnavailable", err)
	}
}
