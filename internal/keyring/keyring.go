// Package keyring wraps and unwraps data keys. It knows what a key-encryption
// key promises, not what a data key is used for (package envelope) and not
// which service or file stands behind it (sub-packages).
package keyring

import (
	"context"
	"errors"
)

// Context is an encryption context: it must be the same at unwrapping as at
// wrapping, or the data key does not open. Order does not matter.
type Context map[string]string

// Keyring wraps data keys under one key-encryption key.
//
// Implementations are safe for concurrent use and never keep a plaintext key.
// They neither keep nor change their arguments, and what they return belongs to
// the caller, who may overwrite it.
// Package keyringtest holds every implementation to this comment.
type Keyring interface {
	// Wrap returns key encrypted and bound to the context. Two calls with the
	// same input give different output. It returns ErrUnavailable when the
	// key-encryption key cannot be reached.
	Wrap(ctx context.Context, key []byte, ec Context) ([]byte, error)

	// Unwrap returns the key that was wrapped. It returns ErrRefused when the
	// wrapped form is damaged, belongs to another context or was made under
	// another key (ErrOtherKey, which is also ErrRefused, where the
	// implementation can tell), and ErrUnavailable when the key-encryption key
	// cannot be reached.
	Unwrap(ctx context.Context, wrapped []byte, ec Context) ([]byte, error)
}

// What a Keyring can answer beside a key. Compare with errors.Is.
var (
	ErrRefused     = errors.New("the wrapped key does not open")
	ErrUnavailable = errors.New("the key service does not answer")
)

// ErrOtherKey says that a wrapped key was made under another key-encryption
// key. It is a kind of ErrRefused.
var ErrOtherKey error = otherKey{}

type otherKey struct{}

func (otherKey) Error() string        { return "the wrapped key was made under another key-encryption key" }
func (otherKey) Is(target error) bool { return target == ErrRefused }
