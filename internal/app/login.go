package app

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/apitoken"
	"github.com/confidant-secrets/confidant/internal/authn/header"
	localauthn "github.com/confidant-secrets/confidant/internal/authn/local"
	"github.com/confidant-secrets/confidant/internal/authn/oidc"
	"github.com/confidant-secrets/confidant/internal/authn/saml"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/telemetry"
	"github.com/confidant-secrets/confidant/internal/webui"
)

// callers is how those who send requests prove who they are.
type callers struct {
	chain        authn.Chain
	sessions     *authn.Sessions
	challenges   *authn.Challenges
	admission    *authn.Admission // of who logs in through a provider; nil: nobody does
	proxies      authn.Proxies
	login        authn.LoginFlow // nil: nobody logs in with a browser, for the reason below
	loginMissing string
	loginPath    string // where a page sends people to log in; empty: nowhere

	tokenFailures, loginFailures *authn.Failures
}

func (a *App) callers(ctx context.Context) (c callers, err error) {
	set := a.cfg
	c = callers{proxies: authn.Proxies{Trusted: set.Server.ForwardedAllow}, loginPath: "/v1/login"}
	if c.tokenFailures, err = authn.NewFailures(authn.FailureOptions{}); err != nil {
		return callers{}, err
	}
	if c.loginFailures, err = authn.NewFailures(authn.FailureOptions{}); err != nil {
		return callers{}, err
	}
	if err := a.admit(&c); err != nil {
		return callers{}, err
	}
	if err := a.keepSessions(&c); err != nil {
		return callers{}, err
	}
	if !set.Login.UseAuth {
		c.chain, c.login, c.loginPath = authn.Chain{authn.Off{}}, authn.Off{}, ""
		return c, nil
	}
	tokens, err := a.kmsTokens(ctx, func(r *http.Request) error { return c.tokenFailures.Allow(c.proxies.ClientAddr(r)) })
	if err != nil {
		return callers{}, &StartError{Message: "tokens made with KMS", Cause: err}
	}
	if tokens != nil {
		c.chain = authn.Chain{tokens}
	}
	c.chain = append(c.chain, apitoken.New(a.Accounts), c.sessions)
	c.loginMissing = set.LoginUnavailable()
	return c, nil
}

// admit makes what says who may come in of those whom a provider vouches for.
func (a *App) admit(c *callers) error {
	set := a.cfg.Login
	switch set.Module {
	case "google", "oidc", "saml":
	default:
		return nil
	}
	if !set.UseAuth {
		return nil
	}
	admission, err := authn.NewAdmission(authn.AdmissionOptions{Suffix: set.EmailSuffix, UsersFile: set.UsersFile, Log: a.log})
	if err != nil {
		return &StartError{Message: "USERS_FILE cannot be used", Cause: err}
	}
	if set.UsersFile != "" {
		a.onReload("users file", admission.Reload)
	}
	c.admission = admission
	return nil
}

// keepSessions makes what browsers stay logged in by, and what keeps log-ins that
// are under way.
func (a *App) keepSessions(c *callers) (err error) {
	set := a.cfg.Session
	secrets := a.sessionSecrets()
	public := strings.HasPrefix(strings.ToLower(a.cfg.Server.PublicURL), "https://")
	secure := func(r *http.Request) bool { return public || c.proxies.IsHTTPS(r) }
	o := authn.SessionOptions{
		Secret:      secrets[0],
		Previous:    secrets[1:],
		Cookie:      set.CookieName,
		CSRFCookie:  set.XSRFCookieName,
		Lifetime:    set.Lifetime,
		MaxLifetime: set.MaxLifetime,
		Accounts:    a.Accounts,
		Since:       a.Accounts.SessionsSince,
		Secure:      secure,
	}
	if c.admission != nil {
		o.Admit = c.admission.Admit
	}
	if c.sessions, err = authn.NewSessions(o); err != nil {
		return err
	}
	c.challenges, err = authn.NewChallenges(authn.ChallengeOptions{
		Documents: a.store.Documents(), Cookie: set.CookieName, Secure: secure,
	})
	return err
}

// openLogin makes the way in which people log in with a browser.
func (a *App) openLogin(c *callers, pages *webui.Site, refusals *audit.Refusals) (err error) {
	if !a.cfg.Login.UseAuth || c.loginMissing != "" {
		return nil
	}
	switch a.cfg.Login.Module {
	case "header":
		var headers *header.Header
		if headers, err = a.headerLogin(); err == nil {
			c.chain, c.login = append(c.chain, headers), headers
		}
	case "saml":
		c.login, err = a.samlLogin(c)
	case "google", "oidc":
		c.login, err = a.oidcLogin(c)
	case "local":
		c.login, err = a.localLogin(c, pages, refusals)
	}
	return err
}

