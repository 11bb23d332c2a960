package httpapi

import (
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn"
)

func limit(t *testing.T, burst int) *authn.Failures {
	t.Helper()
	f, err := authn.NewFailures(authn.FailureOptions{Burst: burst, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Who fails too often is told to wait; whoever has a good proof comes in from the
// same address all the same.
func TestLimit_OnTokensThatFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.options.TokenFailures = limit(t, 3) })
	for range 5 {
		w.get("", "/v1/credentials").want(401) // no proof, no failure
	}
	w.get("broken", "/v1/credentials").want(403)
	w.get("gone", "/v1/credentials").want(401)
	w.get("gone", "/v1/credentials").want(401)
	for range 2 {
		a := w.get("broken", "/v1/credentials").wantError(429, "Too many failed attempts. Try again later.")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	w.get("ada", "/v1/credentials").want(200)
	w.get("browser", "/v1/credentials").want(200)
	w.get("", "/v1/credentials").want(401)
}

func TestLimit_OnLogInsThatFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.options.LoginFailures = limit(t, 2) })
	wrong := []string{"X-Email", "ada@example.com, bob@example.com"}
	for range 2 {
		w.do(request{method: "POST", path: "/v1/login", as: "browser", header: wrong}).want(401)
	}
	w.do(request{method: "POST", path: "/v1/login", as: "browser"}).want(429)
	w.get("browser", "/v1/login?code=x").want(429)
	w.get("browser", "/v1/login").want(429)
	w.get("ada", "/v1/credentials").want(200)
}
