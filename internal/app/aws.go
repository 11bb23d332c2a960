package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/confidant-secrets/confidant/internal/authn/kmsauth"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/awsclient"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/keyring/awskms"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
)

// awsConfig returns region and access, read once.
func (a *App) awsConfig(ctx context.Context) (aws.Config, error) {
	if a.aws != nil {
		return *a.aws, nil
	}
	if err := a.cfg.PassToSDK(); err != nil {
		return aws.Config{}, err
	}
	c, err := awsclient.Config(ctx, a.cfg.Storage.Region)
	if err != nil {
		return aws.Config{}, &StartError{Message: "AWS", Cause: err}
	}
	a.aws = &c
	return c, nil
}

func (a *App) dynamoClient(ctx context.Context) (*dynamodb.Client, error) {
	c, err := a.awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	set := a.cfg.Storage
	return awsclient.DynamoDB(c, awsclient.Options{
		Endpoint:       set.DynamoURL,
		ConnectTimeout: time.Duration(set.DynamoConnectTimeout) * time.Second,
		ReadTimeout:    time.Duration(set.DynamoReadTimeout) * time.Second,
		Connections:    set.DynamoPool,
	}), nil
}

func (a *App) openDynamo(ctx context.Context) error {
	client, err := a.dynamoClient(ctx)
	if err != nil {
		return err
	}
	set := a.cfg.Storage
	if set.DynamoCreateTable {
		made, err := dynamo.CreateTables(ctx, client, dynamo.Capacity{}, set.DynamoTable, set.DynamoArchive)
		var schema *dynamo.SchemaError
		if errors.As(err, &schema) {
			return &StartError{Message: "DYNAMODB_TABLE", Cause: err}
		}
		if err != nil {
			return err
		}
		for _, name := range made {
			a.log.Info("made a table", "table", name)
		}
	}
	s, err := dynamo.Open(ctx, dynamo.Options{
		Client: client, Table: set.DynamoTable, ArchiveTable: set.DynamoArchive, CacheTTL: set.DynamoCacheTTL, Log: a.log,
	})
	if err != nil {
		return fmt.Errorf("opening the table %s: %w", set.DynamoTable, err)
	}
	a.store, a.table = s, s
	a.onClose(s.Close)
	return nil
}

// Between looks at an index that could not be completed, and lines that tell how
// far it is.
const (
	reindexAgain = 30 * time.Second
	reindexTell  = 10 * time.Second
)

// completeIndex builds name claims and mappings of an older table in the
// background, while the server serves from the index. It may be cut short and
// goes on at the next start.
func (a *App) completeIndex(ctx context.Context) {
	if a.table == nil || a.table.Indexed() {
		return
	}
	a.background(ctx, func(ctx context.Context) {
		for a.tryIndex(ctx) != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(reindexAgain):
			}
		}
	})
}

// readAhead fills the catalogue of a table in the background, so that the first
// search does not wait for it.
func (a *App) readAhead(ctx context.Context) {
	if a.table == nil {
		return
	}
	a.background(ctx, func(ctx context.Context) {
		if _, err := a.store.Catalogue().Find(ctx, store.Query{Limit: 1}); err != nil && ctx.Err() == nil {
			a.log.Warn("what searches need was not read ahead; the first search reads it", "error", err)
		}
	})
}

func (a *App) tryIndex(ctx context.Context) error {
	a.log.Info("building name claims and mappings of an older table; until then lists answer for them")
	told := time.Now()
	report, err := a.table.Reindex(ctx, func(done, total int) {
		if time.Since(told) >= reindexTell {
			told = time.Now()
			a.log.Info("building name claims and mappings", "done", done, "of", total)
		}
	})
	if err != nil {
		if ctx.Err() == nil {
			a.log.Warn("name claims and mappings are not complete; trying again", "error", err)
		}
		return err
	}
	a.log.Info("name claims and mappings are complete", "claims", report.Claims, "mappings", report.Mappings, "changed", len(report.Changed))
	return nil
}

// openKMS opens the key service that seals in place of the key file.
func (a *App) openKMS(ctx context.Context) error {
	client, err := a.kmsClient(ctx)
	if err != nil {
		return err
	}
	a.atRest, err = awskms.New(client, a.cfg.Keys.KMSMasterKey, a.counter("at_rest_action"))
	return err
}

func (a *App) kmsClient(ctx context.Context) (*kms.Client, error) {
	c, err := a.awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	set := a.cfg.KMSAuth
	return awsclient.KMS(c, awsclient.Options{
		Endpoint:       set.URL,
		ConnectTimeout: time.Duration(set.ConnectTimeout) * time.Second,
		ReadTimeout:    time.Duration(set.ReadTimeout) * time.Second,
		Connections:    set.MaxPoolConnections,
	}), nil
}

// kmsTokens returns what checks tokens made with KMS; nil where no key is
// configured for them. allow is asked before one is opened that is not known.
func (a *App) kmsTokens(ctx context.Context, allow func(*http.Request) error) (*kmsauth.Authenticator, error) {
	set := a.cfg.KMSAuth
	if !set.Enabled() {
		return nil, nil
	}
	o := kmsauth.Options{
		To: set.Context, Key: set.Key, UserKey: set.UserKey, Scoped: set.ScopedKeys,
		MinVersion: set.MinVersion, MaxVersion: set.MaxVersion,
		MaxLifetime: time.Duration(set.MaxLifetime) * time.Minute, CacheSize: set.TokenCacheSize,
		Allow: allow, Log: a.log, Metrics: a.metrics,
	}
	for _, kind := range set.UserTypes {
		o.Types = append(o.Types, authz.PrincipalType(kind))
	}
	if set.Local() {
		o.Service = kmsauth.Local{Keyring: a.key.Keyring(local.SlotTokens)}
		return kmsauth.New(o)
	}
	client, err := a.kmsClient(ctx)
	if err != nil {
		return nil, err
	}
	o.Service = kmsauth.KMS{Client: client}
	return kmsauth.New(o)
}

// where names the place of the data, for people.
func (a *App) where() string {
	set := a.cfg.Storage
	if set.Embedded() {
		return absolute(set.DataDir)
	}
	place := "DynamoDB table " + set.DynamoTable
	if u, err := url.Parse(set.DynamoURL); err == nil && u.Host != "" {
		place += " at " + u.Host
	}
	return place
}

// poll is how often accounts and revocations are looked up.
func poll(cfg *config.Config) time.Duration {
	if cfg.Storage.Embedded() {
		return embeddedPoll
	}
	return tablePoll
}
