package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	queryLimit = 1000 // records that one query returns, at most
	// queryBlocks bounds how many blocks one query reads, about 130,000 records.
	queryBlocks = 512
)

// Query says which records are wanted. Empty members do not narrow.
type Query struct {
	User         string // exact
	ResourceType string // exact
	Resource     string // id or name, exact
	Action       string // exact
	Success      *bool
	Since, Until time.Time // both included
	Text         string    // occurs in some text of the record, in any case
	Before       uint64    // only records with a smaller number; 0: from the newest
	Limit        int       // at most so many, up to 1000; 0: 100
}

// Found is one page of records.
type Found struct {
	Records []Record // newest first
	// Next is Query.Before of the next page; 0 when the log was searched to its
	// beginning. A page may be short and yet have a next one: a query looks at a
	// bounded number of records.
	Next uint64
}

// Query returns the newest records that match. The index may lag behind the log
// by a second.
func (x *Index) Query(ctx context.Context, q Query) (Found, error) {
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Limit < 0 || q.Limit > queryLimit {
		return Found{}, fmt.Errorf("a page of the audit log has 1 to %d records, not %d", queryLimit, q.Limit)
	}
	blocks, more, err := x.blocks(ctx, q)
	if err != nil {
		return Found{}, fmt.Errorf("search the audit index: %w", err)
	}
	m := newMatcher(q)
	var found Found
	for _, b := range blocks {
		if err := ctx.Err(); err != nil {
			return Found{}, err
		}
		records, err := x.read(b, m)
		if err != nil {
			return Found{}, err
		}
		slices.Reverse(records)
		if space := q.Limit - len(found.Records); len(records) > space {
			found.Records = append(found.Records, records[:space]...)
			found.Next = found.Records[len(found.Records)-1].Number
			return found, nil
		}
		found.Records = append(found.Records, records...)
	}
	if more {
		found.Next = blocks[len(blocks)-1].first
	}
	return found, nil
}

// place is where a block of records lies.
type place struct {
	name       string
	start, end int64
	first      uint64 // number of its first record
	last       uint64
}

// blocks returns the blocks that may hold matching records, newest first, and
// whether there are more.
func (x *Index) blocks(ctx context.Context, q Query) (list []place, more bool, err error) {
	var terms []string
	term := func(letter, value string) {
		if value != "" {
			terms = append(terms, letter+value)
		}
	}
	term(termResource, q.Resource)
	term(termUser, q.User)
	term(termAction, q.Action)
	term(termType, q.ResourceType)
	if q.Success != nil && !*q.Success {
		terms = append(terms, termFailure)
	}

	var sql strings.Builder
	var args []any
	and := func(condition string, values ...any) {
		sql.WriteString(" AND " + condition)
		args = append(args, values...)
	}
	sql.WriteString(`SELECT s.name, b.start, b.end, b.first, b.last FROM `)
	if len(terms) > 0 {
		// The rarest kind of word leads; its key is in the order wanted.
		sql.WriteString(`term t CROSS JOIN block b ON b.first = t.block JOIN segment s USING (ordinal) WHERE t.term = ?`)
		args = append(args, terms[0])
		for _, other := range terms[1:] {
			and(`EXISTS (SELECT 1 FROM term o WHERE o.term = ? AND o.block = t.block)`, other)
		}
		if q.Before > 0 {
			and(`t.block < ?`, q.Before)
		}
	} else {
		sql.WriteString(`block b JOIN segment s USING (ordinal) WHERE 1`)
		if q.Before > 0 {
			and(`b.first < ?`, q.Before)
		}
	}
	if !q.Since.IsZero() {
		and(`b.newest >= ?`, q.Since.UnixMicro())
	}
	if !q.Until.IsZero() {
		and(`b.oldest <= ?`, q.Until.UnixMicro())
	}
	if len(terms) > 0 {
		sql.WriteString(` ORDER BY t.block DESC LIMIT ?`)
	} else {
		sql.WriteString(` ORDER BY b.first DESC LIMIT ?`)
	}
	args = append(args, queryBlocks+1)

	rows, err := x.db.QueryContext(ctx, sql.String(), args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var p place
		if err := rows.Scan(&p.name, &p.start, &p.end, &p.first, &p.last); err != nil {
			return nil, false, err
		}
		list = append(list, p)
	}
	if len(list) > queryBlocks {
		return list[:queryBlocks], true, rows.Err()
	}
	return list, false, rows.Err()
}

