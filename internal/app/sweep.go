package app

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// sweepEvery is about how often documents that have expired are removed. They
// are not found any more from the moment they expire; this gives back their
// room.
const sweepEvery = 15 * time.Minute

// sweep removes documents that have expired, until Close.
func (a *App) sweep(ctx context.Context) {
	a.background(ctx, func(ctx context.Context) {
		for {
			// Servers over one store do not all sweep at once.
			timer := time.NewTimer(sweepEvery/2 + rand.N(sweepEvery))
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			switch n, err := a.store.Documents().Purge(ctx, store.Purge{ExpiredBefore: time.Now()}); {
			case err != nil && ctx.Err() == nil:
				a.log.Warn("documents that have expired were not removed", "error", err)
			case n > 0:
				a.log.Debug("removed documents that have expired", "count", n)
			}
		}
	})
}

// background runs something until Close.
func (a *App) background(ctx context.Context, run func(context.Context)) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(running)
	}()
	a.onClose(func() error {
		stop()
		<-ended
		return nil
	})
}
