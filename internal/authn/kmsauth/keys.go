package kmsauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// resolveEvery is how long a resolved name is believed, so that an alias that
// was pointed elsewhere is seen.
const resolveEvery = 5 * time.Minute

// Service is what opens tokens: AWS KMS, or the key file in its place.
type Service interface {
	// Decrypt opens a ciphertext and says which key did it. It returns
	// keyring.ErrRefused when it does not open and keyring.ErrUnavailable when
	// the service does not answer.
	Decrypt(ctx context.Context, ciphertext []byte, ec map[string]string) (plaintext []byte, key string, err error)

	// Resolve returns the full name of the key that a configured name stands
	// for. It returns keyring.ErrRefused when there is no such key.
	Resolve(ctx context.Context, name string) (key string, err error)
}

// keys resolves the configured names.
type keys struct {
	service Service
	now     func() time.Time

	flight singleflight.Group
	mu     sync.Mutex
	known  map[string]resolved
}

type resolved struct {
	key string
	at  time.Time
}

func newKeys(service Service, now func() time.Time) *keys {
	return &keys{service: service, now: now, known: map[string]resolved{}}
}

// resolve returns the full name of a configured key. A name that was resolved
// before serves on while the service does not answer.
func (k *keys) resolve(ctx context.Context, name string) (string, error) {
	if isKeyARN(name) {
		return name, nil
	}
	k.mu.Lock()
	before, known := k.known[name]
	k.mu.Unlock()
	if known && k.now().Sub(before.at) < resolveEvery {
		return before.key, nil
	}
	got, err, _ := k.flight.Do(name, func() (any, error) {
		// The look-up serves every caller that waits for it, so it must not end
		// with the one that began it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		key, err := k.service.Resolve(ctx, name)
		if err != nil {
			return "", err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.known[name] = resolved{key, k.now()}
		return key, nil
	})
	if err != nil {
		if known {
			return before.key, nil
		}
		return "", fmt.Errorf("resolving the key %q: %w", name, err)
	}
	return got.(string), nil
}

// isKeyARN reports whether a name is the ARN of a key, in any partition; an
// alias ARN is not.
func isKeyARN(name string) bool {
	parts := strings.SplitN(name, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && parts[2] == "kms" && strings.HasPrefix(parts[5], "key/")
}

// errWrongKey says that a token was made under a key that is not configured for
// its kind of caller.
var errWrongKey = errors.New("the token was made under a key that is not configured for it")
