// Package kmsauth proves identity by tokens that AWS KMS encrypted: who may
// encrypt under the authentication key with "from" set to a name is that name.
// The tokens are those of the older service and its clients.
package kmsauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring"
)

// Method is the name of this way to prove identity.
const Method = "kms"

// Options say which tokens are accepted.
type Options struct {
	Service Service
	// To is the server's own name, which a token must be addressed to.
	To string
	// Key, UserKey and Scoped name the keys for services, for users, and for
	// services of an account (key -> account).
	Key, UserKey string
	Scoped       map[string]string
	Types        []authz.PrincipalType
	MinVersion   int // 1 or 2
	MaxVersion   int
	MaxLifetime  time.Duration
	CacheSize    int // tokens
	// Allow is asked before a token is opened that is not known yet, which costs a
	// call to the key service; an error is returned as it is. nil: it always may.
	Allow   func(*http.Request) error
	Log     *slog.Logger
	Now     func() time.Time // nil: time.Now
	Metrics Metrics          // nil: none
}

// Metrics counts and times, under the names of the older service.
type Metrics interface {
	Count(name string, n int)
	Time(name string, since time.Time)
}

type noMetrics struct{}

func (noMetrics) Count(string, int)      {}
func (noMetrics) Time(string, time.Time) {}

// Authenticator checks KMS tokens.
type Authenticator struct {
	o     Options
	keys  *keys
	cache *cache
	// decrypting collapses requests that come with one unknown token at once.
	decrypting singleflight.Group
}

var _ authn.Authenticator = (*Authenticator)(nil)

// New checks the options.
func New(o Options) (*Authenticator, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	switch {
	case o.Service == nil || o.Log == nil:
		return nil, errors.New("kmsauth: service and log are needed")
	case o.To == "":
		return nil, errors.New("AUTH_CONTEXT is needed where AUTH_KEY is set: it is the name that tokens are addressed to")
	case o.MinVersion < 1 || o.MaxVersion > 2 || o.MinVersion > o.MaxVersion:
		return nil, errors.New("KMS_MINIMUM_TOKEN_VERSION and KMS_MAXIMUM_TOKEN_VERSION must be 1 or 2, and in order")
	case o.MaxLifetime <= 0:
		return nil, errors.New("AUTH_TOKEN_MAX_LIFETIME must be positive")
	}
	c, err := newCache(o.CacheSize)
	if err != nil {
		return nil, err
	}
	return &Authenticator{o: o, keys: newKeys(o.Service, o.Now), cache: c}, nil
}

// Name names the method.
func (a *Authenticator) Name() string { return Method }

// Authenticate checks the token of a request. A request carries one as HTTP
// Basic credentials, or in both headers; a token that is found and does not
// hold ends the request.
func (a *Authenticator) Authenticate(r *http.Request) (authz.Principal, error) {
	username, token, ok := proof(r)
	if !ok {
		return authz.Principal{}, authn.ErrNoProof
	}
	p, err := a.check(r, username, token)
	if err == nil {
		return p, nil
	}
	if fault.Is(err, fault.RateLimited) {
		return authz.Principal{}, err
	}
	if errors.Is(err, keyring.ErrUnavailable) {
		return authz.Principal{}, fault.Wrap(fault.Unavailable, "The key service does not answer.", err)
	}
	if errors.Is(err, context.Canceled) {
		return authz.Principal{}, err
	}
	return authz.Principal{}, fault.Wrap(fault.BadProof, "Access denied. Authentication failed.", err)
}

func proof(r *http.Request) (username, token string, ok bool) {
	if username, token, ok = r.BasicAuth(); ok && username != "" {
		return username, token, true
	}
	from, with := r.Header.Values("X-Auth-From"), r.Header.Values("X-Auth-Token")
	if len(from) > 0 && len(with) > 0 {
		return from[0], with[0], true
	}
	return "", "", false
}

