package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
)

// What stands beside the key file during a rotation, and after it.
const (
	rotatingSuffix = ".rotating"         // the new key file until it takes its place
	keptSuffix     = ".before-rotation-" // the old one, with the time
)

// rotation is one run: the two keys, their files and how far earlier runs came.
type rotation struct {
	app     *App
	in      KeyRotation
	version int  // of the document of the key
	resumed bool // the document named both keys when this run began
	placed  bool // the new file was in place by then

	path, next, kept string
	old, new         *local.File // new is nil until it is made
	present          string      // passphrase that the settings hold or somebody typed
	asked            bool
}

// newRotation reads how far an earlier run came, and opens the keys.
func (a *App) newRotation(ctx context.Context, in KeyRotation) (*rotation, error) {
	path, err := filepath.EvalSymlinks(a.cfg.Keys.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, startError("the key file %s is missing; put it back from a copy, or name its place with ENCKEY_FILE", a.cfg.Keys.File)
	}
	if err != nil {
		return nil, err
	}
	body, version, err := a.remembered(ctx)
	if err != nil {
		return nil, err
	}
	r := &rotation{app: a, in: in, version: version, path: path, next: path + rotatingSuffix, kept: freeName(path + keptSuffix + time.Now().UTC().Format("20060102-150405"))}
	if body.Rotation != nil {
		r.resumed, r.kept = true, filepath.Join(filepath.Dir(path), body.Rotation.Kept)
	}
	present, err := r.open(path)
	if err != nil {
		return nil, err
	}
	switch {
	case r.resumed && present.Fingerprint() == body.Rotation.To:
		r.new, r.placed = present, true
		r.old, err = r.openAs(r.kept, body.Fingerprint)
	case body.Fingerprint != "" && present.Fingerprint() != body.Fingerprint:
		err = a.wrongKey(present, body.Fingerprint)
	case r.resumed:
		r.old = present
		r.new, err = r.openAs(r.next, body.Rotation.To)
	default:
		r.old = present
		err = r.fits()
	}
	return r, err
}

// fits judges the passphrase given for a new file.
func (r *rotation) fits() error {
	if r.in.Passphrase != "" && !r.old.Encrypted() {
		return fault.New(fault.Invalid, `The key file has no passphrase, so the new one gets none either; "confidant setup encrypt-enckey" protects it.`)
	}
	return nil
}

// open opens one of the files, by the present passphrase or the new one.
func (r *rotation) open(path string) (*local.File, error) {
	f, err := local.Open(path, r.presentPassphrase)
	if r.in.Passphrase != "" && (errors.Is(err, local.ErrWrongPassphrase) || errors.Is(err, local.ErrNeedsPassphrase)) {
		f, err = local.Open(path, func() (string, error) { return r.in.Passphrase, nil })
	}
	return f, keyFault(path, err)
}

// presentPassphrase asks once.
func (r *rotation) presentPassphrase() (string, error) {
	if r.asked {
		return r.present, nil
	}
	ask := r.app.passphrase
	if s := r.app.cfg.Keys.Passphrase; s.IsSet() {
		ask = func() (string, error) { return s.Reveal(), nil }
	}
	if ask == nil {
		return "", nil
	}
	var err error
	r.present, err = ask()
	r.asked = err == nil
	return r.present, err
}

// openAs opens a file that an earlier run left and that must hold a certain key.
func (r *rotation) openAs(path, fingerprint string) (*local.File, error) {
	f, err := r.open(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && f.Fingerprint() != fingerprint {
		return nil, startError("a rotation of the key is unfinished, and the file %s with the key %s is missing; put it back", path, fingerprint)
	}
	return f, err
}

// newFile makes the new key file in the form of the old one. One that a run left
// which came no further was never used, and serves as well.
func (r *rotation) newFile() (*local.File, error) {
	o := local.CreateOptions{}
	if r.old.Encrypted() {
		o.Passphrase = local.Secret(r.in.Passphrase)
		if o.Passphrase == "" {
			o.Passphrase = local.Secret(r.present)
		}
	}
	f, err := local.Create(r.next, o)
	if !errors.Is(err, local.ErrExists) {
		return f, keyFault(r.next, err)
	}
	f, err = local.Open(r.next, func() (string, error) { return string(o.Passphrase), nil })
	if err != nil || f.Encrypted() != r.old.Encrypted() || f.Fingerprint() == r.old.Fingerprint() {
		return nil, fault.Newf(fault.Exists, "%s is in the way and cannot be used; nothing belongs to it, so move it away.", r.next)
	}
	return f, nil
}

// reprotected reports whether the settings do not open the new file.
func (r *rotation) reprotected() bool {
	return r.new.Encrypted() && r.in.Passphrase != "" && r.in.Passphrase != r.present
}

// wrappedBootstrap returns the bootstrap blob of the settings and its wrapped data
// key; nil if there is none.
func (r *rotation) wrappedBootstrap() (blob *bootstrapBlob, wrapped []byte, err error) {
	set := r.app.cfg.Keys.Bootstrap
	if !set.IsSet() {
		return nil, nil, nil
	}
	blob, wrapped, err = readBootstrap(set.Reveal(), r.app.log)
	if err != nil {
		err = &StartError{Message: "SECRETS_BOOTSTRAP", Cause: err}
	}
	return blob, wrapped, err
}

// bootstrapOpens refuses to begin where the bootstrap blob opens under no key: it
// would not open afterwards either.
func (a *App) bootstrapOpens(ctx context.Context, r *rotation) error {
	_, wrapped, err := r.wrappedBootstrap()
	if err != nil || wrapped == nil {
		return err
	}
	for _, f := range []*local.File{r.new, r.old} {
		if f == nil {
			continue
		}
		var key []byte
		key, err = f.Keyring(local.SlotData).Unwrap(ctx, wrapped, bootstrapContext())
		clear(key)
		if err == nil {
			return nil
		}
	}
	return &StartError{Message: "SECRETS_BOOTSTRAP", Cause: err}
}

// rewrapBootstrap writes the bootstrap blob under the new key to a file beside the
// key file and returns its path; "" if there is nothing to wrap anew.
func (r *rotation) rewrapBootstrap(ctx context.Context) (string, error) {
	blob, wrapped, err := r.wrappedBootstrap()
	if err != nil || blob == nil {
		return "", err
	}
	again, err := local.NewRewrapper(local.SlotData, r.old, r.new).Rewrap(ctx, wrapped, bootstrapContext())
	if err != nil {
		return "", &StartError{Message: "SECRETS_BOOTSTRAP", Cause: err}
	}
	if again == nil {
		return "", nil // the settings hold the new one already
	}
	text, err := bootstrapBlob{base64.StdEncoding.EncodeToString(again), blob.Secrets}.text()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(r.path), "bootstrap."+r.new.Fingerprint()+".json")
	// An earlier run wrote the same, unless the blob was changed since.
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, text) {
		return path, nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return path, PlaceBootstrap(path, text)
}

func backupDir(cfg *config.Config) string { return filepath.Join(cfg.Storage.DataDir, "backup") }

// newestBackup returns the newest of the backups in a directory, by the time that
// their names tell; "" if there is none.
func newestBackup(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "confidant-backup-*.tgz"))
	if err != nil || len(found) == 0 {
		return "", err
	}
	return slices.Max(found), nil
}
