package account

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Role is what an API token may be used for.
type Role string

// The roles.
const (
	RoleAdmin   Role = "admin"   // act as the local account of its name
	RoleService Role = "service" // act as the service of its name
	RoleCleanup Role = "cleanup" // clean up
	RoleRead    Role = "read"    // list and read metadata as the local account of its name, never values
)

// ParseRole reads a role; "validate" is another word for service.
func ParseRole(text string) (Role, error) {
	if text == "validate" {
		return RoleService, nil
	}
	if r := Role(text); r.known() {
		return r, nil
	}
	return "", errRole
}

func (r Role) known() bool {
	return r == RoleAdmin || r == RoleService || r == RoleCleanup || r == RoleRead
}

var errRole = fault.New(fault.Invalid, "A role is one of admin, service, cleanup, read.")

// Bounds and fixed words of tokens.
const (
	DefaultTokenDays = 365
	maxTokenDays     = 3650
	DefaultRealm     = "API"

	tokenIssuer   = "confidant"
	tokenAudience = "confidant-api"
	tokenAuthType = "API"
	tokenLeeway   = time.Minute // for clocks that differ
)

// ErrNoTokenSecret says that there are no API tokens because no secret for them
// is configured.
var ErrNoTokenSecret = errors.New("no secret for API tokens is configured")

// NewToken is the input of CreateToken.
type NewToken struct {
	Role     Role
	Username string // for services their name; otherwise empty means a generated one
	Realm    string // a label
	Days     int    // 1 to 3650
	Account  string // for services: the account that the token is scoped to; empty: none
}

// Token is a new API token. Its text is nowhere else.
type Token struct {
	Username string
	Realm    string
	Role     Role
	Days     int
	Account  string
	Expires  time.Time
	Text     Secret
	// AccountMissing says that the token is refused until there is an enabled
	// account of its name.
	AccountMissing bool
}

