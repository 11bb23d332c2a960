package envelope

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/confidant-secrets/confidant/internal/keyring"
)

// OpenOnce opens a Fernet token that belongs to no row, whose data key was
// wrapped under a context of its own. Nothing is kept. Errors are as those of
// Sealer.Open.
func OpenOnce(ctx context.Context, ring keyring.Keyring, ec keyring.Context, wrapped []byte, token string) ([]byte, error) {
	unwrapped, err := ring.Unwrap(ctx, wrapped, ec)
	if errors.Is(err, keyring.ErrRefused) {
		return nil, fmt.Errorf("%w: %w", ErrDecrypt, err)
	}
	if err != nil {
		return nil, err
	}
	defer clear(unwrapped)
	key, err := parseKey(unwrapped)
	if err != nil {
		return nil, err
	}
	defer key.wipe()
	return key.open(newScratch(), token)
}

// SealOnce seals a plaintext that belongs to no row under a data key of its own,
// which it wraps under the context. OpenOnce is its reverse. Errors are those of
// the keyring.
func SealOnce(ctx context.Context, ring keyring.Keyring, ec keyring.Context, plaintext []byte, at time.Time) (wrapped []byte, token string, err error) {
	var raw [keySize]byte
	var iv [ivSize]byte
	text := make([]byte, keyTextSize)
	defer func() {
		clear(raw[:])
		clear(text)
	}()
	rand.Read(raw[:]) // it never fails
	rand.Read(iv[:])
	base64url.Encode(text, raw[:])
	if wrapped, err = ring.Wrap(ctx, text, ec); err != nil {
		return nil, "", err
	}
	key := newFernetKey(&raw)
	defer key.wipe()
	return wrapped, key.seal(newScratch(), plaintext, &iv, at), nil
}
