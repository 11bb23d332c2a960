package sqlite

import (
	"context"
	"database/sql"

	"github.com/confidant-secrets/confidant/internal/revision"
)

// List pages through current rows, newest change first.
func (r *revisions[T]) List(ctx context.Context, page revision.Page) (revision.Slice[*T], error) {
	query := "SELECT " + selection("c", true) + r.from() + " WHERE c.noun = ?"
	args := []any{string(r.codec.noun())}
	if page.After != nil {
		query += " AND (c.modified, c.id) < (?, ?)"
		args = append(args, micros(page.After.ModifiedDate), page.After.ID)
	}
	query += " ORDER BY c.modified DESC, c.id DESC LIMIT ?"
	list := string(r.codec.noun().name())
	return r.page(ctx, page.Limit, true, query, args, func(c *content) *revision.Cursor {
		return &revision.Cursor{List: list, ModifiedDate: moment(c.modified), ID: c.id}
	})
}

// History pages through rows of history: of one thing by number, of all by date.
func (r *revisions[T]) History(ctx context.Context, id string, page revision.Page) (revision.Slice[*T], error) {
	query := "SELECT " + selection("", false) + " FROM " + r.space.history + " h WHERE h.noun = ?"
	args := []any{string(r.codec.noun())}
	var base string
	var number int
	if page.After != nil {
		var ok bool
		if base, number, ok = revision.Split(page.After.ID); !ok || id != "" && base != id {
			return revision.Slice[*T]{}, revision.ErrCursor
		}
	}
	switch {
	case id != "":
		query += " AND h.id = ? AND h.revision <= (SELECT revision FROM " + r.space.current + " WHERE id = h.id AND noun = h.noun)"
		args = append(args, id)
		if page.After != nil {
			query += " AND h.revision < ?"
			args = append(args, number)
		}
		query += " ORDER BY h.revision DESC LIMIT ?"
	case page.After != nil:
		query += " AND (h.modified, h.id, h.revision) < (?, ?, ?)"
		args = append(args, micros(page.After.ModifiedDate), base, number)
		fallthrough
	default:
		query += " ORDER BY h.modified DESC, h.id DESC, h.revision DESC LIMIT ?"
	}
	list := "archive-" + string(r.codec.noun().name())
	return r.page(ctx, page.Limit, false, query, args, func(c *content) *revision.Cursor {
		return &revision.Cursor{List: list, ModifiedDate: moment(c.modified), ID: revision.Key(c.id, c.revision)}
	})
}

// page reads one page of a query that ends with its limit. A row that cannot be
// decoded is left out and logged, so that it does not hide the others.
func (r *revisions[T]) page(ctx context.Context, limit int, light bool, query string, args []any, cursor func(*content) *revision.Cursor) (revision.Slice[*T], error) {
	var (
		out  revision.Slice[*T]
		c    = content{light: light}
		last content
		n    int
	)
	if err := ctx.Err(); err != nil {
		return out, wrap(ctx, "listing rows", err)
	}
	targets := c.targets()
	err := r.store.query(ctx, query, func(rows *sql.Rows) error {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		if n++; limit > 0 && n > limit {
			out.Next = cursor(&last)
			return nil
		}
		last = c
		v, err := r.codec.decode(&c)
		if err != nil {
			r.store.log.ErrorContext(ctx, "a row is left out of a list", "error", err)
			return nil
		}
		out.Items = append(out.Items, v)
		return nil
	}, append(args, oneMore(limit))...)
	if err != nil {
		return revision.Slice[*T]{}, wrap(ctx, "listing rows", err)
	}
	return out, nil
}
