package maintenance

import (
	"context"
	"sync"
	"time"
)

// pace spreads units over time. What a step cost is known after it; the next
// ones wait for it.
type pace struct {
	rate float64 // units a second; 0: no bound
	mu   sync.Mutex
	next time.Time // when the next step may begin
}

func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	until := p.next
	p.mu.Unlock()
	if p.rate == 0 {
		return ctx.Err()
	}
	return pause(ctx, time.Until(until))
}

func (p *pace) spend(units float64) {
	if p.rate == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(units / p.rate * float64(time.Second)))
}

// pause waits unless the context ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
