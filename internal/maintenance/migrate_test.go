package maintenance_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/store"
)

// oldTable is a table of so many rows, of which some stand in an older form. A
// row costs half a read unit.
type oldTable struct {
	name  string
	rows  int
	old   map[int]error // what rewriting says, by row; those rewritten are taken out
	asked []time.Time   // of pages
	wrote []time.Time   // of updates
	limit int           // of the last page
}

func (o *oldTable) Size(context.Context) int { return o.rows }

func (o *oldTable) Page(ctx context.Context, after store.LegacyCursor, limit int) (page store.LegacyPage, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	o.asked, o.limit = append(o.asked, time.Now()), limit
	first, _ := strconv.Atoi(string(after))
	last := o.rows
	if limit > 0 {
		last = min(first+limit, o.rows)
	}
	for i := first; i < last; i++ {
		if _, old := o.old[i]; old {
			page.Rows = append(page.Rows, o.row(i))
		}
	}
	page.Seen, page.Units = last-first, float64(last-first)/2
	if last < o.rows {
		page.Next = store.LegacyCursor(strconv.Itoa(last))
	}
	return page, nil
}

func (o *oldTable) row(i int) store.LegacyRow {
	row := store.LegacyRow{Table: o.name, Key: fmt.Sprint("row", i), Noun: store.Credential}
	if errors.Is(o.old[i], errNoNumber) {
		row.Problem = errNoNumber.Error()
		return row
	}
	row.Rewrite = func(context.Context) error {
		o.wrote = append(o.wrote, time.Now())
		err := o.old[i]
		if err == nil {
			delete(o.old, i)
		}
		return err
	}
	return row
}

var (
	errNoNumber = errors.New("it is 7")
	errOutage   = errors.New("the table is gone")
)

// migrate runs a migration of tables and returns what it says of each row.
func migrate(t *testing.T, m maintenance.Migration, force bool, tables ...*oldTable) (maintenance.MigrationSummary, []string, error) {
	t.Helper()
	if m.Documents == nil {
		m.Documents = &documents{}
	}
	for _, table := range tables {
		m.Tables = append(m.Tables, table)
	}
	m.Owner, m.Now = "cli:test", time.Now
	if m.Change == nil {
		m.Change = func(ctx context.Context, row store.LegacyRow) error { return row.Rewrite(ctx) }
	}
	var said []string
	each := m.Each
	m.Each = func(r maintenance.MigratedRow) {
		said = append(said, fmt.Sprintf("%s/%s %s %s", r.Table, r.Key, r.Status, r.Reason))
		if each != nil {
			each(r)
		}
	}
	sum, err := m.Run(t.Context(), force)
	return sum, said, err
}

func TestMigration_RewritesWhatNeedsItOnce(t *testing.T) {
	t.Parallel()
	main := &oldTable{name: "main", rows: 7, old: map[int]error{1: nil, 4: nil, 6: errNoNumber}}
	archive := &oldTable{name: "archive", rows: 2, old: map[int]error{0: nil}}
	want := []string{"main/row1 done ", "main/row4 done ", "main/row6 failed it is 7", "archive/row0 done "}
	sum, said, err := migrate(t, maintenance.Migration{}, false, main, archive)
	if (sum != maintenance.MigrationSummary{Seen: 9, Done: 3, Failed: 1}) || err != nil || !slices.Equal(said, want) {
		t.Errorf("a dry run: %+v, %v, %q", sum, err, said)
	}
	if len(main.wrote)+len(archive.wrote) > 0 {
		t.Error("a dry run writes")
	}
	sum, said, err = migrate(t, maintenance.Migration{PageSize: 2}, true, main, archive)
	if (sum != maintenance.MigrationSummary{Seen: 9, Done: 3, Failed: 1}) || err != nil || !slices.Equal(said, want) {
		t.Errorf("%+v, %v, %q", sum, err, said)
	}
	sum, _, err = migrate(t, maintenance.Migration{}, true, main, archive)
	if (sum != maintenance.MigrationSummary{Seen: 9, Failed: 1}) || err != nil || len(main.wrote)+len(archive.wrote) != 3 {
		t.Errorf("again: %+v, %v, %d and %d writes", sum, err, len(main.wrote), len(archive.wrote))
	}
}

func TestMigration_StopsAtTheLimit(t *testing.T) {
	t.Parallel()
	table := &oldTable{name: "main", rows: 7, old: map[int]error{1: nil, 2: nil, 3: errNoNumber, 6: nil}}
	sum, said, err := migrate(t, maintenance.Migration{Limit: 3}, true, table)
	if sum.Done != 2 || sum.Failed != 1 || !sum.Limited || err != nil || len(said) != 3 {
		t.Errorf("%+v, %v, %q", sum, err, said)
	}
	sum, _, err = migrate(t, maintenance.Migration{Limit: 2}, true, table)
	if (sum != maintenance.MigrationSummary{Seen: 7, Done: 1, Failed: 1}) || err != nil {
		t.Errorf("exactly as many as the limit: %+v, %v", sum, err)
	}
}

