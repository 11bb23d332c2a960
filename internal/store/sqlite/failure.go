package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"syscall"

	modernc "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/confidant-secrets/confidant/internal/store"
)

// errClosed is the answer to calls after Close.
var errClosed = fmt.Errorf("%w: it is closed", store.ErrUnavailable)

// wrap says what was being done, and makes what means "the store does not
// answer" store.ErrUnavailable. The end of the caller's context comes first:
// whatever failed then failed because of it.
func wrap(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil && !isOutcome(err) {
		err = ended
	}
	if errors.Is(err, store.ErrUnavailable) || !isOutage(err) {
		return fmt.Errorf("%s: %w", what, err)
	}
	if resultCode(err) == codes.SQLITE_FULL {
		// SQLite hides the system's error behind its own; callers tell people.
		err = fmt.Errorf("%w: %w", err, syscall.ENOSPC)
	}
	return fmt.Errorf("%s: %w: %w", what, store.ErrUnavailable, err)
}

// isOutcome reports whether err is an answer to the question asked.
func isOutcome(err error) bool {
	for _, outcome := range []error{store.ErrNotFound, store.ErrTaken, store.ErrStale, store.ErrTooLarge} {
		if errors.Is(err, outcome) {
			return true
		}
	}
	return false
}

// resultCode returns SQLite's primary result code in err's chain, or -1.
func resultCode(err error) int {
	if e, ok := errors.AsType[*modernc.Error](err); ok {
		return e.Code() & 0xff
	}
	return -1
}

func isBusy(err error) bool {
	code := resultCode(err)
	return code == codes.SQLITE_BUSY || code == codes.SQLITE_LOCKED
}

// isOutage reports whether err says that the file could not be read or written,
// as opposed to a mistake in what was asked.
func isOutage(err error) bool {
	switch resultCode(err) {
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED, codes.SQLITE_NOMEM, codes.SQLITE_READONLY, codes.SQLITE_INTERRUPT,
		codes.SQLITE_IOERR, codes.SQLITE_CORRUPT, codes.SQLITE_FULL, codes.SQLITE_CANTOPEN, codes.SQLITE_PROTOCOL,
		codes.SQLITE_NOTADB:
		return true
	}
	return isBroken(err) || errors.Is(err, context.DeadlineExceeded)
}

// isBroken reports whether the connection itself can no longer be used.
func isBroken(err error) bool {
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}

// isStorage reports whether err came from the database and not from a decision:
// SQLite may have rolled the transaction back on its own then.
func isStorage(err error) bool { return resultCode(err) >= 0 || isBroken(err) }
