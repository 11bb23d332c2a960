// Package apitoken authenticates by API tokens. It knows where a request
// carries one and leaves to package account whether it is good.
package apitoken

import (
	"net/http"
	"strings"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authz"
)

// Verifier tells who bears a token, without I/O. account.Accounts is one.
type Verifier interface {
	VerifyToken(text string) (authz.Principal, error)
}

// Authenticator reads "Authorization: Bearer <token>" (RFC 6750), else
// "x-api-key: <token>".
type Authenticator struct {
	tokens Verifier
}

var _ authn.Authenticator = (*Authenticator)(nil)

// New returns an authenticator.
func New(tokens Verifier) *Authenticator { return &Authenticator{tokens} }

// Name implements authn.Authenticator.
func (a *Authenticator) Name() string { return account.TokenMethod }

// Authenticate implements authn.Authenticator. A refused token is
// Unauthenticated.
func (a *Authenticator) Authenticate(r *http.Request) (authz.Principal, error) {
	const scheme = "Bearer "
	token := r.Header.Get("x-api-key")
	if v := r.Header.Get("Authorization"); len(v) >= len(scheme) && strings.EqualFold(v[:len(scheme)], scheme) {
		token = strings.TrimSpace(v[len(scheme):])
	} else if token == "" {
		return authz.Principal{}, authn.ErrNoProof
	}
	return a.tokens.VerifyToken(token)
}
