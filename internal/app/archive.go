package app

import (
	"context"
	"errors"
	"time"

	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// CheckArchive returns a *StartError where the settings name no archive.
func CheckArchive(cfg *config.Config) error {
	if !cfg.Storage.Embedded() && cfg.Storage.DynamoArchive == "" {
		return startError("DYNAMODB_TABLE_ARCHIVE is not configured; without it there is no archive over DynamoDB")
	}
	return nil
}

// Archiver returns what archives and restores in the operator's name, where the
// settings name an archive. It needs no key: what is sealed stays sealed.
func (a *App) Archiver() (*maintenance.Archiver, error) {
	room, err := vault.New(vault.Dependencies{
		Store:    a.store,
		Sealer:   unopened{},
		Policy:   a.policy,
		Audit:    a.audit,
		Events:   event.Discard, // there is none for what no service maps
		ReadOnly: a.Maintained,
		Log:      a.log,
		Rules:    a.rules(),
	})
	if err != nil {
		return nil, err
	}
	return &maintenance.Archiver{Store: a.store, Vault: room, Caller: a.Operator, Now: time.Now}, nil
}

// Maintained reports whether a server with these settings refuses changes now.
func (a *App) Maintained() bool {
	set := a.cfg.Behaviour
	return maintenance.NewSwitch(set.MaintenanceMode, set.MaintenanceTouchFile, a.log).On()
}

// Settled waits until every server beside this command has noticed what it
// wrote.
func (a *App) Settled(ctx context.Context) error { return settled(ctx) }

// unopened is the sealer of commands that have no key.
type unopened struct{}

var errUnopened = errors.New("this command does not open what is sealed")

func (unopened) Seal(context.Context, string, []byte) (sealed.Value, error) {
	return sealed.Value{}, errUnopened
}

func (unopened) Open(context.Context, string, sealed.Value) ([]byte, error) { return nil, errUnopened }
