package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Open reads the key file at path. passphrase is called if the file is
// encrypted, and then once; nil, or an empty answer, means that there is none.
//
// Errors: ErrEmpty, ErrDamaged, ErrNeedsPassphrase, ErrWrongPassphrase, what
// passphrase returns, and those of the file system.
func Open(path string, passphrase func() (string, error)) (*File, error) {
	f, err := open(path, passphrase)
	if err != nil {
		return nil, fmt.Errorf("opening the key file %s: %w", path, err)
	}
	return f, nil
}

func open(path string, passphrase func() (string, error)) (*File, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	defer clear(content)
	if !sealedForm(content) {
		k, err := keysOf(content)
		if err != nil {
			return nil, fmt.Errorf("%w: as a plain key %w, and it is no armoured age file", ErrDamaged, err)
		}
		return &File{keys: *k}, nil
	}
	if passphrase == nil {
		return nil, ErrNeedsPassphrase
	}
	text, err := passphrase()
	if err != nil {
		return nil, fmt.Errorf("getting the passphrase: %w", err)
	}
	if text == "" {
		return nil, ErrNeedsPassphrase
	}
	k, err := unseal(content, text)
	if err != nil {
		return nil, err
	}
	return &File{keys: *k, encrypted: true}, nil
}

// maxFile is far more than any key file has.
const maxFile = 64 << 10

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, explain(path, err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) == 0:
		return nil, ErrEmpty
	case len(content) > maxFile:
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrDamaged, maxFile)
	}
	return content, nil
}

// explain adds to a refusal of the file system who is refused and whose file it
// is, the two things needed to repair it.
func explain(path string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	info, statErr := os.Stat(path)
	if statErr != nil {
		return fmt.Errorf("%w (user %d may not enter its directory)", err, os.Geteuid())
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Errorf("%w (it belongs to user %d and has mode %04o; this process is user %d)",
			err, owner.Uid, info.Mode().Perm(), os.Geteuid())
	}
	return err
}
