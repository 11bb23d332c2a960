package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver of the index
)

const (
	indexName = "index.db"
	// indexVersion is raised when the tables change; an index of another
	// version is built anew.
	indexVersion = 2
)

// IndexOptions say how an index is kept.
type IndexOptions struct {
	Dir      string        // of the log
	Interval time.Duration // between two looks at the log; 0: 500 ms
	Log      *slog.Logger  // nil: silent
}

// Index makes a log in a directory searchable. It is a SQLite file beside the
// segments that a goroutine fills from them, behind the writers' back and
// without holding them up; it may be deleted at any time and is then built anew.
//
// It does not know single records: neighbouring ones form a block, and the
// index knows which words (a user, a resource, an action) occur in which block.
// A query reads the blocks that hold all its words and looks at their records
// itself. So the index stays a few hundredths of the log's size and costs next
// to nothing while thousands of records a second come in.
//
// It remembers the head of the log as it last saw it, and only once the disk
// has that record. A head that the log later no longer shows is kept for
// Verify: it proves that the end was cut off or written anew.
type Index struct {
	dir  string
	log  *slog.Logger
	db   *sql.DB
	stop context.CancelFunc
	done sync.WaitGroup

	mu   sync.Mutex    // one round at a time
	last []segmentSize // as the last round found them
}

// OpenIndex opens the index of a log, or begins one, and follows the log until
// Close is called.
func OpenIndex(ctx context.Context, o IndexOptions) (*Index, error) {
	if o.Dir == "" {
		return nil, errors.New("the audit index needs a directory")
	}
	if o.Interval == 0 {
		o.Interval = 500 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	path := filepath.Join(o.Dir, indexName)
	db, err := openIndex(ctx, path)
	if damaged(err) {
		o.Log.Warn("the audit index is damaged and built anew", "error", err)
		for _, end := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(path + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("remove the damaged audit index: %w", err)
			}
		}
		db, err = openIndex(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	x := &Index{dir: o.Dir, log: o.Log, db: db, stop: stop}
	x.done.Go(func() { x.follow(following, o.Interval) })
	return x, nil
}

// Close ends following and closes the file.
func (x *Index) Close() error {
	x.stop()
	x.done.Wait()
	return x.db.Close()
}

func (x *Index) follow(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	failing := ""
	for {
		err := x.Refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failing = ""
		case err.Error() != failing:
			failing = err.Error()
			x.log.Warn("the audit index does not follow the log", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

const indexTables = `
CREATE TABLE IF NOT EXISTS segment (
	ordinal INTEGER PRIMARY KEY,
	name    TEXT NOT NULL,
	inode   INTEGER NOT NULL,         -- a rotation puts another file in its place
	indexed INTEGER NOT NULL          -- bytes
);
CREATE TABLE IF NOT EXISTS block (
	first   INTEGER PRIMARY KEY,      -- number of its first record
	last    INTEGER NOT NULL,
	ordinal INTEGER NOT NULL,         -- of its segment
	start   INTEGER NOT NULL,         -- offset
	end     INTEGER NOT NULL,
	oldest  INTEGER NOT NULL,         -- earliest date, Unix microseconds
	newest  INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS block_by_segment ON block (ordinal);
CREATE TABLE IF NOT EXISTS term (
	term  TEXT NOT NULL,              -- a letter for the member, then its value
	block INTEGER NOT NULL,
	PRIMARY KEY (term, block)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS head (
	number INTEGER NOT NULL,
	hash   TEXT NOT NULL,
	lost   INTEGER NOT NULL,          -- 1: the log no longer shows it
	PRIMARY KEY (number, hash)
);
`

func openIndex(ctx context.Context, path string) (*sql.DB, error) {
	// SQLite would make it readable for all.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create the audit index: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("create the audit index: %w", err)
	}
	db, err := sql.Open("sqlite", indexURL(path)+
		"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=cache_size(-1024)")
	if err != nil {
		return nil, fmt.Errorf("open the audit index: %w", err)
	}
	db.SetMaxOpenConns(3)
	if err := createIndex(ctx, db); err != nil {
		db.Close()
		return nil, fmt.Errorf("open the audit index: %w", err)
	}
	return db, nil
}

func createIndex(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	script := indexTables
	if version != indexVersion {
		script = `DROP TABLE IF EXISTS segment; DROP TABLE IF EXISTS block; DROP TABLE IF EXISTS term;` + indexTables +
			fmt.Sprintf(`PRAGMA user_version = %d`, indexVersion)
	}
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	return tx.Commit()
}

func indexURL(path string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath()
}

// damaged reports whether an error says that the file is no sound database.
func damaged(err error) bool {
	var code interface{ Code() int }
	if !errors.As(err, &code) {
		return false
	}
	const corrupt, notADatabase = 11, 26
	primary := code.Code() & 0xff
	return primary == corrupt || primary == notADatabase
}

// readHeads returns the heads that the index of a log remembers. An index that
// is not there or cannot be read is no error.
func readHeads(ctx context.Context, dir string) ([]head, IndexState, error) {
	path := filepath.Join(dir, indexName)
	if _, err := os.Stat(path); err != nil {
		return nil, IndexAbsent, nil
	}
	heads, err := queryHeads(ctx, path)
	switch {
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case err != nil:
		return nil, IndexUnreadable, nil
	}
	return heads, IndexAgrees, nil
}

func queryHeads(ctx context.Context, path string) ([]head, error) {
	db, err := sql.Open("sqlite", indexURL(path)+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `SELECT number, hash FROM head`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var heads []head
	for rows.Next() {
		var number uint64
		var hash string
		if err := rows.Scan(&number, &hash); err != nil {
			return nil, err
		}
		h, err := parseHead(number, hash)
		if err != nil {
			return nil, err
		}
		heads = append(heads, h)
	}
	return heads, rows.Err()
}

func parseHead(number uint64, hash string) (head, error) {
	h := head{number: number}
	if len(hash) != len(h.hash) || !readDigest(&h.hash, []byte(hash)) {
		return head{}, fmt.Errorf("the head %d in the audit index has no hash", number)
	}
	return h, nil
}

// The letters that terms begin with.
const (
	termUser     = "u"
	termType     = "t"
	termResource = "r" // id or name
	termAction   = "a"
	termFailure  = "f" // with no value
)

// termsOf collects the terms of one entry.
func termsOf(body []byte, into map[string]struct{}, scratch *[]byte) {
	add := func(letter string, value []byte) {
		b := append(append((*scratch)[:0], letter...), value...)
		*scratch = b
		if _, ok := into[string(b)]; !ok { // this look-up does not allocate
			into[string(b)] = struct{}{}
		}
	}
	members(body, func(name, value []byte) bool {
		switch string(name) {
		case "action":
			add(termAction, text(value))
		case "success":
			if string(value) != "true" {
				add(termFailure, nil)
			}
		case "user":
			add(termUser, text(value))
		case "resource_type":
			add(termType, text(value))
		case "resource_id", "resource_name":
			add(termResource, text(value))
		}
		return true
	})
}
