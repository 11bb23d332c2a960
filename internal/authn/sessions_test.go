package authn_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// accounts are local accounts and their generations.
type accounts map[string]int64

func (a accounts) Generation(name string) (int64, bool) {
	g, ok := a[name]
	return g, ok
}

func (a accounts) ListedAdministrator(email string) bool { return email == "chief@example.com" }

// clock is a clock that tests turn.
type clock struct{ now time.Time }

func (c *clock) add(d time.Duration) { c.now = c.now.Add(d) }

func newSessions(t testing.TB, change ...func(*authn.SessionOptions)) *authn.Sessions {
	t.Helper()
	o := authn.SessionOptions{
		Secret:      []byte("a session secret"),
		Cookie:      "confidant_session",
		CSRFCookie:  "XSRF-TOKEN",
		Lifetime:    12 * time.Hour,
		MaxLifetime: 24 * time.Hour,
		Accounts:    accounts{"root": 7},
		Secure:      func(r *http.Request) bool { return r.TLS != nil },
	}
	for _, f := range change {
		f(&o)
	}
	s, err := authn.NewSessions(o)
	if err != nil {
		t.Fatalf("NewSessions: %v", err)
	}
	return s
}

func at(c *clock) func(*authn.SessionOptions) {
	c.now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	return func(o *authn.SessionOptions) { o.Now = func() time.Time { return c.now } }
}

func identity(method, name string) authn.Identity {
	return authn.Identity{Principal: authz.Principal{Type: authz.User, Name: name, Method: method, Ambient: true}}
}

// browser keeps cookies as a browser does.
type browser map[string]*http.Cookie

func (b browser) keep(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b, c.Name)
		} else {
			b[c.Name] = c
		}
	}
}

func (b browser) request(method, url string) *http.Request {
	r := httptest.NewRequest(method, url, nil)
	for _, c := range b {
		r.AddCookie(c)
	}
	return r
}

func (b browser) logIn(t testing.TB, s *authn.Sessions, id authn.Identity) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := s.Start(w, b.request("POST", "/v1/login"), id); err != nil {
		t.Fatalf("Start: %v", err)
	}
	b.keep(w)
}

// visit does what a transport does with a reading request.
func (b browser) visit(t testing.TB, s *authn.Sessions) error {
	t.Helper()
	r := b.request("GET", "/v1/user/email")
	p, err := s.Authenticate(r)
	if err != nil {
		return err
	}
	session, err := s.Load(r, p)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	w := httptest.NewRecorder()
	if err := s.Extend(w, r, session); err != nil {
		t.Fatalf("Extend: %v", err)
	}
	b.keep(w)
	return nil
}

func TestSessions_CookiesHaveTheirFlags(t *testing.T) {
	t.Parallel()
	var c clock
	s := newSessions(t, at(&c))
	for url, secure := range map[string]string{"http://x/": "", "https://x/": "; Secure"} {
		w := httptest.NewRecorder()
		if err := s.Start(w, httptest.NewRequest("POST", url, nil), identity("saml", "alice@example.com")); err != nil {
			t.Fatal(err)
		}
		got := w.Header()["Set-Cookie"]
		want := []*regexp.Regexp{
			regexp.MustCompile(`^XSRF-TOKEN=[0-9a-f]{40}; Path=/` + secure + `; SameSite=Lax$`),
			regexp.MustCompile(`^confidant_session=[\w-]+; Path=/; Expires=Wed, 25 Nov 2026 00:00:00 GMT; HttpOnly` + secure + `; SameSite=Lax$`),
		}
		if len(got) != len(want) {
			t.Fatalf("%s: cookies %q", url, got)
		}
		for i := range want {
			if !want[i].MatchString(got[i]) {
				t.Errorf("%s: cookie %q, want %v", url, got[i], want[i])
			}
		}
		if strings.Contains(got[1], "alice") {
			t.Errorf("the session cookie tells who it is: %s", got[1])
		}
	}
}

