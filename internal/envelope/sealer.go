// Package envelope seals bytes for the store and opens them again: a fresh data
// key for each value, wrapped by a keyring under the id of the thing that the
// value belongs to. The stored form is that of the older service, byte for
// byte, so that either reads what the other wrote.
//
// It does not know what the bytes mean, where they are kept, or what stands
// behind the keyring.
package envelope

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/sealed"
)

// ErrDecrypt says that a value does not open and never will: it, its data key
// or their match is damaged, its version is unknown, or it is in clear while
// encryption is on. keyring.ErrUnavailable is not of this kind; it passes
// through.
var ErrDecrypt = errors.New("the value does not open")

// version is the one cipher version there is: Fernet. Rows that name none (0)
// are older than the attribute and hold the same.
const version = 2

// Options are a sealer's dependencies and settings.
type Options struct {
	// Keyring wraps the data keys. It may be nil if Plain is set.
	Keyring keyring.Keyring
	// CacheSize is how many data keys are kept at most, ready for use, and
	// CacheTTL for how long. 0 in either keeps none.
	CacheSize int
	CacheTTL  time.Duration
	// Plain seals nothing: values are stored in clear, marked as such, and only
	// such ones are read. For development.
	Plain bool

	Random io.Reader        // of data keys and IVs; nil: crypto/rand.Reader
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: nothing is logged
}

// Sealer seals and opens values. It is safe for concurrent use. Plaintext is
// never kept.
type Sealer struct {
	keyring keyring.Keyring
	keys    *keyring.Cache[*fernetKey]
	plain   bool
	random  io.Reader
	now     func() time.Time
	log     *slog.Logger

	scratch sync.Pool // of *scratch
	legacy  sync.Once // warns of rows without a version
}

// New returns a sealer. It is an error to leave the keyring out.
func New(o Options) (*Sealer, error) {
	s := &Sealer{keyring: o.Keyring, plain: o.Plain, random: o.Random, now: o.Now, log: o.Log}
	s.scratch.New = func() any { return newScratch() }
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if o.Plain {
		return s, nil
	}
	keys, err := keyring.NewCache(keyring.CacheOptions[*fernetKey]{
		Keyring: o.Keyring, Size: o.CacheSize, TTL: o.CacheTTL,
		Prepare: parseKey, Wipe: (*fernetKey).wipe,
	})
	if err != nil {
		return nil, fmt.Errorf("building the sealer: %w", err)
	}
	s.keys = keys
	return s, nil
}

// Seal returns the plaintext sealed for the thing of that id, under a data key
// of its own. keyring.ErrUnavailable passes through.
func (s *Sealer) Seal(ctx context.Context, id string, plaintext []byte) (sealed.Value, error) {
	var fresh struct {
		key [keySize]byte
		iv  [ivSize]byte
	}
	defer clear(fresh.key[:])
	if _, err := io.ReadFull(s.random, fresh.key[:]); err != nil {
		return sealed.Value{}, fmt.Errorf("drawing a data key: %w", err)
	}
	if _, err := io.ReadFull(s.random, fresh.iv[:]); err != nil {
		return sealed.Value{}, fmt.Errorf("drawing an IV: %w", err)
	}
	text := make([]byte, keyTextSize)
	base64url.Encode(text, fresh.key[:])
	if s.plain {
		return sealed.Value{Ciphertext: sealPlain(plaintext), DataKey: text, Version: version}, nil
	}
	defer clear(text)

	wrapped, err := s.keyring.Wrap(ctx, text, contextOf(id))
	if err != nil {
		return sealed.Value{}, fmt.Errorf("wrapping the data key of %s: %w", id, err)
	}
	key := newFernetKey(&fresh.key)
	sc := s.scratch.Get().(*scratch)
	ciphertext := key.seal(sc, plaintext, &fresh.iv, s.now())
	s.scratch.Put(sc)
	s.keys.Put(wrapped, contextOf(id), key) // what was just written is likely to be read
	return sealed.Value{Ciphertext: ciphertext, DataKey: wrapped, Version: version}, nil
}

// Open returns the plaintext of a value that was sealed for the thing of that
// id. It returns ErrDecrypt, or what the keyring answers beside a refusal, such
// as keyring.ErrUnavailable, or the context's error.
func (s *Sealer) Open(ctx context.Context, id string, v sealed.Value) ([]byte, error) {
	plaintext, err := s.open(ctx, id, v)
	if err != nil {
		return nil, fmt.Errorf("opening the value of %s: %w", id, err)
	}
	if v.Version != version {
		s.legacy.Do(func() {
			s.log.WarnContext(ctx, "a value without cipher version was read as version 2; there may be more", "id", id)
		})
	}
	return plaintext, nil
}

func (s *Sealer) open(ctx context.Context, id string, v sealed.Value) ([]byte, error) {
	if v.Version != version && v.Version != 0 {
		return nil, fmt.Errorf("%w: cipher version %d is unknown", ErrDecrypt, v.Version)
	}
	if s.plain {
		return openPlain(v.Ciphertext)
	}
	if strings.HasPrefix(v.Ciphertext, plainPrefix) {
		return nil, fmt.Errorf("%w: it was stored in clear, and encryption is on", ErrDecrypt)
	}
	var plaintext []byte
	err := s.keys.Use(ctx, v.DataKey, contextOf(id), func(key *fernetKey) (err error) {
		sc := s.scratch.Get().(*scratch)
		plaintext, err = key.open(sc, v.Ciphertext)
		s.scratch.Put(sc)
		return err
	})
	if errors.Is(err, keyring.ErrRefused) {
		return nil, fmt.Errorf("%w: %w", ErrDecrypt, err)
	}
	return plaintext, err
}

// contextOf is what the older service binds a data key to: the id of the
// current row, whatever the revision.
func contextOf(id string) keyring.Context { return keyring.Context{"id": id} }

// plainPrefix marks a value in clear.
const plainPrefix = "DANGER_NOT_ENCRYPTED_"

func sealPlain(plaintext []byte) string {
	return plainPrefix + base64.StdEncoding.EncodeToString(plaintext)
}

func openPlain(text string) ([]byte, error) {
	text, marked := strings.CutPrefix(text, plainPrefix)
	if !marked {
		return nil, fmt.Errorf("%w: it is encrypted, and encryption is off", ErrDecrypt)
	}
	plaintext, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDecrypt, err)
	}
	return plaintext, nil
}
