// Package app puts the program together: it opens what the settings ask for and
// hands it to the rooms. It alone names adapters. It decides nothing about
// credentials; what it decides is how the program starts, which key belongs to
// which database, and in which order everything ends.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/envelope"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/policy"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
	"github.com/confidant-secrets/confidant/internal/telemetry"
)

// Options say how Open opens.
type Options struct {
	Lock        maintenance.Mode
	LockTimeout time.Duration
	// Create says that data directory and database may be made; without it they
	// must be there.
	Create bool
	// Key says that the key file is opened; MakeKey that it may be made before,
	// for a database that holds nothing.
	Key, MakeKey bool
	// MendPolicies says that stored policies need not hold.
	MendPolicies bool
	// Operator is the name of whoever gives commands.
	Operator string
	// Passphrase asks for the passphrase of the key file where the settings hold
	// none; nil: nobody can be asked.
	Passphrase func() (string, error)
	// AuditTo gets the audit log where it has no directory.
	AuditTo io.Writer
	Metrics *telemetry.Metrics // nil: nothing is measured
	Log     *slog.Logger
}

// App is what a command works with. What the command did not ask for is nil.
type App struct {
	Operator authz.Caller
	Accounts *account.Accounts
	Policies *policy.Policies

	cfg        *config.Config
	log        *slog.Logger
	passphrase func() (string, error)
	store      store.Store
	table      *dynamo.Store // the same, where it is in DynamoDB
	aws        *aws.Config
	key        *local.File // nil where AWS KMS seals
	madeKey    bool
	atRest     keyring.Keyring
	sealer     *envelope.Sealer
	policy     authz.Policy
	file       *audit.FileLog // nil where the log goes to a stream
	audit      audit.Log      // file or stream, its failures counted
	metrics    *telemetry.Metrics

	closers []func() error
	reloads []reload
}

// How often the server looks for changed accounts, revocations and policies, so
// how long a command that changed them waits before it returns: in its own
// database, and in a table that is asked over the network.
const (
	embeddedPoll = 50 * time.Millisecond
	tablePoll    = 5 * time.Second
)

// Open opens the rooms that a command uses: the data directory and its lock
// (ForData), the store (ForStore), the audit log (ForAudit), and with both of
// these, policies and accounts (ForVault). The error is a *StartError where
// the configuration is to blame and a *maintenance.LockedError where the data
// is in use.
func Open(ctx context.Context, cfg *config.Config, use config.Use, o Options) (*App, error) {
	a := &App{
		cfg: cfg, log: o.Log, passphrase: o.Passphrase, metrics: o.Metrics,
		Operator: authz.Caller{
			Principal: authz.Principal{Type: authz.Operator, Name: o.Operator, Method: "command", Administrator: true},
			Door:      "command",
		},
	}
	if err := a.open(ctx, use, o); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) open(ctx context.Context, use config.Use, o Options) (err error) {
	closeToOthers()
	embedded := a.cfg.Storage.Embedded()
	// A key file is this machine's own, wherever the rows are.
	if use&config.ForData != 0 && use&config.ForKeys == 0 && !embedded && o.Lock == maintenance.Exclusive {
		return fault.New(fault.Invalid, "This command needs the data for itself, which a table in DynamoDB does not give.")
	}
	if use&config.ForData != 0 && a.usesDirectory() {
		if err := prepareDirectory(a.cfg, o.Create); err != nil {
			return err
		}
		a.onClose(a.giveFilesAway)
	}
	if use&config.ForData != 0 && embedded {
		lock, err := maintenance.Acquire(ctx, a.cfg.Storage.DataDir, o.Lock, o.LockTimeout)
		if err != nil {
			return err
		}
		a.onClose(lock.Release)
	}
	if use&config.ForStore != 0 {
		if embedded && !o.Create && !exists(databasePath(a.cfg)) {
			return startError("there is no database in %s; %s", a.cfg.Storage.DataDir, rightPlace)
		}
		if err := a.openStore(ctx); err != nil {
			return err
		}
	}
	if use&config.ForAudit != 0 {
		if err := a.openAudit(o.AuditTo); err != nil {
			return err
		}
	}
	overKMS := a.cfg.Keys.KMSMasterKey != ""
	if o.MakeKey && !overKMS {
		if a.madeKey, err = a.makeKey(ctx); err != nil {
			return err
		}
	}
	if o.Key {
		open := a.openKey
		if overKMS {
			open = a.openKMS
		}
		if err := open(ctx); err != nil {
			return err
		}
		if err := a.openSealer(); err != nil {
			return err
		}
	}
	if a.store != nil && a.audit != nil && use&config.ForVault != 0 {
		if err := a.openAccounts(ctx); err != nil {
			return err
		}
		return a.loadPolicies(ctx, o.MendPolicies)
	}
	return nil
}

