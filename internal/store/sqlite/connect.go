package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"

	_ "modernc.org/sqlite" // the driver
)

const (
	// readerCount is how many reads go on at once.
	readerCount = 4
	// Page caches, in KiB. Writing touches a page in each of a dozen trees.
	readerCacheKiB = 2 << 10
	writerCacheKiB = 8 << 10
	// checkpointPages is how long the write-ahead log grows before it is written
	// back: long enough that pages written again and again go back once.
	checkpointPages = 4000
	// walLimit is what is left of the write-ahead log after a burst, in bytes.
	walLimit = 32 << 20
	// preparedLimit bounds the statements kept prepared. There are some dozens in
	// use; searches that combine everything could make thousands.
	preparedLimit = 128
)

// dataSource names the file with what every connection needs.
func dataSource(path string, pragmas ...string) string {
	values := url.Values{"_pragma": append([]string{"busy_timeout(10000)"}, pragmas...)}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: values.Encode()}).String()
}

// makePrivate creates an absent database file with the mode it should have, so
// that its siblings get that mode too. It never opens an existing file: closing
// any descriptor of it would drop this process's locks.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// keepPrivate takes other people's rights from the files of an older database.
func keepPrivate(path string) error {
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			if err := os.Chmod(name, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// connection is the one connection that writes, with its prepared statements.
// It is used by one goroutine at a time.
type connection struct {
	db       *sql.DB
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

func connect(ctx context.Context, path string) (*connection, error) {
	db, err := sql.Open("sqlite", dataSource(path, "synchronous(FULL)", fmt.Sprintf("wal_autocheckpoint(%d)", checkpointPages),
		fmt.Sprintf("cache_size(-%d)", writerCacheKiB), fmt.Sprintf("journal_size_limit(%d)", walLimit)))
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &connection{db: db, conn: conn, prepared: map[string]*sql.Stmt{}}, nil
}

// close closes the statements first: while one is open, SQLite keeps the
// connection, and with it its locks.
func (c *connection) close() error {
	c.unprepare()
	return errors.Join(c.conn.Close(), c.db.Close())
}

// doNotWait has SQLite say at once that another process holds the lock, for the
// writer waits by itself.
func (c *connection) doNotWait() error {
	_, err := c.exec("PRAGMA busy_timeout = 0")
	return err
}

// stmt prepares a statement once. Statements of the writer run to their end,
// whatever becomes of their caller: what interrupts one undoes others' writes.
func (c *connection) stmt(query string) (*sql.Stmt, error) {
	if stmt := c.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := c.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	c.prepared[query] = stmt
	return stmt, nil
}

// trim closes the prepared statements if they have become too many. None may be
// in use.
func (c *connection) trim() {
	if len(c.prepared) >= preparedLimit {
		c.unprepare()
	}
}

func (c *connection) unprepare() {
	for query, stmt := range c.prepared {
		stmt.Close() // fails only with its connection
		delete(c.prepared, query)
	}
}

func (c *connection) exec(query string, args ...any) (sql.Result, error) {
	stmt, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(context.Background(), args...)
}

// row scans the one row of a query and reports whether there was one.
func (c *connection) row(query string, args []any, dest ...any) (bool, error) {
	stmt, err := c.stmt(query)
	if err != nil {
		return false, err
	}
	err = stmt.QueryRowContext(context.Background(), args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// each hands the rows of a query to scan.
func (c *connection) each(query string, args []any, scan func(*sql.Rows) error) error {
	stmt, err := c.stmt(query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	return scanAll(rows, err, scan)
}

// readers are the connections that only read.
type readers struct {
	db       *sql.DB
	closed   atomic.Bool
	mu       sync.Mutex
	prepared map[string]*prepared
}

// prepared is a statement that readers share.
type prepared struct {
	*sql.Stmt
	users   int
	dropped bool // closed by its last user
}

func openReaders(path string) (*readers, error) {
	db, err := sql.Open("sqlite", dataSource(path, fmt.Sprintf("cache_size(-%d)", readerCacheKiB), "query_only(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readerCount)
	db.SetMaxIdleConns(readerCount)
	return &readers{db: db, prepared: map[string]*prepared{}}, nil
}

func (r *readers) close() error {
	r.closed.Store(true)
	return r.db.Close()
}

// acquire returns the statement of a query, prepared at its first use.
func (r *readers) acquire(ctx context.Context, query string) (*prepared, error) {
	r.mu.Lock()
	p := r.prepared[query]
	if p != nil {
		p.users++
	}
	r.mu.Unlock()
	if p != nil {
		return p, nil
	}
	stmt, err := r.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p = &prepared{Stmt: stmt, users: 1}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prepared[query] != nil { // another goroutine prepared it meanwhile
		p.dropped = true
		return p, nil
	}
	if len(r.prepared) >= preparedLimit {
		r.dropAll()
	}
	r.prepared[query] = p
	return p, nil
}

func (r *readers) dropAll() {
	for query, p := range r.prepared {
		p.dropped = true
		if p.users == 0 {
			p.Close() // fails only with its connections
		}
		delete(r.prepared, query)
	}
}

func (r *readers) release(p *prepared) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.users--; p.users == 0 && p.dropped {
		p.Close() // fails only with its connections
	}
}

// query hands the rows of a query to scan.
func (r *readers) query(ctx context.Context, query string, scan func(*sql.Rows) error, args ...any) error {
	p, err := r.acquire(ctx, query)
	if err == nil {
		var rows *sql.Rows
		rows, err = p.QueryContext(ctx, args...)
		err = scanAll(rows, err, scan)
		r.release(p)
	}
	if err != nil && r.closed.Load() {
		return errClosed
	}
	return err
}

// scanAll hands each row to scan and sees to the end of the rows.
func scanAll(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close() // its error is that of Err
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
