package app

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// reload is something that can be read again while the server runs.
type reload struct {
	what string // in the log
	read func() error
}

// onReload has read called whenever the operator asks for a reload. Where it
// returns an error it has kept what was in force, or made it stricter.
func (a *App) onReload(what string, read func() error) {
	a.reloads = append(a.reloads, reload{what, read})
}

// hangups returns where SIGHUP arrives, the way to ask a server for a reload.
// From then on, until release, it does not end the process.
func hangups() (hangup <-chan os.Signal, release func()) {
	c := make(chan os.Signal, 1) // asked for again while it reloads: once more
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// reloadAt reads everything again at each signal, until ctx ends.
func (a *App) reloadAt(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			a.reload()
		}
	}
}

// reload reads everything again. What fails keeps nothing else from it.
func (a *App) reload() {
	for _, r := range a.reloads {
		if err := r.read(); err != nil {
			a.log.Error("reload failed", "what", r.what, "error", err)
			continue
		}
		a.log.Info("reloaded", "what", r.what)
	}
}
