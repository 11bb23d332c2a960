package envelope

import (
	"context"
	"errors"
	"fmt"

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
