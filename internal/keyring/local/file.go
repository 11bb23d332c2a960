// Package local is the key provider that needs no service: its root is a key
// file on the machine. It wraps data keys, derives the secrets of tokens and
// sessions, and makes, opens and protects the file. It knows neither settings
// nor prompts, and nothing of what the keys are used for.
//
// A key file holds 96 random bytes, three slots of 32. It has two forms, told
// apart by content: the bytes themselves, or an age file of them
// (age-encryption.org/v1, protected by a passphrase, ASCII armour), which the
// age tool opens too.
package local

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// Slot is one of the keys of a file. No slot opens what another one sealed.
type Slot int

// The slots.
const (
	SlotData    Slot = iota // wraps the data keys of credentials
	SlotTokens              // root of API tokens
	SlotSecrets             // root of sessions; wraps the data keys of what else is sealed
)

// String returns the name that derivation labels bear. It must never change.
func (s Slot) String() string {
	switch s {
	case SlotData:
		return "data"
	case SlotTokens:
		return "tokens"
	case SlotSecrets:
		return "secrets"
	default:
		panic(fmt.Sprintf("local: there is no slot %d", int(s)))
	}
}

const (
	slots    = 3
	slotSize = 32
	keySize  = slots * slotSize // bytes of a plain key file
)

// keys are the bytes of a key file. They are never used directly: every use has
// a key of its own, derived under a label.
type keys [slots][slotSize]byte

// keysOf reads the plain form. It refuses what cannot be random: two equal slots
// would be one key in two roles, and zeros are what a crashed file system leaves.
// Its errors are the end of a sentence about what was read.
func keysOf(raw []byte) (*keys, error) {
	if len(raw) != keySize {
		return nil, fmt.Errorf("it has %d bytes instead of %d", len(raw), keySize)
	}
	k := new(keys)
	for i := range k {
		copy(k[i][:], raw[i*slotSize:])
		if k[i] == [slotSize]byte{} {
			return nil, fmt.Errorf("its slot %d is all zero", i)
		}
		for j := range i {
			if k[i] == k[j] {
				return nil, fmt.Errorf("its slots %d and %d are equal", j, i)
			}
		}
	}
	return k, nil
}

func (k *keys) bytes() []byte {
	b := make([]byte, 0, keySize)
	for i := range k {
		b = append(b, k[i][:]...)
	}
	return b
}

// derive returns n bytes by HKDF-SHA256 (RFC 5869). Purposes are either fixed
// words or begin with one and a slash.
func (k *keys) derive(slot Slot, purpose string, n int) []byte {
	out, err := hkdf.Key(sha256.New, k[slot][:], nil, "confidant enckey v1/"+slot.String()+"/"+purpose, n)
	if err != nil {
		panic("local: " + err.Error()) // n is out of range
	}
	return out
}

const fingerprintSize = 8

// fingerprint names a slot's key. It is safe to show: it is a hash of a value
// derived for this alone.
func (k *keys) fingerprint(slot Slot) [fingerprintSize]byte {
	h := sha256.New()
	h.Write([]byte("confidant enckey fingerprint v1/"))
	h.Write(k.derive(slot, "id", sha256.Size))
	return [fingerprintSize]byte(h.Sum(nil))
}

// File is an opened key file. It is immutable. Its text and log forms hold the
// fingerprint alone.
type File struct {
	keys      keys
	encrypted bool
}

// Fingerprint names the file's key: 16 hexadecimal digits, safe to show and to
// store. A file keeps its fingerprint when it is protected or gets another
// passphrase.
func (f *File) Fingerprint() string {
	sum := f.keys.fingerprint(SlotData)
	return hex.EncodeToString(sum[:])
}

// Encrypted reports whether the file is in the form that a passphrase protects.
func (f *File) Encrypted() bool { return f.encrypted }

// Derive returns n secret bytes, up to 8160, that follow from the slot and the
// label and tell nothing of either, nor of any other label's bytes.
func (f *File) Derive(slot Slot, label string, n int) []byte {
	return f.keys.derive(slot, "secret/"+label, n)
}

// String returns the fingerprint with a word around it.
func (f *File) String() string { return "key file " + f.Fingerprint() }

// GoString is String, so that %#v shows no key either.
func (f *File) GoString() string { return f.String() }

// LogValue is String.
func (f *File) LogValue() slog.Value { return slog.StringValue(f.String()) }

// Secret is a passphrase or a key in text form. All its printed, logged and
// encoded forms are redacted.
type Secret string

const redacted = "[secret]"

// String returns a fixed text.
func (Secret) String() string { return redacted }

// GoString returns a fixed text.
func (Secret) GoString() string { return redacted }

// LogValue returns a fixed text.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a fixed text.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
