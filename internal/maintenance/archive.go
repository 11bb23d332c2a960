package maintenance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// Archiver moves many credentials between the main store and the archive. Each
// of them is moved by the vault, which judges and records it; the Archiver knows
// which ones are meant, keeps a second run out and holds the pace.
type Archiver struct {
	Store  store.Store
	Vault  *vault.Vault
	Caller authz.Caller
	Now    func() time.Time
	// Rate bounds the write units (rows of up to 1 KiB that are written or
	// removed) a second; 0: no bound.
	Rate int
	// Each, if not nil, hears of each credential as soon as it is done with, and
	// Progress of how far the run is. They are not called side by side.
	Each     func(Item)
	Progress func(done, total int)
}

// Status is what became of one credential.
type Status string

// The statuses.
const (
	Moved   Status = "done"          // or would be, without force
	Already Status = "already there" // nothing was left to do
	Skipped Status = "skipped"       // a rule keeps it where it is
	Failed  Status = "failed"        // not found, not permitted, different, or the store failed
)

// Item is one credential of a run.
type Item struct {
	ID     string
	Status Status
	Reason string   // why it was skipped or failed
	Keys   []string // that were moved, or would be, in the order in which they are written
	// Different are keys that a restore left alone, for they hold something else
	// by now; NameTaken is who bears the restored credential's name by now.
	Different []string
	NameTaken string
}

// Summary counts the credentials of a run.
type Summary struct {
	Selected, Moved, Already, Skipped, Failed int
}

// Left says how many credentials an interrupted run did not come to.
func (s Summary) Left() int { return s.Selected - s.Moved - s.Already - s.Skipped - s.Failed }

// ArchiveSelection says which credentials are meant: those of the given ids, or
// else those disabled ones whose last change lies more than Days whole days back.
type ArchiveSelection struct {
	IDs  []string
	Days int
}

// Archive archives what is selected, or without force finds out what could be.
// The error is a *RunningError if another run is at work, and the context's if
// it ended: credentials in hand are then finished, the others left alone. What
// one credential fails of ends up in its item alone.
func (a *Archiver) Archive(ctx context.Context, of ArchiveSelection, force bool) (Summary, error) {
	o := vault.ArchiveOptions{Force: force}
	ids := of.IDs
	if ids == nil {
		o.UnchangedSince = a.Now().Add(-time.Duration(of.Days+1) * 24 * time.Hour)
	}
	return a.run(ctx, force, func(ctx context.Context) (_ []string, err error) {
		if ids == nil {
			ids, err = a.idle(ctx, o.UnchangedSince)
		}
		return ids, err
	}, func(ctx context.Context, id string) (Item, int, error) {
		report, err := a.Vault.ArchiveCredential(ctx, a.Caller, id, o)
		return Item{ID: id, Keys: report.Keys}, report.Units, err
	})
}

// Repair finishes archivings that the older service was cut short in: revisions
// whose current row is gone from the main store but stands in the archive are
// removed, without force only found. The errors are those of Archive.
func (a *Archiver) Repair(ctx context.Context, force bool) (Summary, error) {
	orphans := map[string][]int{}
	return a.run(ctx, force, func(ctx context.Context) ([]string, error) {
		found, err := a.Store.Check(ctx)
		if err != nil {
			return nil, fmt.Errorf("looking for revisions without a current row: %w", err)
		}
		for _, key := range found.Orphans {
			if id, n, ok := revision.Split(key); ok {
				orphans[id] = append(orphans[id], n)
			}
		}
		// What is no archived credential, or one that is current again, is not
		// meant: orphans of other kinds are reported by a check of the store.
		archived, err := a.Store.ArchivedCredentials().BatchGet(ctx, slices.Sorted(maps.Keys(orphans)))
		if err != nil {
			return nil, fmt.Errorf("reading the archive: %w", err)
		}
		current, err := a.Store.Credentials().BatchGet(ctx, idsOf(archived))
		if err != nil {
			return nil, fmt.Errorf("reading the credentials: %w", err)
		}
		for _, id := range idsOf(current) {
			delete(orphans, id)
		}
		return slices.DeleteFunc(idsOf(archived), func(id string) bool { return orphans[id] == nil }), nil
	}, func(ctx context.Context, id string) (Item, int, error) {
		report, err := a.Vault.RepairArchived(ctx, a.Caller, id, orphans[id], force)
		item := Item{ID: id, Keys: report.Keys}
		if err == nil && len(item.Keys) == 0 {
			item.Status = Already
		}
		return item, report.Units, err
	})
}

func idsOf(rows []*credential.Credential) []string {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}

// pageSize is how many rows are listed at once.
const pageSize = 500

// idle returns the ids of the disabled credentials that did not change after a
// moment. Only ids are kept, so that the memory needed hardly grows with the
// store.
func (a *Archiver) idle(ctx context.Context, since time.Time) ([]string, error) {
	var ids []string
	page := revision.Page{Limit: pageSize}
	for {
		slice, err := a.Store.Credentials().List(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("listing the credentials: %w", err)
		}
		for _, row := range slice.Items {
			if !row.Enabled && !row.ModifiedDate.After(since) {
				ids = append(ids, row.ID)
			}
		}
		if page.After = slice.Next; page.After == nil {
			return ids, nil
		}
	}
}

// judge completes an item by the error that the vault answered.
func (i *Item) judge(err error) {
	switch {
	case err == nil:
		i.Status = Moved
		return
	case errors.Is(err, vault.ErrStillEnabled), errors.Is(err, vault.ErrStillMapped), errors.Is(err, vault.ErrChanged):
		i.Status = Skipped
	default:
		i.Status = Failed
	}
	i.Keys = nil
	i.Reason = err.Error()
	if f := fault.As(err); f != nil && f.Message != "" {
		i.Reason = f.Message
	}
}
