package vault

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/sealed"
)

// Values whose data keys are at hand open in microseconds, one after the other
// faster than several at the same time. What takes longer than impatience waits
// for a key service; then the others are opened side by side, atOnce at a time.
const (
	impatience = time.Millisecond
	atOnce     = 16
)

// each calls do for 0 to n-1 and returns the first error.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	last := time.Now()
	for i := range n {
		if err := do(ctx, i); err != nil {
			return err
		}
		now := time.Now()
		if now.Sub(last) > impatience {
			return eachAtOnce(ctx, i+1, n, do)
		}
		last = now
	}
	return nil
}

// eachAtOnce calls do for from to n-1, several at the same time.
func eachAtOnce(ctx context.Context, from, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := from; i < n; i++ {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

// open opens the pairs of a row.
func (v *Vault) open(ctx context.Context, row *credential.Credential) (credential.Pairs, error) {
	plaintext, err := v.sealer.Open(ctx, row.ID, row.Sealed)
	if err != nil {
		return credential.Pairs{}, keyFault("Decryption error.", "opening "+row.ID, err)
	}
	pairs, err := credential.OpenPairs(plaintext)
	if err != nil {
		return credential.Pairs{}, keyFault("Decryption error.", "opening "+row.ID, err)
	}
	return pairs, nil
}

// seal seals the pairs of the credential with the id.
func (v *Vault) seal(ctx context.Context, id string, pairs credential.Pairs) (sealed.Value, error) {
	value, err := v.sealer.Seal(ctx, id, pairs.Encode())
	if err != nil {
		return sealed.Value{}, keyFault("", "sealing "+id, err)
	}
	return value, nil
}

// view shows a row without its pairs and key names.
func (k *call) view(row *credential.Credential) CredentialView {
	return CredentialView{Row: row, NextRotation: k.v.rules.Rotation.Next(row, k.at)}
}

// views shows rows with their key names and, if values is set, their pairs. It
// opens no more than that takes, and fails as a whole if one does not open.
func (k *call) views(ctx context.Context, rows []*credential.Credential, values bool) ([]CredentialView, error) {
	out := make([]CredentialView, len(rows))
	closed := make([]int, 0, len(rows)) // indexes of what must be opened
	for i, row := range rows {
		out[i] = k.view(row)
		out[i].KeyNames = row.KeyNames
		if values || row.KeyNames == nil {
			closed = append(closed, i)
		}
	}
	if len(closed) == 0 {
		return out, nil
	}
	opened := make([]credential.Pairs, len(closed))
	err := each(ctx, len(closed), func(ctx context.Context, n int) (err error) {
		view := &out[closed[n]]
		if opened[n], err = k.v.open(ctx, view.Row); err != nil {
			return err
		}
		if view.KeyNames == nil {
			view.KeyNames = opened[n].Keys()
		}
		if values {
			view.Pairs = &opened[n]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	k.keepNames(out)
	return out, nil
}

// keepNames has the key names of opened rows that did not tell them written
// into these rows once the call is over, so that nobody needs to open them for
// their names again.
func (k *call) keepNames(views []CredentialView) {
	if !k.v.rules.StoreKeyNames || k.v.readOnly() {
		return
	}
	var untold []CredentialView
	for _, view := range views {
		if view.Row.KeyNames == nil {
			untold = append(untold, view)
		}
	}
	if len(untold) == 0 {
		return
	}
	k.later(func(ctx context.Context) {
		err := each(ctx, len(untold), func(ctx context.Context, i int) error {
			row, names := untold[i].Row, untold[i].KeyNames
			return k.v.store.Credentials().Amend(ctx, row.ID, row.Revision, func(c *credential.Credential) bool {
				if c.KeyNames != nil {
					return false
				}
				c.KeyNames = names
				return true
			})
		})
		if err != nil {
			k.v.log.WarnContext(ctx, "key names were not kept", slog.Any("error", err))
		}
	})
}

// later adds to what is done once the answer is on record.
func (k *call) later(do func(context.Context)) {
	if before := k.after; before != nil {
		k.after = func(ctx context.Context) { before(ctx); do(ctx) }
		return
	}
	k.after = do
}

// hints asks the policy what else the caller may do with a resource, for the
// page that shows it.
func (k *call) hints(ctx context.Context, r authz.Resource, actions ...authz.Action) Permissions {
	p := make(Permissions, len(actions))
	for _, a := range actions {
		p[string(a)] = k.may(ctx, a, r).Allowed
	}
	return p
}
