package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// The document that says which key the database belongs to.
const (
	kindKey = "enckey"
	idKey   = "current"
)

// keyBody names the key. While a rotation is under way it names both.
type keyBody struct {
	Fingerprint string        `json:"fingerprint"`
	Rotation    *rotationBody `json:"rotation,omitempty"`
}

// settled refuses a database whose key is being rotated: part of it belongs to
// the one key and part to the other.
func (b keyBody) settled() error {
	if b.Rotation == nil {
		return nil
	}
	return startError(`a rotation of the key is unfinished: the database is on its way from the key %s to the key %s; run "confidant setup rotate-enckey" to finish it`,
		b.Fingerprint, b.Rotation.To)
}

// remembered returns what says which key the database belongs to, with an empty
// fingerprint if there is none yet, and the version of that document.
func (a *App) remembered(ctx context.Context) (body keyBody, version int, err error) {
	d, err := a.store.Documents().Get(ctx, kindKey, idKey)
	if errors.Is(err, store.ErrNotFound) {
		return body, 0, nil
	}
	if err != nil {
		return body, 0, fmt.Errorf("reading the key's fingerprint: %w", err)
	}
	if err := json.Unmarshal(d.Body, &body); err != nil {
		return body, 0, fmt.Errorf("reading the key's fingerprint: %w", err)
	}
	return body, d.Version, nil
}

// remember writes the document if it is still at a version, and returns the new
// one.
func (a *App) remember(ctx context.Context, body keyBody, version int) (int, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, fmt.Errorf("encoding the key's fingerprint: %w", err)
	}
	version, err = a.store.Documents().Put(ctx, store.Document{Kind: kindKey, ID: idKey, Body: text}, version)
	if err != nil {
		return 0, fmt.Errorf("writing the key's fingerprint: %w", err)
	}
	return version, nil
}

// empty reports whether the store holds nothing that a key may have sealed.
func (a *App) empty(ctx context.Context) (bool, error) {
	one := revision.Page{Limit: 1}
	credentials, err := a.store.Credentials().List(ctx, one)
	if err != nil || len(credentials.Items) > 0 {
		return false, err
	}
	if archive := a.store.ArchivedCredentials(); archive != nil {
		archived, err := archive.List(ctx, one)
		if err != nil || len(archived.Items) > 0 {
			return false, err
		}
	}
	blind, err := a.store.BlindCredentials().List(ctx, one)
	if err != nil || len(blind.Items) > 0 {
		return false, err
	}
	services, err := a.store.Services().List(ctx, one)
	return len(services.Items) == 0, err
}

