package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Restored makes documents that come from a backup safe to go on with: what was
// revoked since the backup stays revoked, for the later of each two moments is
// kept; every browser session of before now ends; and log-ins that were under
// way are dropped. present is what the documents replace; nil if nothing is
// known of it.
//
// No server may use the documents meanwhile. It returns the moment, less than a
// second from now, before which sessions are refused.
func Restored(ctx context.Context, restored, present store.Documents, now time.Time) (moment time.Time, err error) {
	into := &Accounts{documents: restored, now: func() time.Time { return now }}
	revocations, version, err := into.readRevocations(ctx)
	if err != nil {
		return moment, err
	}
	revocations.Sessions = nextSecond(now)
	if present != nil {
		from := &Accounts{documents: present}
		since, _, err := from.readRevocations(ctx)
		if err != nil {
			return moment, err
		}
		for _, r := range since.Revocations {
			revocations.add(Revocation(r))
		}
		if err := into.keepTokensEnded(ctx, from); err != nil {
			return moment, err
		}
	}
	if err := into.writeDocument(ctx, kindRevocations, idCurrent, revocations, version); err != nil {
		return moment, err
	}
	return revocations.Sessions, into.dropChallenges(ctx)
}

// keepTokensEnded keeps the tokens refused that other accounts of the same names
// refuse.
func (a *Accounts) keepTokensEnded(ctx context.Context, others *Accounts) error {
	listed, err := others.documents.List(ctx, kindAccount, revision.Page{})
	if err != nil {
		return fmt.Errorf("listing accounts: %w", err)
	}
	for _, d := range listed.Items {
		other, err := readRecord(d)
		if err != nil {
			return err
		}
		mine, err := a.read(ctx, other.Name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !other.TokensValidAfter.After(mine.TokensValidAfter) {
			continue
		}
		mine.TokensValidAfter = other.TokensValidAfter
		document, err := mine.document()
		if err != nil {
			return err
		}
		if _, err := a.documents.Put(ctx, document, mine.version); err != nil {
			return fmt.Errorf("writing account %q: %w", mine.Name, err)
		}
	}
	return nil
}

func (a *Accounts) dropChallenges(ctx context.Context) error {
	if _, err := a.documents.Purge(ctx, store.Purge{Kind: kindChallenge}); err != nil {
		return fmt.Errorf("dropping log-ins under way: %w", err)
	}
	return nil
}
