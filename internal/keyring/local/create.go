package local

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
)

// CreateOptions say what key a new file holds and in which form.
type CreateOptions struct {
	// Base64 is the key in standard base64, exactly 96 bytes; spaces around it
	// and line ends within do not matter. Empty: a new key from the system's
	// generator.
	Base64 Secret
	// Passphrase, if not empty, has the file written in its encrypted form.
	Passphrase Secret
	// WorkFactor is the binary logarithm of the cost of trying a passphrase, up
	// to 20; 0 is the age tool's own, about a second.
	WorkFactor int
}

// Create makes a key file of mode 0400. The file appears under its name whole,
// checked and on the disk, or not at all. It never replaces one.
//
// Errors: ErrBadKey, ErrShortPassphrase, ErrExists, and those of the file
// system.
func Create(path string, o CreateOptions) (*File, error) {
	f, err := create(path, o)
	if err != nil {
		return nil, fmt.Errorf("creating the key file %s: %w", path, err)
	}
	return f, nil
}

func create(path string, o CreateOptions) (*File, error) {
	k, err := newKeys(o.Base64)
	if err != nil {
		return nil, err
	}
	f := &File{keys: *k, encrypted: o.Passphrase != ""}
	content := k.bytes()
	defer clear(content)
	if f.encrypted {
		p := protection{o.Passphrase, o.WorkFactor}
		if err := p.check(); err != nil {
			return nil, err
		}
		if content, err = p.seal(k); err != nil {
			return nil, err
		}
	}
	if err := place(path, content); err != nil {
		return nil, err
	}
	return f, nil
}

func newKeys(text Secret) (*keys, error) {
	if text == "" {
		k := new(keys)
		for i := range k {
			rand.Read(k[i][:])
		}
		return k, nil
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(string(text)))
	defer clear(raw)
	if err != nil {
		// The decoder's own words would show a piece of the key.
		return nil, fmt.Errorf("%w: it is no standard base64", ErrBadKey)
	}
	k, err := keysOf(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadKey, err)
	}
	return k, nil
}
