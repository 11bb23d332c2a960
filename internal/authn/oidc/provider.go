package oidc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/confidant-secrets/confidant/internal/fault"
)

const (
	rereadAfter = time.Hour   // the provider's configuration, and with it its keys
	retryAfter  = time.Minute // where that failed and the former one stays in use
)

// provider is what discovery found out.
type provider struct {
	upstream    *oidc.Provider
	oauth       *oauth2.Config
	keys        oidc.KeySet
	algorithms  []string // of signatures; none: RS256, which every provider has to offer
	namesItself bool     // every answer has the parameter iss (RFC 9207)
	reread      time.Time
}

// asymmetric are the algorithms of signatures that may count. With a symmetric one
// the client secret, or a public key taken for a secret, would sign.
var asymmetric = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// provider returns the provider's configuration, read when it is first needed and
// again after a while. Concurrent log-ins wait for the same reading, which goes on
// if one of them leaves.
func (o *OIDC) provider(ctx context.Context) (*provider, error) {
	if why := o.Incomplete(); why != "" {
		return nil, fault.New(fault.Unavailable, why)
	}
	if p := o.current.Load(); p.fresh(o.Now()) {
		return p, nil
	}
	reading := o.flights.DoChan("", func() (any, error) { return o.read(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		return nil, unavailable(fmt.Errorf("waiting for the provider's configuration: %w", ctx.Err()))
	case result := <-reading:
		if result.Err != nil {
			return nil, unavailable(result.Err)
		}
		return result.Val.(*provider), nil
	}
}

func (p *provider) fresh(now time.Time) bool { return p != nil && now.Before(p.reread) }

// read reads the provider's configuration. If that fails, the former one stays in
// use.
func (o *OIDC) read(ctx context.Context) (*provider, error) {
	former := o.current.Load()
	if former.fresh(o.Now()) {
		return former, nil // another reading ended just now
	}
	p, err := o.discover(ctx)
	switch {
	case err == nil:
		p.reread = o.Now().Add(rereadAfter)
	case former == nil:
		return nil, err
	default:
		o.Log.WarnContext(ctx, "the identity provider's configuration could not be read again, the former one stays in use", "error", err)
		again := *former
		again.reread = o.Now().Add(retryAfter)
		p = &again
	}
	o.current.Store(p)
	return p, nil
}

// discover asks for the provider's metadata (OpenID Connect Discovery 1.0), whose
// issuer must be the one that is configured.
func (o *OIDC) discover(ctx context.Context) (*provider, error) {
	ctx = oidc.ClientContext(ctx, o.client)
	upstream, err := oidc.NewProvider(ctx, o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("reading the provider's configuration: %w", err)
	}
	var metadata struct {
		Authorization string   `json:"authorization_endpoint"`
		Token         string   `json:"token_endpoint"`
		UserInfo      string   `json:"userinfo_endpoint"`
		Keys          string   `json:"jwks_uri"`
		Algorithms    []string `json:"id_token_signing_alg_values_supported"`
		ClientAuth    []string `json:"token_endpoint_auth_methods_supported"`
		NamesItself   bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := upstream.Claims(&metadata); err != nil {
		return nil, fmt.Errorf("decoding the provider's configuration: %w", err)
	}
	plain := strings.HasPrefix(o.Issuer, "http:") // then it is on this machine itself
	for name, text := range map[string]string{
		"authorization_endpoint": metadata.Authorization,
		"token_endpoint":         metadata.Token,
		"userinfo_endpoint":      metadata.UserInfo,
		"jwks_uri":               metadata.Keys,
	} {
		if text == "" && name == "userinfo_endpoint" {
			continue
		}
		if err := checkURL(text, plain); err != nil {
			return nil, fmt.Errorf("the provider's %s: %w", name, err)
		}
	}
	algorithms := slices.DeleteFunc(slices.Clone(asymmetric), func(name string) bool {
		return !slices.Contains(metadata.Algorithms, name)
	})
	endpoint := upstream.Endpoint()
	endpoint.AuthStyle = authStyle(metadata.ClientAuth)
	return &provider{
		upstream: upstream,
		oauth: &oauth2.Config{
			ClientID:     o.ClientID,
			ClientSecret: string(o.ClientSecret),
			Endpoint:     endpoint,
			Scopes:       o.Scopes,
		},
		keys:        oidc.NewRemoteKeySet(ctx, metadata.Keys),
		algorithms:  algorithms,
		namesItself: metadata.NamesItself,
	}, nil
}

// authStyle says how the client authenticates. A provider that offers both ways,
// or says nothing, may still insist on the one that was agreed for this client;
// which one that is shows at the first log-in.
func authStyle(offered []string) oauth2.AuthStyle {
	basic := slices.Contains(offered, "client_secret_basic")
	post := slices.Contains(offered, "client_secret_post")
	switch {
	case basic && !post:
		return oauth2.AuthStyleInHeader
	case post && !basic:
		return oauth2.AuthStyleInParams
	default:
		return oauth2.AuthStyleAutoDetect
	}
}

// checkURL says what is wrong with a URL that browsers or secrets are sent to.
// Plain allows one without TLS on this machine.
func checkURL(text string, plain bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("it is not a URL of a host")
	case u.Scheme == "https":
		return nil
	case plain && u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()):
		return nil
	default:
		return errors.New("it is not https")
	}
}
