package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// ArchiveOptions say how a credential is archived.
type ArchiveOptions struct {
	// Force moves it; without it is only said whether and what could be moved.
	Force bool
	// UnchangedSince, unless zero, keeps a credential that changed after it.
	UnchangedSince time.Time
}

// ArchiveReport says what ArchiveCredential moved or, without force, would move.
type ArchiveReport struct {
	Keys  []string // of the shared key space: "<id>-<n>" ascending, the id last
	Units int      // what the rows cost to copy and to remove, in write units of 1 KiB, about
}

// Why a credential stays where it is, although nothing went wrong.
var (
	ErrStillEnabled = fault.New(fault.Invalid, "Credential still enabled")
	ErrStillMapped  = fault.New(fault.Invalid, "Credential has mapped services")
	ErrChanged      = fault.New(fault.Invalid, "Credential changed meanwhile")
)

// ArchiveCredential moves a disabled credential that no service maps, with all
// its revisions, into the archive. Killed at any moment it leaves a copy too
// many, never one too few, and done again it finishes.
func (v *Vault) ArchiveCredential(ctx context.Context, c authz.Caller, id string, o ArchiveOptions) (ArchiveReport, error) {
	k := v.begin(c, authz.Archive, authz.Credential)
	return perform(ctx, k, func() (none ArchiveReport, _ error) {
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
			return none, ErrStillEnabled
		case len(m.services) > 0:
			return none, ErrStillMapped
		case !o.UnchangedSince.IsZero() && row.ModifiedDate.After(o.UnchangedSince):
			return none, ErrChanged
		}
		past, err := everyRevision(ctx, v.store.Credentials(), id)
		if err != nil {
			return none, storeFault("reading the history of "+id, err)
		}
		report := ArchiveReport{keysOf(row, past), 2 * writeUnits(row, past)}
		if !o.Force {
			k.note("dry_run", true)
			return report, nil
		}
		err = k.commit(ctx, func(ctx context.Context) error { return v.archive(ctx, row, past, m) })
		switch {
		case errors.Is(err, store.ErrStale):
			return none, stale(id, err)
		case err != nil:
			return none, err
		}
		return report, nil
	})
}

// keysOf returns the keys under which a credential is stored, in the order in
// which it is written and removed.
func keysOf(row *credential.Credential, past []*credential.Credential) []string {
	keys := make([]string, 0, len(past)+1)
	for _, r := range slices.Backward(past) {
		keys = append(keys, revision.Key(r.ID, r.Revision))
	}
	return append(keys, row.ID)
}

// writeUnits estimates what it costs to write rows.
func writeUnits(row *credential.Credential, past []*credential.Credential) int {
	const besides = 512 // bytes of a row beside what varies much
	cost := func(c *credential.Credential) int {
		return (besides+len(c.Sealed.Ciphertext)+len(c.Sealed.DataKey)+len(c.Metadata))>>10 + 1
	}
	sum := cost(row)
	for _, c := range past {
		sum += cost(c)
	}
	return sum
}

var errNoArchive = fault.New(fault.Invalid, "archive table is not configured")

// archive copies a credential as it was read into the archive, sees that the
// copy is there, and removes the original if neither it nor what is mapped has
// moved since.
func (v *Vault) archive(ctx context.Context, row *credential.Credential, past []*credential.Credential, m mapping) error {
	if err := v.copyToArchive(ctx, row, past); err != nil {
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
func (v *Vault) copyToArchive(ctx context.Context, row *credential.Credential, past []*credential.Credential) error {
	archived := v.store.ArchivedCredentials()
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
	return nil
}

// renewArchived reads the archived current row back and brings it up to date:
// one of a lower revision, which stands there since before the credential was
// restored and changed, is replaced; one of the same revision gets the head,
// which is not part of the content. What differs otherwise is an error.
func (v *Vault) renewArchived(ctx context.Context, row *credential.Credential) error {
	archived := v.store.ArchivedCredentials()
	got, err := archived.Get(ctx, row.ID)
	if err != nil {
		return fmt.Errorf("reading back the current row: %w", err)
	}
	switch {
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
	case credential.Identical(got, row):
		return nil
	}
	if got, err = archived.Get(ctx, row.ID); err != nil {
		return fmt.Errorf("reading back the current row: %w", err)
	}
	if !credential.Identical(got, row) {
		return errors.New("the current row reads back differently")
	}
	return nil
}
