package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// statusOf is the one table from the kinds of faults to statuses.
func statusOf(kind fault.Kind) int {
	switch kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.BadProof, fault.Denied, fault.ReadOnly:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Exists, fault.Stale:
		return http.StatusConflict
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.RateLimited:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// wordsFor is what a caller reads about an error that brings no public words.
func wordsFor(kind fault.Kind) string {
	switch kind {
	case fault.Invalid:
		return "The request is not valid."
	case fault.Unauthenticated:
		return "Authentication is required."
	case fault.BadProof:
		return "The credentials of this request were refused."
	case fault.Denied:
		return "Access denied."
	case fault.ReadOnly:
		return "Server in maintenance mode."
	case fault.NotFound:
		return "Not found."
	case fault.Exists:
		return "It exists already."
	case fault.Stale:
		return "It was changed concurrently, reload and try again."
	case fault.TooLarge:
		return "The request is too large."
	case fault.RateLimited:
		return "Too many requests, try again later."
	case fault.Unavailable:
		return "The service is not available at the moment, try again later."
	default:
		return "Internal server error."
	}
}

// retryAfter says in whole seconds when to try again; "" where that makes no
// difference.
func retryAfter(kind fault.Kind, wanted time.Duration) string {
	fallback := 0 * time.Second
	switch kind {
	case fault.ReadOnly:
		fallback = time.Minute
	case fault.RateLimited, fault.Unavailable:
		fallback = 2 * time.Second
	default:
		return ""
	}
	if wanted <= 0 {
		wanted = fallback
	}
	return strconv.Itoa(int((wanted + time.Second - 1) / time.Second))
}

// failure is an error as it is told to the caller.
type failure struct {
	status     int
	words      string
	reference  string
	conflicts  vault.Conflicts
	members    map[string]any // further ones of the body
	retryAfter string
}

// failureFor turns any error into what may be told about it.
func failureFor(err error) failure {
	kind := fault.KindOf(err)
	fe := fault.As(err)
	if fe == nil && errors.Is(err, context.Canceled) {
		kind = fault.Unavailable // whoever waited has gone; should he still listen, he may try again
	}
	f := failure{status: statusOf(kind), words: wordsFor(kind)}
	var wanted time.Duration
	if fe != nil {
		if fe.Message != "" {
			f.words = fe.Message
		}
		f.reference = fe.Reference
		f.conflicts, _ = fe.Details.(vault.Conflicts)
		f.members, _ = fe.Details.(map[string]any)
		wanted = fe.RetryIn
	}
	f.retryAfter = retryAfter(kind, wanted)
	return f
}

// append writes the body: always an object with the member "error".
func (f *failure) append(b []byte) []byte {
	b = append(b, `{"error":`...)
	b = appendString(b, f.words)
	if f.reference != "" {
		b = append(b, `,"reference":`...)
		b = appendString(b, f.reference)
	}
	if f.conflicts != nil {
		b = append(b, `,"conflicts":`...)
		b = appendConflicts(b, f.conflicts)
	}
	for _, name := range slices.Sorted(maps.Keys(f.members)) {
		value, err := json.Marshal(f.members[name])
		if err != nil {
			continue // the words say enough
		}
		b = append(appendString(append(b, ','), name), ':')
		b = append(b, value...)
	}
	return append(b, '}')
}
