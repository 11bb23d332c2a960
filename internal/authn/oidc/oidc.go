// Package oidc logs people in through an OpenID Connect provider, Google among
// them: the authorization code flow (OpenID Connect Core 1.0, section 3.1) with
// PKCE (RFC 7636), a nonce, and a state that only the browser that began can
// bring back. It finds out the e-mail address that the provider vouches for. It
// does not know who is admitted, nor what sessions are.
package oidc

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-chi/chi/v5"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// google is the issuer where everybody can have an account.
const google = "https://accounts.google.com"

// path is where a log-in begins and where the provider sends the browser back.
const path = "/v1/login"

// step is the provider's answer, which the browser brings by a GET.
var step = authn.Step{Name: "oidc", Path: path}

// Challenges keeps log-ins until the browser comes back; *authn.Challenges does.
type Challenges interface {
	Begin(w http.ResponseWriter, r *http.Request, s authn.Step, state any) (id string, err error)
	Finish(w http.ResponseWriter, r *http.Request, s authn.Step, id string, state any) error
}

// Options says which provider is asked, as whom, and what is believed.
type Options struct {
	Method       string // "oidc" or "google"
	Issuer       string // as the provider itself writes it; empty: Google's
	ClientID     string
	ClientSecret Secret
	Scopes       []string // nil: openid, profile and email; openid is always asked for
	TrustEmail   bool     // an address counts even if the provider does not call it verified
	// Restricted says that not everybody is admitted whom the provider vouches
	// for. Without it, a provider open to the world needs AllowAny.
	Restricted bool
	AllowAny   bool
	// Root returns the root URL of this service as the browser sees it.
	Root       func(*http.Request) string
	Challenges Challenges
	// Administrator reports whether an e-mail address is an administrator's.
	Administrator func(email string) bool
	// Client asks the provider; nil: one of our own. Whichever it is, it follows
	// no redirects and its answers are bounded in time and size.
	Client *http.Client
	Now    func() time.Time // nil: time.Now
	Random io.Reader        // nil: crypto/rand
	Log    *slog.Logger
}

// OIDC is the log-in flow. It is safe for concurrent use.
type OIDC struct {
	Options
	client *http.Client

	current atomic.Pointer[provider] // nil until the first discovery
	flights singleflight.Group       // of discoveries
}

var _ authn.LoginFlow = (*OIDC)(nil)

// New returns the flow. The provider is asked at the first log-in, not here, so
// that one that is down stops nothing but log-ins. Settings that are missing are
// no error: Incomplete names them.
func New(o Options) (*OIDC, error) {
	if o.Method != "oidc" && o.Method != "google" {
		return nil, fmt.Errorf("OpenID Connect is the method oidc or google, not %q", o.Method)
	}
	if o.Root == nil || o.Challenges == nil || o.Administrator == nil || o.Log == nil {
		return nil, errors.New("log-in through OpenID Connect needs the root URL, pending log-ins, to know administrators, and a logger")
	}
	if o.Issuer == "" {
		o.Issuer = google
	}
	if err := checkURL(o.Issuer, true); err != nil {
		return nil, fmt.Errorf("the issuer of OpenID Connect: %w", err)
	}
	if strings.Contains(o.Issuer, "?") {
		return nil, errors.New("the issuer of OpenID Connect: it has a query")
	}
	if o.Scopes == nil {
		o.Scopes = []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail}
	}
	if !slices.Contains(o.Scopes, oidc.ScopeOpenID) {
		o.Scopes = slices.Concat([]string{oidc.ScopeOpenID}, o.Scopes)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &OIDC{Options: o, client: guarded(o.Client)}, nil
}

// Name implements authn.LoginFlow.
func (o *OIDC) Name() string { return o.Method }

// Incomplete returns what to tell the operator about settings without which
// nobody logs in, as a sentence; empty if nothing is missing.
func (o *OIDC) Incomplete() string {
	id, secret := "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"
	if o.Method == "google" {
		id, secret = "GOOGLE_OAUTH_CLIENT_ID", "GOOGLE_OAUTH_CONSUMER_SECRET"
	}
	var missing []string
	if o.ClientID == "" {
		missing = append(missing, id)
	}
	if o.ClientSecret == "" {
		missing = append(missing, secret)
	}
	switch {
	case len(missing) > 0:
		return "Log-in through OpenID Connect needs " + strings.Join(missing, " and ") + "."
	case o.openToTheWorld() && !o.Restricted && !o.AllowAny:
		return "Everybody can have an account at this identity provider: " +
			"log-in needs USER_EMAIL_SUFFIX or USERS_FILE, or OIDC_ALLOW_ANY=true."
	default:
		return ""
	}
}

// openToTheWorld reports whether the provider makes an account for whoever asks,
// as Google does. The method google is taken at its word, whatever the issuer.
func (o *OIDC) openToTheWorld() bool {
	u, err := url.Parse(o.Issuer)
	return o.Method == "google" || err != nil || strings.EqualFold(u.Hostname(), "accounts.google.com")
}

