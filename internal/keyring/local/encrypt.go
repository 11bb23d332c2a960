package local

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// EncryptOptions say how a key file is to be protected.
type EncryptOptions struct {
	// Passphrase is the new one.
	Passphrase Secret
	// Present returns the passphrase of a file that has one already, whose
	// passphrase is then changed. nil: such a file is ErrEncrypted.
	Present func() (string, error)
	// WorkFactor is as in CreateOptions.
	WorkFactor int
}

// Encrypt writes the encrypted form of the key file at path to w. The file is
// left as it is. What is written was decrypted again before.
//
// Errors, here and in EncryptTo and EncryptInPlace: ErrShortPassphrase,
// ErrEncrypted, those of Open, and those of the file system.
func Encrypt(w io.Writer, path string, o EncryptOptions) error {
	content, err := encrypted(path, o)
	if err == nil {
		_, err = w.Write(content)
	}
	if err != nil {
		return fmt.Errorf("encrypting the key file %s: %w", path, err)
	}
	return nil
}

// EncryptTo writes the encrypted form of the key file at path to a new file, as
// Create does. ErrExists: there is a file of that name already.
func EncryptTo(out, path string, o EncryptOptions) error {
	content, err := encrypted(path, o)
	if err == nil {
		err = place(out, content)
	}
	if err != nil {
		return fmt.Errorf("encrypting the key file %s to %s: %w", path, out, err)
	}
	return nil
}

// EncryptInPlace replaces the key file at path, or the file that a symbolic
// link there leads to, by its encrypted form, in one step: a crash leaves
// either the one or the other.
func EncryptInPlace(path string, o EncryptOptions) error {
	content, err := encrypted(path, o)
	if err == nil {
		var target string
		if target, err = filepath.EvalSymlinks(path); err == nil {
			err = replace(target, content)
		}
	}
	if err != nil {
		return fmt.Errorf("encrypting the key file %s: %w", path, err)
	}
	return nil
}

func encrypted(path string, o EncryptOptions) ([]byte, error) {
	p := protection{o.Passphrase, o.WorkFactor}
	if err := p.check(); err != nil {
		return nil, err
	}
	f, err := open(path, o.Present)
	if err != nil {
		if o.Present == nil && errors.Is(err, ErrNeedsPassphrase) {
			return nil, ErrEncrypted
		}
		return nil, err
	}
	return p.seal(&f.keys)
}