func TestSessions_NamesOfCookiesAreSettings(t *testing.T) {
	t.Parallel()
	s := newSessions(t, func(o *authn.SessionOptions) { o.Cookie, o.CSRFCookie = "s", "MY-XSRF" })
	b := browser{}
	b.logIn(t, s, identity("saml", "alice@example.com"))
	if b["s"] == nil || b["MY-XSRF"] == nil || len(b) != 2 {
		t.Errorf("cookies: %v", b)
	}
	if err := b.visit(t, s); err != nil {
		t.Error(err)
	}
}

func TestSessions_AuthenticateWhoLoggedIn(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	root := identity("local", "root")
	root.Generation = 7
	for name, tt := range map[string]struct {
		id   authn.Identity
		want authz.Principal
	}{
		"user":          {identity("saml", "alice@example.com"), authz.Principal{Type: authz.User, Name: "alice@example.com", Method: "saml", Ambient: true}},
		"listed":        {identity("oidc", "chief@example.com"), authz.Principal{Type: authz.User, Name: "chief@example.com", Method: "oidc", Ambient: true, Administrator: true}},
		"local account": {root, authz.Principal{Type: authz.User, Name: "root", Method: "local", Ambient: true, Administrator: true}},
		"another's name": {
			identity("saml", "root"),
			authz.Principal{Type: authz.User, Name: "root", Method: "saml", Ambient: true},
		},
	} {
		b := browser{}
		b.logIn(t, s, tt.id)
		if got, err := s.Authenticate(b.request("GET", "/")); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, tt.want)
		}
	}
}

func TestSessions_SlideButNeverPastTheirMaximum(t *testing.T) {
	t.Parallel()
	var c clock
	s := newSessions(t, at(&c))
	b := browser{}
	b.logIn(t, s, identity("saml", "alice@example.com"))
	for _, hours := range []time.Duration{11, 11} {
		c.add(hours * time.Hour)
		if err := b.visit(t, s); err != nil {
			t.Fatalf("in use: %v", err)
		}
	}
	if got, want := b["confidant_session"].Expires, c.now.Add(2*time.Hour); !got.Equal(want) {
		t.Errorf("the cookie expires at %v, want the maximum %v", got, want)
	}
	c.add(2*time.Hour - time.Second)
	if err := b.visit(t, s); err != nil {
		t.Errorf("a second before the maximum: %v", err)
	}
	c.add(time.Second)
	if err := b.visit(t, s); !errors.Is(err, authn.ErrNoProof) {
		t.Errorf("at the maximum: %v, want ErrNoProof", err)
	}
}

func TestSessions_EndWhenNotUsed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lifetime, longest time.Duration
		alive, ended      time.Duration // after log-in; ended 0: never
	}{
		"sliding":                           {12 * time.Hour, 24 * time.Hour, 12*time.Hour - time.Second, 12 * time.Hour},
		"maximum 0 means the lifetime":      {time.Hour, 0, time.Hour - time.Second, time.Hour},
		"with the browser, bounded":         {0, 24 * time.Hour, 24*time.Hour - time.Second, 24 * time.Hour},
		"with the browser, without a bound": {0, 0, 1000 * time.Hour, 0},
	} {
		var c clock
		s := newSessions(t, at(&c), func(o *authn.SessionOptions) { o.Lifetime, o.MaxLifetime = tt.lifetime, tt.longest })
		b := browser{}
		b.logIn(t, s, identity("saml", "alice@example.com"))
		if got := b["confidant_session"].Expires.IsZero(); got != (tt.lifetime == 0) {
			t.Errorf("%s: cookie ends with the browser: %v", name, got)
		}
		start := c.now
		c.now = start.Add(tt.alive)
		if _, err := s.Authenticate(b.request("GET", "/")); err != nil {
			t.Errorf("%s, after %v: %v", name, tt.alive, err)
		}
		if tt.ended == 0 {
			continue
		}
		c.now = start.Add(tt.ended)
		if _, err := s.Authenticate(b.request("GET", "/")); !errors.Is(err, authn.ErrNoProof) {
			t.Errorf("%s, after %v: %v, want ErrNoProof", name, tt.ended, err)
		}
	}
}

