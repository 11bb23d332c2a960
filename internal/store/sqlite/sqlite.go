// Package sqlite is the embedded store: one SQLite file in WAL mode, flushed
// before a write is acknowledged.
//
// Reads run on four connections beside one writer. Current rows are kept in a
// bounded memory by id, sealed as they are in the file; a write replaces them
// as it commits, and what another process writes empties that memory within
// some twenty milliseconds. One goroutine does all writing: it commits whatever
// has queued up as one transaction, so that writers share a flush.
//
// It keeps what package store promises and knows nothing of keys, policy or
// transports.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/migrations"
)

// DefaultCacheBytes is how much memory current rows may take unless Options say
// otherwise.
const DefaultCacheBytes = 16 << 20

// Options says which file to open and how.
type Options struct {
	Path       string           // of the database; its folder must exist and belong to this program alone
	Log        *slog.Logger     // takes what no caller is told, such as a row that a list leaves out
	Now        func() time.Time // nil: time.Now
	CacheBytes int              // bound of the rows kept in memory; 0: DefaultCacheBytes, less: none are kept
}

// Store is an open database. It is a store.Store.
type Store struct {
	log  *slog.Logger
	now  func() time.Time
	path string

	walkLimit int // of the catalogue; tests lower it

	reads  *readers
	writes *writer
	cache  *cache

	credentials, archived *revisions[credential.Credential]
	blinds                *revisions[blind.Credential]
	services              *revisions[service.Service]
}

var _ store.Store = (*Store)(nil)

// Open opens the database and brings its schema up to date, for which it is
// made if there is none. It returns ErrNewerSchema, before anything is touched,
// if a newer program has written the file, and ErrForeign if the file is some
// other database.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Path == "" || o.Log == nil {
		return nil, errors.New("sqlite: opening a store needs a path and a logger")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	if err := makePrivate(path); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	conn, err := connect(ctx, path)
	if err != nil {
		return nil, wrap(ctx, "opening the store", err)
	}
	m := migration{path: path, steps: migrations.SQLite(), now: o.Now}
	if err := m.apply(ctx, conn); err != nil {
		return nil, errors.Join(wrap(ctx, "opening the store", err), conn.close())
	}
	reads, err := openReaders(path)
	if err != nil {
		return nil, errors.Join(wrap(ctx, "opening the store", err), conn.close())
	}
	s := &Store{log: o.Log, now: o.Now, path: path, walkLimit: walkLimit, reads: reads, cache: newCache(o.CacheBytes)}
	s.writes, err = newWriter(conn, s.cache, s.now, func() (*connection, error) { return connect(context.Background(), path) })
	if err != nil {
		return nil, errors.Join(wrap(ctx, "opening the store", err), reads.close(), conn.close())
	}
	s.credentials = &revisions[credential.Credential]{store: s, space: mainSpace, codec: credentialCodec{}}
	s.blinds = &revisions[blind.Credential]{store: s, space: mainSpace, codec: blindCodec{}}
	s.services = &revisions[service.Service]{store: s, space: mainSpace, codec: serviceCodec{}}
	s.archived = &revisions[credential.Credential]{store: s, space: archiveSpace, codec: credentialCodec{}}
	return s, nil
}

// Credentials reads and writes credentials.
func (s *Store) Credentials() store.Revisions[credential.Credential] { return s.credentials }

// BlindCredentials reads and writes blind credentials.
func (s *Store) BlindCredentials() store.Revisions[blind.Credential] { return s.blinds }

// Services reads and writes services.
func (s *Store) Services() store.Revisions[service.Service] { return s.services }

// ArchivedCredentials reads and writes the permanent archive.
func (s *Store) ArchivedCredentials() store.Revisions[credential.Credential] { return s.archived }

// Documents reads and writes what has no history.
func (s *Store) Documents() store.Documents { return documents{s} }

// Catalogue searches current rows.
func (s *Store) Catalogue() store.Catalogue { return catalogue{s} }

// Ping reads and writes a row. A full disk is an error although reads go on.
func (s *Store) Ping(ctx context.Context) error {
	const what = "asking whether the store answers"
	err := s.query(ctx, "SELECT at FROM probe", func(*sql.Rows) error { return nil })
	if err != nil {
		return wrap(ctx, what, err)
	}
	return s.write(ctx, what, func(t *transaction) error { return t.exec("UPDATE probe SET at = ?", micros(t.now())) })
}

// Close waits for the write under way, refuses those still queued and closes the
// file.
func (s *Store) Close() error {
	return errors.Join(s.reads.close(), s.writes.close())
}

// write has the writer carry out a change and waits until it is on the disk. The
// change may be tried more than once, so it must only depend on what it reads.
func (s *Store) write(ctx context.Context, what string, apply func(*transaction) error) error {
	return wrap(ctx, what, s.writes.do(ctx, apply))
}

// query reads rows and hands each to scan.
func (s *Store) query(ctx context.Context, query string, scan func(*sql.Rows) error, args ...any) error {
	return s.reads.query(ctx, query, scan, args...)
}
