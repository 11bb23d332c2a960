package vault

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// GetCredential returns a current credential with its key names, and with its
// pairs unless only metadata is asked for or the caller may see no more.
func (v *Vault) GetCredential(ctx context.Context, c authz.Caller, id string, metadataOnly bool) (CredentialView, error) {
	k := v.begin(c, authz.Metadata, authz.Credential)
	defer v.metrics.Time("get_credential_by_id", k.began)
	return perform(ctx, k, func() (none CredentialView, _ error) {
		n := v.credentials()
		p, err := locate(ctx, k, n, id)
		if err != nil {
			return none, err
		}
		if err := k.require(ctx, authz.Metadata, p.resource, "get credential "+id, id); err != nil {
			return none, err
		}
		if p.taken || p.current == nil {
			return none, n.words.missing()
		}
		k.entry.Revision = p.current.Revision
		permissions := k.hints(ctx, p.resource, authz.Get, authz.Update)
		permissions[string(authz.Metadata)] = true
		values := !metadataOnly && permissions[string(authz.Get)]
		if values {
			k.entry.Action = string(authz.Get)
		}
		views, err := k.views(ctx, []*credential.Credential{p.current}, values)
		if err != nil {
			return none, err
		}
		views[0].Permissions = permissions
		if values && v.rules.SaveLastDecrypted && !v.readOnly() {
			k.seen(&views[0])
		}
		return views[0], nil
	})
}

// seen notes in the row, once the answer is on record, that a person saw the
// pairs now. The view shows that already.
func (k *call) seen(view *CredentialView) {
	now := *view.Row
	now.LastDecrypted = k.at
	view.NextRotation = k.v.rules.Rotation.Next(&now, k.at)
	k.later(func(ctx context.Context) {
		err := k.v.store.Credentials().Amend(ctx, now.ID, now.Revision, func(c *credential.Credential) bool {
			if !c.LastDecrypted.Before(k.at) {
				return false
			}
			c.LastDecrypted = k.at
			return true
		})
		if err != nil {
			k.v.log.WarnContext(ctx, "the date of a decryption was not kept",
				slog.String("credential", now.ID), slog.Any("error", err))
		}
	})
}

// CredentialRevisions returns all revisions of a credential in ascending order,
// without key names and pairs.
func (v *Vault) CredentialRevisions(ctx context.Context, c authz.Caller, id string) ([]CredentialView, error) {
	k := v.begin(c, authz.Metadata, authz.Credential)
	return revisions(ctx, k, v.credentials(), id, k.historicView)
}

// revisions are all revisions of one thing in ascending order. The key of one
// of them stands for a thing without revisions of its own.
func revisions[T, V any](ctx context.Context, k *call, n noun[T], id string, show func(*T) V) ([]V, error) {
	return perform(ctx, k, func() ([]V, error) {
		p, err := locate(ctx, k, n, id)
		if err != nil {
			return nil, err
		}
		what := n.words.singular + " " + id + " revisions"
		if err := k.require(ctx, authz.Metadata, p.resource, what, ""); err != nil {
			return nil, err
		}
		if p.row() == nil {
			return nil, n.words.missing()
		}
		k.note("history", true)
		if p.historic != nil {
			return []V{}, nil
		}
		rows, err := history(ctx, n, id)
		if err != nil {
			return nil, err
		}
		views := make([]V, len(rows))
		for i, row := range rows {
			views[i] = show(row)
		}
		return views, nil
	})
}

// history returns all revisions of a thing in ascending order.
func history[T any](ctx context.Context, n noun[T], id string) ([]*T, error) {
	slice, err := everyRevision(ctx, n.rows, id)
	if err != nil {
		return nil, storeFault("reading the history of "+id, err)
	}
	slices.SortFunc(slice, func(a, b *T) int { return n.meta(a).Revision - n.meta(b).Revision })
	return slice, nil
}

// everyRevision reads all historic rows of an id, in no particular order.
func everyRevision[T any](ctx context.Context, rows store.Reader[T], id string) ([]*T, error) {
	slice, err := rows.History(ctx, id, revision.Page{})
	return slices.Clone(slice.Items), err
}

// DiffCredential says what changed between two revisions of a credential,
// whichever of them is given first.
func (v *Vault) DiffCredential(ctx context.Context, c authz.Caller, id string, a, b int) (credential.Difference, error) {
	k := v.begin(c, authz.Metadata, authz.Credential)
	return diff(ctx, k, v.credentials(), id, a, b, func(a, b *credential.Credential, _ authz.Resource) (none credential.Difference, _ error) {
		pairsA, pairsB, err := v.openBoth(ctx, a, b)
		if err != nil {
			return none, err
		}
		return credential.Diff(a, b, pairsA, pairsB), nil
	})
}

// diff compares two revisions of one thing; compare is told what the policy may
// look at of it.
func diff[T, D any](ctx context.Context, k *call, n noun[T], id string, a, b int, compare func(a, b *T, r authz.Resource) (D, error)) (D, error) {
	return perform(ctx, k, func() (none D, _ error) {
		p, err := locate(ctx, k, n, id)
		if err != nil {
			return none, err
		}
		if err := k.require(ctx, authz.Metadata, p.resource, "diff "+n.words.singular+" "+id, id); err != nil {
			return none, err
		}
		k.note("revisions", []int{a, b})
		if p.taken || p.current == nil {
			return none, n.words.missing()
		}
		rowA, err := past(ctx, n, p.current, a)
		if err != nil {
			return none, err
		}
		rowB, err := past(ctx, n, p.current, b)
		if err != nil {
			return none, err
		}
		return compare(rowA, rowB, p.resource)
	})
}

// past returns revision number of the thing whose current row is given. What
// lies above the current revision is not part of its history.
func past[T any](ctx context.Context, n noun[T], current *T, number int) (*T, error) {
	meta := n.meta(current)
	if number < 1 || number > meta.Revision {
		return nil, n.words.missing()
	}
	row, err := n.rows.Revision(ctx, meta.ID, number)
	if errors.Is(err, store.ErrNotFound) {
		return nil, n.words.missing()
	}
	if err != nil {
		return nil, storeFault("reading revision "+strconv.Itoa(number)+" of "+meta.ID, err)
	}
	return row, nil
}

// openBoth opens two revisions, once if they hold the same sealed value.
func (v *Vault) openBoth(ctx context.Context, a, b *credential.Credential) (pairsA, pairsB credential.Pairs, err error) {
	pairsA, err = v.open(ctx, a)
	if err != nil {
		return pairsA, pairsB, err
	}
	if a.Sealed.Ciphertext == b.Sealed.Ciphertext {
		return pairsA, pairsA, nil
	}
	pairsB, err = v.open(ctx, b)
	return pairsA, pairsB, err
}
