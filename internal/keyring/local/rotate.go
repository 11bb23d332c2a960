package local

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/confidant-secrets/confidant/internal/keyring"
)

// Rewrapper turns what one key file wrapped into what another one unwraps. It is
// safe for concurrent use.
type Rewrapper struct {
	from, to keyring.Keyring
	aead     cipher.AEAD // of to
	header   []byte
	nonceKey []byte
}

// NewRewrapper returns the rewrapper of one slot.
func NewRewrapper(slot Slot, from, to *File) *Rewrapper {
	key := to.keys.derive(slot, "wrap", slotSize)
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("local: " + err.Error()) // impossible for this size
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("local: " + err.Error()) // impossible for AES
	}
	fingerprint := to.keys.fingerprint(slot)
	return &Rewrapper{
		from: from.Keyring(slot), to: to.Keyring(slot), aead: aead,
		header:   append([]byte{formVersion}, fingerprint[:]...),
		nonceKey: to.keys.derive(slot, "rewrap nonce", sha256.Size),
	}
}

// Rewrap returns what is wrapped under the new key, or nil if it is so already.
// It returns keyring.ErrRefused for what neither key opens.
//
// Equal input gives equal output, so that copies of one value stay equal, which
// is how an archived row is known to be the one that stands elsewhere. The nonce
// is therefore not random but a MAC of the input, under a key of its own: two
// inputs have the same one no more often than if it were.
func (r *Rewrapper) Rewrap(ctx context.Context, wrapped []byte, ec keyring.Context) ([]byte, error) {
	key, err := r.from.Unwrap(ctx, wrapped, ec)
	if errors.Is(err, keyring.ErrOtherKey) {
		key, err = r.to.Unwrap(ctx, wrapped, ec)
		clear(key)
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	defer clear(key)
	additional := ec.AppendCanonical(nil)
	mac := hmac.New(sha256.New, r.nonceKey)
	mac.Write(additional) // no encoding is the beginning of another one
	mac.Write(wrapped)
	nonce := mac.Sum(nil)[:r.aead.NonceSize()]
	again := append(bytes.Clone(r.header), nonce...)
	return r.aead.Seal(again, nonce, key, additional), nil
}

// Keep gives the key file at path a second name beside the first. The file, with
// its mode and its owner, is one and the same. Nothing happens if it, or a copy of
// it, bears that name already. ErrExists: something else does.
func Keep(path, name string) error {
	err := os.Link(path, name)
	if errors.Is(err, fs.ErrExist) {
		if err = same(path, name); err == nil {
			return nil
		}
	}
	if err == nil {
		err = syncDirectory(filepath.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("keeping the key file %s as %s: %w", path, name, err)
	}
	return nil
}

// same returns ErrExists unless both files hold the same.
func same(path, name string) error {
	a, err := read(path)
	if err != nil {
		return err
	}
	defer clear(a)
	b, err := read(name)
	defer clear(b)
	if err != nil || !bytes.Equal(a, b) {
		return ErrExists
	}
	return nil
}

// Replace puts the key file next in the place of the one at path, in one step: a
// crash leaves either the one or the other.
func Replace(path, next string) error {
	err := os.Rename(next, path)
	if err == nil {
		err = syncDirectory(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("putting the key file %s in the place of %s: %w", next, path, err)
	}
	return nil
}
