package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
	"github.com/confidant-secrets/confidant/internal/maintenance/backup"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

// NewBackup is the input of CreateBackup.
type NewBackup struct {
	Dir       string   // empty: "backup" in the data directory
	ConfigDir string   // empty: that of the configuration file, if there is one
	Exclude   []string // patterns for files of the configuration
	WithKey   bool
	Version   string        // of the program
	Wait      time.Duration // for another backup that is being written
	Warn      func(format string, args ...any)
	Progress  func(done, total int)
}

// CreateBackup writes a backup. The store and the audit log must be open.
// Denied: there is no key file to put into it.
func (a *App) CreateBackup(ctx context.Context, in NewBackup) (made backup.Made, err error) {
	if in.Dir == "" {
		in.Dir = backupDir(a.cfg)
	}
	if in.ConfigDir == "" {
		in.ConfigDir = configDir(a.cfg.File())
	}
	if in.WithKey && (a.cfg.Keys.KMSMasterKey != "" || !exists(a.cfg.Keys.File)) {
		return backup.Made{}, fault.New(fault.Denied, "There is no key file to put into the backup.")
	}
	host, err := os.Hostname()
	if err != nil {
		return backup.Made{}, fmt.Errorf("asking for the name of this machine: %w", err)
	}
	leaveOut := []string{in.Dir, a.cfg.Storage.DataDir, backupDir(a.cfg)}
	if a.cfg.Audit.Dir != "" {
		leaveOut = append(leaveOut, a.cfg.Audit.Dir)
	}
	source := backup.Source{
		Snapshot:  a.snapshot,
		AuditDir:  a.cfg.Audit.Dir,
		ConfigDir: in.ConfigDir,
		Exclude:   append(slices.Clone(in.Exclude), "*"+rotatingSuffix, "*"+keptSuffix+"*"), // of no use to this backup
		LeaveOut:  leaveOut,
		KeyFile:   a.cfg.Keys.File,
		WithKey:   in.WithKey,
		Version:   in.Version,
		Host:      host,
		Now:       time.Now,
		Wait:      in.Wait,
		Warn:      in.Warn,
		Progress:  in.Progress,
	}
	entry := audit.Entry{
		Action: "create", ResourceType: "backup", ResourceName: in.Dir,
		Info: map[string]any{"enckey": in.WithKey, "configuration": in.ConfigDir != ""},
	}
	err = a.audited(ctx, entry, func() error {
		made, err = backup.Create(ctx, in.Dir, source)
		return err
	})
	return made, err
}

// configDir returns the directory of a configuration file; "" without one.
func configDir(file string) string {
	if file == "" {
		return ""
	}
	return filepath.Dir(file)
}

func (a *App) snapshot(ctx context.Context, path string) (backup.Database, error) {
	s, ok := a.store.(*sqlite.Store)
	if !ok {
		return backup.Database{}, fault.New(fault.Invalid, "Use the table's own backups.")
	}
	if err := s.Snapshot(ctx, path); err != nil {
		return backup.Database{}, err
	}
	return describeDatabase(ctx, path)
}