// onClose has close called when the App is closed, last opened first.
func (a *App) onClose(close func() error) { a.closers = append(a.closers, close) }

// Close ends everything, in the reverse order of opening.
func (a *App) Close() error {
	var errs []error
	for _, close := range slices.Backward(a.closers) {
		errs = append(errs, close())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// usesDirectory reports whether anything lies in the data directory.
func (a *App) usesDirectory() bool {
	return a.cfg.Storage.Embedded() || a.cfg.Keys.KMSMasterKey == ""
}

func (a *App) openStore(ctx context.Context) error {
	if !a.cfg.Storage.Embedded() {
		return a.openDynamo(ctx)
	}
	if err := a.unfinishedRestore(); err != nil {
		return err
	}
	s, err := sqlite.Open(ctx, sqlite.Options{Path: databasePath(a.cfg), Log: a.log})
	if errors.Is(err, sqlite.ErrNewerSchema) || errors.Is(err, sqlite.ErrForeign) {
		return &StartError{Message: "the database " + databasePath(a.cfg) + " cannot be used", Cause: err}
	}
	if err != nil {
		return err
	}
	a.store = s
	a.onClose(s.Close)
	return nil
}

// openStoreIfThere opens the store unless there is none yet.
func (a *App) openStoreIfThere(ctx context.Context) error {
	if a.cfg.Storage.Embedded() && !exists(databasePath(a.cfg)) {
		return nil
	}
	return a.openStore(ctx)
}

func (a *App) openSealer() (err error) {
	a.sealer, err = envelope.New(envelope.Options{
		Keyring:   a.atRest,
		CacheSize: a.cfg.Keys.DataKeyCacheSize,
		CacheTTL:  a.cfg.Keys.DataKeyCacheTTL,
		Plain:     !a.cfg.Keys.UseEncryption,
		Log:       a.log,
	})
	return err
}

// counter returns what counts one for a metric.
func (a *App) counter(name string) func() {
	return func() {
		if a.metrics != nil {
			a.metrics.Count(name, 1)
		}
	}
}

func (a *App) openAccounts(ctx context.Context) error {
	if err := a.openPolicies(); err != nil {
		return err
	}
	accounts, err := account.New(account.Options{
		Documents:     a.store.Documents(),
		Services:      a.store.Services(),
		Policy:        a.policy,
		Audit:         a.audit,
		AuditFailOpen: a.cfg.Audit.FailOpen,
		Log:           a.log,
		TokenSecret:   a.tokenSecret(),
		Secrets:       a.secrets(),
		AdminUsers:    a.cfg.Login.AdminUsers,
		PollEvery:     poll(a.cfg),
		Follow:        a.Policies.Refresh,
	})
	if err != nil {
		return err
	}
	a.Accounts = accounts
	return accounts.Refresh(ctx)
}

// secrets returns what seals secrets that are not credentials; nil where nothing
// is sealed.
func (a *App) secrets() keyring.Keyring {
	if a.key != nil {
		return a.key.Keyring(local.SlotSecrets)
	}
	return a.atRest // over KMS the one key seals everything, each under a context of its own
}

// Labels of what is derived from the key file. They must never change.
const (
	tokenLabel   = "api-tokens"
	sessionLabel = "sessions"

	derivedSecret = 32 // bytes
)

// tokenSecret returns what the key of API tokens is derived from; nil where the
// key file was not opened and no secret is set.
func (a *App) tokenSecret() []byte {
	if s := a.cfg.Session.APITokenSecret; s.IsSet() {
		return []byte(s.Reveal())
	}
	if a.key == nil {
		return nil
	}
	return a.key.Derive(local.SlotTokens, tokenLabel, derivedSecret)
}

// sessionSecrets returns what the keys of sessions are derived from: the one
// that seals first, then those that still open.
func (a *App) sessionSecrets() [][]byte {
	var all [][]byte
	for _, s := range []config.Secret{a.cfg.Session.Secret, a.cfg.Session.PreviousSecret} {
		if s.IsSet() {
			all = append(all, []byte(s.Reveal()))
		}
	}
	switch {
	case a.cfg.Session.Secret.IsSet():
	case a.key != nil:
		all = append([][]byte{a.key.Derive(local.SlotSecrets, sessionLabel, derivedSecret)}, all...)
	default:
		// Over KMS, where nobody can log in with a browser, no session is made;
		// a key that nobody knows opens none either.
		all = append([][]byte{[]byte(rand.Text() + rand.Text())}, all...)
	}
	return all
}

// storeSettle is how long a server needs to notice that a command wrote to the
// database.
const storeSettle = 25 * time.Millisecond

// settled waits until every server beside this command has noticed what it
// wrote.
func settled(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(storeSettle):
		return nil
	}
}
