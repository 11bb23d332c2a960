package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// applicationID marks the file as ours in its header: "cfdt".
const applicationID = 0x63666474

var (
	// ErrNewerSchema says that a newer program has written the file. An older
	// one must not touch it.
	ErrNewerSchema = errors.New("the database was written by a newer version of this program")

	// ErrForeign says that the file is a database of some other program.
	ErrForeign = errors.New("the database is not one of this program")
)

// migration brings the schema of one file up to date. The version of a schema is
// the number of steps applied, kept as SQLite's user_version.
type migration struct {
	path  string
	steps fs.FS // "0001_*.sql" and on, without a gap
	now   func() time.Time
}

// apply applies the steps that are missing, all in one transaction. Before it
// changes what an older program wrote, it keeps a copy beside the file, named
// "<file>.before-<version>-<time>". A file that it refuses it leaves as it is.
func (m migration) apply(ctx context.Context, c *connection) error {
	steps, err := m.read()
	if err != nil {
		return err
	}
	version, err := schemaVersion(ctx, c)
	if err != nil {
		return err
	}
	if version > len(steps) {
		return fmt.Errorf("schema %d, this version knows %d: %w", version, len(steps), ErrNewerSchema)
	}
	if _, err := c.conn.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	if err := keepPrivate(m.path); err != nil {
		return err
	}
	if version == len(steps) {
		return nil
	}
	if version > 0 {
		copyName := fmt.Sprintf("%s.before-%d-%s", m.path, version, m.now().UTC().Format("20060102T150405Z"))
		if err := snapshot(ctx, m.path, copyName); err != nil {
			return fmt.Errorf("keeping a copy before the schema changes: %w", err)
		}
	}
	return m.applyIn(ctx, c, steps)
}

func (m migration) read() ([]string, error) {
	names, err := fs.Glob(m.steps, "*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	steps := make([]string, len(names))
	for i, name := range names {
		if number, err := strconv.Atoi(name[:min(4, len(name))]); err != nil || number != i+1 {
			return nil, fmt.Errorf("migration %s stands where number %04d should", name, i+1)
		}
		text, err := fs.ReadFile(m.steps, name)
		if err != nil {
			return nil, err
		}
		steps[i] = string(text)
	}
	return steps, nil
}

// applyIn asks for the version again under the write lock: another process may
// have done it all meanwhile.
func (m migration) applyIn(ctx context.Context, c *connection, steps []string) error {
	if _, err := c.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := func() error {
		version, err := schemaVersion(ctx, c)
		if err != nil {
			return err
		}
		for i := version; i < len(steps); i++ {
			if _, err := c.conn.ExecContext(ctx, steps[i]); err != nil {
				return fmt.Errorf("migration %04d: %w", i+1, err)
			}
		}
		pragmas := fmt.Sprintf("PRAGMA user_version = %d; PRAGMA application_id = %d", len(steps), applicationID)
		if _, err := c.conn.ExecContext(ctx, pragmas); err != nil {
			return err
		}
		_, err = c.conn.ExecContext(ctx, "COMMIT")
		return err
	}()
	if err != nil {
		_, rollback := c.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return errors.Join(err, rollback)
	}
	return nil
}

// schemaVersion returns 0 for an empty file.
func schemaVersion(ctx context.Context, c *connection) (int, error) {
	var version, application, tables int
	for query, dest := range map[string]*int{
		"PRAGMA user_version":                &version,
		"PRAGMA application_id":              &application,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := c.conn.QueryRowContext(ctx, query).Scan(dest); err != nil {
			return 0, err
		}
	}
	if application != applicationID && (application != 0 || version != 0 || tables != 0) {
		return 0, ErrForeign
	}
	return version, nil
}

// Snapshot writes a consistent, compact copy of the database as it is now, while
// others go on reading and writing. The file must not exist; it comes out
// readable by its owner alone and flushed.
func (s *Store) Snapshot(ctx context.Context, path string) error {
	return wrap(ctx, "copying the store", snapshot(ctx, s.path, path))
}

func snapshot(ctx context.Context, from, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(copyInto(ctx, from, to), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func copyInto(ctx context.Context, from, to string) error {
	db, err := sql.Open("sqlite", dataSource(from))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	return errors.Join(err, db.Close())
}