// describeDatabase looks into a database file that nobody writes to and checks
// it whole.
func describeDatabase(ctx context.Context, path string) (d backup.Database, err error) {
	c, err := sqlite.OpenCopy(ctx, path)
	switch {
	case errors.Is(err, sqlite.ErrNewerSchema):
		return d, &StartError{Message: "the database in the backup cannot be used", Cause: err}
	case errors.Is(err, sqlite.ErrDamaged), errors.Is(err, sqlite.ErrForeign):
		return d, fault.Newf(fault.Denied, "This is no good backup: %v.", err)
	case err != nil:
		return d, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	d = backup.Database{Engine: "sqlite", Schema: c.Schema(), Items: backup.Items(c.Contents())}
	body, err := c.Document(ctx, kindKey, idKey)
	if errors.Is(err, store.ErrNotFound) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	key := keyBody{}
	if err := json.Unmarshal(body, &key); err != nil {
		return d, fault.New(fault.Denied, "This is no good backup: its database does not say which key it belongs to.")
	}
	if key.Rotation != nil {
		return d, fault.New(fault.Denied, `A rotation of the key is unfinished in this database; "confidant setup rotate-enckey" finishes it.`)
	}
	d.Fingerprint = key.Fingerprint
	return d, nil
}

// VerifyBackup checks a backup from its file alone. Denied: it is none, or
// damaged.
func VerifyBackup(ctx context.Context, file string, progress func(done, total int)) (m backup.Manifest, err error) {
	closeToOthers()
	dir, err := os.MkdirTemp("", "confidant-verify-")
	if err != nil {
		return backup.Manifest{}, fmt.Errorf("making room to look into the database: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	database := filepath.Join(dir, databaseFile)
	if m, err = backup.Read(ctx, file, database, progress); err != nil {
		return backup.Manifest{}, err
	}
	return m, matches(ctx, database, m)
}

// matches holds the database of a backup to its manifest.
func matches(ctx context.Context, database string, m backup.Manifest) error {
	found, err := describeDatabase(ctx, database)
	if err != nil {
		return err
	}
	if found != m.Database {
		return fault.New(fault.Denied, "This is no good backup: its database is not the one that the manifest describes.")
	}
	return nil
}

// Restoration is the input of RestoreBackup.
type Restoration struct {
	File      string
	ConfigDir string // empty: that of the configuration file, if there is one
	// KeepConfig leaves the configuration alone, KeepKey takes no key from the
	// backup, Force takes a backup of another key.
	KeepConfig, KeepKey, Force bool
	// Confirm is shown what is about to happen; an error ends it.
	Confirm  func(RestorationPlan) error
	AuditTo  io.Writer // gets the audit log where it has no directory
	Warn     func(format string, args ...any)
	Progress func(done, total int)
}

// RestorationPlan says what a restore is about to do.
type RestorationPlan struct {
	Manifest backup.Manifest
	Replaces []string // files that are moved aside
	Key      KeyOrigin
	Log      bool // the backup's log becomes the log
}

// KeyOrigin says where the key comes from that the database will be used with.
type KeyOrigin string

// The origins of the key.
const (
	KeyPresent  KeyOrigin = "present"  // it is in place, or in AWS KMS
	KeyRestored KeyOrigin = "restored" // it comes from the backup
	KeyMissing  KeyOrigin = "missing"  // it has to be put back by hand
)

// Restored is what RestoreBackup did.
type Restored struct {
	RestorationPlan
	Begun bool     // anything was changed, be it undone again
	Aside []string // where the old files are now
}

// unfinishedRestore refuses data that a restore was moving when it was killed.
func (a *App) unfinishedRestore() error {
	if !backup.Unfinished(a.cfg.Storage.DataDir) {
		return nil
	}
	return startError(`a restore was interrupted in %s; run "confidant backup restore" with the same file again`, a.cfg.Storage.DataDir)
}

// RestoreBackup puts a backup back. The data must be locked for this process
// alone, and neither the store nor the audit log be open. Denied: it is no whole
// backup, or one of another key. Until Restored.Begun everything stays as it was,
// and the context may end it; from there on it does not stop half way.
func (a *App) RestoreBackup(ctx context.Context, in Restoration) (done Restored, err error) {
	found, undone, err := backup.Recover(a.cfg.Storage.DataDir)
	if err != nil {
		return Restored{}, err
	}
	if found && undone {
		in.Warn("an earlier restore was interrupted; it is undone")
	}
	target := a.restoreTarget(in)
	staged, err := backup.Stage(ctx, in.File, target, time.Now, in.Progress)
	if err != nil {
		return Restored{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, staged.Discard())
		}
	}()
	if done.RestorationPlan, err = a.plan(ctx, staged, target, in); err != nil {
		return Restored{}, err
	}
	if err := in.Confirm(done.RestorationPlan); err != nil {
		return Restored{}, err
	}
	if err := ctx.Err(); err != nil {
		return Restored{}, err
	}
	ctx, done.Begun = context.WithoutCancel(ctx), true
	if err := staged.PlaceLog(); err != nil {
		return done, err
	}
	if err := a.openAudit(in.AuditTo); err != nil {
		return done, err
	}
	entry := audit.Entry{
		Action: "update", ResourceType: "store", ResourceName: target.Database,
		Info: map[string]any{"restored_from": filepath.Base(in.File), "backup_created": staged.Manifest.Created.Format(time.RFC3339)},
	}
	var sessionsEnd time.Time
	err = a.audited(ctx, entry, func() error {
		if sessionsEnd, err = a.keepRevoked(ctx, staged.Database(), in.Warn); err != nil {
			return err
		}
		done.Aside, err = staged.Swap()
		return err
	})
	if err != nil {
		return done, err
	}
	// A session that begins in the second of the restore would be refused.
	time.Sleep(time.Until(sessionsEnd))
	return done, nil
}

func (a *App) restoreTarget(in Restoration) backup.Target {
	t := backup.Target{
		DataDir:  a.cfg.Storage.DataDir,
		Database: databasePath(a.cfg),
		AuditDir: a.cfg.Audit.Dir,
	}
	if !in.KeepConfig {
		if t.ConfigDir = in.ConfigDir; t.ConfigDir == "" {
			t.ConfigDir = configDir(a.cfg.File())
		}
	}
	if !in.KeepKey && a.cfg.Keys.KMSMasterKey == "" {
		t.KeyFile = a.cfg.Keys.File
	}
	return t
}

// plan judges what was unpacked and says what will be done with it.
func (a *App) plan(ctx context.Context, staged *backup.Staged, t backup.Target, in Restoration) (p RestorationPlan, err error) {
	if err := matches(ctx, staged.Database(), staged.Manifest); err != nil {
		return p, err
	}
	p = RestorationPlan{Manifest: staged.Manifest, Log: staged.Log()}
	if p.Replaces, err = staged.Replaces(); err != nil {
		return p, err
	}
	if !in.KeepConfig && t.ConfigDir == "" && staged.Manifest.Configuration() > 0 {
		in.Warn("the backup holds configuration, but there is no directory for it here; --target-config names one")
	}
	p.Key, err = a.keyOf(staged)
	if in.Force && err != nil {
		in.Warn("%v", err)
		err = nil
	}
	return p, err
}

// keyOf finds the key that the restored database will be used with and refuses a
// wrong one.
func (a *App) keyOf(staged *backup.Staged) (KeyOrigin, error) {
	belongs := staged.Manifest.Fingerprint
	if a.cfg.Keys.KMSMasterKey != "" {
		if belongs != "" {
			return KeyPresent, fault.Newf(fault.Denied, "The backup belongs to the key file %s, but KMS_MASTER_KEY is set.", belongs)
		}
		return KeyPresent, nil
	}
	origin, path := KeyPresent, a.cfg.Keys.File
	switch {
	case staged.Key() != "":
		origin, path = KeyRestored, staged.Key()
	case !exists(path):
		return KeyMissing, nil
	}
	if belongs == "" {
		return origin, nil
	}
	cfg := *a.cfg
	cfg.Keys.File = path
	key, err := (&App{cfg: &cfg, passphrase: a.passphrase}).readKey()
	if errors.Is(err, local.ErrNeedsPassphrase) {
		return origin, &StartError{Message: "whether the key belongs to the backup cannot be told", Cause: err}
	}
	if err != nil {
		return origin, fault.Newf(fault.Denied, "The key does not open: %v.", err)
	}
	if key.Fingerprint() != belongs {
		return origin, fault.Newf(fault.Denied, "The key has the fingerprint %s, but the backup belongs to the key %s; --force puts it back all the same.",
			key.Fingerprint(), belongs)
	}
	return origin, nil
}

// keepRevoked carries over to a database that is put back what was revoked since
// it was copied, and ends all sessions. It returns the moment before which
// sessions are refused.
func (a *App) keepRevoked(ctx context.Context, path string, warn func(string, ...any)) (moment time.Time, err error) {
	restored, err := sqlite.Open(ctx, sqlite.Options{Path: path, Log: a.log})
	if err != nil {
		return moment, err
	}
	defer func() { err = errors.Join(err, restored.Close()) }()
	if !exists(databasePath(a.cfg)) {
		return account.Restored(ctx, restored.Documents(), nil, time.Now())
	}
	present, err := sqlite.Open(ctx, sqlite.Options{Path: databasePath(a.cfg), Log: a.log})
	if err != nil {
		warn("the present database does not open, so what was revoked since the backup is not known: %v", err)
		return account.Restored(ctx, restored.Documents(), nil, time.Now())
	}
	defer func() { err = errors.Join(err, present.Close()) }()
	return account.Restored(ctx, restored.Documents(), present.Documents(), time.Now())
}
