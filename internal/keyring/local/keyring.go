package local

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/keyring"
)

// ring wraps data keys under one slot with AES-256-GCM. The wrapped form is
//
//	version 1 | fingerprint of the slot's key, 8 | nonce, 12 | ciphertext | tag, 16
//
// with the canonical encryption context as additional data. The fingerprint
// tells another key from damage, and a rotation what it has done already.
// Nonces are random, so one slot should wrap at most 2^32 keys (NIST
// SP 800-38D, 8.3).
type ring struct {
	aead   cipher.AEAD // puts a random nonce before the ciphertext by itself
	header []byte      // version and fingerprint
}

const formVersion = 1

var _ keyring.Keyring = (*ring)(nil)

// Keyring returns the keyring of one slot.
func (f *File) Keyring(slot Slot) keyring.Keyring {
	key := f.keys.derive(slot, "wrap", slotSize)
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("local: " + err.Error()) // impossible for this size
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("local: " + err.Error()) // impossible for AES
	}
	fingerprint := f.keys.fingerprint(slot)
	return &ring{aead: aead, header: append([]byte{formVersion}, fingerprint[:]...)}
}

// Wrap implements keyring.Keyring. It never fails.
func (r *ring) Wrap(_ context.Context, key []byte, ec keyring.Context) ([]byte, error) {
	wrapped := make([]byte, len(r.header), len(r.header)+len(key)+r.aead.Overhead())
	copy(wrapped, r.header)
	return r.aead.Seal(wrapped, nil, key, ec.AppendCanonical(nil)), nil
}

// Unwrap implements keyring.Keyring. The key is always at hand, so it never
// answers ErrUnavailable.
func (r *ring) Unwrap(_ context.Context, wrapped []byte, ec keyring.Context) ([]byte, error) {
	if len(wrapped) < len(r.header)+r.aead.Overhead() {
		return nil, fmt.Errorf("%w: it has only %d bytes", keyring.ErrRefused, len(wrapped))
	}
	header, box := wrapped[:len(r.header)], wrapped[len(r.header):]
	if header[0] != formVersion {
		return nil, fmt.Errorf("%w: its form is of version %d", keyring.ErrRefused, header[0])
	}
	if !bytes.Equal(header, r.header) {
		return nil, fmt.Errorf("%w, of fingerprint %x", keyring.ErrOtherKey, header[1:])
	}
	key, err := r.aead.Open(nil, nil, box, ec.AppendCanonical(nil))
	if err != nil {
		return nil, fmt.Errorf("%w: it is damaged or belongs to another context", keyring.ErrRefused)
	}
	return key, nil
}
