package account

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// TokenMethod is the Method of principals who proved themselves by an API token.
const TokenMethod = "api-token"

// maxTokenBytes bounds the text of a token before any work is done for it.
const maxTokenBytes = 4096

// Why a token is refused, beside what package jwt finds. For the log and for
// CheckToken, never for the bearer.
var (
	errTooLong   = errors.New("it is too long")
	errNotOurs   = errors.New("it is not for this service, or claims are missing")
	errNotYet    = errors.New("it is not valid yet")
	errExpired   = errors.New("it has expired")
	errRevoked   = errors.New("it was issued before the moment of revocation")
	errNoAccount = errors.New("there is no enabled account of its name")
)

// VerifyToken returns who bears a token, or Unauthenticated. It does no I/O:
// signature and claims are verified once and remembered, while times,
// revocations and the account's state are looked at on every use.
func (a *Accounts) VerifyToken(text string) (authz.Principal, error) {
	s, err := a.known()
	if err != nil {
		return authz.Principal{}, err
	}
	c, err := a.parseToken(text)
	if err == nil {
		var p authz.Principal
		if p, err = s.admit(c, a.now()); err == nil {
			return p, nil
		}
	}
	return authz.Principal{}, fault.Wrap(fault.Unauthenticated, "The API token is refused.", err)
}

// parseToken returns the claims of a token whose signature and form hold,
// whatever the time.
func (a *Accounts) parseToken(text string) (*claims, error) {
	if a.tokenKey == nil {
		return nil, ErrNoTokenSecret
	}
	if len(text) > maxTokenBytes {
		return nil, errTooLong
	}
	sum := sha256.Sum256([]byte(text))
	if c, ok := a.verified.Get(sum); ok {
		return c, nil
	}
	c := &claims{}
	_, err := jwt.ParseWithClaims(text, c, func(*jwt.Token) (any, error) { return a.tokenKey, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation(), // done here, since time is looked at on every use
	)
	switch {
	case err != nil:
		return nil, err
	case c.Issuer != tokenIssuer, c.Audience != tokenAudience, c.AuthType != tokenAuthType, !c.Role.known(),
		c.Subject == "", c.ID == "", c.IssuedAt == nil, c.NotBefore == nil, c.ExpiresAt == nil:
		return nil, errNotOurs
	}
	a.verified.Add(sum, c)
	return c, nil
}

// admit judges verified claims by what may change between two uses.
func (s *state) admit(c *claims, now time.Time) (authz.Principal, error) {
	r, hasAccount := s.accounts[fold(c.Subject)]
	issued := c.IssuedAt.Unix()
	switch {
	case now.Add(tokenLeeway).Before(c.NotBefore.Time), now.Add(tokenLeeway).Before(c.IssuedAt.Time):
		return authz.Principal{}, errNotYet
	case !now.Before(c.ExpiresAt.Add(tokenLeeway)):
		return authz.Principal{}, errExpired
	case issued < s.revoked.before(c.Subject, c.Role):
		return authz.Principal{}, errRevoked
	case c.Role == RoleService:
		return authz.Principal{Type: authz.Service, Name: c.Subject, Account: c.Account, Method: TokenMethod}, nil
	case hasAccount && issued < r.TokensValidAfter.Unix():
		return authz.Principal{}, errRevoked
	case c.Role == RoleCleanup:
		return authz.Principal{Type: authz.User, Name: c.Subject, Method: TokenMethod, CleanupOnly: true}, nil
	case !r.Enabled:
		return authz.Principal{}, errNoAccount
	}
	return authz.Principal{
		Type: authz.User, Name: r.Name, Method: TokenMethod,
		Administrator: true, MetadataOnly: c.Role == RoleRead,
	}, nil
}

// CheckedToken is what a token says and whether it would be accepted.
type CheckedToken struct {
	ID        string
	Username  string
	Realm     string
	Role      Role
	Account   string
	Issued    time.Time
	NotBefore time.Time
	Expires   time.Time
	Refused   string // why; empty: it is accepted
}

// CheckToken tells what a token says and whether it would be accepted. The
// claims of a token that is not ours are not repeated.
func (a *Accounts) CheckToken(ctx context.Context, c authz.Caller, text Secret) (CheckedToken, error) {
	checked := CheckedToken{}
	claims, refused := a.parseToken(string(text))
	if refused == nil {
		checked = CheckedToken{
			ID: claims.ID, Username: claims.Subject, Realm: claims.Realm, Role: claims.Role, Account: claims.Account,
			Issued: claims.IssuedAt.UTC(), NotBefore: claims.NotBefore.UTC(), Expires: claims.ExpiresAt.UTC(),
		}
	}
	op := aboutToken(authz.List, checked.Username, checked.Role, "check tokens", map[string]any{"operation": "check", "jti": checked.ID})
	d, err := a.permit(ctx, c, op)
	if err != nil {
		return CheckedToken{}, err
	}
	if err := a.Refresh(ctx); err != nil {
		return CheckedToken{}, storeFault(err)
	}
	if refused == nil {
		_, refused = a.state.Load().admit(claims, a.now())
	}
	if refused != nil {
		checked.Refused = refused.Error()
	}
	if err := a.record(ctx, entry(c, op, d)); err != nil {
		return CheckedToken{}, err
	}
	return checked, nil
}
