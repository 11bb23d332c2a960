package login_test

import (
	"net/http"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// The proxy has authenticated whom it names; nobody else is let in.
func header(t *testing.T, w *world) {
	f := newFront(t)
	f.start(t, server.New(t, map[string]string{
		"USER_AUTH_MODULE":            "header",
		"HEADER_AUTH_USERNAME_HEADER": "X-Remote-User",
		"HEADER_AUTH_EMAIL_HEADER":    "X-Remote-Email",
	}), 1)
	v := w.browser.Visitor(t, f.URL)

	isRefused(t, v)
	if status := v.Click("Log in"); status != http.StatusUnauthorized {
		t.Errorf("a log-in without headers: %d, want 401", status)
	}
	f.set(map[string]string{"X-Remote-User": ann.Login, "X-Remote-Email": ann.Email})
	v.Go("/loggedout")
	v.Click("Log in")
	isIn(t, v, "ann@example.com")

	v.Click("Log out")
	v.At("/loggedout")
	f.set(nil) // logged out at the proxy too
	isRefused(t, v)
}
