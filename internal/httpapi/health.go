package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// healthcheck says that the process answers, and nothing else.
func healthcheck(c *call) error {
	c.sendEmpty(http.StatusOK)
	return nil
}

// readiness says whether the server can do its work. It tells no details: it
// asks nobody who he is.
func readiness(c *call) error {
	status := http.StatusOK
	if !c.s.readiness.ok(c.ctx()) {
		status = http.StatusServiceUnavailable
	}
	c.sendEmpty(status)
	return nil
}

// readinessLife is how long an answer about readiness is kept, so that nobody
// can put load on the store by asking.
const readinessLife = 5 * time.Second

// readinessCheck remembers the last answer. One caller at a time asks anew, for
// at most as long as an answer is kept; the others wait for it.
type readinessCheck struct {
	check func(context.Context) error
	log   *slog.Logger
	now   func() time.Time

	mu    sync.Mutex
	asked time.Time
	ready bool
}

func (r *readinessCheck) ok(ctx context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := r.now().Sub(r.asked); !r.asked.IsZero() && age >= 0 && age < readinessLife {
		return r.ready
	}
	// A prober that hangs up must not make the next one believe in a failure.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readinessLife)
	defer cancel()
	err := r.check(ctx)
	if err != nil {
		r.log.ErrorContext(ctx, "not ready", "error", err)
	} else if !r.ready && !r.asked.IsZero() {
		r.log.InfoContext(ctx, "ready again")
	}
	r.asked, r.ready = r.now(), err == nil
	return r.ready
}