// openKey opens the key file and makes sure that the database belongs to it.
func (a *App) openKey(ctx context.Context) error {
	key, err := a.readKey()
	if err != nil {
		// Half way through a rotation another file, or another passphrase, is wanted.
		if body, _, reading := a.remembered(ctx); reading == nil && body.Rotation != nil {
			return body.settled()
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return startError("the key file %s is missing; put it back from a copy, or name its place with ENCKEY_FILE", a.cfg.Keys.File)
	}
	if err != nil {
		return &StartError{Message: "the key does not open", Cause: err}
	}
	if err := a.claim(ctx, key); err != nil {
		return err
	}
	a.key = key
	a.atRest = countingKeyring{key.Keyring(local.SlotData), a.counter("at_rest_action")}
	return nil
}

// readKey opens the key file with the passphrase that the settings hold, or
// that somebody types.
func (a *App) readKey() (*local.File, error) {
	passphrase := a.passphrase
	if s := a.cfg.Keys.Passphrase; s.IsSet() {
		passphrase = func() (string, error) { return s.Reveal(), nil }
	}
	return local.Open(a.cfg.Keys.File, passphrase)
}

// claim binds a database that has no key yet to this one, and refuses a
// database of another key.
func (a *App) claim(ctx context.Context, key *local.File) error {
	for {
		body, version, err := a.remembered(ctx)
		if err == nil {
			err = body.settled()
		}
		if err != nil {
			return err
		}
		switch body.Fingerprint {
		case key.Fingerprint():
			return nil
		case "":
			_, err := a.remember(ctx, keyBody{Fingerprint: key.Fingerprint()}, version)
			if errors.Is(err, store.ErrStale) {
				continue // another process was faster; see with which key
			}
			return err
		default:
			return a.wrongKey(key, body.Fingerprint)
		}
	}
}

func (a *App) wrongKey(key *local.File, database string) error {
	return startError("the key file %s has the fingerprint %s, but the database belongs to the key %s; put the right file there",
		a.cfg.Keys.File, key.Fingerprint(), database)
}

// makeKey makes a plain key file for a database that holds nothing yet, and
// reports whether it did. Nothing happens if there is a file.
func (a *App) makeKey(ctx context.Context) (made bool, err error) {
	if exists(a.cfg.Keys.File) {
		return false, nil
	}
	body, _, err := a.remembered(ctx)
	if err != nil {
		return false, err
	}
	empty, err := a.empty(ctx)
	if err != nil {
		return false, fmt.Errorf("looking whether the database is empty: %w", err)
	}
	if body.Fingerprint != "" || !empty {
		return false, nil // openKey says what is missing
	}
	_, err = local.Create(a.cfg.Keys.File, local.CreateOptions{})
	if errors.Is(err, local.ErrExists) {
		return false, nil // another process was faster
	}
	return err == nil, err
}

// KeyFile describes a key file. It holds nothing secret.
type KeyFile struct {
	Path        string
	Mode        fs.FileMode
	Encrypted   bool
	Fingerprint string
}

func describe(path string, key *local.File) (KeyFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return KeyFile{}, err
	}
	return KeyFile{path, info.Mode(), key.Encrypted(), key.Fingerprint()}, nil
}

// NewKeyFile is the input of CreateKeyFile.
type NewKeyFile struct {
	Base64     string // the key; empty: new random bytes
	Passphrase string // empty: the plain form
	Force      bool   // although the database belongs to another key
}

// CreateKeyFile makes the key file. Exists: there is one. Invalid: the given key
// or passphrase is not fit. Denied: the database holds what another key sealed.
func (a *App) CreateKeyFile(ctx context.Context, in NewKeyFile) (KeyFile, error) {
	path := a.cfg.Keys.File
	if exists(path) {
		return KeyFile{}, fault.Newf(fault.Exists, "%s already exists. It is not overwritten.", path)
	}
	if err := a.openStoreIfThere(ctx); err != nil {
		return KeyFile{}, err
	}
	var made KeyFile
	err := a.audited(ctx, audit.Entry{Action: "create", ResourceType: "key_file", ResourceName: path}, func() error {
		version, err := a.mayReplaceKey(ctx, in.Force)
		if err != nil {
			return err
		}
		key, err := local.Create(path, local.CreateOptions{Base64: local.Secret(in.Base64), Passphrase: local.Secret(in.Passphrase)})
		if err != nil {
			return keyFault(path, err)
		}
		if a.store != nil {
			if _, err := a.remember(ctx, keyBody{Fingerprint: key.Fingerprint()}, version); err != nil {
				return err
			}
		}
		made, err = describe(path, key)
		return err
	})
	return made, err
}

// mayReplaceKey refuses a new key where the database holds what another one
// sealed, and returns the version of the document that names the present one.
func (a *App) mayReplaceKey(ctx context.Context, force bool) (version int, err error) {
	if a.store == nil {
		return 0, nil
	}
	body, version, err := a.remembered(ctx)
	if err != nil || force {
		return version, err
	}
	empty, err := a.empty(ctx)
	if err != nil {
		return 0, fmt.Errorf("looking whether the database is empty: %w", err)
	}
	switch {
	case !empty && body.Fingerprint != "":
		return 0, fault.Newf(fault.Denied, "The database holds what the key %s sealed. A new key cannot read it; --force makes one all the same.", body.Fingerprint)
	case !empty:
		return 0, fault.New(fault.Denied, "The database is not empty. A new key cannot read what another one sealed; --force makes one all the same.")
	}
	return version, nil
}

