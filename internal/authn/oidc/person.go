package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// person is what the provider says of who logged in.
type person struct {
	Email         string   `json:"email"`
	EmailVerified verified `json:"email_verified"`
	GivenName     string   `json:"given_name"`
	FamilyName    string   `json:"family_name"`
}

// verified is true if the provider says so. Some of them, Amazon Cognito for one,
// write the word as a string.
type verified bool

// UnmarshalJSON implements json.Unmarshaler.
func (v *verified) UnmarshalJSON(text []byte) error {
	*v = string(text) == "true" || string(text) == `"true"`
	return nil
}

// person reads the ID token, and asks for the user info if that has no e-mail
// address.
func (o *OIDC) person(ctx context.Context, p *provider, id *oidc.IDToken, token *oauth2.Token) (person, error) {
	var who person
	if err := id.Claims(&who); err != nil {
		return person{}, fmt.Errorf("decoding the claims: %w", err)
	}
	if who.Email != "" || p.upstream.UserInfoEndpoint() == "" {
		return who, nil
	}
	info, err := p.upstream.UserInfo(oidc.ClientContext(ctx, o.client), oauth2.StaticTokenSource(token))
	if status, ok := errors.AsType[statusError](err); ok && (status == http.StatusUnauthorized || status == http.StatusForbidden) {
		return who, nil // what may not be read is not given
	} else if err != nil {
		return person{}, fmt.Errorf("asking for the user info: %w", err)
	}
	if info.Subject != id.Subject {
		return person{}, errors.New("the user info is about somebody else")
	}
	var text json.RawMessage
	if err := info.Claims(&text); err != nil {
		return person{}, fmt.Errorf("decoding the user info: %w", err)
	}
	if err := checkMembers(text); err != nil {
		return person{}, fmt.Errorf("the user info: %w", err)
	}
	who = person{}
	if err := json.Unmarshal(text, &who); err != nil {
		return person{}, fmt.Errorf("decoding the user info: %w", err)
	}
	return who, nil
}

// maxEmail bounds an e-mail address in bytes (RFC 5321: 64, "@", 255).
const maxEmail = 320

// address returns the e-mail address in lower case, which is the identity.
func (o *OIDC) address(p person) (string, error) {
	switch {
	case p.Email == "":
		return "", errors.New("the provider gave no e-mail address")
	case !plausible(p.Email):
		return "", errors.New("the provider gave an e-mail address that is none")
	case !bool(p.EmailVerified) && !o.TrustEmail:
		return "", errors.New("the provider does not call the e-mail address verified")
	default:
		return strings.ToLower(p.Email), nil
	}
}

// plausible keeps out what cannot be one address, and what could be taken for
// another: characters that do not show, and those, such as the Kelvin sign, whose
// lower case is a letter of ASCII.
func plausible(email string) bool {
	local, domain, _ := strings.Cut(email, "@")
	return local != "" && domain != "" && !strings.Contains(domain, "@") && len(email) <= maxEmail &&
		!strings.ContainsFunc(email, func(c rune) bool {
			return c == ' ' || strings.ContainsRune(`,;<>"`, c) || !unicode.IsPrint(c) ||
				c > unicode.MaxASCII && unicode.ToLower(c) <= unicode.MaxASCII
		})
}

// maxName bounds a first or last name in bytes: the session cookie carries them.
const maxName = 200

// shortened returns a name that fits.
func shortened(name string) string {
	if len(name) <= maxName {
		return name
	}
	end := maxName
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end]
}
