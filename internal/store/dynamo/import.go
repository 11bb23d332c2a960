package dynamo

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// attrArchiveDate is when a row came into the archive table.
const attrArchiveDate = "archive_date"

// errAppeared says that a row stands where a moment ago there was none.
var errAppeared = errors.New("a row appeared meanwhile")

// Import writes what is missing: history first, the current row last.
func (r *revisions[T]) Import(ctx context.Context, current *T, history []*T) (report store.ImportReport, err error) {
	id := r.noun.meta(current).ID
	defer func() { r.written(id, nil, err) }()
	rows, err := r.importable(current, history)
	if err != nil {
		return report, err
	}
	for wait := newBackoff(ctx); ; {
		report, err = r.importOnce(ctx, current, rows)
		if !errors.Is(err, errAppeared) {
			return report, err
		}
		if !wait.wait(ctx) {
			return report, fmt.Errorf("importing %q: %w: %w", id, store.ErrUnavailable, err)
		}
	}
}

// importable checks that rows are revisions of one thing that fit, and returns
// their items, the current one last.
func (r *revisions[T]) importable(current *T, history []*T) ([]item, error) {
	id := r.noun.meta(current).ID
	rows := make([]item, 0, len(history)+1)
	for _, v := range append(slices.Clone(history), current) {
		m := r.noun.meta(v)
		if m.ID != id || m.Revision < 1 || !validKey(revision.Key(m.ID, m.Revision)) {
			return nil, fmt.Errorf("dynamo: %q is no revision of %q", revision.Key(m.ID, m.Revision), id)
		}
		row := r.noun.revisionRow(v)
		if len(rows) == len(history) {
			row = r.noun.row(v)
		}
		if _, err := r.writable(row); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (r *revisions[T]) importOnce(ctx context.Context, current *T, rows []item) (report store.ImportReport, err error) {
	keys := make([]string, len(rows))
	for i, row := range rows {
		keys[i] = (&reader{item: row}).text(attrID)
	}
	standing, err := r.store.batch(ctx, r.table, missing(nil, keys))
	if err != nil {
		return report, err
	}
	var history [][]*action
	var last *action
	for i, row := range rows {
		old, stands := standing[keys[i]]
		switch {
		case stands && dataType(old) != dataType(row):
			return store.ImportReport{}, &store.TakenError{Key: keys[i], Holder: keys[i], Noun: nounOf(dataType(old))}
		case stands && r.same(old, row):
			report.Same = append(report.Same, keys[i])
			continue
		case stands:
			report.Different = append(report.Different, keys[i])
			continue
		}
		report.Written = append(report.Written, keys[i])
		if i < len(rows)-1 {
			history = append(history, []*action{r.putNew(row)})
		} else {
			last = r.putNew(row)
		}
	}
	refused, err := r.store.settle(ctx, "importing history", history)
	if err == nil && len(refused) > 0 {
		err = errAppeared
	}
	if err != nil || last == nil {
		return report, err
	}
	report.NameTaken, err = r.importCurrent(ctx, nil, current, last)
	return report, err
}

// importCurrent writes a current row in place of before, if any, with its
// mappings and its name claim, or without the claim when another bears the name:
// taken is who.
func (r *revisions[T]) importCurrent(ctx context.Context, before, current *T, row *action) (taken string, err error) {
	id := r.noun.meta(current).ID
	p := r.plan(before, current)
	if err := checkLimits(len(p.unmapped), 0); err != nil {
		return "", err
	}
	// What does not fit into one act goes first: a mapping that names a service
	// which is not there yet keeps a credential from being archived, no more.
	fit := min(len(p.mapped), store.MaxMappingChanges-len(p.unmapped))
	if _, err := r.store.settle(ctx, "importing mappings", r.store.changeMappings(r.table, "ADD", id, p.mapped[fit:])); err != nil {
		return "", err
	}
	if err := r.nameIsFree(ctx, p, id); err != nil {
		if taken, err = withoutClaim(p, err); err != nil {
			return "", err
		}
	}
	for range maxRounds {
		actions := append([]*action{row}, r.nameActions(p, id)...)
		for _, other := range p.mapped[:fit] {
			actions = append(actions, r.store.changeMapping(r.table, "ADD", other, id))
		}
		for _, other := range p.unmapped {
			actions = append(actions, r.store.changeMapping(r.table, "DELETE", other, id))
		}
		refusal := r.store.transact(ctx, "importing a row", actions)
		if refusal == nil {
			r.noted(current)
			return taken, nil
		}
		if err := r.replan(ctx, p, id, refusal); err != nil {
			if taken, err = withoutClaim(p, err); err != nil {
				return "", err
			}
		}
	}
	return "", fmt.Errorf("importing %q: %w: others were quicker %d times", id, store.ErrUnavailable, maxRounds)
}

// withoutClaim gives up the claim of a name that another bears, and says who.
func withoutClaim(p *plan, err error) (holder string, _ error) {
	taken, ok := errors.AsType[*store.TakenError](err)
	if !ok || !taken.Claim {
		return "", err
	}
	p.claim = ""
	return taken.Holder, nil
}

// same compares content, less what may be amended.
func (r *revisions[T]) same(stored, row item) bool {
	v, err := r.noun.read(stored)
	if err != nil {
		return false
	}
	old := r.noun.row(v)
	for _, name := range append([]string{attrRevision, attrModifiedDate, attrModifiedBy, attrEnabled}, r.noun.own...) {
		if slices.Contains(r.noun.outside, name) {
			continue
		}
		if !reflect.DeepEqual(content(old, name), content(row, name)) {
			return false
		}
	}
	return true
}

// content is an attribute as rows are compared: absent metadata is an empty
// object.
func content(it item, name string) any {
	if name == attrMetadata && it[name] == nil {
		return text("{}")
	}
	return it[name]
}

func (r *revisions[T]) putNew(row item) *action {
	r.dateArchived(row)
	a := putItem(r.table, row)
	return a.only(a.is(attrID, nil), func(item) error { return errAppeared })
}

func (r *revisions[T]) dateArchived(row item) {
	if r.archive {
		row.setTime(attrArchiveDate, r.store.now())
	}
}

// ReplaceCurrent puts a newer current row in place of an imported one.
func (r *revisions[T]) ReplaceCurrent(ctx context.Context, expect int, row *T) (err error) {
	m := r.noun.meta(row)
	defer func() { r.written(m.ID, nil, err) }()
	rows, err := r.importable(row, nil)
	if err != nil {
		return err
	}
	stale := &store.StaleError{Own: true, What: m.ID}
	it, err := r.store.item(ctx, r.table, m.ID)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !r.noun.isCurrent(it), m.Revision <= expect:
		return stale
	case err != nil:
		return err
	}
	before, err := r.noun.read(it)
	if err != nil {
		return err
	}
	if r.revisionOf(before) != expect {
		return stale
	}
	r.dateArchived(rows[0])
	a := putItem(r.table, rows[0])
	a.only(r.isAt(&a.expression, expect), func(item) error { return stale })
	_, err = r.importCurrent(ctx, before, row, a)
	return err
}
