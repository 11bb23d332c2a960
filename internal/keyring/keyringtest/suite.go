// Package keyringtest holds every keyring to what keyring.Keyring promises, and
// offers a keyring in memory for tests of what stands above one. It knows no
// implementation but its own.
package keyringtest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/confidant-secrets/confidant/internal/keyring"
)

// Suite says how to reach the implementation under test.
type Suite struct {
	// Open returns a keyring. Every call stands for the same key-encryption key.
	Open func(t *testing.T) keyring.Keyring

	// Other returns a keyring of the same implementation under another
	// key-encryption key.
	Other func(t *testing.T) keyring.Keyring

	// TellsOtherKey says that the implementation tells another key-encryption
	// key from damage, so that ErrOtherKey is expected of it.
	TellsOtherKey bool

	// Unreachable returns a keyring whose key-encryption key does not answer. It
	// is nil for an implementation whose key is always at hand.
	Unreachable func(t *testing.T) keyring.Keyring
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Run("wrapped keys unwrap", s.roundTrip)
	t.Run("two wraps differ", s.wrapsDiffer)
	t.Run("the context must be the same", s.contextMustMatch)
	t.Run("every byte counts", s.tampering)
	t.Run("garbage is refused", s.garbage)
	t.Run("another key is refused", s.otherKey)
	t.Run("arguments and results are the caller's", s.noAliasing)
	t.Run("concurrent use", s.concurrency)
	if s.Unreachable != nil {
		t.Run("a silent key service is unavailable", s.unavailable)
	}
}

func (s Suite) roundTrip(t *testing.T) {
	for name, ec := range map[string]keyring.Context{
		"usual context":  usual(),
		"no context":     nil,
		"several pairs":  {"from": "a", "to": "b", "user_type": "service"},
		"not ASCII":      {"id": "Dienst Ü ✓"},
		"long":           {"id": strings.Repeat("x", 1000)},
		"looks like two": {"a": "1b", "c": "2"},
	} {
		for _, size := range []int{1, 32, 44, 4096} {
			t.Run(fmt.Sprintf("%s, %d bytes", name, size), func(t *testing.T) {
				key := randomKey(size)
				wrapped := wrap(t, s.Open(t), key, ec)
				if bytes.Contains(wrapped, key) && size > 4 {
					t.Error("the wrapped form shows the key")
				}
				got, err := s.Open(t).Unwrap(t.Context(), wrapped, ec)
				if err != nil || !bytes.Equal(got, key) {
					t.Errorf("Unwrap = %d bytes, %v; want the wrapped key", len(got), err)
				}
			})
		}
	}
}

func (s Suite) wrapsDiffer(t *testing.T) {
	k, key := s.Open(t), randomKey(44)
	seen := map[string]bool{}
	for range 20 {
		seen[string(wrap(t, k, key, usual()))] = true
	}
	if len(seen) != 20 {
		t.Errorf("20 wraps of one key gave %d different forms", len(seen))
	}
}

func (s Suite) contextMustMatch(t *testing.T) {
	k, key := s.Open(t), randomKey(44)
	made := keyring.Context{"id": "one", "type": "x"}
	wrapped := wrap(t, k, key, made)
	for name, ec := range map[string]keyring.Context{
		"missing pair":   {"id": "one"},
		"extra pair":     {"id": "one", "type": "x", "more": "y"},
		"changed value":  {"id": "two", "type": "x"},
		"changed case":   {"id": "One", "type": "x"},
		"changed key":    {"ID": "one", "type": "x"},
		"swapped values": {"id": "x", "type": "one"},
		"shifted":        {"i": "done", "type": "x"},
		"run together":   {"id": "onetypex"},
		"empty":          {},
		"nil":            nil,
	} {
		refused(t, k, name, wrapped, ec)
	}
	refused(t, k, "context where there was none", wrap(t, k, key, nil), usual())

	// Maps have no order; the same pairs put in the other way round must do.
	again := keyring.Context{}
	again["type"], again["id"] = "x", "one"
	if _, err := k.Unwrap(t.Context(), wrapped, again); err != nil {
		t.Errorf("Unwrap with the same pairs: %v", err)
	}
	if _, err := k.Unwrap(t.Context(), wrap(t, k, key, nil), keyring.Context{}); err != nil {
		t.Errorf("Unwrap of no context with an empty one: %v", err)
	}
}

func (s Suite) tampering(t *testing.T) {
	k := s.Open(t)
	wrapped := wrap(t, k, randomKey(44), usual())
	for i := range wrapped {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			bad := bytes.Clone(wrapped)
			bad[i] ^= flip
			refused(t, k, fmt.Sprintf("byte %d xor %#x", i, flip), bad, usual())
		}
	}
	for n := range wrapped {
		refused(t, k, fmt.Sprintf("the first %d bytes", n), wrapped[:n], usual())
	}
	refused(t, k, "one byte more", append(bytes.Clone(wrapped), 0), usual())
}

