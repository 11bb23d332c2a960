package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/store"
)

// rotationBody is what the document of the key says while a rotation is under
// way. From the moment it stands there no server takes the database:
//
//	new key file beside the old one -> document names both keys
//	-> data keys, seeds and bootstrap blob are wrapped anew
//	-> old key file gets a second name -> new one takes the first
//	-> document names the new key alone
//
// Each step can be repeated, so a run that finds the document like this does all
// of them again.
type rotationBody struct {
	To   string `json:"to"`   // fingerprint
	Kept string `json:"kept"` // name that the old key file gets, beside the new one
}

// KeyRotation is the input of RotateKey.
type KeyRotation struct {
	// Passphrase is that of the new key file; empty: the one of the old.
	Passphrase string
	// BackupDir is where a fresh backup must be; empty: "backup" in the data
	// directory. NoBackup does without one.
	BackupDir string
	NoBackup  bool
	// Confirm is shown what is about to happen; an error ends it.
	Confirm func(KeyRotationPlan) error
	// Checking is told how much of the backup is read, Progress how many data keys
	// are done; a total of 0 is not known.
	Checking, Progress func(done, total int)

	reached func(point string) // tests stop here
}

// KeyRotationPlan says what a rotation is about to do.
type KeyRotationPlan struct {
	File    string
	From    string // fingerprint
	Resumed bool   // an earlier run was interrupted
	Alone   bool   // no server can be at work on the data
}

// KeyRotated is what RotateKey did.
type KeyRotated struct {
	KeyFile            // the new one
	From      string   // fingerprint of the old key
	Kept      string   // where the old key file is
	Begun     bool     // the document names both keys, or did
	DataKeys  int      // under the new key; while the work goes on, those that were visited
	Seeds     int      // likewise
	Refused   []string // what neither key opens; it is as it was
	Bootstrap string   // file with the bootstrap blob under the new key; empty: there was none to wrap anew
	// Reprotected says that the new file has another passphrase than the settings
	// hold.
	Reprotected bool
}

// RotateKey puts a new key file in the place of the present one and wraps anew
// whatever the old one wrapped; what is sealed stays as it is. The store and the
// audit log must be open, an embedded database for this process alone. A run that
// was cut short is finished by the next one, and nothing else uses the database
// until then.
//
// Denied: there is no fresh backup. Invalid: there is no key file to rotate, or
// the passphrase is not fit.
func (a *App) RotateKey(ctx context.Context, in KeyRotation) (done KeyRotated, err error) {
	if a.cfg.Keys.KMSMasterKey != "" {
		return done, fault.New(fault.Invalid, "This command is for the key file. KMS_MASTER_KEY is set, and a key in AWS KMS is rotated there.")
	}
	if in.reached == nil {
		in.reached = func(string) {}
	}
	r, err := a.newRotation(ctx, in)
	if err != nil {
		return done, err
	}
	if err := a.bootstrapOpens(ctx, r); err != nil {
		return done, err
	}
	if !r.resumed && !in.NoBackup {
		if err := a.freshBackup(ctx, in, r.old.Fingerprint()); err != nil {
			return done, err
		}
	}
	plan := KeyRotationPlan{File: r.path, From: r.old.Fingerprint(), Resumed: r.resumed, Alone: a.table == nil}
	if err := in.Confirm(plan); err != nil {
		return done, err
	}
	entry := audit.Entry{
		Action: "update", ResourceType: "key_file", ResourceName: r.path,
		Info: map[string]any{"rotated_from": r.old.Fingerprint(), "resumed": r.resumed},
	}
	// Cancelled, it ends where the next run goes on, and that is recorded.
	err = a.audited(context.WithoutCancel(ctx), entry, func() error {
		if a.table == nil {
			return r.run(ctx, &done)
		}
		return maintenance.Alone(ctx, a.store.Documents(), a.Operator.Name, time.Now, func(ctx context.Context) error {
			return r.run(ctx, &done)
		})
	})
	return done, err
}

// run carries out all steps.
func (r *rotation) run(ctx context.Context, done *KeyRotated) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	whole := context.WithoutCancel(ctx)
	done.From, done.Begun = r.old.Fingerprint(), r.resumed
	if err := r.begin(whole); err != nil {
		return err
	}
	done.Begun, done.Kept = true, r.kept
	if err := r.rewrap(ctx, done); err != nil {
		return err
	}
	if done.Bootstrap, err = r.rewrapBootstrap(whole); err != nil {
		return err
	}
	r.in.reached("bootstrap blob wrapped anew")
	if err := r.placeFiles(); err != nil {
		return err
	}
	if _, err := r.app.remember(whole, keyBody{Fingerprint: r.new.Fingerprint()}, r.version); err != nil {
		return err
	}
	r.in.reached("document settled")
	done.Reprotected = r.reprotected()
	done.KeyFile, err = describe(r.path, r.new)
	return err
}