func TestSessions_OfALocalAccountEndWithItsGeneration(t *testing.T) {
	t.Parallel()
	known := accounts{"root": 7}
	s := newSessions(t, func(o *authn.SessionOptions) { o.Accounts = known })
	id := identity("local", "root")
	id.Generation = 7
	b := browser{}
	b.logIn(t, s, id)
	if err := b.visit(t, s); err != nil {
		t.Fatal(err)
	}
	known["root"] = 8
	if err := b.visit(t, s); !errors.Is(err, authn.ErrNoProof) {
		t.Errorf("after the generation moved: %v, want ErrNoProof", err)
	}
	known["root"] = 7
	if err := b.visit(t, s); err != nil {
		t.Fatal(err)
	}
	delete(known, "root")
	if err := b.visit(t, s); !errors.Is(err, authn.ErrNoProof) {
		t.Errorf("after the account was disabled: %v, want ErrNoProof", err)
	}
}

func TestSessions_ACookieThatIsNotOursIsNoSession(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b := browser{}
	b.logIn(t, s, identity("saml", "alice@example.com"))
	good := b["confidant_session"].Value
	flip := func(i int) string {
		c := byte('A')
		if good[i] == 'A' {
			c = 'B'
		}
		return good[:i] + string(c) + good[i+1:]
	}
	other := newSessions(t, func(o *authn.SessionOptions) { o.Secret = []byte("another secret") })
	named := newSessions(t, func(o *authn.SessionOptions) { o.Cookie = "other_session" })
	foreign, renamed := browser{}, browser{}
	foreign.logIn(t, other, identity("saml", "alice@example.com"))
	renamed.logIn(t, named, identity("saml", "alice@example.com"))
	for name, value := range map[string]string{
		"empty":               "",
		"text":                "hello",
		"version changed":     flip(0),
		"nonce changed":       flip(10),
		"content changed":     flip(len(good) / 2),
		"tag changed":         flip(len(good) - 3),
		"cut":                 good[:len(good)-4],
		"very long":           strings.Repeat("A", 100_000),
		"of another secret":   foreign["confidant_session"].Value,
		"of another cookie":   renamed["other_session"].Value,
		"padded":              good + "==",
		"of the older server": "eyJ1c2VyIjp7ImVtYWlsIjoiYSJ9fQ.Zx.Zx",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "confidant_session", Value: value})
		if p, err := s.Authenticate(r); !errors.Is(err, authn.ErrNoProof) {
			t.Errorf("%s: %+v, %v; want ErrNoProof", name, p, err)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "confidant_session", Value: "planted"})
	r.AddCookie(&http.Cookie{Name: "confidant_session", Value: good})
	if _, err := s.Authenticate(r); err != nil {
		t.Errorf("a planted cookie before the good one: %v", err)
	}
	if _, err := s.Authenticate(httptest.NewRequest("GET", "/", nil)); !errors.Is(err, authn.ErrNoProof) {
		t.Errorf("no cookie: %v, want ErrNoProof", err)
	}
}

func TestSessions_OfThePreviousSecretGoOnUnderTheNew(t *testing.T) {
	t.Parallel()
	before := newSessions(t)
	after := newSessions(t, func(o *authn.SessionOptions) {
		o.Secret, o.Previous = []byte("the next secret"), [][]byte{[]byte("a session secret")}
	})
	b := browser{}
	b.logIn(t, before, identity("saml", "alice@example.com"))
	if err := b.visit(t, after); err != nil {
		t.Fatalf("after the rotation: %v", err)
	}
	alone := newSessions(t, func(o *authn.SessionOptions) { o.Secret = []byte("the next secret") })
	if err := b.visit(t, alone); err != nil {
		t.Errorf("once used, under the new secret alone: %v", err)
	}
}

