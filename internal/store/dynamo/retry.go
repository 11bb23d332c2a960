package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/confidant-secrets/confidant/internal/store"
)

// Codes of cancellation reasons, which the SDK gives no constants for.
const (
	conditionFailed = "ConditionalCheckFailed"
	invalidAction   = "ValidationError"
)

const (
	// patience is how long contention and throttling are waited out where the
	// caller sets no deadline.
	patience = 5 * time.Second
	// longPatience is the same for work in the background, which may well wait
	// for a table of little capacity.
	longPatience = 2 * time.Minute

	firstWait   = 10 * time.Millisecond
	longestWait = 500 * time.Millisecond
)

// backoff waits longer each time, with full jitter.
type backoff struct {
	next  time.Duration
	until time.Time
}

func newBackoff(ctx context.Context) *backoff {
	until, limited := ctx.Deadline()
	if !limited {
		until = time.Now().Add(patience)
	}
	return &backoff{next: firstWait, until: until}
}

// wait reports false when patience, or the context, ends or would end meanwhile.
func (b *backoff) wait(ctx context.Context) bool {
	d := rand.N(b.next) + time.Millisecond
	b.next = min(2*b.next, longestWait)
	if time.Now().Add(d).After(b.until) {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// try makes a call, again and again while others are in its way or too much is
// asked of the table.
func (s *Store) try(ctx context.Context, doing string, call func() error) error {
	for wait := newBackoff(ctx); ; {
		err := call()
		if err == nil {
			return nil
		}
		if !contended(err) || !wait.wait(ctx) {
			return wrap(ctx, doing, err)
		}
	}
}

// within gives a step of long work a deadline of its own; none with 0.
func within(ctx context.Context, patience time.Duration, step func(context.Context) error) error {
	if patience == 0 {
		return step(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return step(ctx)
}

// contended reports whether an error means "somebody else is at it, or too much
// is asked: try again". The SDK has tried again by itself where it may, and has
// seen to what the network did.
func contended(err error) bool {
	if canceled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		retry := false
		for _, reason := range canceled.CancellationReasons {
			switch deref(reason.Code) {
			case "None", "":
			case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
				retry = true
			default:
				return false
			}
		}
		return retry
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	switch api.ErrorCode() {
	case "TransactionConflictException", "TransactionInProgressException", "ThrottlingException", "Throttling",
		"ProvisionedThroughputExceededException", "RequestLimitExceeded":
		return true
	}
	return false
}

// wrap turns what the SDK says into the sentinels of package store.
func wrap(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case outgrown(err):
		return fmt.Errorf("%s: %w: %w", doing, store.ErrTooLarge, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, store.ErrUnavailable, err)
}

// outgrown reports whether an action was refused for its own sake. Rows are
// measured before they are sent, so what is left is a mapping document that
// would grow beyond what an item may hold.
func outgrown(err error) bool {
	canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return false
	}
	for _, reason := range canceled.CancellationReasons {
		if deref(reason.Code) == invalidAction {
			return true
		}
	}
	return false
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// atOnce is how many requests of one call are under way at once.
const atOnce = 8

// each calls f for 0..n-1, several at once.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range n {
		group.Go(func() error { return f(ctx, i) })
	}
	return group.Wait()
}