// Mount implements authn.LoginFlow. The provider sends the browser back to where
// the log-in began, with its answer in the query.
func (o *OIDC) Mount(router chi.Router, done authn.Done) {
	login := func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Has("code") || q.Has("state") || q.Has("error") {
			id, err := o.finish(w, r, q)
			done(w, r, id, err)
			return
		}
		if err := o.begin(w, r, q.Get("next")); err != nil {
			done(w, r, authn.Identity{}, err)
		}
	}
	router.Get(path, login)
	router.Post(path, login)
}

// pending is a log-in that waits for the provider's answer. Its id is the state
// parameter.
type pending struct {
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // PKCE
	Redirect string `json:"redirect"` // the redirect URI, which the token endpoint wants to see again
	Next     string `json:"next"`
}

// begin sends the browser to the provider.
func (o *OIDC) begin(w http.ResponseWriter, r *http.Request, next string) error {
	p, err := o.provider(r.Context())
	if err != nil {
		return err
	}
	var random [2 * 32]byte
	if _, err := io.ReadFull(o.Random, random[:]); err != nil {
		return fmt.Errorf("drawing a nonce: %w", err)
	}
	l := pending{
		Nonce:    base64.RawURLEncoding.EncodeToString(random[:32]),
		Verifier: base64.RawURLEncoding.EncodeToString(random[32:]),
		Redirect: strings.TrimSuffix(o.Root(r), "/") + path,
		Next:     authn.LocalPath(next),
	}
	state, err := o.Challenges.Begin(w, r, step, l)
	if err != nil {
		return err
	}
	w.Header().Set("Location", p.oauth.AuthCodeURL(state,
		redirectURI(l.Redirect), oidc.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier)))
	w.WriteHeader(http.StatusFound)
	return nil
}

// finish takes the provider's answer. The provider must be known before the
// log-in is used up, so that an outage costs the browser a reload only.
func (o *OIDC) finish(w http.ResponseWriter, r *http.Request, q url.Values) (authn.Identity, error) {
	ctx := r.Context()
	p, err := o.provider(ctx)
	if err != nil {
		return authn.Identity{}, err
	}
	var l pending
	if err := o.Challenges.Finish(w, r, step, single(q, "state"), &l); fault.Is(err, fault.Unauthenticated) {
		return authn.Identity{}, refused(err)
	} else if err != nil {
		return authn.Identity{}, err
	}
	code, err := o.code(p, q)
	if err != nil {
		return authn.Identity{}, refused(err)
	}
	token, err := o.redeem(ctx, p, code, l)
	if err != nil {
		return authn.Identity{}, failed(err)
	}
	id, err := o.verify(ctx, p, token, l.Nonce)
	if err != nil {
		return authn.Identity{}, failed(fmt.Errorf("verifying the ID token: %w", err))
	}
	who, err := o.person(ctx, p, id, token)
	if err != nil {
		return authn.Identity{}, failed(err)
	}
	email, err := o.address(who)
	if err != nil {
		return authn.Identity{}, fault.Wrap(fault.Denied, "The identity provider vouches for no e-mail address of yours.", err)
	}
	return authn.Identity{
		Principal: authz.Principal{
			Type:          authz.User,
			Name:          email,
			Method:        o.Name(),
			Administrator: o.Administrator(email),
			Ambient:       true,
		},
		FirstName: shortened(who.GivenName),
		LastName:  shortened(who.FamilyName),
		Next:      l.Next,
	}, nil
}

// code returns the authorization code, unless the answer is another provider's
// (RFC 9207) or a refusal.
func (o *OIDC) code(p *provider, q url.Values) (string, error) {
	switch code := single(q, "code"); {
	case q.Has("iss") && !o.isIssuer(single(q, "iss")), !q.Has("iss") && p.namesItself:
		return "", errors.New("the answer does not come from the provider that was asked")
	case q.Has("error"):
		return "", fmt.Errorf("the provider refused: %s", known(q.Get("error")))
	case code == "":
		return "", errors.New("the answer has no usable code")
	default:
		return code, nil
	}
}

// isIssuer compares with the issuer, exactly. Google alone also writes its name
// without the scheme.
func (o *OIDC) isIssuer(text string) bool {
	return text == o.Issuer || o.Issuer == google && "https://"+text == google
}

// redirectURI names the redirect URI, which follows from the request and so
// cannot stand in the configuration.
func redirectURI(text string) oauth2.AuthCodeOption {
	return oauth2.SetAuthURLParam("redirect_uri", text)
}

// single returns the value of a parameter, or nothing if it does not stand there
// exactly once.
func single(q url.Values, name string) string {
	if len(q[name]) != 1 {
		return ""
	}
	return q[name][0]
}
