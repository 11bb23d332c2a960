package local

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const (
	// minPassphrase is the least number of characters of a new passphrase.
	minPassphrase = 12

	// maxWorkFactor bounds the cost of opening a file: scrypt with 2^20 takes
	// 1 GiB and some seconds, and a forged file shall not ask for more.
	maxWorkFactor = 20

	// defaultWorkFactor is that of the age tool: 256 MiB and about a second.
	defaultWorkFactor = 18
)

// protection is how a key file is to be encrypted.
type protection struct {
	passphrase Secret
	workFactor int // 0: the default
}

func (p protection) check() error {
	if utf8.RuneCountInString(string(p.passphrase)) < minPassphrase {
		return ErrShortPassphrase
	}
	if p.workFactor < 0 || p.workFactor > maxWorkFactor {
		return fmt.Errorf("work factor %d is not between 1 and %d", p.workFactor, maxWorkFactor)
	}
	return nil
}

// seal returns the age form of the keys, after it has opened it again.
func (p protection) seal(k *keys) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(string(p.passphrase))
	if err != nil {
		return nil, fmt.Errorf("encrypting the key: %w", err)
	}
	recipient.SetWorkFactor(cmp.Or(p.workFactor, defaultWorkFactor))
	var out bytes.Buffer
	armoured := armor.NewWriter(&out)
	plain := k.bytes()
	defer clear(plain)
	if err := encryptTo(armoured, recipient, plain); err != nil {
		return nil, fmt.Errorf("encrypting the key: %w", err)
	}
	if again, err := unseal(out.Bytes(), string(p.passphrase)); err != nil {
		return nil, fmt.Errorf("opening the encrypted key again: %w", err)
	} else if *again != *k {
		return nil, errors.New("the encrypted key opens to another key")
	}
	return out.Bytes(), nil
}

func encryptTo(armoured io.WriteCloser, recipient age.Recipient, plain []byte) error {
	w, err := age.Encrypt(armoured, recipient)
	if err != nil {
		return err
	}
	if _, err := w.Write(plain); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return armoured.Close()
}

// sealedForm reports whether a file's content claims to be an armoured age file.
func sealedForm(content []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(content), []byte(armor.Header))
}

// unseal opens the age form. The file's work factor is looked at before any
// work is done.
func unseal(content []byte, passphrase string) (*keys, error) {
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNeedsPassphrase, err)
	}
	identity.SetMaxWorkFactor(maxWorkFactor)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(content)), identity)
	if none, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		if slices.Contains(none.StanzaTypes, "scrypt") {
			return nil, ErrWrongPassphrase
		}
		return nil, fmt.Errorf("%w: it is encrypted, but not to a passphrase", ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	// Reading to the end, beyond the last byte wanted, is what proves that
	// nothing was cut or added.
	plain, err := io.ReadAll(io.LimitReader(r, keySize+1))
	defer clear(plain)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	k, err := keysOf(plain)
	if err != nil {
		return nil, fmt.Errorf("%w: decrypted, %w", ErrDamaged, err)
	}
	return k, nil
}
