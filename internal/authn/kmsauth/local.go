package kmsauth

import (
	"context"

	"github.com/confidant-secrets/confidant/internal/keyring"
)

// LocalKey names the key file's slot where a key of KMS would be named.
const LocalKey = "local"

// Local opens tokens by the key file in place of KMS, so that everything can be
// tried without AWS. It knows one key, LocalKey.
type Local struct{ Keyring keyring.Keyring }

var _ Service = Local{}

// Decrypt opens a ciphertext.
func (l Local) Decrypt(ctx context.Context, ciphertext []byte, ec map[string]string) ([]byte, string, error) {
	plaintext, err := l.Keyring.Unwrap(ctx, ciphertext, ec)
	return plaintext, LocalKey, err
}

// Resolve knows LocalKey alone.
func (l Local) Resolve(_ context.Context, name string) (string, error) {
	if name != LocalKey {
		return "", keyring.ErrRefused
	}
	return name, nil
}