func TestSessions_CSRF(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b, other := browser{}, browser{}
	b.logIn(t, s, identity("saml", "alice@example.com"))
	other.logIn(t, s, identity("saml", "mallory@example.com"))
	token := b["XSRF-TOKEN"].Value
	for name, tt := range map[string]struct {
		header string
		want   bool
	}{
		"right":        {token, true},
		"missing":      {"", false},
		"wrong":        {strings.Repeat("0", 40), false},
		"cut":          {token[:39], false},
		"in capitals":  {strings.ToUpper(token) + "A", false},
		"of a session": {other["XSRF-TOKEN"].Value, false},
	} {
		r := b.request("POST", "/v1/credentials")
		r.Header.Set("X-XSRF-TOKEN", tt.header)
		p, err := s.Authenticate(r)
		if err != nil {
			t.Fatal(err)
		}
		session, err := s.Load(r, p)
		if err != nil {
			t.Fatal(err)
		}
		if session.CSRFToken() != token {
			t.Errorf("CSRFToken = %q, want the cookie's %q", session.CSRFToken(), token)
		}
		if err := s.CheckCSRF(r, session); (err == nil) != tt.want || err != nil && !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v, want it to pass %v", name, err, tt.want)
		}
	}
	if err := b.visit(t, s); err != nil || b["XSRF-TOKEN"].Value != token {
		t.Errorf("the token changes within a session: %v", err)
	}
}

func TestSessions_LoginRenewsTheSession(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b := browser{}
	b.logIn(t, s, identity("saml", "mallory@example.com"))
	planted := b["XSRF-TOKEN"].Value
	b.logIn(t, s, identity("saml", "alice@example.com"))
	p, err := s.Authenticate(b.request("GET", "/"))
	if err != nil || p.Name != "alice@example.com" || b["XSRF-TOKEN"].Value == planted {
		t.Errorf("after log-in: %+v, %v, CSRF token kept: %v", p, err, b["XSRF-TOKEN"].Value == planted)
	}
}

func TestSessions_KeepTheNamesThatCameWithTheLogin(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	id := identity("saml", "alice@example.com")
	id.FirstName, id.LastName = "Alice", "Łukasz"
	b := browser{}
	b.logIn(t, s, id)
	session, err := s.Load(b.request("GET", "/"), id.Principal)
	if err != nil {
		t.Fatal(err)
	}
	if first, last := session.Names(); first != "Alice" || last != "Łukasz" {
		t.Errorf("Names = %q, %q", first, last)
	}
	id.LastName = strings.Repeat("x", 4000)
	if err := s.Start(httptest.NewRecorder(), b.request("POST", "/v1/login"), id); err == nil {
		t.Error("a session that no browser would keep is no error")
	}
}

func TestSessions_EndRemovesTheCookie(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b := browser{}
	b.logIn(t, s, identity("saml", "alice@example.com"))
	w := httptest.NewRecorder()
	s.End(w, b.request("GET", "/loggedout"))
	if got := w.Header().Get("Set-Cookie"); !strings.HasPrefix(got, "confidant_session=; Path=/; Expires=Thu, 01 Jan 1970") || !strings.Contains(got, "Max-Age=0") {
		t.Errorf("Set-Cookie: %s", got)
	}
	b.keep(w)
	if _, err := s.Authenticate(b.request("GET", "/")); !errors.Is(err, authn.ErrNoProof) {
		t.Errorf("afterwards: %v, want ErrNoProof", err)
	}
}

// A user whom every request proves anew has a session too, for the CSRF token.
func TestSessions_BesideAnotherProofCarryTheTokenAlone(t *testing.T) {
	t.Parallel()
	var c clock
	s := newSessions(t, at(&c))
	p := authz.Principal{Type: authz.User, Name: "alice@example.com", Method: "header", Ambient: true}
	b := browser{}
	visit := func() *authn.Session {
		t.Helper()
		r := b.request("GET", "/")
		session, err := s.Load(r, p)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if err := s.Extend(w, r, session); err != nil {
			t.Fatal(err)
		}
		b.keep(w)
		return session
	}
	token := visit().CSRFToken()
	if got := visit().CSRFToken(); got != token {
		t.Errorf("second request: token %s, want %s", got, token)
	}
	if got, err := s.Authenticate(b.request("GET", "/")); !errors.Is(err, authn.ErrNoProof) {
		t.Errorf("its cookie proves %+v, %v; want ErrNoProof", got, err)
	}
	for range 5 {
		c.add(11 * time.Hour)
		if got := visit().CSRFToken(); got != token {
			t.Fatal("it ends although it is used")
		}
	}
	mallory := p
	mallory.Name = "mallory@example.com"
	session, err := s.Load(b.request("GET", "/"), mallory)
	if err != nil || session.CSRFToken() == token {
		t.Errorf("another user gets the same token, %v", err)
	}
	c.add(12 * time.Hour)
	if got := visit().CSRFToken(); got == token {
		t.Error("it goes on although it was not used")
	}
}

