package app

import (
	"context"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/keyring"
)

// countingKeyring counts the calls that reach the key.
type countingKeyring struct {
	keyring.Keyring
	count func()
}

// Wrap implements keyring.Keyring.
func (k countingKeyring) Wrap(ctx context.Context, key []byte, ec keyring.Context) ([]byte, error) {
	k.count()
	return k.Keyring.Wrap(ctx, key, ec)
}

// Unwrap implements keyring.Keyring.
func (k countingKeyring) Unwrap(ctx context.Context, wrapped []byte, ec keyring.Context) ([]byte, error) {
	k.count()
	return k.Keyring.Unwrap(ctx, wrapped, ec)
}

// countingLog counts the records that could not be made.
type countingLog struct {
	audit.Log
	count func()
}

// Append implements audit.Log.
func (l countingLog) Append(ctx context.Context, e audit.Entry) (audit.Receipt, error) {
	receipt, err := l.Log.Append(ctx, e)
	if err != nil {
		l.count()
	}
	return receipt, err
}
