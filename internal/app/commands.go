package app

import (
	"context"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/store"
)

// CreateTables makes the database, or brings it to this version's form, or makes
// the tables in DynamoDB, and returns where they are.
func (a *App) CreateTables(ctx context.Context) (string, error) {
	path := databasePath(a.cfg)
	if !a.cfg.Storage.Embedded() {
		path, a.makeTables = a.where(), true
	}
	return path, a.audited(ctx, audit.Entry{Action: "create", ResourceType: "store", ResourceName: path}, func() error {
		return a.openStore(ctx)
	})
}

// Reindex rebuilds name claims and mappings.
func (a *App) Reindex(ctx context.Context, progress func(done, total int)) (store.ReindexReport, error) {
	var report store.ReindexReport
	err := a.audited(ctx, audit.Entry{Action: "update", ResourceType: "store", ResourceName: "index"}, func() (err error) {
		report, err = a.store.Reindex(ctx, progress)
		return err
	})
	if err == nil {
		err = settled(ctx)
	}
	return report, err
}

// Check finds what stored data holds against the rules.
func (a *App) Check(ctx context.Context) (maintenance.Findings, error) {
	return maintenance.Check(ctx, a.store, a.sealer)
}
