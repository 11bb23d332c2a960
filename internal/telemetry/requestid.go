package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
)

// maxRequestID bounds a request id that comes from outside, in bytes.
const maxRequestID = 128

type requestIDKey struct{}

// WithRequestID returns a context that carries a request id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the request id that a context carries, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// RequestIDs gives requests their ids. The zero value is ready.
type RequestIDs struct {
	Random io.Reader // nil: crypto/rand
}

// Choose returns the id that came with a request if it is well-formed: 1 to 128
// letters, digits, dots, dashes and underscores. Anything else could smuggle
// text into logs, so the request gets a new id of 32 hexadecimal digits.
func (r RequestIDs) Choose(incoming string) string {
	if wellFormed(incoming) {
		return incoming
	}
	random := r.Random
	if random == nil {
		random = rand.Reader
	}
	var b [16]byte
	// rand.Reader does not fail; ids from another reader that did would merely
	// not be unique.
	_, _ = io.ReadFull(random, b[:])
	return hex.EncodeToString(b[:])
}

func wellFormed(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
