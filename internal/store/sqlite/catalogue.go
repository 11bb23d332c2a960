package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

const (
	// candidateLimit is up to how many rows are looked up one by one and sorted.
	// Where more may match, so many match that walking the wanted order meets a
	// page full of them soon.
	candidateLimit = 2500
	// rangeLimit is the same of rows that stand together in an index which tells
	// for certain that they match.
	rangeLimit = 10_000
	// strollLimit is over how many rows a walk goes first where that may well fill
	// a page; walkLimit over how many it goes for one page at most.
	strollLimit = 1000
	walkLimit   = 50_000
	// pageLimit is the most entries of a page.
	pageLimit = 1000
)

// catalogue is the store's store.Catalogue.
type catalogue struct{ s *Store }

// search is a query in terms of the tables.
type search struct {
	store.Query
	column string // that sorts
	nouns  []noun
	text   string // folded
	after  *place
}

// place is where a page ended: what a token holds.
type place struct {
	Sort       store.Sort `json:"s"`
	Descending bool       `json:"d,omitempty"`
	Name       string     `json:"n,omitempty"` // the key of the order, if it is a text
	Moment     int64      `json:"m,omitempty"` // or else
	ID         string     `json:"i"`
}

func (p *place) token() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic("sqlite: a place marshals: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// key is what the sort column of the place holds.
func (p *place) key() any {
	if p.Sort == store.SortName {
		return p.Name
	}
	return p.Moment
}

// parse turns a query into a search.
func parse(q store.Query) (*search, error) {
	q.Limit = min(max(q.Limit, 1), pageLimit)
	q.Sort = cmp.Or(q.Sort, store.SortName)
	f := &search{Query: q, text: fold(q.Text)}
	switch q.Sort {
	case store.SortName:
		f.column = "folded"
	case store.SortModified:
		f.column = "modified"
	case store.SortRotation:
		f.column = "rotated"
	default:
		return nil, errors.New("there is no order " + string(q.Sort))
	}
	for _, n := range nouns {
		if (len(q.Nouns) == 0 || slices.Contains(q.Nouns, n.name())) && f.suits(n) {
			f.nouns = append(f.nouns, n)
		}
	}
	if q.After != "" {
		f.after = &place{}
		text, err := base64.RawURLEncoding.Strict().DecodeString(q.After)
		if err != nil || json.Unmarshal(text, f.after) != nil || f.after.ID == "" ||
			f.after.Sort != q.Sort || f.after.Descending != q.Descending {
			return nil, revision.ErrCursor
		}
	}
	return f, nil
}

// suits reports whether rows of a noun can match at all.
func (f *search) suits(n noun) bool {
	if f.Due && !ruled(f.Rules) {
		return false
	}
	return n == credentialNoun || !f.Due && !f.NeverRotated && (n == blindNoun || f.Mapped == nil)
}

// Find returns one page of what matches.
func (c catalogue) Find(ctx context.Context, q store.Query) (store.Found, error) {
	const what = "searching"
	if err := ctx.Err(); err != nil {
		return store.Found{}, wrap(ctx, what, err)
	}
	f, err := parse(q)
	if err != nil {
		return store.Found{}, err
	}
	found := store.Found{AsOf: c.s.now()}
	if strings.Contains(f.text, separator) || len(f.nouns) == 0 {
		return found, nil
	}
	hits, end, err := c.hits(ctx, f)
	if err != nil {
		return store.Found{}, wrap(ctx, what, err)
	}
	if len(hits) > f.Limit {
		hits = hits[:f.Limit]
		end = &hits[f.Limit-1].place
	}
	for _, h := range hits {
		h.entry.NextRotation = f.Rotates(&h.entry)
		found.Entries = append(found.Entries, h.entry)
	}
	if end != nil {
		found.Next = end.token()
	}
	return found, nil
}

// hits returns a page of what matches and one more, if there are so many; or
// where to go on although there are not. Few rows are picked out and sorted; of
// many a walk in the wanted order soon finds enough.
func (c catalogue) hits(ctx context.Context, f *search) (hits []hit, end *place, err error) {
	source, err := c.source(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	if source == nil {
		return c.walk(ctx, f, c.s.walkLimit)
	}
	if source.estimate > candidateLimit && strollLimit*source.estimate > f.Limit*source.of {
		hits, end, err = c.walk(ctx, f, strollLimit)
		if err != nil || len(hits) > f.Limit || end == nil {
			return hits, end, err
		}
	}
	numbers, err := source.fetch(ctx)
	if err != nil {
		return nil, nil, err
	}
	if len(numbers) > source.most {
		return c.walk(ctx, f, c.s.walkLimit)
	}
	hits, err = c.pick(ctx, f, numbers)
	return hits, nil, err
}

// hit is an entry and its place in the order.
type hit struct {
	entry store.Entry
	place place
}

// direction spells the order and the comparison that goes on behind a place.
func (f *search) direction() (order, beyond string) {
	if f.Descending {
		return " DESC", " < "
	}
	return "", " > "
}

// everything is the condition of a search without a filter.
const everything = "TRUE"

// filter is what a row c of table current must fulfil, but for its noun.
func (f *search) filter() (condition string, args []any) {
	condition = everything
	add := func(term string, values ...any) {
		condition += " AND " + term
		args = append(args, values...)
	}
	if f.text != "" {
		// An id is whole or no match: parts of random ids would drown the rest.
		add("(instr(c.sought, ?) OR c.id = ?)", f.text, f.Text)
	}
	for _, label := range f.labels() {
		add("EXISTS (SELECT 1 FROM label WHERE label = ? AND number = c.number)", label)
	}
	if f.ModifiedBy != "" {
		add("c.author = ?", f.ModifiedBy)
	}
	if f.Enabled != nil {
		add("c.enabled = ?", *f.Enabled)
	}
	if f.Mapped != nil {
		add("c.mapped = ?", *f.Mapped)
	}
	if !f.ModifiedSince.IsZero() {
		add("c.modified >= ?", since(f.ModifiedSince))
	}
	if f.NeverRotated {
		add(neverRotated)
	}
	if f.Due {
		d := dueBy(f.Rules, f.At, lookedUp)
		for _, t := range []term{d.now(), d.subject()} {
			add(t.text, t.args...)
		}
	}
	return condition, args
}

// labels are the exact key name and tag that are asked for.
func (f *search) labels() []string {
	var out []string
	if f.Key != "" {
		out = append(out, keyLabel+f.Key)
	}
	if f.Tag != "" {
		out = append(out, tagLabel+f.Tag)
	}
	return out
}

// pick filters and sorts candidates and returns a page and one more.
func (c catalogue) pick(ctx context.Context, f *search, numbers []int64) ([]hit, error) {
	list, err := json.Marshal(numbers)
	if err != nil {
		return nil, err
	}
	order, beyond := f.direction()
	condition, args := f.filter()
	inner := "SELECT c.number, c." + f.column + " AS place, c.id FROM json_each(?) j CROSS JOIN current c ON c.number = j.value WHERE " +
		condition + " AND c.noun IN (" + f.nounList() + ")"
	args = append([]any{string(list)}, args...)
	if f.after != nil {
		inner += " AND (c." + f.column + ", c.id)" + beyond + "(?, ?)"
		args = append(args, f.after.key(), f.after.ID)
	}
	inner += " ORDER BY c." + f.column + order + ", c.id" + order + " LIMIT ?"
	return c.entries(ctx, f, inner, append(args, f.Limit+1))
}

func (f *search) nounList() string {
	var quoted []string
	for _, n := range f.nouns {
		quoted = append(quoted, "'"+string(n)+"'")
	}
	return strings.Join(quoted, ", ")
}

// walk goes through at most so many rows in the wanted order, each noun by its
// own index, and returns those that match: a page and one more, or fewer and
// where its limit was reached.
func (c catalogue) walk(ctx context.Context, f *search, limit int) (hits []hit, end *place, err error) {
	rows, args := f.inOrder()
	condition, further := f.filter()
	inner := "SELECT c.number, c.place, c.id FROM (" + rows + ") c WHERE " + condition + " LIMIT ?"
	hits, err = c.entries(ctx, f, inner, slices.Concat(args, []any{limit}, further, []any{f.Limit + 1}))
	if err != nil || len(hits) > f.Limit || condition == everything {
		return hits, nil, err
	}
	err = c.s.query(ctx, "SELECT place, id FROM ("+rows+") LIMIT 1 OFFSET ?", func(rows *sql.Rows) error {
		end = &place{Sort: f.Sort, Descending: f.Descending}
		return rows.Scan(end.target(), &end.ID)
	}, append(args, limit, limit-1)...)
	return hits, end, err
}

// target is where the key of the order is scanned to.
func (p *place) target() any {
	if p.Sort == store.SortName {
		return &p.Name
	}
	return &p.Moment
}

// inOrder is a query for rows behind the last page, as many as its last argument
// says. SQLite merges the nouns as it goes.
func (f *search) inOrder() (query string, args []any) {
	order, beyond := f.direction()
	var parts []string
	for _, n := range f.nouns {
		part := "SELECT number, " + f.column + " AS place, id, noun, revision, modified, rotated, seen, sought, author, enabled, mapped" +
			" FROM current INDEXED BY current_" + f.column + " WHERE noun = ?"
		args = append(args, string(n))
		if f.Sort == store.SortModified && !f.ModifiedSince.IsZero() {
			part += " AND modified >= ?"
			args = append(args, since(f.ModifiedSince))
		}
		if f.after != nil {
			part += " AND (" + f.column + ", id)" + beyond + "(?, ?)"
			args = append(args, f.after.key(), f.after.ID)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " UNION ALL ") + " ORDER BY place" + order + ", id" + order + " LIMIT ?", args
}

// entries reads the entries of the rows that inner names, with their places.
func (c catalogue) entries(ctx context.Context, f *search, inner string, args []any) ([]hit, error) {
	var hits []hit
	err := c.s.query(ctx, `SELECT x.place, c.noun, c.id, coalesce(h.name, c.id), coalesce(h.key_names, ''), coalesce(h.tags, ''),
			c.enabled, c.revision, c.modified, c.author, c.rotated, coalesce(h.last_decrypted, `+noTimeText+`), coalesce(m.services, 0)
		FROM (`+inner+`) x CROSS JOIN current c ON c.number = x.number CROSS JOIN history h ON h.number = c.content
		LEFT JOIN mapping_version m ON m.credential = c.id`,
		func(rows *sql.Rows) error {
			var (
				h                            hit
				n                            noun
				keyNames, tags               string
				modified, rotated, decrypted int64
			)
			h.place.Sort, h.place.Descending = f.Sort, f.Descending
			e := &h.entry
			err := rows.Scan(h.place.target(), (*string)(&n), &e.ID, &e.Name, &keyNames, &tags, &e.Enabled, &e.Revision,
				&modified, &e.ModifiedBy, &rotated, &decrypted, &e.Services)
			if err != nil {
				return err
			}
			h.place.ID = e.ID
			e.Noun, e.ModifiedDate, e.LastRotation, e.LastDecrypted = n.name(), moment(modified), moment(rotated), moment(decrypted)
			var err1, err2 error
			e.KeyNames, err1 = decodeList(keyNames)
			e.Tags, err2 = decodeList(tags)
			if err := errors.Join(err1, err2); err != nil {
				c.s.log.ErrorContext(ctx, "the lists of a row cannot be shown", "id", e.ID, "error", err)
			}
			hits = append(hits, h)
			return nil
		}, args...)
	return hits, err
}