// begin makes the new key file and has the document name both keys.
func (r *rotation) begin(ctx context.Context) (err error) {
	if r.resumed {
		return nil
	}
	if r.new, err = r.newFile(); err != nil {
		return err
	}
	r.in.reached("new key file written")
	body := keyBody{Fingerprint: r.old.Fingerprint(), Rotation: &rotationBody{To: r.new.Fingerprint(), Kept: filepath.Base(r.kept)}}
	if r.version, err = r.app.remember(ctx, body, r.version); err != nil {
		return err
	}
	r.in.reached("document names both keys")
	return nil
}

// rewrap wraps anew what is in the store.
func (r *rotation) rewrap(ctx context.Context, done *KeyRotated) (err error) {
	rewrapper := local.NewRewrapper(local.SlotData, r.old, r.new)
	refused := map[string]bool{} // a row may be visited more than once
	change := func(k store.WrappedKey) []byte {
		again, err := rewrapper.Rewrap(ctx, k.Wrapped, keyring.Context{"id": k.ID})
		name, place := k.Key, "main store"
		if k.Archived {
			name, place = k.Key+" in the archive", "archive"
		}
		if err != nil { // neither key opens it, which is all that can go wrong
			refused[name] = true
		}
		r.in.reached("within a batch of the " + place)
		return again
	}
	defer func() { done.Refused = slices.Sorted(maps.Keys(refused)) }()
	report, err := r.app.store.RewrapDataKeys(ctx, change, func(visited, total int) {
		r.in.reached("between batches")
		if r.in.Progress != nil {
			r.in.Progress(visited, total)
		}
	})
	done.DataKeys = report.Visited - len(refused)
	if err != nil {
		return err
	}
	r.in.reached("data keys wrapped anew")
	secrets := local.NewRewrapper(local.SlotSecrets, r.old, r.new)
	seeds, err := account.Rewrap(ctx, r.app.store.Documents(), func(ctx context.Context, wrapped []byte, ec keyring.Context) ([]byte, error) {
		defer r.in.reached("among the seeds")
		return secrets.Rewrap(ctx, wrapped, ec)
	})
	done.Seeds = seeds.Visited - len(seeds.Refused)
	for _, name := range seeds.Refused {
		refused["the one-time codes of account "+name] = true
	}
	if err != nil {
		return err
	}
	r.in.reached("seeds wrapped anew")
	return ctx.Err()
}

// placeFiles keeps the old key file under its second name and puts the new one
// in its place.
func (r *rotation) placeFiles() error {
	if r.placed {
		return nil
	}
	err := local.Keep(r.path, r.kept)
	if errors.Is(err, local.ErrExists) {
		return fault.Newf(fault.Exists, "The old key file would be kept as %s, but something else bears that name; move it away.", r.kept)
	}
	if err != nil {
		return err
	}
	r.in.reached("old key file kept")
	if err := local.Replace(r.path, r.next); err != nil {
		return err
	}
	r.in.reached("new key file in place")
	return nil
}

// freshBackup refuses unless there is a whole backup of this database's key from
// within the last hour.
func (a *App) freshBackup(ctx context.Context, in KeyRotation, fingerprint string) error {
	const fresh = time.Hour
	if a.table != nil {
		return fault.New(fault.Denied, "Make a backup of the table first, then give --no-backup.")
	}
	dir := in.BackupDir
	if dir == "" {
		dir = backupDir(a.cfg)
	}
	file, err := newestBackup(dir)
	if err != nil {
		return fmt.Errorf("looking for a backup: %w", err)
	}
	missing := fault.Newf(fault.Denied,
		`There is no backup of the last hour in %s; make one with "confidant backup create", or give --no-backup.`, dir)
	if file == "" {
		return missing
	}
	m, err := VerifyBackup(ctx, file, in.Checking)
	if err != nil {
		return fmt.Errorf("checking %s: %w", file, err)
	}
	if age := time.Since(m.Created); age > fresh || age < -fresh {
		return missing
	}
	if m.Fingerprint != fingerprint {
		return fault.Newf(fault.Denied, "The backup %s belongs to another key, %s; make one of this database, or give --no-backup.", file, m.Fingerprint)
	}
	return nil
}
