package vault

import (
	"context"
	"errors"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// RepairArchived removes those revisions of an archived credential that stayed
// behind when its current row was removed, as the older service leaves them when
// it is cut short. Each of them must stand in the archive with the same content,
// or nothing is removed. Without force it only reports. It is judged as
// archiving is, by what the archive knows of the credential.
func (v *Vault) RepairArchived(ctx context.Context, c authz.Caller, id string, numbers []int, force bool) (ArchiveReport, error) {
	k := v.begin(c, authz.Archive, authz.Credential)
	return perform(ctx, k, func() (none ArchiveReport, _ error) {
		if err := k.writable(); err != nil {
			return none, err
		}
		current := v.store.Credentials()
		k.note("repair", true)
		if _, err := k.archived(ctx, id, "archive"); err != nil {
			return none, err
		}
		if _, err := current.Get(ctx, id); err == nil || errors.Is(err, store.ErrTaken) {
			return none, errStillCurrent.About(id)
		} else if !errors.Is(err, store.ErrNotFound) {
			return none, storeFault("reading "+id, err)
		}
		report, err := v.orphans(ctx, id, numbers)
		if err != nil || len(report.Keys) == 0 {
			return none, err
		}
		if !force {
			k.note("dry_run", true)
			return report, nil
		}
		err = k.commit(ctx, func(ctx context.Context) error { return current.DeleteOrphans(ctx, id, numbers) })
		switch {
		case errors.Is(err, store.ErrStale):
			return none, errStillCurrent.About(id)
		case err != nil:
			return none, storeFault("removing what was archived", err)
		}
		return report, nil
	})
}

var errStillCurrent = fault.New(fault.Invalid, "The id is in use again.")

// orphans compares revisions with their archived copies.
func (v *Vault) orphans(ctx context.Context, id string, numbers []int) (report ArchiveReport, _ error) {
	for _, n := range numbers {
		key := revision.Key(id, n)
		there, err := v.store.Credentials().Revision(ctx, id, n)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return report, storeFault("reading "+key, err)
		}
		archived, err := v.store.ArchivedCredentials().Revision(ctx, id, n)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return report, storeFault("reading the archived "+key, err)
		}
		if err != nil || !credential.Identical(there, archived) {
			return ArchiveReport{}, fault.New(fault.Stale, "The archive does not hold "+key+" as it stands; nothing was removed.")
		}
		report.Keys = append(report.Keys, key)
		report.Units++
	}
	return report, nil
}

// archived asks the policy whether the call may go on with an archived
// credential, and returns its current row. do is the verb of a refusal.
func (k *call) archived(ctx context.Context, id, do string) (*credential.Credential, error) {
	n := k.v.credentials()
	p, err := k.v.findArchived(ctx, id)
	if err != nil {
		return nil, err
	}
	r := n.resource(p.base, p.current)
	if err := k.mappedBy(ctx, &r); err != nil {
		return nil, err
	}
	if err := k.require(ctx, authz.Archive, r, do+" credential "+id, id); err != nil {
		return nil, err
	}
	if k.v.store.ArchivedCredentials() == nil {
		return nil, errNoArchive
	}
	row, err := p.changeable(n.words)
	if err != nil {
		return nil, err
	}
	k.entry.Revision = row.Revision
	return row, nil
}

// findArchived looks an id up in the archive, if there is one.
func (v *Vault) findArchived(ctx context.Context, id string) (p place[credential.Credential], err error) {
	archived := v.store.ArchivedCredentials()
	if archived == nil {
		return p, nil
	}
	if p, err = find(ctx, archived, id); err != nil {
		return p, storeFault("reading the archived "+id, err)
	}
	return p, nil
}
