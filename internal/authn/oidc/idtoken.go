package oidc

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	maxIDToken = 32 << 10        // bytes; one with hundreds of groups has some ten thousand
	leeway     = 5 * time.Minute // by which the provider's clock may be ahead
)

// redeem exchanges the code for tokens. Its errors repeat nothing that was sent or
// received.
func (o *OIDC) redeem(ctx context.Context, p *provider, code string, l pending) (*oauth2.Token, error) {
	token, err := p.oauth.Exchange(oidc.ClientContext(ctx, o.client), code,
		redirectURI(l.Redirect), oauth2.VerifierOption(l.Verifier))
	if err == nil {
		return token, nil
	}
	if outage(err) {
		return nil, fmt.Errorf("redeeming the code: %w", err)
	}
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return nil, fmt.Errorf("the token endpoint refused: %s", known(e.ErrorCode))
	}
	return nil, errors.New("the token endpoint's answer is not usable")
}

// verify returns the ID token that came with an access token, if every check of
// OpenID Connect Core 1.0, section 3.1.3.7, holds.
func (o *OIDC) verify(ctx context.Context, p *provider, token *oauth2.Token, nonce string) (*oidc.IDToken, error) {
	raw, _ := token.Extra("id_token").(string)
	if err := checkForm(raw); err != nil {
		return nil, err
	}
	keys := &attentiveKeys{KeySet: p.keys}
	id, err := oidc.NewVerifier(o.Issuer, keys, &oidc.Config{
		ClientID:             o.ClientID,
		SupportedSigningAlgs: p.algorithms,
		Now:                  o.Now,
	}).Verify(ctx, raw)
	switch {
	case outage(keys.err):
		return nil, keys.err
	case keys.err != nil:
		return nil, errors.New("no key of the provider made the signature")
	case err != nil:
		return nil, err
	}
	var c struct {
		AuthorizedParty *string `json:"azp"`
	}
	if err := id.Claims(&c); err != nil {
		return nil, fmt.Errorf("decoding the claims: %w", err)
	}
	switch {
	case id.Subject == "":
		return nil, errors.New("it has no subject")
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1:
		return nil, errors.New("its nonce is not the one of this log-in")
	case id.IssuedAt.IsZero() || id.IssuedAt.After(o.Now().Add(leeway)) || !id.IssuedAt.Before(id.Expiry):
		return nil, errors.New("the time of its issue makes no sense")
	case c.AuthorizedParty != nil && *c.AuthorizedParty != o.ClientID, c.AuthorizedParty == nil && len(id.Audience) > 1:
		return nil, errors.New("it was issued to another party")
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, errors.New("it belongs to another access token")
		}
	}
	return id, nil
}

// attentiveKeys remembers why a key set failed, which the verifier does not tell.
type attentiveKeys struct {
	oidc.KeySet
	err error
}

// VerifySignature implements oidc.KeySet.
func (k *attentiveKeys) VerifySignature(ctx context.Context, jwt string) (payload []byte, err error) {
	payload, k.err = k.KeySet.VerifySignature(ctx, jwt)
	return payload, k.err
}

// checkForm reports whether a token is one that all readers understand alike: a
// signed JWT in compact form, without ambiguous members.
func checkForm(raw string) error {
	parts := strings.Split(raw, ".")
	if len(raw) > maxIDToken || len(parts) != 3 || slices.Contains(parts, "") {
		return errors.New("it is not a signed JWT")
	}
	for i, name := range []string{"header", "payload"} {
		text, err := base64.RawURLEncoding.Strict().DecodeString(parts[i])
		if err != nil {
			return fmt.Errorf("decoding its %s: %w", name, err)
		}
		if err := checkMembers(text); err != nil {
			return fmt.Errorf("its %s: %w", name, err)
		}
	}
	return nil
}

// claimNames are the claims that count.
var claimNames = []string{
	"iss", "sub", "aud", "azp", "exp", "nbf", "iat", "nonce", "at_hash", "_claim_names", "_claim_sources",
	"email", "email_verified", "given_name", "family_name",
}

// checkMembers refuses a JSON object of which two readers may see different
// members: with one that stands twice, at any depth, or with one that differs only
// in case from a claim, which encoding/json would take for it.
func checkMembers(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if err := checkUnique(d); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("it goes on after its end")
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return errors.New("it is not a JSON object")
	}
	for name := range object {
		if slices.ContainsFunc(claimNames, func(claim string) bool { return name != claim && strings.EqualFold(name, claim) }) {
			return errors.New("a member differs only in case from a claim")
		}
	}
	return nil
}

// checkUnique reads one value.
func checkUnique(d *json.Decoder) error {
	t, err := d.Token()
	if err != nil {
		return errors.New("it is not JSON")
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			t, err := d.Token()
			name, ok := t.(string)
			if err != nil || !ok {
				return errors.New("it is not JSON")
			}
			if seen[name] {
				return errors.New("a member stands twice")
			}
			seen[name] = true
		}
		if err := checkUnique(d); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return errors.New("it is not JSON")
	}
	return nil
}