// What an error of one row means to it and to the run.
func TestMigration_LostAndThrottledRowsAreCountedAndWaitedFor(t *testing.T) {
	t.Parallel()
	lock := &documents{}
	synctest.Test(t, func(t *testing.T) {
		const backOff = 7 * time.Second
		began := time.Now()
		table := &oldTable{name: "main", rows: 4, old: map[int]error{
			0: &store.StaleError{Own: true, What: "row0"}, 1: fmt.Errorf("%w: slow down", store.ErrThrottled), 2: nil,
		}}
		sum, said, err := migrate(t, maintenance.Migration{BackOff: backOff, Documents: lock}, true, table)
		if sum.Done != 1 || sum.Failed != 2 || err != nil {
			t.Errorf("%+v, %v, %q", sum, err, said)
		}
		for i, at := range table.wrote {
			if got, want := at.Sub(began), time.Duration(i)*backOff; got != want {
				t.Errorf("update %d after %v, want %v", i, got, want)
			}
		}
	})
}

func TestMigration_AnOutageEndsIt(t *testing.T) {
	t.Parallel()
	table := &oldTable{name: "main", rows: 4, old: map[int]error{0: nil, 1: errOutage, 2: nil}}
	sum, said, err := migrate(t, maintenance.Migration{}, true, table)
	if sum.Done != 1 || sum.Failed != 0 || !errors.Is(err, errOutage) || len(table.wrote) != 2 {
		t.Errorf("%+v, %v, %q", sum, err, said)
	}
}

func TestMigration_HoldsItsRates(t *testing.T) {
	t.Parallel()
	lock := &documents{}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		table := &oldTable{name: "main", rows: 100, old: map[int]error{97: nil, 98: nil, 99: nil}}
		m := maintenance.Migration{ReadRate: 5, PageSize: 10, UpdateRate: 0.5, Documents: lock}
		if sum, _, err := migrate(t, m, true, table); sum.Done != 3 || err != nil {
			t.Errorf("%+v, %v", sum, err)
		}
		// A page costs 5 units, which is a second.
		for i, at := range table.asked {
			if got, want := at.Sub(began), time.Duration(i)*time.Second; got != want || table.limit != 10 {
				t.Errorf("page %d of %d rows after %v, want %v", i, table.limit, got, want)
			}
		}
		for i := range table.wrote[1:] {
			if got := table.wrote[i+1].Sub(table.wrote[i]); got != 2*time.Second {
				t.Errorf("%v between two updates, want 2s", got)
			}
		}
		if len(table.asked) != 10 || len(table.wrote) != 3 {
			t.Errorf("%d pages, %d updates", len(table.asked), len(table.wrote))
		}

		table = &oldTable{name: "main", rows: 100, old: map[int]error{}}
		began = time.Now()
		if _, _, err := migrate(t, maintenance.Migration{PageSize: 10, Documents: lock}, true, table); err != nil || time.Since(began) > 0 {
			t.Errorf("without rates it takes %v, %v", time.Since(began), err)
		}
	})
}

// The row in hand is finished, the next is not begun, and the next run finishes.
func TestMigration_EndsBetweenRows(t *testing.T) {
	t.Parallel()
	table := &oldTable{name: "main", rows: 4, old: map[int]error{0: nil, 1: nil, 2: nil}}
	lock := &documents{}
	ctx, cancel := context.WithCancel(t.Context())
	m := maintenance.Migration{
		Tables: []store.Legacy{table}, Documents: lock, Now: time.Now,
		Change: func(ctx context.Context, row store.LegacyRow) error {
			if row.Key == "row1" {
				cancel()
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			return row.Rewrite(ctx)
		},
	}
	sum, err := m.Run(ctx, true)
	if sum.Done != 2 || !errors.Is(err, context.Canceled) || len(table.old) != 1 {
		t.Errorf("%+v, %v, %d left", sum, err, len(table.old))
	}
	if sum, err = m.Run(t.Context(), true); sum.Done != 1 || err != nil {
		t.Errorf("the next run: %+v, %v", sum, err)
	}
}

func TestMigration_IsAlone(t *testing.T) {
	t.Parallel()
	lock := &documents{}
	var inner error
	table := &oldTable{name: "main", rows: 1, old: map[int]error{0: nil}}
	m := maintenance.Migration{Documents: lock}
	m.Each = func(maintenance.MigratedRow) {
		other := &oldTable{name: "main", rows: 1, old: map[int]error{0: nil}}
		_, _, inner = migrate(t, maintenance.Migration{Documents: lock}, true, other)
		if sum, _, err := migrate(t, maintenance.Migration{Documents: lock}, false, other); sum.Done != 1 || err != nil {
			t.Errorf("a dry run beside another run: %+v, %v", sum, err)
		}
	}
	if _, _, err := migrate(t, m, true, table); err != nil {
		t.Error(err)
	}
	if !errors.As(inner, new(*maintenance.RunningError)) {
		t.Errorf("a second run: %v, want a RunningError", inner)
	}
}

func TestMigration_TellsHowFarItIs(t *testing.T) {
	t.Parallel()
	var told []string
	m := maintenance.Migration{PageSize: 2, Progress: func(seen, total int) { told = append(told, fmt.Sprint(seen, "/", total)) }}
	if _, _, err := migrate(t, m, false, &oldTable{rows: 3}, &oldTable{rows: 1}); err != nil || !slices.Equal(told, []string{"2/4", "3/4", "4/4"}) {
		t.Errorf("%q, %v", told, err)
	}
}
