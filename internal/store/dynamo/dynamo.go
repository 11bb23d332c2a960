// Package dynamo keeps everything in DynamoDB, in the tables, rows and index of
// the older service, so that both can read one table. What it adds lies beside:
// documents under keys that start with "doc/", which the older service never
// asks for.
//
// Every write is a TransactWriteItems, every revisioned write a single one; only
// the rewriting of older forms, which changes nothing that is read, is none.
// Nothing decides on the index, which lags; it serves lists and, until claims
// and mappings are built over an older table, hints that are then verified.
package dynamo

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Options say where the rows are.
type Options struct {
	Client       *dynamodb.Client
	Table        string
	ArchiveTable string        // empty: nothing can be archived
	CacheTTL     time.Duration // how long a current row may be served from memory; 0: never
	Log          *slog.Logger
	Now          func() time.Time // nil: time.Now
}

// Store is the DynamoDB store.
type Store struct {
	client *dynamodb.Client
	table  string
	log    *slog.Logger
	now    func() time.Time

	credentials *revisions[credential.Credential]
	blinds      *revisions[blind.Credential]
	services    *revisions[service.Service]
	archived    *revisions[credential.Credential]
	documents   *documents
	catalogue   *catalogue

	indexed atomic.Bool  // see Indexed
	looked  atomic.Int64 // when the marker was last looked for, in nanoseconds

	background context.Context // of work that outlives the call that began it
	stop       func()
	work       sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// Open connects to existing tables; CreateTables makes them. It reads the
// marker that says whether claims and mappings are complete.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Client == nil || o.Table == "" || o.Log == nil {
		return nil, errors.New("dynamo: client, table and log are needed")
	}
	if o.Table == o.ArchiveTable {
		return nil, errors.New("the archive table must be another than the main table")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{client: o.Client, table: o.Table, log: o.Log, now: o.Now}
	s.background, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.documents = &documents{store: s}
	s.credentials = newRevisions(s, o.Table, credentialNoun(), o.CacheTTL)
	s.blinds = newRevisions(s, o.Table, blindNoun(), o.CacheTTL)
	s.services = newRevisions(s, o.Table, serviceNoun(), o.CacheTTL)
	if o.ArchiveTable != "" {
		s.archived = newRevisions(s, o.ArchiveTable, credentialNoun(), 0)
		s.archived.archive = true
	}
	s.catalogue = newCatalogue(s)
	if err := s.readMarker(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// Credentials returns the current credentials and their history.
func (s *Store) Credentials() store.Revisions[credential.Credential] { return s.credentials }

// BlindCredentials returns the current blind credentials and their history.
func (s *Store) BlindCredentials() store.Revisions[blind.Credential] { return s.blinds }

// Services returns the current services and their history.
func (s *Store) Services() store.Revisions[service.Service] { return s.services }

// ArchivedCredentials returns the permanent archive, or nil.
func (s *Store) ArchivedCredentials() store.Revisions[credential.Credential] {
	if s.archived == nil {
		return nil
	}
	return s.archived
}

// Documents returns what has no history.
func (s *Store) Documents() store.Documents { return s.documents }

// Catalogue returns the search over current rows.
func (s *Store) Catalogue() store.Catalogue { return s.catalogue }

// Ping reads a key that does not exist, which costs as little as a read can. It
// is not tried again: who asks wants to know how things are now.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(s.table), Key: key("doc/ping/ping")})
	return wrap(ctx, "reading the table", err)
}

// Close ends the work in the background and waits for it.
func (s *Store) Close() error {
	s.catalogue.close()
	s.work.Wait()
	return nil
}

func key(id string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{attrID: text(id)}
}
