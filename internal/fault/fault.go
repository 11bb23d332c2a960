// Package fault is the closed set of ways in which a use case can fail.
//
// It knows no transport: a Kind carries no status and no exit code. Each
// transport owns exactly one table from Kind to its own replies. Adapters below
// the use cases return sentinels of their own; the use cases turn those into
// faults with words that may be shown to the caller.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind classifies a fault. The zero value is Internal, so that an error nobody
// classified is never mistaken for the caller's mistake.
type Kind uint8

// The kinds. The set is closed: a transport's table covers all of them, and a
// test holds it to that.
const (
	Internal        Kind = iota // a bug or an impossible state; the public text is fixed
	Invalid                     // the request is malformed or breaks a rule
	Unauthenticated             // no proof, an ended session, a refused API token, a missing CSRF token, the wrong account
	BadProof                    // a proof that was made wrongly: a KMS token or a signature that does not hold
	Denied                      // the policy says no
	ReadOnly                    // maintenance mode
	NotFound                    // known to be absent; an outage is never reported so
	Exists                      // a unique name or key is taken
	Stale                       // the revision moved since it was read
	TooLarge                    // the request or the row it would make is too large
	RateLimited                 // this client is over its own limit
	Unavailable                 // a store, key service or audit log that does not answer; contention that did not end
)

// Kinds lists every kind, for tests that walk the transports' tables.
func Kinds() []Kind {
	return []Kind{
		Internal, Invalid, Unauthenticated, BadProof, Denied, ReadOnly, NotFound,
		Exists, Stale, TooLarge, RateLimited, Unavailable,
	}
}

// String returns the kind's name for logs, for example "not found".
func (k Kind) String() string {
	switch k {
	case Invalid:
		return "invalid"
	case Unauthenticated:
		return "unauthenticated"
	case BadProof:
		return "bad proof"
	case Denied:
		return "denied"
	case ReadOnly:
		return "read only"
	case NotFound:
		return "not found"
	case Exists:
		return "exists"
	case Stale:
		return "stale"
	case TooLarge:
		return "too large"
	case RateLimited:
		return "rate limited"
	case Unavailable:
		return "unavailable"
	default:
		return "internal"
	}
}

// Error is a fault. Message and Reference may be shown to the caller; Cause and
// By may not, they are for the log and the audit record.
type Error struct {
	Kind      Kind
	Message   string        // public words, a sentence or the contract's fixed text
	Reference string        // the id of the thing concerned, if it may be named
	Member    string        // for Invalid and Exists: the member of the input that it is about, if it is one
	Details   any           // public structured details, such as key conflicts; nil if none
	RetryIn   time.Duration // for Unavailable, RateLimited and ReadOnly: when to try again; 0 lets the transport choose
	By        string        // for Denied: the policy that decided
	Cause     error         // what went wrong underneath; never shown
}

// Error returns the public words and, for the log, the cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.Cause)
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New returns a fault with public words.
func New(kind Kind, message string) *Error {
	return &Error{Kind: kind, Message: message}
}

// Newf is New with formatting.
func Newf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns a fault with public words over a cause that stays hidden.
func Wrap(kind Kind, message string, cause error) *Error {
	return &Error{Kind: kind, Message: message, Cause: cause}
}

// About returns a copy of e that names the thing concerned.
func (e *Error) About(reference string) *Error {
	c := *e
	c.Reference = reference
	return &c
}

// On returns a copy of e that names the member of the input concerned.
func (e *Error) On(member string) *Error {
	c := *e
	c.Member = member
	return &c
}

// As returns the fault in err's chain, or nil if there is none.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// KindOf classifies any error. An error that is no fault is Internal, but for
// an expired deadline, which is Unavailable: whatever was waited for did not
// answer in time.
func KindOf(err error) Kind {
	if e := As(err); e != nil {
		return e.Kind
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Unavailable
	}
	return Internal
}

// Is reports whether err is a fault of the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
