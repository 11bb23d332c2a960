package vault

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// How long a write that lost a race is tried again. The row itself may move
// three times; after that the caller shall look at what others made of it.
// Rows that the decision was based on may move more often, for nothing of the
// caller's own is at stake, but not for ever.
const (
	ownRetries    = 3
	guardRetries  = 20
	guardPatience = 2 * time.Second
	firstPause    = 2 * time.Millisecond
	longestPause  = 200 * time.Millisecond
)

// commit records the attempt and carries out write while that record goes to
// the disk. Once the attempt is on record, write is no longer cancelled when
// the caller goes away, so that what the log says about its end is true.
func (k *call) commit(ctx context.Context, write func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := uncancelled(ctx)
	defer cancel()

	e := k.entry
	e.Phase = audit.Attempt
	e.Success = true
	receipt, err := k.v.audit.Append(ctx, e)
	if err := k.v.auditFault(ctx, err); err != nil {
		return err
	}
	k.settled = true
	if err != nil {
		return write(ctx) // going on without a record, by configuration
	}

	flushed := make(chan error, 1)
	go func() { flushed <- receipt.Wait(ctx) }()
	runtime.Gosched() // it begins at once, on this thread, which then waits for the disk
	err = write(ctx)
	unflushed := <-flushed
	if err != nil {
		e.Phase = audit.Failed
		e.Success = false
		e.Of = receipt.Number()
		e.Info = withReason(e.Info, err)
		if _, lost := k.v.audit.Append(context.WithoutCancel(ctx), e); lost != nil {
			k.v.log.ErrorContext(ctx, "a failed change has no audit record", slog.Any("error", lost),
				slog.Uint64("attempt", e.Of))
		}
		return err
	}
	return k.v.auditFault(ctx, unflushed)
}

// uncancelled returns a context that keeps the deadline of ctx but not its
// cancellation.
func uncancelled(ctx context.Context) (context.Context, context.CancelFunc) {
	free := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(free, deadline)
	}
	return free, func() {}
}

// retry runs try, which reads, validates and commits, until it does not lose a
// race. With a pinned revision the row itself must not have moved at all.
func retry[T any](ctx context.Context, k *call, id string, pinned bool, try func() (T, error)) (T, error) {
	var none T
	started := time.Now()
	own, guards := 0, 0
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		out, err := try()
		if !errors.Is(err, store.ErrStale) {
			return out, err
		}
		if moved := (*store.StaleError)(nil); errors.As(err, &moved) && !moved.Own {
			guards++
			if guards > guardRetries || time.Since(started) > guardPatience {
				return none, &fault.Error{
					Kind:    fault.Unavailable,
					Message: "Too many concurrent changes, try again later.",
					RetryIn: time.Second, Cause: err,
				}
			}
		} else if own++; pinned || own > ownRetries {
			return none, stale(id, err)
		}
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case <-time.After(rand.N(pause)):
		}
		k.settled = false
	}
}

// stale is the fault of a caller whose row was changed by others meanwhile.
func stale(id string, cause error) error {
	return &fault.Error{
		Kind:      fault.Stale,
		Message:   id + " was changed concurrently, reload and try again",
		Reference: id,
		Cause:     cause,
	}
}

// pinned refuses a change made in view of another revision than the current
// one. A revision of 0 pins nothing.
func pinned(id string, current, seen int) error {
	if seen != 0 && seen != current {
		return stale(id, nil)
	}
	return nil
}

// write commits one revision and returns it as stored. then, if not nil, runs
// as soon as the revision is stored.
func write[T any](ctx context.Context, k *call, n noun[T], w store.Write[T], then func(context.Context, *T)) (*T, error) {
	var stored *T
	err := k.commit(ctx, func(ctx context.Context) error {
		rows, err := n.rows.Append(ctx, w)
		if err != nil {
			return writeFault(n.words, err)
		}
		stored = rows[len(rows)-1]
		if then != nil {
			then(ctx, stored)
		}
		return nil
	})
	return stored, err
}
