package maintenance

import (
	"context"
	"fmt"
	"strings"

	"github.com/confidant-secrets/confidant/internal/revision"
)

// Restore puts archived credentials back, those of the given ids or, with nil,
// all that are archived; without force it finds out what would be put back. The
// errors are those of Archive.
func (a *Archiver) Restore(ctx context.Context, ids []string, force bool) (Summary, error) {
	return a.run(ctx, force, func(ctx context.Context) (_ []string, err error) {
		if ids == nil {
			ids, err = a.archived(ctx)
		}
		return ids, err
	}, func(ctx context.Context, id string) (Item, int, error) {
		report, err := a.Vault.RestoreCredential(ctx, a.Caller, id, force)
		item := Item{ID: id, Keys: report.Written, Different: report.Different, NameTaken: report.NameTaken}
		switch {
		case err != nil:
		case len(item.Different) > 0:
			item.Status = Failed
			item.Reason = "It differs from what is archived and was left alone: " + strings.Join(item.Different, ", ")
		case len(item.Keys) == 0:
			item.Status = Already
		}
		return item, report.Units, err
	})
}

// archived returns the ids of all archived credentials.
func (a *Archiver) archived(ctx context.Context) ([]string, error) {
	var ids []string
	page := revision.Page{Limit: pageSize}
	for {
		slice, err := a.Store.ArchivedCredentials().List(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("listing the archive: %w", err)
		}
		for _, row := range slice.Items {
			ids = append(ids, row.ID)
		}
		if page.After = slice.Next; page.After == nil {
			return ids, nil
		}
	}
}
