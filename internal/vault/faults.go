package vault

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// storeFault turns what a store answered into a fault. doing says, for the
// log, what was asked of it.
func storeFault(doing string, err error) error { return storeFaultSaying("", doing, err) }

// storeFaultSaying is storeFault with public words for what has no others. A
// lost race stays what it is, for whoever can run it again.
func storeFaultSaying(words, doing string, err error) error {
	cause := fmt.Errorf("%s: %w", doing, err)
	switch {
	case errors.Is(err, store.ErrStale), errors.Is(err, context.Canceled):
		return cause
	case errors.Is(err, syscall.ENOSPC):
		return fault.Wrap(fault.Unavailable, "The disk of the store is full.", cause)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Unavailable, "The store does not answer.", cause)
	case errors.Is(err, store.ErrTooLarge):
		return fault.Wrap(fault.TooLarge,
			fmt.Sprintf("The stored form would be larger than %d KiB.", store.MaxRowBytes>>10), cause)
	case errors.Is(err, revision.ErrCursor):
		return fault.Wrap(fault.Invalid, "Failed to parse page", cause)
	case words == "":
		return cause
	default:
		return fault.Wrap(fault.Internal, words, cause)
	}
}

// writeFault is storeFault for a revision that was not written.
func writeFault(w words, err error) error {
	var taken *store.TakenError
	switch {
	case errors.As(err, &taken) && taken.Claim:
		return nameTaken(taken.Holder, err)
	case errors.Is(err, store.ErrTaken):
		return fault.Wrap(fault.Invalid, w.notA, err)
	default:
		return storeFaultSaying(w.unwritten, "writing a revision", err)
	}
}

// nameTaken is the fault of a name that another credential bears.
func nameTaken(holder string, cause error) error {
	return &fault.Error{
		Kind:      fault.Exists,
		Message:   "Name already exists. See id: " + holder,
		Reference: holder,
		Member:    "name",
		Cause:     cause,
	}
}

// keyFault turns what the sealer answered into a fault, with public words for
// what has no others.
func keyFault(words, doing string, err error) error {
	cause := fmt.Errorf("%s: %w", doing, err)
	switch {
	case errors.Is(err, context.Canceled):
		return cause
	case errors.Is(err, keyring.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Unavailable, "The key service does not answer.", cause)
	case words == "":
		return cause
	default:
		return fault.Wrap(fault.Internal, words, cause)
	}
}

// first returns the first fault about one of the members, in their order.
func (u Unread) first(members ...string) error {
	for _, m := range members {
		if err := u[m]; err != nil {
			return err
		}
	}
	return nil
}
