package local

import "errors"

// What the file operations can answer beside the errors of the file system,
// which pass through. Compare with errors.Is.
var (
	// ErrExists: a file of that name is there and was left alone.
	ErrExists = errors.New("it exists already and is not overwritten")
	// ErrBadKey: the given key is not 96 usable bytes in base64. Nothing was
	// made.
	ErrBadKey = errors.New("the given key is not usable")
	// ErrShortPassphrase: a new passphrase has too few characters. Nothing was
	// made.
	ErrShortPassphrase = errors.New("a passphrase needs at least 12 characters")
	// ErrEmpty: the file has no bytes.
	ErrEmpty = errors.New("the file is empty; " +
		"if the output of a command was redirected to it, the shell emptied it before the command began: " +
		"put the key file back from a copy")
	// ErrDamaged: the file is in neither form, or was changed.
	ErrDamaged = errors.New("damaged")
	// ErrNeedsPassphrase: the file is encrypted, and there is no passphrase.
	ErrNeedsPassphrase = errors.New("it is protected by a passphrase, and none is given")
	// ErrWrongPassphrase: the passphrase does not open the file.
	ErrWrongPassphrase = errors.New("the passphrase does not open it")
	// ErrEncrypted: the file to encrypt is encrypted, and its present
	// passphrase is not given.
	ErrEncrypted = errors.New("it is protected by a passphrase already")
)