// CheckedKeyFile is a key file and the key that the database belongs to.
type CheckedKeyFile struct {
	KeyFile
	Database string // fingerprint; empty: the database has no key yet, or there is none
	// RotatingTo is the fingerprint of the key that the database is on its way to;
	// empty: no rotation is unfinished.
	RotatingTo string
}

// Belongs reports whether the database can be used with the key.
func (k CheckedKeyFile) Belongs() bool {
	return k.RotatingTo == "" && (k.Database == "" || k.Database == k.Fingerprint)
}

// CheckKeyFile opens the key file and looks which key the database belongs to.
func (a *App) CheckKeyFile(ctx context.Context) (CheckedKeyFile, error) {
	if err := a.openStoreIfThere(ctx); err != nil {
		return CheckedKeyFile{}, err
	}
	body := keyBody{}
	if a.store != nil {
		var err error
		if body, _, err = a.remembered(ctx); err != nil {
			return CheckedKeyFile{}, err
		}
	}
	path := a.cfg.Keys.File
	key, err := a.readKey()
	if err != nil {
		return CheckedKeyFile{}, errors.Join(keyFault(path, err), body.settled())
	}
	file, err := describe(path, key)
	if err != nil {
		return CheckedKeyFile{}, err
	}
	k := CheckedKeyFile{KeyFile: file, Database: body.Fingerprint}
	if body.Rotation != nil {
		k.RotatingTo = body.Rotation.To
	}
	return k, nil
}

// KeyFileProtection is the input of ProtectKeyFile.
type KeyFileProtection struct {
	File          string // empty: the configured one
	Passphrase    string
	OldPassphrase string // of a file that has one; empty: it must have none
	InPlace       bool
	Output        string    // file to make; empty and not in place: Stdout
	Stdout        io.Writer // gets the file where none is named
}

// ProtectKeyFile writes the key file in the form that a passphrase protects and
// returns the path written, "" for Stdout. Denied: it has a passphrase already,
// or the old one is wrong. Invalid: the new one is too short.
func (a *App) ProtectKeyFile(ctx context.Context, in KeyFileProtection) (string, error) {
	path := in.File
	if path == "" {
		path = a.cfg.Keys.File
	}
	o := local.EncryptOptions{Passphrase: local.Secret(in.Passphrase)}
	if in.OldPassphrase != "" {
		o.Present = func() (string, error) { return in.OldPassphrase, nil }
	}
	switch {
	case in.InPlace:
		entry := audit.Entry{Action: "update", ResourceType: "key_file", ResourceName: path}
		return path, a.audited(ctx, entry, func() error { return keyFault(path, local.EncryptInPlace(path, o)) })
	case in.Output != "":
		return in.Output, keyFault(in.Output, local.EncryptTo(in.Output, path, o))
	default:
		return "", keyFault(path, local.Encrypt(in.Stdout, path, o))
	}
}

// keyFault gives what the key file's room answers its kind. What is left is a
// failure of the file.
func keyFault(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, local.ErrExists):
		return fault.Newf(fault.Exists, "%s already exists. It is not overwritten.", path)
	case errors.Is(err, local.ErrBadKey), errors.Is(err, local.ErrShortPassphrase):
		return fault.New(fault.Invalid, err.Error())
	case errors.Is(err, local.ErrEncrypted), errors.Is(err, local.ErrWrongPassphrase):
		return fault.New(fault.Denied, err.Error())
	case errors.Is(err, local.ErrNeedsPassphrase):
		return &StartError{Message: "the key does not open", Cause: err}
	}
	return err
}
