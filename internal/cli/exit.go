package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/maintenance"
)

// The exit codes, one table for every command.
const (
	exitDone          = 0   // also when there was nothing to do
	exitRefused       = 1   // refused by a rule, not found, exists already, or some items failed or differ
	exitUsage         = 2   // unknown flag, bad name or value, unparsable input
	exitConfiguration = 3   // configuration missing or wrong
	exitFailed        = 4   // storage or file failure
	exitLocked        = 5   // the data is in use
	exitInterrupted   = 130 // after finishing the item in hand
)

// usageError is a mistake in how a command was called.
type usageError struct{ error }

// Unwrap returns what was wrong.
func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errFound ends a command whose printed result is the bad news, so that there
// is nothing more to say.
var errFound = errors.New("the result is not good")

// exitCode is the one place that turns errors into exit codes.
func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return exitInterrupted
	case errors.Is(err, errFound), errors.Is(err, audit.ErrBroken):
		return exitRefused
	case errors.As(err, new(usageError)):
		return exitUsage
	case errors.As(err, new(*config.Error)), errors.As(err, new(*app.StartError)), errors.Is(err, account.ErrNoTokenSecret):
		return exitConfiguration
	case errors.As(err, new(*maintenance.LockedError)), errors.As(err, new(*maintenance.RunningError)), errors.Is(err, audit.ErrRotating):
		return exitLocked
	}
	return codeOf(fault.KindOf(err))
}

func codeOf(kind fault.Kind) int {
	switch kind {
	case fault.Unauthenticated, fault.BadProof, fault.Denied, fault.ReadOnly,
		fault.NotFound, fault.Exists, fault.Stale, fault.RateLimited:
		return exitRefused
	case fault.Invalid, fault.TooLarge:
		return exitUsage
	case fault.Unavailable, fault.Internal:
		return exitFailed
	}
	return exitFailed
}

// end says what went wrong, if anything did, and returns the exit code.
func (c *console) end(ctx context.Context, err error) int {
	code := exitCode(ctx, err)
	if err == nil || errors.Is(err, errFound) {
		return code
	}
	text := err.Error()
	if code == exitInterrupted {
		text = "interrupted"
	}
	fmt.Fprintln(c.err, "confidant: "+text)
	if c.json && !c.printed {
		_ = c.print(struct {
			Error string `json:"error"`
		}{text}, nil) // there is nowhere left to report to
	}
	return code
}