func (a *App) headerLogin() (*header.Header, error) {
	set := a.cfg.Login
	return header.New(header.Options{
		Username:      set.UsernameHeader,
		Email:         set.EmailHeader,
		FirstName:     set.FirstNameHeader,
		LastName:      set.LastNameHeader,
		Trusted:       set.TrustedProxies,
		Administrator: a.Accounts.ListedAdministrator,
	})
}

func (a *App) samlLogin(c *callers) (authn.LoginFlow, error) {
	set := a.cfg.SAML
	o := saml.Options{
		RootURL:                 set.URLRoot,
		Cert:                    set.SPCert,
		Key:                     []byte(set.SPKey.Reveal()),
		KeyPassword:             []byte(set.SPKeyFilePassword.Reveal()),
		IDPEntityID:             set.IDPEntityID,
		IDPSignonURL:            set.IDPSignonURL,
		IDPLogoutURL:            set.IDPLogoutURL,
		IDPCert:                 set.IDPCert,
		SignatureAlgorithm:      set.SignatureAlgorithm,
		LogoutResponseSigned:    set.LogoutResponseSigned,
		MessagesSigned:          set.MessagesSigned,
		AssertionsSigned:        set.AssertionsSigned,
		WantAttributeStatements: set.WantAttributeStatements,
		RawSettings:             set.RawSettings,
		Challenges:              c.challenges,
		Administrator:           a.Accounts.ListedAdministrator,
		Log:                     a.log,
	}
	for _, file := range []struct {
		setting, path string
		given         bool
		take          func([]byte)
	}{
		{"SAML_SP_CERT_FILE", set.SPCertFile, o.Cert != "", func(b []byte) { o.Cert = string(b) }},
		{"SAML_SP_KEY_FILE", set.SPKeyFile, len(o.Key) > 0, func(b []byte) { o.Key = b }},
		{"SAML_IDP_CERT_FILE", set.IDPCertFile, o.IDPCert != "", func(b []byte) { o.IDPCert = string(b) }},
	} {
		if file.given || file.path == "" {
			continue
		}
		text, err := os.ReadFile(file.path)
		if err != nil {
			return nil, &StartError{Message: file.setting + " cannot be read", Cause: err}
		}
		file.take(text)
	}
	flow, err := saml.New(o)
	if err != nil {
		return nil, &StartError{Message: "log-in with SAML", Cause: err}
	}
	return flow, nil
}

func (a *App) oidcLogin(c *callers) (authn.LoginFlow, error) {
	set := a.cfg.Login
	flow, err := oidc.New(oidc.Options{
		Method:        set.Module,
		Issuer:        set.OIDCIssuer,
		ClientID:      set.OIDCClientID,
		ClientSecret:  oidc.Secret(set.OIDCClientSecret.Reveal()),
		Scopes:        strings.Fields(set.OIDCScopes),
		TrustEmail:    set.OIDCTrustEmail,
		Restricted:    c.admission.Restricted(),
		AllowAny:      set.OIDCAllowAny,
		Root:          a.root(c.proxies),
		Challenges:    c.challenges,
		Administrator: a.Accounts.ListedAdministrator,
		Log:           a.log,
	})
	if err != nil {
		return nil, &StartError{Message: "log-in through OpenID Connect", Cause: err}
	}
	return flow, nil
}

// root returns the root URL of this service as a browser sees it.
func (a *App) root(proxies authn.Proxies) func(*http.Request) string {
	public := strings.TrimRight(a.cfg.Server.PublicURL, "/")
	return func(r *http.Request) string {
		switch {
		case public != "":
			return public
		case proxies.IsHTTPS(r):
			return "https://" + r.Host
		default:
			return "http://" + r.Host
		}
	}
}

func (a *App) localLogin(c *callers, pages *webui.Site, refusals *audit.Refusals) (authn.LoginFlow, error) {
	o := localauthn.Options{
		Accounts:   a.Accounts,
		Challenges: c.challenges,
		Pages:      pages,
		ClientAddr: c.proxies.ClientAddr,
		Refused: func(r *http.Request, name string, cause error) {
			e := audit.Entry{
				Phase: audit.Done, Action: "authenticate", User: name, Door: "page",
				RequestID: telemetry.RequestID(r.Context()),
				Info:      map[string]any{"route": r.Method + " " + r.URL.Path, "error": words(cause)},
			}
			if client := c.proxies.ClientAddr(r); client.IsValid() {
				e.Client = client.String()
			}
			refusals.Record(context.WithoutCancel(r.Context()), e)
		},
	}
	if public := a.cfg.Server.PublicURL; public != "" {
		o.Origins = []string{origin(public)}
	}
	flow, err := localauthn.New(o)
	if err != nil {
		return nil, &StartError{Message: "log-in with local accounts", Cause: err}
	}
	return flow, nil
}

// words are what an audit record says of a refusal.
func words(err error) string {
	if f := fault.As(err); f != nil && f.Message != "" {
		return f.Message
	}
	return fault.KindOf(err).String()
}

// origin returns the origin of a URL: its scheme, host and port.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text // whoever wants an origin says what is wrong with it
	}
	return u.Scheme + "://" + u.Host
}
