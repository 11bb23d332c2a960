package sqlite

import (
	"database/sql"
	"fmt"
	"runtime/debug"
	"time"
)

// transaction is the one under way. Several changes share it; a change that
// fails after it has written is undone alone, by a savepoint that is only set
// where there is something to save.
type transaction struct {
	conn    *connection
	now     func() time.Time
	touched []written // rows for the cache to take up

	dirty   bool // earlier changes have written
	writing bool // this change has written
	saved   bool // behind a savepoint
}

// panicked is a panic of a change, on its way to where the change came from.
type panicked struct {
	value any
	stack []byte
}

// Error tells the panic and where it happened.
func (p *panicked) Error() string { return fmt.Sprintf("%v\n%s", p.value, p.stack) }

// attempt carries out one change. It returns the change's own result, or as
// second an error that befell the whole transaction.
func (t *transaction) attempt(apply func(*transaction) error) (result, fatal error) {
	touched := len(t.touched)
	result = t.guarded(apply)
	if isStorage(result) {
		return nil, result // SQLite may have undone everything
	}
	if result != nil {
		t.touched = t.touched[:touched]
		fatal = t.undo()
	} else if t.saved {
		fatal = t.plain("RELEASE change")
	}
	t.dirty = t.dirty || t.writing && result == nil
	t.writing, t.saved = false, false
	return result, fatal
}

func (t *transaction) guarded(apply func(*transaction) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, debug.Stack()}
		}
	}()
	return apply(t)
}

// undo takes back what this change has written. Without a savepoint that is
// everything there is.
func (t *transaction) undo() error {
	if !t.writing {
		return nil
	}
	statements := []string{"ROLLBACK", "BEGIN IMMEDIATE"}
	if t.saved {
		statements = []string{"ROLLBACK TO change", "RELEASE change"}
	}
	for _, statement := range statements {
		if err := t.plain(statement); err != nil {
			return err
		}
	}
	return nil
}

// commit returns when what was written is on the disk.
func (t *transaction) commit() error {
	if !t.dirty {
		return t.plain("ROLLBACK")
	}
	return t.plain("COMMIT")
}

// rollback ends the transaction if it is still open; after some errors SQLite has
// ended it already.
func (t *transaction) rollback() { _ = t.plain("ROLLBACK") }

func (t *transaction) plain(statement string) error {
	_, err := t.conn.exec(statement)
	return err
}

// run executes a statement that writes.
func (t *transaction) run(query string, args ...any) (sql.Result, error) {
	if !t.writing {
		if t.dirty {
			if err := t.plain("SAVEPOINT change"); err != nil {
				return nil, err
			}
			t.saved = true
		}
		t.writing = true
	}
	return t.conn.exec(query, args...)
}

// exec is run where nobody asks for the result.
func (t *transaction) exec(query string, args ...any) error {
	_, err := t.run(query, args...)
	return err
}

// count is run and returns how many rows were written.
func (t *transaction) count(query string, args ...any) (int, error) {
	result, err := t.run(query, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// row scans the one row of a query and reports whether there was one.
func (t *transaction) row(query string, args []any, dest ...any) (bool, error) {
	return t.conn.row(query, args, dest...)
}

// exists reports whether a query finds a row.
func (t *transaction) exists(query string, args ...any) (bool, error) {
	var one int
	return t.conn.row(query, args, &one)
}

// each hands the rows of a query to scan. What scan writes must not change what
// the query is reading.
func (t *transaction) each(query string, args []any, scan func(*sql.Rows) error) error {
	return t.conn.each(query, args, scan)
}

// touch tells what the cache is to hold of a current row once this is committed,
// or with nil to forget what it holds.
func (t *transaction) touch(key cacheKey, row any, size int) {
	t.touched = append(t.touched, written{key, row, size})
}
