package login_test

import (
	"net/http"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
)

func sharedSAML(t *testing.T, w *world) {
	f := newFront(t)
	f.start(t, samlProgram(t, w, f, false), 2)
	shared(t, w, f, "/v1/saml/consume", signInSAML, http.StatusUnauthorized)
}

func sharedOIDC(t *testing.T, w *world) {
	f := newFront(t)
	f.start(t, oidcProgram(t, w, f), 2)
	shared(t, w, f, "/v1/login", signInOIDC, http.StatusForbidden)
}

// signIn fills in the form of an identity provider.
type signIn func(v *browser.Visitor, name, password string)

// A log-in that one process began is finished by another on the same data, in the
// browser it began in and in no other, and once.
func shared(t *testing.T, w *world, f *front, end string, signIn signIn, refused int) {
	owner, thief := w.browser.Visitor(t, f.URL), w.browser.Visitor(t, f.URL)
	owner.Go("/loggedout")
	owner.Click("Log in")
	letter := f.steal(end)
	signIn(owner, ann.Login, ann.Password)
	owner.Shows(astray)

	if status := letter.send(thief); status != refused {
		t.Errorf("in another browser: %d, want %d", status, refused)
	}
	isRefused(t, thief)
	thief.Click("Log in")
	if status := letter.send(thief); status != refused {
		t.Errorf("in another browser, which has begun a log-in itself: %d, want %d", status, refused)
	}
	isRefused(t, thief)

	letter.send(owner)
	isIn(t, owner, "ann@example.com")
	if status := letter.send(owner); status != refused {
		t.Errorf("once more: %d, want %d", status, refused)
	}
	if begun := f.requests()[0]; begun != 2 {
		t.Errorf("the first server had %d requests, want the two that began a log-in", begun)
	}
}
