// Package header authenticates by headers that a trusted proxy sets after it
// has authenticated the user itself.
package header

import (
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// Options names the headers and who is believed.
type Options struct {
	Username  string // must be present, its value is not used
	Email     string // the identity
	FirstName string // optional, as the next
	LastName  string
	// Trusted are the proxies whose headers count; from any other peer they are
	// as missing.
	Trusted authn.AddressSet
	// Administrator reports whether an e-mail address is an administrator's.
	Administrator func(email string) bool
}

// Header is the authenticator and the log-in.
type Header struct {
	Options
}

var (
	_ authn.Authenticator = (*Header)(nil)
	_ authn.LoginFlow     = (*Header)(nil)
)

// New returns the module. Without the names of both required headers it
// authenticates nobody, and Incomplete says so.
func New(o Options) (*Header, error) {
	if o.Trusted == nil || o.Administrator == nil {
		return nil, errors.New("header authentication needs trusted proxies and to know administrators")
	}
	return &Header{o}, nil
}

// Incomplete returns what to tell the operator about settings that are missing,
// as a sentence; empty if none is.
func (h *Header) Incomplete() string {
	switch {
	case h.Username == "" && h.Email == "":
		return "Header log-in needs HEADER_AUTH_USERNAME_HEADER and HEADER_AUTH_EMAIL_HEADER."
	case h.Username == "":
		return "Header log-in needs HEADER_AUTH_USERNAME_HEADER."
	case h.Email == "":
		return "Header log-in needs HEADER_AUTH_EMAIL_HEADER."
	default:
		return ""
	}
}

// Name implements authn.Authenticator and authn.LoginFlow.
func (h *Header) Name() string { return "header" }

// Authenticate implements authn.Authenticator. The name is the e-mail address in
// lower case. A header that stands twice, or an address that is none, is a
// proof that does not hold: some proxies append to what a client sent.
func (h *Header) Authenticate(r *http.Request) (authz.Principal, error) {
	if h.Incomplete() != "" || !h.Trusted.Contains(authn.PeerAddr(r)) {
		return authz.Principal{}, authn.ErrNoProof
	}
	usernames, emails := r.Header.Values(h.Username), r.Header.Values(h.Email)
	if len(usernames) == 0 || len(emails) == 0 || usernames[0] == "" || emails[0] == "" {
		return authz.Principal{}, authn.ErrNoProof
	}
	email, ok := authn.FoldEmail(emails[0])
	if len(usernames) > 1 || len(emails) > 1 || !ok {
		return authz.Principal{}, fault.New(fault.Unauthenticated, "The identity headers are not usable.")
	}
	return authz.Principal{
		Type:          authz.User,
		Name:          email,
		Method:        h.Name(),
		Administrator: h.Administrator(email),
		Ambient:       true,
	}, nil
}

// Mount implements authn.LoginFlow: one request logs in.
func (h *Header) Mount(router chi.Router, done authn.Done) {
	login := func(w http.ResponseWriter, r *http.Request) {
		id, err := h.login(r)
		done(w, r, id, err)
	}
	router.Get("/v1/login", login)
	router.Post("/v1/login", login)
}

func (h *Header) login(r *http.Request) (authn.Identity, error) {
	if why := h.Incomplete(); why != "" {
		return authn.Identity{}, fault.New(fault.Unavailable, why)
	}
	p, err := authn.Chain{h}.Authenticate(r)
	if err != nil {
		return authn.Identity{}, err
	}
	return authn.Identity{
		Principal:       p,
		FirstName:       r.Header.Get(h.FirstName),
		LastName:        r.Header.Get(h.LastName),
		ProvenOtherwise: true,
	}, nil
}