func TestSessions_WithoutASecretNobodyCanLogIn(t *testing.T) {
	t.Parallel()
	s := newSessions(t, func(o *authn.SessionOptions) { o.Secret = nil })
	b := browser{}
	b.logIn(t, newSessions(t), identity("saml", "alice@example.com"))
	if _, err := s.Authenticate(b.request("GET", "/")); !errors.Is(err, authn.ErrNoProof) {
		t.Errorf("Authenticate: %v, want ErrNoProof", err)
	}
	err := s.LogIn(httptest.NewRecorder(), b.request("POST", "/v1/login"), identity("local", "root"))
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "SESSION_SECRET") {
		t.Errorf("LogIn: %v, want Unavailable that names the setting", err)
	}
}

func TestNewSessions_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	good := newSessions(t).SessionOptions
	for name, change := range map[string]func(*authn.SessionOptions){
		"no cookie name":      func(o *authn.SessionOptions) { o.Cookie = "" },
		"no CSRF cookie name": func(o *authn.SessionOptions) { o.CSRFCookie = "" },
		"one name for both":   func(o *authn.SessionOptions) { o.CSRFCookie = o.Cookie },
		"no accounts":         func(o *authn.SessionOptions) { o.Accounts = nil },
		"no Secure":           func(o *authn.SessionOptions) { o.Secure = nil },
		"negative lifetime":   func(o *authn.SessionOptions) { o.Lifetime = -1 },
	} {
		o := good
		change(&o)
		if _, err := authn.NewSessions(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzSessionCookie(f *testing.F) {
	// Time and random bytes are fixed, so that every fuzzing process has the
	// same good cookie.
	var c clock
	s := newSessions(f, at(&c), func(o *authn.SessionOptions) { o.Random = rand.NewChaCha8([32]byte{}) })
	b := browser{}
	b.logIn(f, s, identity("saml", "alice@example.com"))
	good := b["confidant_session"].Value
	f.Add(good)
	f.Add(good[:40])
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", "confidant_session="+value)
		cookie, err := r.Cookie("confidant_session")
		if err != nil || cookie.Value == good {
			return
		}
		if p, err := s.Authenticate(r); err == nil {
			t.Errorf("%q proves %+v", value, p)
		}
	})
}

func BenchmarkSessions(b *testing.B) {
	s := newSessions(b)
	jar := browser{}
	jar.logIn(b, s, identity("saml", "alice@example.com"))
	r := jar.request("GET", "/")
	b.ReportAllocs()
	for b.Loop() {
		p, err := s.Authenticate(r)
		if err != nil {
			b.Fatal(err)
		}
		session, err := s.Load(r, p)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Extend(httptest.NewRecorder(), r, session); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSessions_EndWithAllThatBeganBeforeAMoment(t *testing.T) {
	t.Parallel()
	var (
		c     clock
		since time.Time
	)
	s := newSessions(t, at(&c), func(o *authn.SessionOptions) { o.Since = func() time.Time { return since } })
	old := browser{}
	old.logIn(t, s, identity("saml", "ann@example.com"))
	if err := old.visit(t, s); err != nil {
		t.Fatalf("before: %v", err)
	}
	c.add(10 * time.Second)
	since = c.now
	if err := old.visit(t, s); !errors.Is(err, authn.ErrNoProof) {
		t.Errorf("a session from before: %v, want ErrNoProof", err)
	}
	young := browser{}
	young.logIn(t, s, identity("saml", "ann@example.com"))
	for range 2 { // going on does not make it another session
		if err := young.visit(t, s); err != nil {
			t.Errorf("a session from after: %v", err)
		}
		c.add(time.Hour)
	}
	since = c.now
	if err := young.visit(t, s); !errors.Is(err, authn.ErrNoProof) {
		t.Errorf("a session that went on until then: %v, want ErrNoProof", err)
	}
}
