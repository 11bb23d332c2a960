package maintenance

import (
	"context"
	"errors"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// Alone does work while no run of archiving or restoring is at work on any
// machine, and keeps others from beginning. It returns a *RunningError if there
// is one. The context of the work ends when that can no longer be promised.
func Alone(ctx context.Context, documents store.Documents, owner string, now func() time.Time, work func(context.Context) error) (err error) {
	held, err := holdRun(ctx, documents, owner, now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.release()) }()
	err = work(held.ctx)
	if lost := context.Cause(held.ctx); err != nil && lost == errRunLost {
		err = lost
	}
	return err
}
