package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// documents is the store's store.Documents.
type documents struct{ s *Store }

var errOfTheStore = errors.New("documents of this kind are the store's own")

func ofTheStore(kind string) bool {
	return kind == store.KindMapping || kind == store.KindCredentialName || kind == store.KindBlindName
}

const documentColumns = "kind, id, version, body, modified, expires"

func scanDocument(rows *sql.Rows) (*store.Document, error) {
	var (
		d        store.Document
		body     string
		modified int64
		expires  sql.NullInt64
	)
	if err := rows.Scan(&d.Kind, &d.ID, &d.Version, &body, &modified, &expires); err != nil {
		return nil, err
	}
	d.Body, d.Modified = json.RawMessage(body), moment(modified)
	if expires.Valid {
		d.Expires = moment(expires.Int64)
	}
	return &d, nil
}

// Get returns one document.
func (d documents) Get(ctx context.Context, kind, id string) (doc *store.Document, err error) {
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case kind == store.KindMapping:
		doc, err = d.s.mapping(ctx, id)
	case ofTheStore(kind):
		doc, err = d.s.claim(ctx, kind, id)
	default:
		err = d.s.query(ctx, "SELECT "+documentColumns+" FROM document WHERE kind = ? AND id = ? AND (expires IS NULL OR expires > ?)",
			func(rows *sql.Rows) (err error) { doc, err = scanDocument(rows); return err }, kind, id, micros(d.s.now()))
		doc, err = found(doc, err)
	}
	return doc, wrap(ctx, "reading a document", err)
}

// List pages through a kind, newest change first.
func (d documents) List(ctx context.Context, kind string, page revision.Page) (revision.Slice[*store.Document], error) {
	var out revision.Slice[*store.Document]
	query := "SELECT " + documentColumns + " FROM document WHERE kind = ? AND (expires IS NULL OR expires > ?)"
	args := []any{kind, micros(d.s.now())}
	if page.After != nil {
		query += " AND (modified, id) < (?, ?)"
		args = append(args, micros(page.After.ModifiedDate), page.After.ID)
	}
	query += " ORDER BY modified DESC, id DESC LIMIT ?"
	err := d.s.query(ctx, query, func(rows *sql.Rows) error {
		doc, err := scanDocument(rows)
		if err != nil {
			return err
		}
		if page.Limit > 0 && len(out.Items) == page.Limit {
			last := out.Items[len(out.Items)-1]
			out.Next = &revision.Cursor{List: "doc-" + kind, ModifiedDate: last.Modified, ID: last.ID}
			return nil
		}
		out.Items = append(out.Items, doc)
		return nil
	}, append(args, oneMore(page.Limit))...)
	if err != nil {
		return revision.Slice[*store.Document]{}, wrap(ctx, "listing documents", err)
	}
	return out, nil
}

// oneMore is the limit of a query that also tells whether a page follows; SQLite
// takes a negative limit for none.
func oneMore(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit + 1
}

// documentVersion returns the version of a document, which is 0 if there is none
// or it has expired, and the version that is stored all the same.
func (t *transaction) documentVersion(kind, id string) (version, stored int, err error) {
	var expires sql.NullInt64
	if _, err := t.row("SELECT version, expires FROM document WHERE kind = ? AND id = ?", []any{kind, id}, &stored, &expires); err != nil {
		return 0, 0, err
	}
	if expires.Valid && expires.Int64 <= micros(t.now()) {
		return 0, stored, nil
	}
	return stored, stored, nil
}

func staleDocument(kind, id string) error {
	return &store.StaleError{Own: true, What: kind + "/" + id}
}

// Put writes a document at the version it should be at.
func (d documents) Put(ctx context.Context, doc store.Document, expect int) (version int, err error) {
	what := "writing a document"
	if ofTheStore(doc.Kind) {
		return 0, wrap(ctx, what, errOfTheStore)
	}
	expires := sql.NullInt64{Int64: micros(doc.Expires), Valid: !doc.Expires.IsZero()}
	err = d.s.write(ctx, what, func(t *transaction) error {
		stands, stored, err := t.documentVersion(doc.Kind, doc.ID)
		if err != nil {
			return err
		}
		if stands != expect {
			return staleDocument(doc.Kind, doc.ID)
		}
		version = stored + 1
		return t.exec("INSERT INTO document ("+documentColumns+`) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET
			version = excluded.version, body = excluded.body, modified = excluded.modified, expires = excluded.expires`,
			doc.Kind, doc.ID, version, string(doc.Body), micros(t.now()), expires)
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

// Delete removes a document at the version it should be at.
func (d documents) Delete(ctx context.Context, kind, id string, expect int) error {
	what := "deleting a document"
	if ofTheStore(kind) {
		return wrap(ctx, what, errOfTheStore)
	}
	return d.s.write(ctx, what, func(t *transaction) error {
		stands, _, err := t.documentVersion(kind, id)
		switch {
		case err != nil:
			return err
		case stands == 0:
			return store.ErrNotFound
		case stands != expect:
			return staleDocument(kind, id)
		}
		return t.exec("DELETE FROM document WHERE kind = ? AND id = ?", kind, id)
	})
}

// Purge removes documents, each batch in a transaction of its own.
func (d documents) Purge(ctx context.Context, p store.Purge) (removed int, err error) {
	const what = "purging documents"
	batch, err := p.Check()
	if err == nil && ofTheStore(p.Kind) {
		err = errOfTheStore
	}
	if err != nil {
		return 0, wrap(ctx, what, err)
	}
	fits, args := fitting(p)
	if p.DryRun {
		err := d.s.query(ctx, "SELECT count(*) FROM document WHERE "+fits,
			func(rows *sql.Rows) error { return rows.Scan(&removed) }, args...)
		return removed, wrap(ctx, what, err)
	}
	args = append(args, batch)
	for n := batch; n == batch; {
		err := d.s.write(ctx, what, func(t *transaction) (err error) {
			n, err = t.count("DELETE FROM document WHERE number IN (SELECT number FROM document WHERE "+fits+" LIMIT ?)", args...)
			return err
		})
		if err != nil {
			return removed, err
		}
		removed += n
		if p.Progress != nil {
			p.Progress(removed)
		}
	}
	return removed, nil
}

// fitting is the condition of a purge.
func fitting(p store.Purge) (condition string, args []any) {
	var all []string
	if p.Kind != "" {
		all, args = append(all, "kind = ?"), append(args, p.Kind)
	}
	if !p.ExpiredBefore.IsZero() {
		all, args = append(all, "expires < ?"), append(args, micros(p.ExpiredBefore))
	}
	if !p.WrittenBefore.IsZero() {
		all, args = append(all, "modified < ?"), append(args, micros(p.WrittenBefore))
	}
	return strings.Join(all, " AND "), args
}
