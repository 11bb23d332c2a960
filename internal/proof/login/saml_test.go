package login_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/login/provider"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// samlProgram introduces the program behind a proxy to the identity provider.
func samlProgram(t *testing.T, w *world, f *front, encrypted bool) *server.Program {
	t.Helper()
	pair := provider.NewKeyPair(t, t.TempDir(), "sp")
	w.saml.Introduce(t, f.URL, pair.Certificate, encrypted)
	return server.New(t, map[string]string{
		"USER_AUTH_MODULE":                "saml",
		"USER_EMAIL_SUFFIX":               "@example.com",
		"SAML_CONFIDANT_URL_ROOT":         f.URL,
		"SAML_SP_KEY_FILE":                pair.Key,
		"SAML_SP_CERT_FILE":               pair.Certificate,
		"SAML_IDP_ENTITY_ID":              w.saml.EntityID,
		"SAML_IDP_SIGNON_URL":             w.saml.SignOnURL,
		"SAML_IDP_LOGOUT_URL":             w.saml.LogOutURL,
		"SAML_IDP_CERT_FILE":              w.saml.Certificate,
		"SAML_SECURITY_ASSERTIONS_SIGNED": "true",
	})
}

// signInSAML fills in the form of the identity provider.
func signInSAML(v *browser.Visitor, name, password string) {
	v.Fill("username", name)
	v.Fill("password", password)
	v.Click("Login")
}

// In and out with SimpleSAMLphp, which checks every signature of ours: the log-out
// begins here, then there.
func saml(encrypted bool) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		f := newFront(t)
		f.start(t, samlProgram(t, w, f, encrypted), 1)
		v := w.browser.Visitor(t, f.URL)

		isRefused(t, v)
		v.Click("Log in")
		signInSAML(v, ann.Login, "a wrong password")
		v.Shows("Incorrect username or password")
		response := f.steal("/v1/saml/consume")
		signInSAML(v, ann.Login, ann.Password)
		v.Shows(astray)
		if text, err := base64.StdEncoding.DecodeString(response.fields["SAMLResponse"]); err != nil || bytes.Contains(text, []byte("EncryptedAssertion")) != encrypted {
			t.Errorf("encrypted is %v, but the response is %s, %v", encrypted, text, err)
		}
		response.send(v)
		isIn(t, v, "ann@example.com")

		v.Click("Log out")
		v.At("/loggedout")
		isRefused(t, v)
		v.Click("Log in")
		signInSAML(v, ann.Login, ann.Password) // for the provider has logged her out too
		isIn(t, v, "ann@example.com")

		v.Go(w.saml.LogOutEverywhere(f.URL + "/healthcheck"))
		v.At("/healthcheck")
		isRefused(t, v)
		v.Click("Log in")
		signInSAML(v, bob.Login, bob.Password)
		if status := v.At("/v1/saml/consume"); status != http.StatusForbidden {
			t.Errorf("somebody of another company: %d, want 403", status)
		}
		isRefused(t, v)
	}
}