func (s Suite) garbage(t *testing.T) {
	k := s.Open(t)
	refused(t, k, "nil", nil, usual())
	for _, n := range []int{1, 8, 9, 36, 37, 100, 5000} {
		refused(t, k, fmt.Sprintf("%d zero bytes", n), make([]byte, n), usual())
		refused(t, k, fmt.Sprintf("%d random bytes", n), randomKey(n), usual())
	}
}

func (s Suite) otherKey(t *testing.T) {
	wrapped := wrap(t, s.Other(t), randomKey(44), usual())
	err := refused(t, s.Open(t), "wrapped under another key", wrapped, usual())
	if got := errors.Is(err, keyring.ErrOtherKey); got != s.TellsOtherKey {
		t.Errorf("errors.Is(%v, ErrOtherKey) = %v, want %v", err, got, s.TellsOtherKey)
	}

	damaged := wrap(t, s.Open(t), randomKey(44), usual())
	damaged[len(damaged)-1] ^= 1
	err = refused(t, s.Open(t), "damaged", damaged, usual())
	if errors.Is(err, keyring.ErrOtherKey) {
		t.Errorf("damage is reported as another key: %v", err)
	}
}

func (s Suite) noAliasing(t *testing.T) {
	k := s.Open(t)
	key, ec := randomKey(44), usual()
	want := bytes.Clone(key)
	wrapped := wrap(t, k, key, ec)
	if !bytes.Equal(key, want) || !maps.Equal(ec, usual()) {
		t.Error("Wrap changed its arguments")
	}
	clear(key) // the caller may overwrite its key
	ec["id"] = "changed"

	before := bytes.Clone(wrapped)
	for range 2 {
		got, err := k.Unwrap(t.Context(), wrapped, usual())
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("Unwrap = %d bytes, %v; want the wrapped key", len(got), err)
		}
		clear(got) // and what it was given
	}
	if !bytes.Equal(wrapped, before) {
		t.Error("Unwrap changed the wrapped form")
	}
}

func (s Suite) concurrency(t *testing.T) {
	k := s.Open(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			ec := keyring.Context{"id": fmt.Sprint(i)}
			for range 8 {
				key := randomKey(44)
				wrapped, err := k.Wrap(t.Context(), key, ec)
				if err != nil {
					t.Errorf("Wrap: %v", err)
					return
				}
				got, err := k.Unwrap(t.Context(), wrapped, ec)
				if err != nil || !bytes.Equal(got, key) {
					t.Errorf("Unwrap = %d bytes, %v; want the wrapped key", len(got), err)
				}
			}
		})
	}
	wg.Wait()
}

func (s Suite) unavailable(t *testing.T) {
	wrapped := wrap(t, s.Open(t), randomKey(44), usual())
	k := s.Unreachable(t)
	if got, err := k.Unwrap(t.Context(), wrapped, usual()); !errors.Is(err, keyring.ErrUnavailable) || got != nil {
		t.Errorf("Unwrap = %d bytes, %v; want ErrUnavailable", len(got), err)
	} else if errors.Is(err, keyring.ErrRefused) {
		t.Errorf("an outage is reported as a refusal: %v", err)
	}
	if got, err := k.Wrap(t.Context(), randomKey(44), usual()); !errors.Is(err, keyring.ErrUnavailable) || got != nil {
		t.Errorf("Wrap = %d bytes, %v; want ErrUnavailable", len(got), err)
	}
}

// usual returns a context as credentials have it.
func usual() keyring.Context {
	return keyring.Context{"id": "9f0c2b6a4d1e4f7f8b1a2c3d4e5f6071"}
}

func randomKey(n int) []byte {
	key := make([]byte, n)
	rand.Read(key)
	return key
}

func wrap(t *testing.T, k keyring.Keyring, key []byte, ec keyring.Context) []byte {
	t.Helper()
	wrapped, err := k.Wrap(t.Context(), key, ec)
	if err != nil {
		t.Fatalf("Wrap: %v", err)
	}
	return wrapped
}

func refused(t *testing.T, k keyring.Keyring, what string, wrapped []byte, ec keyring.Context) error {
	t.Helper()
	got, err := k.Unwrap(t.Context(), wrapped, ec)
	if !errors.Is(err, keyring.ErrRefused) || got != nil {
		t.Errorf("%s: Unwrap = %d bytes, %v; want ErrRefused", what, len(got), err)
	}
	if errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("%s: a refusal is reported as an outage: %v", what, err)
	}
	return err
}
