package audit

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	blockRecords = 256       // records in a block, at most
	blockBytes   = 128 << 10 // bytes after which a block is full
	roundBytes   = 8 << 20   // bytes indexed in one transaction, about
)

// segmentSize is a segment as it stood at one moment.
type segmentSize struct {
	segment
	inode uint64
	size  int64
}

// errReplaced says that a rotation replaced a segment since its size was looked
// at.
var errReplaced = errors.New("an audit segment was replaced")

// Refresh brings the index up to what the log holds now.
func (x *Index) Refresh(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	now, err := segmentSizes(x.dir)
	if err != nil {
		return err
	}
	for more := !slices.Equal(now, x.last); more; {
		more, err = x.round(ctx, now)
		if errors.Is(err, errReplaced) {
			more = true
			now, err = segmentSizes(x.dir)
		}
		if err != nil {
			return fmt.Errorf("bring the audit index up to date: %w", err)
		}
	}
	x.last = now
	return nil
}

// segmentSizes looks at the segments between two batches.
func segmentSizes(dir string) (list []segmentSize, err error) {
	err = shared(dir, func() error {
		segments, err := listSegments(dir)
		if err != nil {
			return err
		}
		for _, s := range segments {
			var st unix.Stat_t
			if err := unix.Stat(filepath.Join(dir, s.name()), &st); err != nil {
				return fmt.Errorf("look at an audit segment: %w", err)
			}
			list = append(list, segmentSize{s, st.Ino, st.Size})
		}
		return nil
	})
	return list, err
}

// round indexes some of what is new in one transaction and reports whether
// there is more. Where the index stands is read from it each time: another
// process may follow the same log.
func (x *Index) round(ctx context.Context, now []segmentSize) (more bool, err error) {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	r := indexing{ctx: ctx, tx: tx, dir: x.dir}
	if err := r.loadHead(); err != nil {
		return false, err
	}
	indexed, err := r.indexed(now)
	if err != nil {
		return false, err
	}
	for i, s := range now {
		if from := indexed[s.ordinal]; from < s.size {
			if err := r.segment(s, from, i == len(now)-1); err != nil {
				return false, err
			}
		}
		if r.bytes >= roundBytes {
			more = true
			break
		}
	}
	if !more {
		if err := r.checkEnd(); err != nil {
			return false, err
		}
	}
	if err := r.saveHead(); err != nil {
		return false, err
	}
	if err := tx.Commit(); err != nil {
		return false, err
	}
	for _, h := range r.lost {
		x.log.Error("the audit log no longer shows a record that the index remembers", "record", h.number)
	}
	return more, nil
}

// indexing is one transaction of the index under way.
type indexing struct {
	ctx   context.Context
	tx    *sql.Tx
	dir   string
	head  head
	lost  []head
	bytes int64
}

func (r *indexing) exec(query string, args ...any) error {
	_, err := r.tx.ExecContext(r.ctx, query, args...)
	return err
}

