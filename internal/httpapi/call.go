package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// call is one request on its way. It is the response writer too, and so knows
// what was answered.
type call struct {
	s      *server
	w      http.ResponseWriter
	r      *http.Request
	route  *route          // nil until the router has found one
	client context.Context // ends when the client goes away
	caller authz.Caller
	start  time.Time
	status int // 0 until the answer has begun
	failed error
	login  *login // how a log-in ended that this call was a step of

	session *authn.Session // of a browser; nil for other callers

	// handedOver says that the record of this call is somebody else's affair, or
	// made already.
	handedOver bool
}

// Header returns the answer's header.
func (c *call) Header() http.Header { return c.w.Header() }

// WriteHeader begins the answer.
func (c *call) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.w.WriteHeader(status)
}

// Write writes a part of the answer's body.
func (c *call) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.w.Write(b)
}

// Unwrap is for http.ResponseController.
func (c *call) Unwrap() http.ResponseWriter { return c.w }

// write writes the whole body. A client that has gone away is nobody's error.
func (c *call) write(b []byte) { _, _ = c.Write(b) }

// sendEmpty answers with a status alone.
func (c *call) sendEmpty(status int) {
	h := c.Header()
	h["Content-Type"] = valueHTML
	h["Content-Length"] = []string{"0"}
	c.WriteHeader(status)
}

// redirect sends the client elsewhere.
func (c *call) redirect(status int, location string) {
	c.Header().Set("Location", location)
	c.sendEmpty(status)
}

// ctx returns the request's context, which ends with its deadline.
func (c *call) ctx() context.Context { return c.r.Context() }

// vault returns the use cases. From then on they record the call.
func (c *call) vault() *vault.Vault {
	c.handedOver = true
	return c.s.vault
}

// param returns a part of the path.
func (c *call) param(name string) string { return chi.URLParam(c.r, name) }

// revision returns a part of the path that is a revision; 0, which no revision
// has, if it is written in any other way.
func (c *call) revision(name string) int {
	id, n, ok := revision.Split("x-" + c.param(name))
	if !ok || id != "x" {
		return 0
	}
	return n
}

// revertInput reads what a revert may bring: a body, which is checked but not
// looked at, and a precondition.
func (c *call) revertInput() (ifRevision int, err error) {
	in, ifRevision, err := c.input()
	if err != nil {
		return 0, err
	}
	return ifRevision, in.unread[""]
}
