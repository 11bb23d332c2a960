package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	codes "modernc.org/sqlite/lib"

	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/migrations"
)

// ErrDamaged says that a file is no whole database.
var ErrDamaged = errors.New("the database file is damaged")

// Contents counts what a database holds.
type Contents struct {
	Credentials      int `json:"credentials"`
	Archived         int `json:"archived"`
	BlindCredentials int `json:"blind_credentials"`
	Services         int `json:"services"`
}

// Copy is a database file that no process writes to, such as a snapshot. It is
// only read: neither the file nor its folder is touched.
type Copy struct {
	db       *sql.DB
	schema   int
	contents Contents
}

// OpenCopy opens a copy and checks it whole. It returns ErrDamaged,
// ErrForeign, or ErrNewerSchema if a newer program has written it.
func OpenCopy(ctx context.Context, path string) (*Copy, error) {
	known, err := migration{steps: migrations.SQLite()}.read()
	if err != nil {
		return nil, err
	}
	// Immutable: no lock is taken and no file is made beside this one.
	db, err := sql.Open("sqlite", dataSource(path)+"&mode=ro&immutable=1")
	if err != nil {
		return nil, err
	}
	c := &Copy{db: db}
	if err := c.check(ctx, len(known)); err != nil {
		switch resultCode(err) {
		case codes.SQLITE_NOTADB, codes.SQLITE_CORRUPT, codes.SQLITE_ERROR: // the last: there is no such table
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, errors.Join(fmt.Errorf("looking into the database: %w", err), db.Close())
	}
	return c, nil
}

func (c *Copy) check(ctx context.Context, known int) error {
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	c.schema, err = schemaVersion(ctx, &connection{conn: conn})
	switch {
	case err != nil:
		return err
	case c.schema == 0:
		return fmt.Errorf("%w: it is empty", ErrForeign)
	case c.schema > known:
		return fmt.Errorf("schema %d, this version knows %d: %w", c.schema, known, ErrNewerSchema)
	}
	var verdict string
	if err := conn.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, verdict)
	}
	for query, dest := range map[string]*int{
		"SELECT count(*) FROM current WHERE noun = '" + string(credentialNoun) + "'": &c.contents.Credentials,
		"SELECT count(*) FROM archive_current":                                       &c.contents.Archived,
		"SELECT count(*) FROM current WHERE noun = '" + string(blindNoun) + "'":      &c.contents.BlindCredentials,
		"SELECT count(*) FROM current WHERE noun = '" + string(serviceNoun) + "'":    &c.contents.Services,
	} {
		if err := conn.QueryRowContext(ctx, query).Scan(dest); err != nil {
			return err
		}
	}
	return nil
}

// Schema returns the version of the schema.
func (c *Copy) Schema() int { return c.schema }

// Contents tells how much it holds.
func (c *Copy) Contents() Contents { return c.contents }

// Document returns a document, expired or not. store.ErrNotFound: there is none.
func (c *Copy) Document(ctx context.Context, kind, id string) (json.RawMessage, error) {
	var body string
	err := c.db.QueryRowContext(ctx, "SELECT body FROM document WHERE kind = ? AND id = ?", kind, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	return json.RawMessage(body), wrap(ctx, "reading a document", err)
}

// Close closes the file.
func (c *Copy) Close() error { return c.db.Close() }
