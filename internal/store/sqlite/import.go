package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Import puts back a whole resource in one transaction.
func (r *revisions[T]) Import(ctx context.Context, current *T, history []*T) (store.ImportReport, error) {
	const what = "importing a resource"
	last := r.codec.encode(current)
	rows := make([]content, len(history))
	for i, v := range history {
		rows[i] = r.codec.encode(v)
	}
	if err := importable(&last, rows); err != nil {
		return store.ImportReport{}, wrap(ctx, what, err)
	}
	var report store.ImportReport
	err := r.store.write(ctx, what, func(t *transaction) (err error) {
		r.forget(t, last.id)
		report, err = t.restore(r.space, &last, rows)
		return err
	})
	if err != nil {
		return store.ImportReport{}, err
	}
	return report, nil
}

// importable checks that the rows are revisions of one thing that fit.
func importable(current *content, rows []content) error {
	if current.id == "" || current.revision < 1 {
		return errors.New("a current row without id or revision")
	}
	if err := current.checkSize(); err != nil {
		return err
	}
	for i := range rows {
		if rows[i].id != current.id || rows[i].revision < 1 {
			return fmt.Errorf("%s is no revision of %s", revision.Key(rows[i].id, rows[i].revision), current.id)
		}
		if err := rows[i].checkSize(); err != nil {
			return err
		}
	}
	return nil
}

// restore writes the rows that do not stand, history first.
func (t *transaction) restore(sp *space, current *content, rows []content) (report store.ImportReport, err error) {
	old, err := t.thing(sp, current.id)
	if err != nil {
		return report, err
	}
	if old != nil && old.noun != current.noun {
		return report, takenKey(current.id, current.id, old.noun)
	}
	holder, n, err := t.keyOfHistory(sp, current.id)
	if err != nil {
		return report, err
	}
	if holder != "" {
		return report, takenKey(current.id, holder, n)
	}
	for i := range rows {
		s, err := t.stand(sp, &rows[i])
		if err != nil {
			return report, err
		}
		list := s.list(&report)
		*list = append(*list, revision.Key(rows[i].id, rows[i].revision))
	}
	return report, t.restoreCurrent(sp, old, current, &report)
}

// standing is the row of history that stands under a key after an attempt to
// write one there.
type standing struct {
	number  int64
	content *content
	written bool
	same    bool // as the one that should have been written
}

// list is where a report names the key.
func (s *standing) list(report *store.ImportReport) *[]string {
	switch {
	case s.written:
		return &report.Written
	case s.same:
		return &report.Same
	default:
		return &report.Different
	}
}

// stand writes a row of history unless one stands under its key.
func (t *transaction) stand(sp *space, c *content) (*standing, error) {
	number, err := t.addHistory(sp, c)
	if err != nil {
		return nil, err
	}
	if number != 0 {
		return &standing{number, c, true, true}, nil
	}
	s := &standing{content: &content{}}
	found, err := t.row("SELECT "+selection("", false)+", h.number FROM "+sp.history+" h WHERE h.id = ? AND h.revision = ?",
		[]any{c.id, c.revision}, s.content.targets(&s.number)...)
	key := revision.Key(c.id, c.revision)
	switch {
	case err != nil:
		return nil, err
	case !found: // the key is the id of something current
		return nil, takenKey(key, key, "")
	case s.content.noun != c.noun:
		return nil, takenKey(key, c.id, s.content.noun)
	}
	s.same = s.content.same(c)
	return s, nil
}

// restoreCurrent writes the current row unless one stands.
func (t *transaction) restoreCurrent(sp *space, old *thing, c *content, report *store.ImportReport) error {
	claim, holder, err := t.nameClaim(sp, c)
	if err != nil {
		return err
	}
	if holder != "" && holder != c.id {
		report.NameTaken, claim = holder, nil
	}
	if old != nil {
		stands := &content{}
		_, err := t.row("SELECT "+selection("", false)+" FROM "+sp.history+" h WHERE h.number = ?", []any{old.content}, stands.targets()...)
		if err != nil {
			return err
		}
		s := standing{same: stands.same(c)}
		list := s.list(report)
		*list = append(*list, c.id)
		return nil
	}
	s, err := t.stand(sp, c)
	if err != nil {
		return err
	}
	if !s.same {
		// A current row is a row of history with a head. Where its revision stands
		// with other content it cannot be written.
		report.Different = append(report.Different, c.id)
		return nil
	}
	if err := t.place(sp, nil, nil, s.under(c), s.number, claim); err != nil {
		return err
	}
	report.Written = append(report.Written, c.id)
	return nil
}

// under is the content that stands, under the head of another.
func (s *standing) under(c *content) *content {
	current := *s.content
	current.head = c.head
	return &current
}

// ReplaceCurrent puts a row in place of a current one of a lower revision.
func (r *revisions[T]) ReplaceCurrent(ctx context.Context, expect int, row *T) error {
	const what = "replacing a row"
	c := r.codec.encode(row)
	if err := importable(&c, nil); err != nil {
		return wrap(ctx, what, err)
	}
	return r.store.write(ctx, what, func(t *transaction) error {
		r.forget(t, c.id)
		return t.replace(r.space, expect, &c)
	})
}

func (t *transaction) replace(sp *space, expect int, c *content) error {
	old, err := t.thing(sp, c.id)
	if err != nil {
		return err
	}
	if old == nil || old.noun != c.noun || old.revision != expect || c.revision <= expect {
		return staleRow(c.id)
	}
	was, err := t.detailsOf(sp, old)
	if err != nil {
		return err
	}
	claim := was.claim
	if was.name != c.name {
		var holder string
		if claim, holder, err = t.nameClaim(sp, c); err != nil {
			return err
		}
		if holder != "" && holder != c.id {
			claim = nil
		}
	}
	s, err := t.stand(sp, c)
	if err != nil {
		return err
	}
	if !s.same {
		return takenKey(revision.Key(c.id, c.revision), c.id, c.noun)
	}
	return t.place(sp, old, nil, s.under(c), s.number, claim)
}
