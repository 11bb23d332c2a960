package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// ArchiveCredential moves a disabled credential that no service maps, with all
// its revisions, into the archive. Without force it only says whether that
// could be done. Killed at any moment it leaves a copy too many, never one too
// few, and done again it finishes.
func (v *Vault) ArchiveCredential(ctx context.Context, c authz.Caller, id string, force bool) error {
	k := v.begin(c, authz.Archive, authz.Credential)
	_, err := perform(ctx, k, func() (none struct{}, _ error) {
		if err := k.writable(); err != nil {
			return none, err
		}
		n := v.credentials()
		p, m, err := locateMapped(ctx, k, n, id)
		if err != nil {
			return none, err
		}
		if err := k.require(ctx, authz.Archive, p.resource, "archive credential "+id, id); err != nil {
			return none, err
		}
		row, err := p.changeable(n.words)
		if err != nil {
			return none, err
		}
		k.entry.Revision = row.Revision
		switch {
		case v.store.ArchivedCredentials() == nil:
			return none, errNoArchive
		case row.Enabled:
			return none, fault.New(fault.Invalid, "Credential still enabled")
		case len(m.services) > 0:
			return none, fault.New(fault.Invalid, "Credential has mapped services")
		}
		if !force {
			k.note("dry_run", true)
			return none, nil
		}
		err = k.commit(ctx, func(ctx context.Context) error { return v.archive(ctx, row, m) })
		if errors.Is(err, store.ErrStale) {
			err = stale(id, err)
		}
		return none, err
	})
	return err
}

var errNoArchive = fault.New(fault.Invalid, "archive table is not configured")

// archive copies a credential as it was read into the archive, sees that the
// copy is there, and removes the original if neither it nor what is mapped has
// moved since.
func (v *Vault) archive(ctx context.Context, row *credential.Credential, m mapping) error {
	if err := v.copyToArchive(ctx, row); err != nil {
		v.metrics.Count("archive.save.failure", 1)
		return storeFaultSaying("Archive failed", "copying to the archive", err)
	}
	v.metrics.Count("archive.save.success", 1)
	guards := []store.Guard{store.DocumentGuard(store.KindMapping, row.ID, m.version)}
	err := v.store.Credentials().Delete(ctx, row.ID, row.Revision, guards)
	if err != nil && !errors.Is(err, store.ErrNotFound) { // not found: somebody else finished the same
		v.metrics.Count("archive.delete.failure", 1)
		return storeFaultSaying("Delete failed", "deleting what was archived", err)
	}
	v.metrics.Count("archive.delete.success", 1)
	return nil
}

// copyToArchive puts all revisions and then the current row into the archive
// and reads them back. What was archived before stays; if it is not the same, the
// comparison ends it here.
func (v *Vault) copyToArchive(ctx context.Context, row *credential.Credential) error {
	archived := v.store.ArchivedCredentials()
	past, err := everyRevision(ctx, v.store.Credentials(), row.ID)
	if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	if _, err := archived.Import(ctx, row, past); err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	if err := v.renewArchived(ctx, row); err != nil {
		return err
	}
	copies, err := everyRevision(ctx, archived, row.ID)
	if err != nil {
		return fmt.Errorf("reading the copies back: %w", err)
	}
	numbered := make(map[int]*credential.Credential, len(copies))
	for _, got := range copies {
		numbered[got.Revision] = got
	}
	for _, want := range past {
		if got := numbered[want.Revision]; got == nil || !credential.Identical(got, want) {
			return fmt.Errorf("revision %d does not read back as it was", want.Revision)
		}
	}
	got, err := archived.Get(ctx, row.ID)
	if err != nil {
		return fmt.Errorf("reading back the current row: %w", err)
	}
	if !credential.Identical(got, row) {
		return errors.New("the current row reads back differently")
	}
	return nil
}

// renewArchived brings an archived current row up to date: one of a lower
// revision, which stands there since before the credential was restored and
// changed, is replaced; one of the same revision gets the head, which is not
// part of the content.
func (v *Vault) renewArchived(ctx context.Context, row *credential.Credential) error {
	archived := v.store.ArchivedCredentials()
	got, err := archived.Get(ctx, row.ID)
	switch {
	case err != nil:
		return fmt.Errorf("reading the archived current row: %w", err)
	case got.Revision < row.Revision:
		if err := archived.ReplaceCurrent(ctx, got.Revision, row); err != nil {
			return fmt.Errorf("replacing the archived current row: %w", err)
		}
	case got.Revision == row.Revision && !got.Head.Equal(row.Head):
		err := archived.Amend(ctx, row.ID, row.Revision, func(c *credential.Credential) bool {
			c.Head = row.Clone().Head
			return true
		})
		if err != nil {
			return fmt.Errorf("renewing the archived head: %w", err)
		}
	}
	return nil
}
