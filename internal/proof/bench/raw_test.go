package bench

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// raw does with SQLite alone what a change of a credential has to do at least:
// one transaction, flushed, that adds the new revision and points the current
// row at it, on the tables and indexes of the program. It is what a change is
// held against.
type raw struct {
	db     *sql.DB
	conn   *sql.Conn
	insert *sql.Stmt
	move   *sql.Stmt

	// beside, if not nil, gets a line with each change, which is flushed while the
	// transaction is: what a record of the change costs at least.
	beside *os.File

	id       string
	row      []any
	revision int
	at       map[string]int // column -> place in row
}

// openRaw opens a database of the program that nobody else uses and takes the
// credential's newest revision as the pattern of those it will add.
func openRaw(t *testing.T, path, id string) *raw {
	t.Helper()
	ctx := t.Context()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		t.Fatal(err)
	}
	r := &raw{db: db, id: id, at: map[string]int{}}
	t.Cleanup(func() {
		if err := errors.Join(r.conn.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	if r.conn, err = db.Conn(ctx); err != nil {
		t.Fatal(err)
	}
	rows, err := r.conn.QueryContext(ctx, `SELECT * FROM history WHERE id = ? ORDER BY revision DESC LIMIT 1`, id)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	r.row = make([]any, len(columns))
	targets := make([]any, len(columns))
	for i := range columns {
		r.at[columns[i]] = i
		targets[i] = &r.row[i]
	}
	if !rows.Next() {
		t.Fatalf("credential %s has no revision: %v", id, rows.Err())
	}
	if err := rows.Scan(targets...); err != nil {
		t.Fatal(err)
	}
	r.revision = int(r.row[r.at["revision"]].(int64))
	r.row[r.at["number"]] = nil // the next one
	marks := strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",")
	if r.insert, err = r.conn.PrepareContext(ctx, `INSERT INTO history VALUES (`+marks+`)`); err != nil {
		t.Fatal(err)
	}
	if r.move, err = r.conn.PrepareContext(ctx, `UPDATE current SET revision = ?, content = last_insert_rowid(), modified = ?, rotated = ? WHERE id = ?`); err != nil {
		t.Fatal(err)
	}
	return r
}

// write makes one change, with its line if there is to be one.
func (r *raw) write(ctx context.Context) error {
	if r.beside == nil {
		return r.transact(ctx)
	}
	flushed := make(chan error, 1)
	go func() {
		_, err := r.beside.Write(recordLine)
		flushed <- errors.Join(err, r.beside.Sync())
	}()
	err := r.transact(ctx)
	return errors.Join(err, <-flushed)
}

// recordLine is about as long as an audit record.
var recordLine = append(bytes.Repeat([]byte("x"), 500), '\n')

func (r *raw) transact(ctx context.Context) error {
	tx, err := r.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	r.revision++
	now := time.Now().UnixMicro()
	r.row[r.at["revision"]], r.row[r.at["modified"]], r.row[r.at["last_rotation"]] = r.revision, now, now
	if _, err := tx.StmtContext(ctx, r.insert).ExecContext(ctx, r.row...); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	moved, err := tx.StmtContext(ctx, r.move).ExecContext(ctx, r.revision, now, now, r.id)
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if n, err := moved.RowsAffected(); err != nil || n != 1 {
		return errors.Join(fmt.Errorf("%d current rows moved, want 1", n), err, tx.Rollback())
	}
	return tx.Commit()
}

// run writes until the window is over.
func (r *raw) run(ctx context.Context, window time.Duration) (rate, error) {
	began := time.Now()
	for n := 0; ; n++ {
		if elapsed := time.Since(began); elapsed >= window {
			return rate{n, elapsed}, nil
		}
		if err := r.write(ctx); err != nil {
			return rate{}, err
		}
	}
}
