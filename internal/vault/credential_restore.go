package vault

import (
	"context"
	"errors"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// RestoreReport says what RestoreCredential did or, without force, would do.
// Keys are those of the shared key space: the id, and "<id>-<n>".
type RestoreReport struct {
	Written   []string // keys put back
	Present   []string // keys that were there with the same content
	Different []string // keys that were there with other content, and were left alone
	NameTaken string   // id that bears the name by now; empty: the name was free
	Units     int      // what the rows cost to write, in write units of 1 KiB, about
}

// RestoreCredential copies an archived credential with all its revisions back,
// and leaves the archive as it is. What is there already is not overwritten.
// Without force it only reports. It is judged as archiving is, by what the
// archive knows of the credential.
func (v *Vault) RestoreCredential(ctx context.Context, c authz.Caller, id string, force bool) (RestoreReport, error) {
	k := v.begin(c, authz.Archive, authz.Credential)
	return perform(ctx, k, func() (none RestoreReport, _ error) {
		if err := k.writable(); err != nil {
			return none, err
		}
		k.note("restore", true)
		row, err := k.archived(ctx, id, "restore")
		if err != nil {
			return none, err
		}
		past, err := everyRevision(ctx, v.store.ArchivedCredentials(), id)
		if err != nil {
			return none, storeFault("reading the archived history of "+id, err)
		}
		if !force {
			k.note("dry_run", true)
			return v.wouldRestore(ctx, row, past)
		}
		var report RestoreReport
		err = k.commit(ctx, func(ctx context.Context) (err error) {
			report, err = v.restore(ctx, row, past)
			return err
		})
		return report, err
	})
}

// restore puts an archived credential back.
func (v *Vault) restore(ctx context.Context, row *credential.Credential, past []*credential.Credential) (RestoreReport, error) {
	report, err := v.store.Credentials().Import(ctx, row, past)
	if err != nil {
		v.metrics.Count("restore.save.failure", 1)
		if errors.Is(err, store.ErrTaken) {
			return RestoreReport{}, fault.Wrap(fault.Exists, "The id belongs to something else by now.", err).About(row.ID)
		}
		return RestoreReport{}, storeFault("restoring "+row.ID, err)
	}
	v.metrics.Count("restore.save.success", 1)
	return RestoreReport{
		Written: report.Written, Present: report.Same, Different: report.Different, NameTaken: report.NameTaken,
		Units: writeUnits(row, past),
	}, nil
}

// wouldRestore says what restore would report.
func (v *Vault) wouldRestore(ctx context.Context, row *credential.Credential, past []*credential.Credential) (report RestoreReport, _ error) {
	compare := func(key string, want, there *credential.Credential, err error) error {
		switch {
		case errors.Is(err, store.ErrNotFound):
			report.Written = append(report.Written, key)
		case errors.Is(err, store.ErrTaken):
			report.Different = append(report.Different, key)
		case err != nil:
			return storeFault("reading "+key, err)
		case credential.Identical(want, there):
			report.Present = append(report.Present, key)
		default:
			report.Different = append(report.Different, key)
		}
		return nil
	}
	rows := v.store.Credentials()
	standing, err := everyRevision(ctx, rows, row.ID)
	if err != nil {
		return report, storeFault("reading the history of "+row.ID, err)
	}
	numbered := make(map[int]*credential.Credential, len(standing))
	for _, there := range standing {
		numbered[there.Revision] = there
	}
	for _, want := range slices.Backward(past) {
		there, err := numbered[want.Revision], error(nil)
		if there == nil { // without a current row the history does not tell
			there, err = rows.Revision(ctx, want.ID, want.Revision)
		}
		if err := compare(revision.Key(want.ID, want.Revision), want, there, err); err != nil {
			return report, err
		}
	}
	there, err := rows.Get(ctx, row.ID)
	if err := compare(row.ID, row, there, err); err != nil {
		return report, err
	}
	var claim store.Claim
	if _, err := v.document(ctx, store.KindCredentialName, store.NameID(row.Name), &claim); err != nil {
		return report, err
	}
	if claim.ID != row.ID {
		report.NameTaken = claim.ID
	}
	return report, nil
}
