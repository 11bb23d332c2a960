package login_test

import (
	"net/http"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// oidcProgram introduces the program behind a proxy to the identity provider.
func oidcProgram(t *testing.T, w *world, f *front) *server.Program {
	t.Helper()
	client := w.oidc.Introduce(t, f.URL+"/v1/login")
	return server.New(t, map[string]string{
		"USER_AUTH_MODULE":   "oidc",
		"USER_EMAIL_SUFFIX":  "@example.com",
		"PUBLIC_URL":         f.URL,
		"OIDC_ISSUER_URL":    w.oidc.Issuer,
		"OIDC_CLIENT_ID":     client.ID,
		"OIDC_CLIENT_SECRET": client.Secret,
	})
}

// googleProgram is oidcProgram with the settings of the older service.
func googleProgram(t *testing.T, w *world, f *front) *server.Program {
	t.Helper()
	client := w.oidc.Introduce(t, f.URL+"/v1/login")
	return server.New(t, map[string]string{
		"USER_AUTH_MODULE":             "google",
		"GOOGLE_AUTH_EMAIL_SUFFIX":     "@example.com",
		"PUBLIC_URL":                   f.URL,
		"OIDC_ISSUER_URL":              w.oidc.Issuer, // for nobody can ask Google here
		"GOOGLE_OAUTH_CLIENT_ID":       client.ID,
		"GOOGLE_OAUTH_CONSUMER_SECRET": client.Secret,
		"AUTHOMATIC_SALT":              "a salt that nothing needs",
	})
}

// signInOIDC fills in the form of the identity provider.
func signInOIDC(v *browser.Visitor, name, password string) {
	v.Fill("username", name)
	v.Fill("password", password)
	v.Click("Sign in")
}

// In and out with oidc-provider, which demands PKCE.
func openID(program func(*testing.T, *world, *front) *server.Program) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		f := newFront(t)
		f.start(t, program(t, w, f), 1)
		v := w.browser.Visitor(t, f.URL)

		isRefused(t, v)
		v.Click("Log in")
		signInOIDC(v, ann.Login, "a wrong password")
		v.Shows("Wrong name or password.")
		signInOIDC(v, ann.Login, ann.Password)
		isIn(t, v, "ann@example.com")

		v.Click("Log out")
		v.At("/loggedout")
		isRefused(t, v)

		for who, leave := range map[string]func(*browser.Visitor){
			"somebody of another company":               func(v *browser.Visitor) { signInOIDC(v, bob.Login, bob.Password) },
			"somebody whose address nobody has checked": func(v *browser.Visitor) { signInOIDC(v, eve.Login, eve.Password) },
			"somebody who has changed his mind":         func(v *browser.Visitor) { v.Click("Cancel") },
		} {
			v := w.browser.Visitor(t, f.URL)
			v.Go("/v1/login")
			leave(v)
			if status := v.At("/v1/login"); status != http.StatusForbidden {
				t.Errorf("%s: %d, want 403", who, status)
			}
			isRefused(t, v)
		}
	}
}
