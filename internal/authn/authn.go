// Package authn finds out who sends a request. It knows HTTP and cookies, and
// nothing of what callers may do (package authz) or want to do. Each way to
// prove oneself is a sub-package; this package holds what they share: the chain
// that asks them, browser sessions with their CSRF token, and which proxies are
// believed.
package authn

import (
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// ErrNoProof says that a request does not carry the kind of proof an
// Authenticator looks for. A proof that is there and does not hold is another
// error, and ends the request.
var ErrNoProof = errors.New("the request carries no such proof")

// Authenticator is one way to prove oneself. It is safe for concurrent use.
type Authenticator interface {
	// Name is the Method of the principals it finds, or of the session behind
	// them.
	Name() string
	// Authenticate returns who sent the request, ErrNoProof, or a fault:
	// Unauthenticated or BadProof if the proof does not hold, Unavailable if
	// that cannot be told.
	Authenticate(r *http.Request) (authz.Principal, error)
}

// Chain asks authenticators in order. The first that finds its proof decides.
type Chain []Authenticator

// Authenticate returns who sent the request. Without any proof it returns
// Unauthenticated with ErrNoProof underneath.
func (c Chain) Authenticate(r *http.Request) (authz.Principal, error) {
	for _, a := range c {
		p, err := a.Authenticate(r)
		if !errors.Is(err, ErrNoProof) {
			return p, err
		}
	}
	return authz.Principal{}, fault.Wrap(fault.Unauthenticated, "Authentication is required.", ErrNoProof)
}

// Identity is who logged in, and what a session remembers of it.
type Identity struct {
	authz.Principal
	FirstName  string // may be empty, and so may the next
	LastName   string
	Generation int64 // of a local account
	// ProvenOtherwise says that every request proves the identity anew, so that
	// the session carries the CSRF token alone.
	ProvenOtherwise bool
	// Next is the local path to go to after the log-in; empty: "/".
	Next string
	// Provider is what the identity provider must be told at log-out, at most
	// 1000 bytes that mean nothing to anybody else.
	Provider string
}

// Done ends a log-in: with an identity, or with the fault to be shown.
type Done func(w http.ResponseWriter, r *http.Request, id Identity, err error)

// LoginFlow is a way to log in with a browser.
type LoginFlow interface {
	// Name is the Method of those who log in with it.
	Name() string
	// Mount adds the routes of the flow, /v1/login among them. Each request
	// that ends a log-in calls done once and writes nothing itself.
	Mount(router chi.Router, done Done)
}

// Leaver is a LoginFlow whose identity provider takes part in log-outs.
type Leaver interface {
	LoginFlow
	// Leave returns the URL that begins the log-out at the provider, given what
	// the Identity said in Provider; "" if there is nothing to tell.
	Leave(r *http.Request, provider string) (string, error)
	// Left takes what the provider sent about a log-out and returns where to
	// send the browser: to the provider with an answer, or to a page here. The
	// session ends in any case. Unauthenticated: the message does not hold.
	Left(r *http.Request) (string, error)
}

// Off lets everybody in as one user, without any proof: USE_AUTH=false.
type Off struct{}

var (
	_ Authenticator = Off{}
	_ LoginFlow     = Off{}
)

// Name implements Authenticator and LoginFlow.
func (Off) Name() string { return "null" }

// Authenticate implements Authenticator.
func (o Off) Authenticate(*http.Request) (authz.Principal, error) {
	return authz.Principal{Type: authz.User, Name: "unauthenticated user", Method: o.Name()}, nil
}

// Mount implements LoginFlow: there is nothing to do to log in.
func (o Off) Mount(router chi.Router, done Done) {
	login := func(w http.ResponseWriter, r *http.Request) {
		p, err := o.Authenticate(r)
		done(w, r, Identity{Principal: p}, err)
	}
	router.Get("/v1/login", login)
	router.Post("/v1/login", login)
}