// read returns the matching records of a block, oldest first. A segment that a
// rotation has just taken away holds none.
func (x *Index) read(p place, m *matcher) ([]Record, error) {
	file, err := os.Open(filepath.Join(x.dir, p.name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open an audit segment: %w", err)
	}
	defer file.Close()
	b := make([]byte, p.end-p.start)
	n, err := file.ReadAt(b, p.start)
	if err != nil && !errors.Is(err, io.EOF) { // one that was just rewritten is shorter
		return nil, fmt.Errorf("read an audit segment: %w", err)
	}
	var list []Record
	for line := range bytes.Lines(b[:n]) {
		if !m.mayBe(line) {
			continue
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		f, err := parseFrame(line)
		if err != nil || f.kind != Recorded || f.number < p.first || f.number > p.last || !m.frame(f) {
			continue
		}
		if r, err := f.decode(line); err == nil && m.date(r.Date) {
			list = append(list, r)
		}
	}
	return list, nil
}

// matcher decides about single records.
type matcher struct {
	Query
	exact   [][]byte // values that must occur, as lines spell them
	text    []byte   // likewise, lower case
	scratch []byte
}

func newMatcher(q Query) *matcher {
	m := &matcher{Query: q}
	for _, value := range []string{q.User, q.Action, q.ResourceType, q.Resource} {
		if value != "" {
			m.exact = append(m.exact, appendText([]byte(":"), value))
		}
	}
	if q.Text != "" {
		spelt := appendText(nil, q.Text)
		m.text = appendLower(nil, spelt[1:len(spelt)-1])
	}
	return m
}

// mayBe reports whether a line is worth a closer look.
func (m *matcher) mayBe(line []byte) bool {
	for _, value := range m.exact {
		if !bytes.Contains(line, value) {
			return false
		}
	}
	return true
}

func (m *matcher) date(t time.Time) bool {
	return (m.Since.IsZero() || !t.Before(m.Since)) && (m.Until.IsZero() || !t.After(m.Until))
}

func (m *matcher) frame(f frame) bool {
	if m.Before > 0 && f.number >= m.Before {
		return false
	}
	// Each member occurs at most once, so each wanted one is found once.
	wanted := 0
	for _, w := range []string{m.User, m.Action, m.ResourceType} {
		if w != "" {
			wanted++
		}
	}
	exact := func(want string, value []byte) {
		if want != "" && want == string(text(value)) {
			wanted--
		}
	}
	success, resource, said := true, m.Resource == "", m.Text == ""
	ok := members(f.body, func(name, value []byte) bool {
		switch string(name) {
		case "success":
			success = m.Success == nil || *m.Success == (string(value) == "true")
		case "action":
			exact(m.Action, value)
		case "user":
			exact(m.User, value)
		case "resource_type":
			exact(m.ResourceType, value)
		case "resource_id", "resource_name":
			resource = resource || m.Resource == string(text(value))
		}
		if !said {
			m.scratch = appendLower(m.scratch[:0], value)
			said = bytes.Contains(m.scratch, m.text)
		}
		return success
	})
	return ok && wanted == 0 && success && resource && said
}

// appendLower appends b in lower case.
func appendLower(to, b []byte) []byte {
	for len(b) > 0 {
		c := b[0]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			to, b = append(to, c), b[1:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		to, b = utf8.AppendRune(to, unicode.ToLower(r)), b[n:]
	}
	return to
}