func (r *indexing) loadHead() error {
	var number uint64
	var hash string
	err := r.tx.QueryRowContext(r.ctx, `SELECT number, hash FROM head WHERE lost = 0`).Scan(&number, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	r.head, err = parseHead(number, hash)
	return err
}

func (r *indexing) saveHead() error {
	for _, h := range r.lost {
		if err := r.exec(`INSERT OR REPLACE INTO head VALUES (?, ?, 1)`, h.number, string(h.hash[:])); err != nil {
			return err
		}
	}
	if err := r.exec(`DELETE FROM head WHERE lost = 0`); err != nil || r.head.number == 0 {
		return err
	}
	return r.exec(`INSERT OR IGNORE INTO head VALUES (?, ?, 0)`, r.head.number, string(r.head.hash[:]))
}

// indexed returns how far each segment is indexed, and forgets those that are
// gone or were rewritten.
func (r *indexing) indexed(now []segmentSize) (map[uint64]int64, error) {
	rows, err := r.tx.QueryContext(r.ctx, `SELECT ordinal, name, inode, indexed FROM segment`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	done := make(map[uint64]int64)
	var stale []uint64
	for rows.Next() {
		var ordinal, inode uint64
		var name string
		var size int64
		if err := rows.Scan(&ordinal, &name, &inode, &size); err != nil {
			return nil, err
		}
		kept := slices.ContainsFunc(now, func(s segmentSize) bool {
			return s.name() == name && s.inode == inode && s.size >= size
		})
		if kept {
			done[ordinal] = size
		} else {
			stale = append(stale, ordinal)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, ordinal := range stale {
		err := errors.Join(
			r.exec(`DELETE FROM term WHERE block IN (SELECT first FROM block WHERE ordinal = ?)`, ordinal), // rare enough to go without an index
			r.exec(`DELETE FROM block WHERE ordinal = ?`, ordinal),
			r.exec(`DELETE FROM segment WHERE ordinal = ?`, ordinal))
		if err != nil {
			return nil, err
		}
	}
	return done, nil
}

// segment indexes a segment from an offset on.
func (r *indexing) segment(s segmentSize, from int64, live bool) error {
	file, err := os.Open(filepath.Join(r.dir, s.name()))
	if errors.Is(err, fs.ErrNotExist) {
		return errReplaced
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if inodeOf(file) != s.inode {
		return errReplaced
	}
	if live {
		// The head must not be remembered before the disk has it.
		if err := file.Sync(); err != nil {
			return err
		}
	}
	b, err := r.lastBlock(s.ordinal, from)
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(io.NewSectionReader(file, from, s.size-from), maxLine)
	at := from
	for r.bytes < roundBytes {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			break // behind the last complete line
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			at = s.size // no log goes on like this; Verify says where it broke
			break
		}
		if err != nil {
			return err
		}
		if f, err := parseFrame(line[:len(line)-1]); err == nil {
			r.note(f)
			if b.full() {
				if err := r.save(b); err != nil {
					return err
				}
				b = newBlock(s.ordinal, at)
			}
			b.add(f)
		}
		at += int64(len(line))
		r.bytes += int64(len(line))
		b.end = at
	}
	if err := r.save(b); err != nil {
		return err
	}
	return r.exec(`INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?)`, s.ordinal, s.name(), s.inode, at)
}

// note compares a record with the remembered head and moves it.
func (r *indexing) note(f frame) {
	if r.head.number > 0 {
		differs := f.number == r.head.number && f.hash != r.head.hash
		parts := f.kind == Recorded && f.number == r.head.number+1 && f.prev != r.head.hash
		if differs || parts {
			r.lost = append(r.lost, r.head)
			r.head = head{}
		}
	}
	if f.number > r.head.number {
		r.head = f.head()
	}
}

// checkEnd compares the end of the log with the remembered head.
func (r *indexing) checkEnd() error {
	var last sql.Null[uint64]
	if err := r.tx.QueryRowContext(r.ctx, `SELECT max(last) FROM block`).Scan(&last); err != nil {
		return err
	}
	if last.V < r.head.number {
		r.lost = append(r.lost, r.head)
		r.head = head{}
	}
	return nil
}

// block is a stretch of neighbouring records of one segment.
type block struct {
	ordinal        uint64
	first, last    uint64
	start, end     int64
	oldest, newest int64
	records        int
	terms          map[string]struct{}

	date    []byte // of the record before
	micros  int64
	scratch []byte
}

func newBlock(ordinal uint64, at int64) *block {
	return &block{ordinal: ordinal, start: at, end: at, terms: make(map[string]struct{})}
}

func (b *block) full() bool { return b.records >= blockRecords || b.end-b.start >= blockBytes }

func (b *block) add(f frame) {
	if b.records == 0 {
		b.first = f.number
	}
	if string(f.date) != string(b.date) {
		// A date that cannot be read keeps the one before: it only bounds searches.
		if t, err := time.Parse(dateLayout, string(f.date)); err == nil {
			b.micros = t.UnixMicro()
		}
		b.date = append(b.date[:0], f.date...)
	}
	if b.records == 0 {
		b.oldest, b.newest = b.micros, b.micros
	}
	b.oldest, b.newest = min(b.oldest, b.micros), max(b.newest, b.micros)
	b.last = f.number
	b.records++
	if f.kind == Recorded {
		termsOf(f.body, b.terms, &b.scratch)
	}
}

// lastBlock returns the block to go on with behind an offset: the last one of
// the segment while it is not full, so that a quiet log has no blocks of single
// records.
func (r *indexing) lastBlock(ordinal uint64, from int64) (*block, error) {
	b := newBlock(ordinal, from)
	err := r.tx.QueryRowContext(r.ctx,
		`SELECT first, last, start, oldest, newest FROM block WHERE ordinal = ? AND end = ?`, ordinal, from).
		Scan(&b.first, &b.last, &b.start, &b.oldest, &b.newest)
	if errors.Is(err, sql.ErrNoRows) {
		return b, nil
	}
	b.records = int(b.last - b.first + 1)
	return b, err
}

func (r *indexing) save(b *block) error {
	if b.records == 0 {
		return nil
	}
	err := r.exec(`INSERT OR REPLACE INTO block VALUES (?, ?, ?, ?, ?, ?, ?)`,
		b.first, b.last, b.ordinal, b.start, b.end, b.oldest, b.newest)
	if err != nil || len(b.terms) == 0 {
		return err
	}
	// One statement for all: a block may have hundreds.
	terms, err := json.Marshal(slices.Sorted(maps.Keys(b.terms)))
	if err != nil {
		return err
	}
	return r.exec(`INSERT OR IGNORE INTO term SELECT value, ? FROM json_each(?)`, b.first, terms)
}
