package account

import (
	"context"
	"fmt"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/store"
)

// challengeResource is what policies and records call all challenges.
const challengeResource = "auth:challenge"

// ChallengeCleanup says which challenges CleanChallenges removes: those begun
// before a moment, or all, whether they expired or not; else those that expired.
type ChallengeCleanup struct {
	BegunBefore time.Time // zero: no moment is given
	All         bool
	DryRun      bool // count, and remove none

	Batch    int               // see store.Purge
	Progress func(removed int) // see store.Purge
}

// CleanChallenges removes challenges and says how many: log-ins that wait for their
// next step, and links that make the first account. Who has one that had not
// expired must begin again. A context that is cancelled ends the work between two
// batches; what is said to be removed is gone then.
func (a *Accounts) CleanChallenges(ctx context.Context, c authz.Caller, in ChallengeCleanup) (removed int, err error) {
	p := store.Purge{Kind: kindChallenge, Batch: in.Batch, DryRun: in.DryRun, Progress: in.Progress}
	info := map[string]any{"operation": "cleanup", "dry_run": in.DryRun}
	switch {
	case in.All:
		info["all"] = true
	case !in.BegunBefore.IsZero():
		p.WrittenBefore = in.BegunBefore
		info["begun_before"] = in.BegunBefore.UTC().Format(time.RFC3339)
	default:
		p.ExpiredBefore = a.now()
	}
	op := operation{
		action:   authz.Update,
		resource: authz.Resource{Type: authz.Cleanup, ID: challengeResource, Name: challengeResource},
		words:    "clean up challenges",
		info:     info,
	}
	if in.DryRun {
		op.action = authz.List
	}
	d, err := a.permit(ctx, c, op)
	if err != nil {
		return 0, err
	}
	if in.DryRun {
		n, err := a.documents.Purge(ctx, p)
		if err != nil {
			return 0, storeFault(fmt.Errorf("counting challenges: %w", err))
		}
		return n, a.record(ctx, entry(c, op, d))
	}
	err = a.perform(ctx, c, d, act{operation: op, check: holds, quiet: true, commit: func(ctx context.Context) error {
		n, err := a.documents.Purge(ctx, p)
		removed = n
		if err != nil {
			return fmt.Errorf("removing challenges: %w", err)
		}
		return nil
	}})
	return removed, err
}

// holds is the check of an act that has nothing to judge.
func holds() error { return nil }
