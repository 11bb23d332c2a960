package maintenance

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
)

// inHand is how many credentials are moved side by side.
const inHand = 8

// run moves what choose selects by move, which returns the item and what it cost
// in write units. An item whose status move leaves open is judged by its error.
func (a *Archiver) run(ctx context.Context, force bool,
	choose func(context.Context) ([]string, error),
	move func(context.Context, string) (Item, int, error),
) (sum Summary, err error) {
	if force {
		held, locked := holdRun(ctx, a.Store.Documents(), a.Caller.Name, a.Now)
		if locked != nil {
			return sum, locked
		}
		defer func() { err = errors.Join(err, held.release()) }()
		ctx = held.ctx
	}
	ids, err := choose(ctx)
	if err != nil {
		return sum, err
	}
	sum.Selected = len(ids)
	report := a.report(&sum)
	pace := pace{rate: float64(a.Rate)}
	g := errgroup.Group{}
	g.SetLimit(inHand)
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if pace.wait(ctx) != nil {
				return nil // not begun, which the summary tells
			}
			item, units, err := move(ctx, id)
			if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return nil
			}
			if item.Status == "" {
				item.judge(err)
			}
			if force && item.Status == Moved {
				pace.spend(float64(units))
			}
			report(item)
			return nil
		})
	}
	_ = g.Wait() // no item ends the others
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return sum, err
}

// report returns what counts an item and passes it on, one at a time.
func (a *Archiver) report(sum *Summary) func(Item) {
	var mu sync.Mutex
	if a.Progress != nil {
		a.Progress(0, sum.Selected)
	}
	return func(i Item) {
		mu.Lock()
		defer mu.Unlock()
		switch i.Status {
		case Moved:
			sum.Moved++
		case Already:
			sum.Already++
		case Skipped:
			sum.Skipped++
		case Failed:
			sum.Failed++
		}
		if a.Each != nil {
			a.Each(i)
		}
		if a.Progress != nil {
			a.Progress(sum.Selected-sum.Left(), sum.Selected)
		}
	}
}