// claims are the claims of a token (RFC 7519).
type claims struct {
	Issuer    string           `json:"iss"`
	Audience  string           `json:"aud"`
	Subject   string           `json:"sub"`
	Realm     string           `json:"realm"`
	Role      Role             `json:"role"`
	AuthType  string           `json:"authtype"`
	Account   string           `json:"account,omitempty"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	ExpiresAt *jwt.NumericDate `json:"exp"`
	ID        string           `json:"jti"`
}

var _ jwt.Claims = (*claims)(nil)

// The methods of jwt.Claims.

func (c *claims) GetIssuer() (string, error) { return c.Issuer, nil }

func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings{c.Audience}, nil }
func (c *claims) GetSubject() (string, error)                  { return c.Subject, nil }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return c.IssuedAt, nil }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return c.NotBefore, nil }
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.ExpiresAt, nil }

// CreateToken makes an API token. Administrators make any; everybody who has
// get and update on a service makes tokens for it. Unavailable with
// ErrNoTokenSecret underneath: there are no tokens here. NotFound: there is no
// such service.
func (a *Accounts) CreateToken(ctx context.Context, c authz.Caller, in NewToken) (Token, error) {
	op := aboutToken(authz.Update, in.Username, in.Role, "create tokens",
		map[string]any{"operation": "create", "role": string(in.Role), "days": in.Days, "account": in.Account})
	d, err := a.permitToken(ctx, c, op)
	if err != nil {
		return Token{}, err
	}
	if in.Username == "" && in.Role != RoleService {
		suffix, err := a.randomHex(8)
		if err != nil {
			return Token{}, err
		}
		in.Username = "api-" + suffix
		op.resource.ID, op.resource.Subject = in.Username, in.Username
	}
	id, err := a.randomHex(16)
	if err != nil {
		return Token{}, err
	}
	op.info["jti"] = id
	token := Token{Username: in.Username, Realm: in.Realm, Role: in.Role, Days: in.Days, Account: in.Account}
	err = a.perform(ctx, c, d, act{
		operation: op,
		quiet:     true,
		check: func() error {
			if err := a.checkToken(ctx, in); err != nil {
				return err
			}
			s, err := a.known()
			if err != nil {
				return err
			}
			token.AccountMissing = in.Role.needsAccount() && !s.accounts[fold(in.Username)].Enabled
			return nil
		},
		commit: func(context.Context) error {
			now := a.now().Truncate(time.Second)
			token.Expires = now.AddDate(0, 0, in.Days).UTC()
			text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, &claims{
				Issuer: tokenIssuer, Audience: tokenAudience, Subject: in.Username,
				Realm: in.Realm, Role: in.Role, AuthType: tokenAuthType, Account: in.Account,
				IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now),
				ExpiresAt: jwt.NewNumericDate(token.Expires), ID: id,
			}).SignedString(a.tokenKey)
			if err != nil {
				return fmt.Errorf("signing a token: %w", err)
			}
			token.Text = Secret(text)
			return nil
		},
	})
	if err != nil {
		return Token{}, err
	}
	return token, nil
}

// aboutToken is the operation on the token of a name.
func aboutToken(action authz.Action, name string, role Role, words string, info map[string]any) operation {
	return operation{
		action:   action,
		resource: authz.Resource{Type: authz.Token, ID: name, Subject: name, Role: string(role)},
		words:    words,
		info:     info,
	}
}

// permitToken asks the policy for a token. Where it says nothing about tokens
// for a service, those may make them who may read and change the service: they
// gain nothing by it.
func (a *Accounts) permitToken(ctx context.Context, c authz.Caller, op operation) (authz.Decision, error) {
	d := a.decide(ctx, c, op.action, op.resource)
	if d.Allowed {
		return d, nil
	}
	if len(d.By) == 0 && op.resource.Role == string(RoleService) && op.resource.Subject != "" {
		resource, err := a.serviceResource(ctx, op.resource.Subject)
		if err != nil {
			return d, storeFault(err)
		}
		get, update := a.decide(ctx, c, authz.Get, resource), a.decide(ctx, c, authz.Update, resource)
		if get.Allowed && update.Allowed {
			return update, nil
		}
	}
	return d, a.refuse(ctx, c, op, d)
}

// serviceResource returns what the policy may know of a service; one that does
// not exist has empty attributes.
func (a *Accounts) serviceResource(ctx context.Context, name string) (authz.Resource, error) {
	r := authz.Resource{Type: authz.ServiceResource, ID: name}
	row, err := a.services.Get(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrTaken):
		return r, nil
	case err != nil:
		return r, fmt.Errorf("reading service %q: %w", name, err)
	}
	r.Name, r.Enabled, r.Account = name, row.Enabled, row.Account
	r.CredentialIDs = append(append(r.CredentialIDs, row.Credentials...), row.BlindCredentials...)
	return r, nil
}

// checkToken judges what a token is asked for.
func (a *Accounts) checkToken(ctx context.Context, in NewToken) error {
	switch {
	case a.tokenKey == nil:
		return fault.Wrap(fault.Unavailable, "API tokens need a secret: API_TOKEN_SECRET.", ErrNoTokenSecret)
	case !in.Role.known():
		return errRole
	case in.Days < 1 || in.Days > maxTokenDays:
		return fault.Newf(fault.Invalid, "A token is good for 1 to %d days.", maxTokenDays)
	case len(in.Realm) > 128:
		return fault.New(fault.Invalid, "A realm has at most 128 bytes.")
	case in.Role != RoleService && in.Account != "":
		return fault.New(fault.Invalid, "Only a service's token has an account.")
	case in.Role != RoleService:
		return CheckName(in.Username)
	case in.Username == "":
		return fault.New(fault.Invalid, "A service's token needs the name of the service.")
	}
	switch _, err := a.services.Get(ctx, in.Username); {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrTaken):
		return fault.Newf(fault.NotFound, "There is no service %s.", in.Username).About(in.Username)
	case err != nil:
		return fmt.Errorf("reading service %q: %w", in.Username, err)
	}
	return nil
}

// needsAccount says that a token of the role is good only while there is an
// enabled account of its name.
func (r Role) needsAccount() bool { return r == RoleAdmin || r == RoleRead }

func (a *Accounts) randomHex(bytes int) (string, error) {
	b := make([]byte, bytes)
	if _, err := io.ReadFull(a.random, b); err != nil {
		return "", fmt.Errorf("reading random bytes: %w", err)
	}
	return hex.EncodeToString(b), nil
}
