package app

import (
	"context"
	"errors"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
)

// Capacity is provisioned throughput of a table in DynamoDB and its index; the
// zero value means to pay per request.
type Capacity = dynamo.Capacity

// Tables is what CreateTables found or made.
type Tables struct {
	Place string   // of the data, for people
	Made  []string // names of the tables that were made in DynamoDB
}

// CheckTable returns a *StartError where the settings name no table in DynamoDB.
func CheckTable(cfg *config.Config) error {
	if cfg.Storage.Embedded() {
		return startError("DYNAMODB_TABLE is not set; without it the data is in SQLite")
	}
	return nil
}

// CreateTables makes the database, or brings it to this version's form, or makes
// the tables in DynamoDB that are missing and checks the others. Denied: a table
// is not laid out as it must be.
func (a *App) CreateTables(ctx context.Context, c Capacity) (Tables, error) {
	t := Tables{Place: databasePath(a.cfg), Made: []string{}}
	work := a.openStore
	switch {
	case !a.cfg.Storage.Embedded():
		t.Place = a.where()
		work = func(ctx context.Context) (err error) {
			t.Made, err = a.createDynamoTables(ctx, c)
			return err
		}
	case c != (Capacity{}):
		return t, fault.New(fault.Invalid, "There is capacity to provision in DynamoDB alone.")
	}
	err := a.audited(ctx, audit.Entry{Action: "create", ResourceType: "store", ResourceName: t.Place}, func() error {
		return work(ctx)
	})
	return t, err
}

func (a *App) createDynamoTables(ctx context.Context, c Capacity) ([]string, error) {
	client, err := a.dynamoClient(ctx)
	if err != nil {
		return nil, err
	}
	set := a.cfg.Storage
	made, err := dynamo.CreateTables(ctx, client, c, set.DynamoTable, set.DynamoArchive)
	var schema *dynamo.SchemaError
	if errors.As(err, &schema) {
		return made, fault.New(fault.Denied, schema.Error())
	}
	return append([]string{}, made...), err
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
