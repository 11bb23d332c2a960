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
	head := r.codec.encode(current)
	rows := make([]content, len(history))
	for i, v := range history {
		rows[i] = r.codec.encode(v)
	}
	if err := importable(&head, rows); err != nil {
		return store.ImportReport{}, wrap(ctx, what, err)
	}
	var report store.ImportReport
	err := r.store.write(ctx, what, func(t *transaction) (err error) {
		r.forget(t, head.id)
		report, err = t.restore(r.space, &head, rows)
		return err
	})
	if err != nil {
		return store.ImportReport{}, err
	}
	return report, nil
}

// importable checks that the rows are revisions of one thing that fit.
func importable(head *content, rows []content) error {
	if head.id == "" || head.revision < 1 {
		return errors.New("a current row without id or revision")
	}
	if err := head.checkSize(); err != nil {
		return err
	}
	for i := range rows {
		if rows[i].id != head.id || rows[i].revision < 1 {
			return fmt.Errorf("%s is no revision of %s", revision.Key(rows[i].id, rows[i].revision), head.id)
		}
		if err := rows[i].checkSize(); err != nil {
			return err
		}
	}
	return nil
}

// restore writes the rows that do not stand, history first.
func (t *transaction) restore(sp *space, head *content, rows []content) (report store.ImportReport, err error) {
	old, err := t.thing(sp, head.id)
	if err != nil {
		return report, err
	}
	if old != nil && old.noun != head.noun {
		return report, takenKey(head.id, head.id, old.noun)
	}
	holder, n, err := t.keyOfHistory(sp, head.id)
	if err != nil {
		return report, err
	}
	if holder != "" {
		return report, takenKey(head.id, holder, n)
	}
	for i := range rows {
		if _, err := t.restoreRow(sp, &rows[i], &report); err != nil {
			return report, err
		}
	}
	return report, t.restoreCurrent(sp, old, head, &report)
}

// restoreRow writes a row of history unless it stands, and returns its number.
func (t *transaction) restoreRow(sp *space, c *content, report *store.ImportReport) (number int64, err error) {
	key := revision.Key(c.id, c.revision)
	number, err = t.addHistory(sp, c)
	if err != nil {
		return 0, err
	}
	if number != 0 {
		report.Written = append(report.Written, key)
		return number, nil
	}
	stands := &content{}
	found, err := t.row("SELECT "+selection("", false)+", h.number FROM "+sp.history+" h WHERE h.id = ? AND h.revision = ?",
		[]any{c.id, c.revision}, stands.targets(&number)...)
	switch {
	case err != nil:
		return 0, err
	case !found: // the key is the id of something current
		return 0, takenKey(key, key, "")
	case stands.noun != c.noun:
		return 0, takenKey(key, stands.id, stands.noun)
	case stands.same(c):
		report.Same = append(report.Same, key)
	default:
		report.Different = append(report.Different, key)
	}
	return number, nil
}

// restoreCurrent writes the current row unless one stands.
func (t *transaction) restoreCurrent(sp *space, old *thing, head *content, report *store.ImportReport) error {
	claim, holder, err := t.nameClaim(sp, head)
	if err != nil {
		return err
	}
	if holder != "" && holder != head.id {
		report.NameTaken, claim = holder, nil
	}
	if old != nil {
		stands := &content{}
		_, err := t.row("SELECT "+selection("", false)+" FROM "+sp.history+" h WHERE h.number = ?", []any{old.content}, stands.targets()...)
		if err != nil {
			return err
		}
		if stands.same(head) {
			report.Same = append(report.Same, head.id)
		} else {
			report.Different = append(report.Different, head.id)
		}
		return nil
	}
	// A current row is a row of history with a head, so one whose revision stands
	// with other content cannot be written.
	var own store.ImportReport
	number, err := t.restoreRow(sp, head, &own)
	if err != nil {
		return err
	}
	if len(own.Different) > 0 {
		report.Different = append(report.Different, head.id)
		return nil
	}
	if err := t.place(sp, nil, nil, head, number, claim); err != nil {
		return err
	}
	report.Written = append(report.Written, head.id)
	return nil
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
	var own store.ImportReport
	number, err := t.restoreRow(sp, c, &own)
	if err != nil {
		return err
	}
	if len(own.Different) > 0 {
		return takenKey(own.Different[0], c.id, c.noun)
	}
	return t.place(sp, old, nil, c, number, claim)
}
