package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// rewrapPage is how many accounts are in memory at a time.
const rewrapPage = 200

// Rewrapped says what became of the seeds of one-time codes.
type Rewrapped struct {
	Visited, Changed int
	Refused          []string // names of accounts whose seed does not open
}

// Rewrap puts what rewrap returns in place of everything that accounts keep
// sealed, which is the seeds of one-time codes; nil leaves it alone. Nothing
// else changes. A cancelled context ends it between two accounts; it may be
// repeated. No server may use the accounts meanwhile.
func Rewrap(ctx context.Context, documents store.Documents,
	rewrap func(ctx context.Context, wrapped []byte, ec keyring.Context) ([]byte, error),
) (done Rewrapped, err error) {
	page := revision.Page{Limit: rewrapPage}
	for {
		listed, err := documents.List(ctx, kindAccount, page)
		if err != nil {
			return done, fmt.Errorf("listing accounts: %w", err)
		}
		for _, d := range listed.Items {
			if err := ctx.Err(); err != nil {
				return done, err
			}
			r, err := readRecord(d)
			if err != nil {
				return done, err
			}
			if r.totp == nil {
				continue
			}
			done.Visited++
			again, err := rewrap(ctx, r.totp.Seed, seedContext(r.Name))
			switch {
			case errors.Is(err, keyring.ErrRefused):
				done.Refused = append(done.Refused, r.Name)
				continue
			case err != nil:
				return done, fmt.Errorf("re-wrapping the seed of account %q: %w", r.Name, err)
			case again == nil:
				continue
			}
			if err := replaceSeed(context.WithoutCancel(ctx), documents, r, again); err != nil {
				return done, err
			}
			done.Changed++
		}
		if listed.Next == nil {
			return done, nil
		}
		page.After = listed.Next
	}
}

func replaceSeed(ctx context.Context, documents store.Documents, r record, seed []byte) error {
	codes := *r.totp
	codes.Seed = seed
	r.setTOTP(&codes)
	d, err := r.document()
	if err != nil {
		return err
	}
	if _, err := documents.Put(ctx, d, r.version); err != nil {
		return fmt.Errorf("writing account %q: %w", r.Name, err)
	}
	return nil
}
