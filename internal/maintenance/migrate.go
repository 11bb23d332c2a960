package maintenance

import (
	"context"
	"errors"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// Migration rewrites rows that stand in a form of older versions of the service.
// What they say does not change by that, nor do their revisions and dates.
type Migration struct {
	Tables []store.Legacy
	// Change rewrites a row by its Rewrite, under a record of that. Any error
	// but ErrStale and ErrThrottled ends the run.
	Change func(ctx context.Context, row store.LegacyRow) error

	// Documents hold the lock of the run, in the name of Owner.
	Documents store.Documents
	Owner     string
	Now       func() time.Time

	// ReadRate and UpdateRate bound the read units (rows of 4 KiB) and the
	// updates a second; 0: no bound.
	ReadRate, UpdateRate float64
	// PageSize is how many rows are read at once, and Limit how many rows in the
	// older form are dealt with; 0: no bound.
	PageSize, Limit int
	// BackOff is waited after a row that changed meanwhile or was throttled.
	BackOff time.Duration

	// Each, if not nil, hears of each row as soon as it is done with, and Progress
	// of how many rows were looked at, and of how many; a total of 0 is not known.
	Each     func(MigratedRow)
	Progress func(seen, total int)
}

// MigratedRow is a row in an older form of which a run says what became: Moved,
// which is rewritten or without force would be, or Failed.
type MigratedRow struct {
	Table, Key string
	Status     Status
	Reason     string // why it failed
}

// MigrationSummary counts the rows of a run.
type MigrationSummary struct {
	Seen         int  // that were looked at
	Done, Failed int  // that stood in the older form
	Limited      bool // it stopped at the limit, and there may be more
}

// Run rewrites what stands in the older form, or without force finds it. A run
// that was cut short is finished by the next. The error is a *RunningError if
// another run is at work, and the context's if it ended: the row in hand is then
// finished, the others are left alone.
func (m *Migration) Run(ctx context.Context, force bool) (sum MigrationSummary, err error) {
	if force {
		held, locked := holdRun(ctx, m.Documents, m.Owner, m.Now)
		if locked != nil {
			return sum, locked
		}
		defer func() { err = errors.Join(err, held.release()) }()
		ctx = held.ctx
	}
	r := migrating{Migration: m, force: force, reads: pace{rate: m.ReadRate}, updates: pace{rate: m.UpdateRate}}
	for _, table := range m.Tables {
		r.total += table.Size(ctx)
	}
	for _, table := range m.Tables {
		if err = r.table(ctx, table); err != nil || r.sum.Limited {
			break
		}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return r.sum, err
}

// migrating is one run.
type migrating struct {
	*Migration
	force          bool
	reads, updates pace
	total          int
	sum            MigrationSummary
}

func (r *migrating) table(ctx context.Context, table store.Legacy) error {
	for after := store.LegacyCursor(""); ; {
		if err := r.reads.wait(ctx); err != nil {
			return err
		}
		page, err := table.Page(ctx, after, r.PageSize)
		if err != nil {
			return err
		}
		r.reads.spend(page.Units)
		for _, row := range page.Rows {
			if r.sum.Limited = r.Limit > 0 && r.sum.Done+r.sum.Failed == r.Limit; r.sum.Limited {
				return nil
			}
			if err := r.row(ctx, row); err != nil {
				return err
			}
		}
		r.sum.Seen += page.Seen
		if r.Progress != nil {
			r.Progress(r.sum.Seen, r.total)
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

// row deals with one row. The error is what ends the run.
func (r *migrating) row(ctx context.Context, row store.LegacyRow) error {
	out := MigratedRow{Table: row.Table, Key: row.Key, Status: Failed, Reason: row.Problem}
	lost := false
	switch {
	case row.Problem != "":
	case !r.force:
		out.Status = Moved
	default:
		if err := r.updates.wait(ctx); err != nil {
			return err
		}
		err := r.Change(context.WithoutCancel(ctx), row)
		r.updates.spend(1)
		switch {
		case err == nil:
			out.Status = Moved
		case errors.Is(err, store.ErrStale):
			lost, out.Reason = true, "it changed meanwhile and was left as it is now"
		case errors.Is(err, store.ErrThrottled):
			lost, out.Reason = true, "the table takes no more writes at the moment; the row is as it was"
		default:
			return err
		}
	}
	if out.Status == Moved {
		r.sum.Done++
	} else {
		r.sum.Failed++
	}
	if r.Each != nil {
		r.Each(out)
	}
	if lost {
		return pause(ctx, r.BackOff)
	}
	return ctx.Err()
}
