package httpapi

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestSession_CookiesOfABrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	cookies := func(a answer) map[string]*http.Cookie {
		found := map[string]*http.Cookie{}
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			found[c.Name] = c
		}
		return found
	}
	got := cookies(w.get("browser", "/v1/credentials").want(200))
	session, xsrf := got["confidant_session"], got["XSRF-TOKEN"]
	if session == nil || !session.HttpOnly || session.SameSite != http.SameSiteLaxMode || session.Path != "/" || session.Secure {
		t.Errorf("session cookie %+v", session)
	}
	if xsrf == nil || xsrf.HttpOnly || xsrf.SameSite != http.SameSiteLaxMode || xsrf.Path != "/" {
		t.Errorf("XSRF cookie %+v", xsrf)
	}
	if again := cookies(w.get("browser", "/v1/credentials")); again["XSRF-TOKEN"].Value != xsrf.Value {
		t.Error("the XSRF token changes within a session")
	}
	if got := cookies(w.get("ada", "/v1/credentials")); len(got) > 0 {
		t.Errorf("a caller with a token gets cookies: %v", slices.Collect(maps.Keys(got)))
	}
	over := cookies(w.do(request{method: "GET", path: "/v1/credentials", as: "browser", header: []string{"X-Forwarded-Proto", "https"}}))
	if !over["confidant_session"].Secure || !over["XSRF-TOKEN"].Secure {
		t.Error("cookies over https are not Secure")
	}
	// Identity headers count only from the proxy.
	r := w.request(request{method: "GET", path: "/v1/credentials", as: "browser"})
	r.RemoteAddr = "192.0.2.7:1"
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if rec.Code != 401 {
		t.Errorf("identity headers of a stranger: %d, want 401", rec.Code)
	}
}

func TestLogin_ByHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, method := range []string{"GET", "POST", "HEAD"} {
		before := w.audit.len()
		a := w.do(request{method: method, path: "/v1/login", as: "browser"})
		if a.status != 302 || a.header.Get("Location") != "/" || len(a.body) > 0 || w.jar["XSRF-TOKEN"] == "" {
			t.Errorf("%s: %d to %q, %q, cookies %v", method, a.status, a.header.Get("Location"), a.body, w.jar)
		}
		entries := w.audit.since(before)
		if len(entries) != 1 || !entries[0].Success || entries[0].Action != "login" || entries[0].User != ada {
			t.Errorf("%s: audit records %+v", method, entries)
		}
	}
	before := w.audit.len()
	w.get("", "/v1/login").want(401)
	if entries := w.audit.since(before); len(entries) != 1 || entries[0].Success {
		t.Errorf("audit records %+v of a log-in without headers", entries)
	}
	w.audit.fail(true)
	if a := w.get("browser", "/v1/login").want(503); a.header.Get("Set-Cookie") != "" {
		t.Error("a log-in that cannot be recorded starts a session")
	}
}

func TestLogin_WithoutAuthenticationLeadsHome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.off = true })
	a := w.get("", "/v1/login").want(302)
	if a.header.Get("Location") != "/" || a.header.Get("Set-Cookie") != "" {
		t.Errorf("to %q with cookies %q", a.header.Get("Location"), a.header.Get("Set-Cookie"))
	}
	home := w.get("", "/").want(200)
	if !strings.Contains(string(home.body), "unauthenticated user") {
		t.Error("the home page does not say who visits")
	}
}

func TestLogin_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.options.LoginMissing = "Nobody can log in: this and that is not set." })
	for _, method := range []string{"GET", "POST"} {
		a := w.do(request{method: method, path: "/v1/login"}).wantError(503, "Nobody can log in: this and that is not set.")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
}

func TestPages_HomeAndLeaving(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.credential("gateway", members{"a": "b"})
	if a := w.get("", "/").want(302); a.header.Get("Location") != "/loggedout" {
		t.Errorf("an unknown visitor is sent to %q", a.header.Get("Location"))
	}
	before := w.audit.len()
	a := w.get("browser", "/").want(200)
	for _, want := range []string{"gateway", ada, "/loggedout"} {
		if !strings.Contains(string(a.body), want) {
			t.Errorf("the home page lacks %q", want)
		}
	}
	if policy := a.header.Get("Content-Security-Policy"); !strings.Contains(policy, "style-src 'self'") || !strings.Contains(policy, "form-action 'self'") {
		t.Errorf("Content-Security-Policy = %q", policy)
	}
	if n := w.audit.len() - before; n != 1 {
		t.Errorf("a visit makes %d audit records, want 1", n)
	}
	if w.jar["XSRF-TOKEN"] == "" {
		t.Error("a visit sets no XSRF cookie")
	}

	before = w.audit.len()
	bye := w.get("browser", "/loggedout").want(200)
	if !strings.Contains(string(bye.body), "You are logged out") || w.jar["confidant_session"] != "" {
		t.Errorf("after leaving the session is %q", w.jar["confidant_session"])
	}
	if e := w.audit.since(before); len(e) != 1 || e[0].Action != "logout" || e[0].User != ada || !e[0].Success {
		t.Errorf("audit records %+v", e)
	}
	// The token of the session that has ended is of no use.
	w.do(request{method: "PUT", path: "/v1/services/x", as: "browser", body: members{}, header: []string{"X-XSRF-TOKEN", w.jar["XSRF-TOKEN"]}}).want(401)

	before = w.audit.len()
	w.get("", "/loggedout").want(200)
	if n := w.audit.len() - before; n != 0 {
		t.Errorf("a visit of nobody makes %d audit records", n)
	}
	// Errors outside the API are pages.
	if a := w.get("broken", "/").want(403); a.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("a refused visit is answered with %q", a.header.Get("Content-Type"))
	}
}