func (a *Authenticator) check(r *http.Request, username, token string) (authz.Principal, error) {
	if token == "" {
		return authz.Principal{}, errors.New("the token is empty")
	}
	c, ok := parseUsername(username)
	switch {
	case !ok:
		return authz.Principal{}, errors.New("the user name is malformed")
	case !slices.Contains(a.o.Types, c.kind):
		return authz.Principal{}, errors.New("this type of caller is not allowed")
	case c.version < a.o.MinVersion || c.version > a.o.MaxVersion:
		return authz.Principal{}, errors.New("this version of tokens is not allowed")
	}
	if c.version == 1 {
		a.o.Metrics.Count("token_version_1", 1)
	} else {
		a.o.Metrics.Count("token_version_2", 1)
	}
	o, err := a.open(r, c, token)
	if err != nil {
		return authz.Principal{}, err
	}
	if err := o.check(a.o.Now(), a.o.MaxLifetime); err != nil {
		return authz.Principal{}, err
	}
	return authz.Principal{Type: c.kind, Name: c.name, Account: o.account, Method: Method}, nil
}

// open returns what a token holds, from memory or by the key service.
func (a *Authenticator) open(r *http.Request, c claimed, token string) (opened, error) {
	key := cacheKey(c, a.o.To, token)
	o, known, refused := a.cache.get(key, a.o.Now())
	if known || refused != nil {
		return o, refused
	}
	if a.o.Allow != nil {
		if err := a.o.Allow(r); err != nil {
			return opened{}, err
		}
	}
	defer a.o.Metrics.Time("decrypt_token", time.Now())
	got, err, _ := a.decrypting.Do(string(key[:]), func() (any, error) {
		// One call serves all who wait with this token, so it must not end with
		// the request that began it.
		return a.decrypt(context.WithoutCancel(r.Context()), c, token)
	})
	if err == nil {
		o = got.(opened)
		if err = o.check(a.o.Now(), a.o.MaxLifetime); err == nil {
			a.cache.keep(key, o)
			return o, nil
		}
	}
	if !errors.Is(err, keyring.ErrUnavailable) {
		a.cache.refuse(key, err, a.o.Now())
	}
	return opened{}, err
}

func (a *Authenticator) decrypt(ctx context.Context, c claimed, token string) (opened, error) {
	ciphertext, err := decodeToken(token)
	if err != nil {
		return opened{}, err
	}
	started := time.Now()
	plaintext, key, err := a.o.Service.Decrypt(ctx, ciphertext, c.context(a.o.To))
	a.o.Metrics.Time("kms_decrypt_token", started)
	if err != nil {
		return opened{}, err
	}
	account, err := a.accountOf(ctx, c, key)
	if err != nil {
		return opened{}, err
	}
	v, err := parsePayload(plaintext)
	if err != nil {
		return opened{}, err
	}
	return opened{v, account}, nil
}

// accountOf checks that the key that opened a token is one for its kind of
// caller. KMS opens whatever this server may open, so without this check
// anybody with any key could make tokens. The account is that of a scoped key,
// also where the same key is the general one.
func (a *Authenticator) accountOf(ctx context.Context, c claimed, key string) (string, error) {
	switch c.kind {
	case authz.User:
		if a.o.UserKey == "" {
			return "", errWrongKey
		}
		return "", a.is(ctx, a.o.UserKey, key)
	case authz.Service:
		for name, account := range a.o.Scoped {
			switch err := a.is(ctx, name, key); {
			case err == nil:
				return account, nil
			case !errors.Is(err, errWrongKey):
				return "", err
			}
		}
		if a.o.Key == "" {
			return "", errWrongKey
		}
		return "", a.is(ctx, a.o.Key, key)
	default:
		return "", errWrongKey
	}
}

// is compares a configured key with the one that opened a token. A configured
// name that stands for no key matches nothing.
func (a *Authenticator) is(ctx context.Context, name, key string) error {
	resolved, err := a.keys.resolve(ctx, name)
	if errors.Is(err, keyring.ErrRefused) {
		a.o.Log.WarnContext(ctx, "a configured authentication key does not exist", "key", name)
		return errWrongKey
	}
	if err != nil {
		return err
	}
	if resolved != key {
		return errWrongKey
	}
	return nil
}
