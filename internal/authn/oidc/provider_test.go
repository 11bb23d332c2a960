package oidc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/oidc"
	"github.com/confidant-secrets/confidant/internal/fault"
)

const wellKnown = "/.well-known/openid-configuration"

func down(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) }

func TestDiscovery_RecoversByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.idp.override[wellKnown] = down
	a := w.start() // starts without the provider
	for range 2 {
		if status, _ := w.browser().get(a.URL + "/v1/login"); status != http.StatusServiceUnavailable {
			t.Errorf("status %d, want 503", status)
		}
	}
	w.idp.set(func() { w.idp.override[wellKnown] = nil })
	if status := w.browser().logIn(a); status != http.StatusNoContent {
		t.Errorf("afterwards: status %d, want 204", status)
	}
}

// A process that does not know the provider yet must not use up a log-in that
// another one began.
func TestDiscovery_OutageCostsNoLogIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.root = "http://secrets.example.com"
	a, b := w.start(), w.start()
	visitor := w.browser()
	back := visitor.comeBack(a, "")
	w.idp.set(func() { w.idp.override[wellKnown] = down })
	if status, _ := visitor.get(at(b, back)); status != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", status)
	}
	w.idp.set(func() { w.idp.override[wellKnown] = nil })
	if status, _ := visitor.get(at(b, back)); status != http.StatusNoContent {
		t.Errorf("reloaded: status %d, want 204", status)
	}
}

func TestDiscovery_RefusesAProviderThatIsNotTheOneConfigured(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		metadata object
		serve    http.HandlerFunc
	}{
		"another issuer":                 {metadata: object{"issuer": "https://evil.example"}},
		"issuer with a slash":            {metadata: object{"issuer": "http://127.0.0.1/"}},
		"no issuer":                      {metadata: object{"issuer": nil}},
		"no token endpoint":              {metadata: object{"token_endpoint": nil}},
		"no keys":                        {metadata: object{"jwks_uri": nil}},
		"authorization by a script":      {metadata: object{"authorization_endpoint": "javascript:alert(1)"}},
		"authorization without TLS":      {metadata: object{"authorization_endpoint": "http://login.example.com/authorize"}},
		"tokens without TLS":             {metadata: object{"token_endpoint": "http://login.example.com/token"}},
		"keys without TLS":               {metadata: object{"jwks_uri": "http://login.example.com/keys"}},
		"user info without TLS":          {metadata: object{"userinfo_endpoint": "http://login.example.com/userinfo"}},
		"keys in a file":                 {metadata: object{"jwks_uri": "file:///etc/passwd"}},
		"token endpoint of another type": {metadata: object{"token_endpoint": 1}},
		"not JSON":                       {serve: func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("<html>")) }},
		"a list":                         {serve: func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("[]")) }},
		"huge":                           {metadata: object{"x": strings.Repeat("x", 1<<20)}},
		"endless": {serve: func(rw http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := rw.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
					return
				}
			}
		}},
		"elsewhere": {serve: func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "/other", http.StatusMovedPermanently)
		}},
		"absent": {serve: http.NotFound},
	} {
		w := newWorld(t)
		w.idp.metadata, w.idp.override[wellKnown] = tt.metadata, tt.serve
		a := w.start()
		status, _ := w.browser().get(a.URL + "/v1/login")
		if _, err := a.ended(); status != http.StatusServiceUnavailable || !fault.Is(err, fault.Unavailable) || len(err.Error()) > 1000 {
			t.Errorf("%s: status %d, %.300v; want 503", name, status, err)
		}
	}
}

func TestDiscovery_BoundsAnAnswerThatIsProperButForItsLength(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.idp.override[wellKnown] = func(rw http.ResponseWriter, r *http.Request) {
		w.idp.serveMetadata(rw, r)
		_, _ = rw.Write([]byte(strings.Repeat(" ", 1<<20)))
	}
	if status, _ := w.browser().get(w.start().URL + "/v1/login"); status != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", status)
	}
}

func TestLogIn_DoesNotWaitForeverForTheProvider(t *testing.T) {
	t.Parallel()
	for _, path := range []string{wellKnown, "/keys", "/token", "/userinfo"} {
		t.Run(strings.Trim(path, "/."), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.idp.claims = object{"email": nil}
			w.idp.override[path] = func(rw http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm() // only a request that was read notices its end
				rw.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(rw).Flush()
				<-r.Context().Done()
			}
			a := w.start(func(o *oidc.Options) { o.Client.Timeout = time.Second })
			b := w.browser()
			status, location := b.get(a.URL + "/v1/login")
			if path != wellKnown {
				_, location = b.get(location)
				status, _ = b.get(location)
			}
			if status != http.StatusServiceUnavailable {
				_, err := a.ended()
				t.Errorf("status %d, %v; want 503", status, err)
			}
		})
	}
}

func TestDiscovery_EndpointsOfAProviderWithTLSHaveTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.idp.issuer = "https://login.example.com"
	a := w.start()
	if status, _ := w.browser().get(a.URL + "/v1/login"); status != http.StatusFound {
		t.Fatalf("status %d, want 302", status)
	}
	w.idp.metadata = object{"token_endpoint": w.idp.server.URL + "/token"}
	a = w.start()
	if status, _ := w.browser().get(a.URL + "/v1/login"); status != http.StatusServiceUnavailable {
		t.Errorf("a token endpoint without TLS on this machine: status %d, want 503", status)
	}
}

func TestDiscovery_IsSharedByConcurrentLogIns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	entered, release := make(chan struct{}, 1), make(chan struct{})
	w.idp.override[wellKnown] = func(rw http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-release
		w.idp.serveMetadata(rw, r)
	}
	a := w.start()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if status, _ := w.browser().get(a.URL + "/v1/login"); status != http.StatusFound {
				t.Errorf("status %d, want 302", status)
			}
		})
	}
	<-entered
	time.Sleep(50 * time.Millisecond) // most of the others wait by now; those that do not find it done
	close(release)
	group.Wait()
	if n := w.idp.count(wellKnown).Load(); n != 1 {
		t.Errorf("the configuration was read %d times, want once", n)
	}
}

// Whoever leaves while the configuration is being read does not spoil it for the
// others.
func TestDiscovery_GoesOnWithoutWhoAskedFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	entered, release := make(chan struct{}), make(chan struct{})
	w.idp.override[wellKnown] = func(rw http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		w.idp.serveMetadata(rw, r)
	}
	flow, err := oidc.New(w.options())
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 1)
	router := chi.NewRouter()
	flow.Mount(router, func(_ http.ResponseWriter, _ *http.Request, _ authn.Identity, err error) { errs <- err })
	ctx, leave := context.WithCancel(t.Context())
	go router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/v1/login", nil))
	<-entered
	leave()
	if err := <-errs; !fault.Is(err, fault.Unavailable) {
		t.Errorf("the one who left: %v, want unavailable", err)
	}
	close(release)
	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, httptest.NewRequest("GET", "/v1/login", nil))
	if answer.Code != http.StatusFound || w.idp.count(wellKnown).Load() != 1 {
		t.Errorf("status %d after %d readings, want 302 after one", answer.Code, w.idp.count(wellKnown).Load())
	}
}

func TestDiscovery_IsRepeatedAndForgetsKeysThatWereWithdrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.idp.keys = []key{keys().rsa, keys().ec}
	a := w.start()
	if status := w.browser().logIn(a); status != http.StatusNoContent {
		t.Fatalf("status %d, want 204", status)
	}

	// A new key is found when it is first used.
	w.idp.set(func() { w.idp.keys = []key{keys().ed, keys().rsa} })
	if status := w.browser().logIn(a); status != http.StatusNoContent {
		t.Errorf("with a new key: status %d, want 204", status)
	}
	if n := w.idp.count("/keys").Load(); n != 2 {
		t.Errorf("the keys were read %d times, want twice", n)
	}

	// One that is withdrawn counts until the configuration is read again.
	w.idp.set(func() {
		w.idp.keys = []key{keys().ec}
		w.idp.mint = func(_, claims object) string {
			return keys().rsa.sign(`{"alg":"RS256","kid":"rsa-1"}`, text(with(claims, "exp", w.now().Add(time.Minute).Unix())))
		}
	})
	w.ahead.Store(int64(59 * time.Minute))
	if status := w.browser().logIn(a); status != http.StatusNoContent {
		t.Errorf("within the hour: status %d, want 204", status)
	}
	w.ahead.Store(int64(61 * time.Minute))
	if status := w.browser().logIn(a); status != http.StatusForbidden {
		t.Errorf("after it: status %d, want 403", status)
	}
	if n := w.idp.count(wellKnown).Load(); n != 2 {
		t.Errorf("the configuration was read %d times, want twice", n)
	}
}

func TestDiscovery_KeepsTheFormerConfigurationIfItCannotBeReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.idp.mint = func(header, claims object) string {
		return keys().rsa.sign(text(header), text(with(claims, "exp", w.now().Add(time.Minute).Unix())))
	}
	a := w.start()
	logIn := func(when string) {
		t.Helper()
		if status := w.browser().logIn(a); status != http.StatusNoContent {
			t.Errorf("%s: status %d, want 204", when, status)
		}
	}
	logIn("at first")
	w.idp.set(func() { w.idp.override[wellKnown] = down })
	w.ahead.Store(int64(61 * time.Minute))
	logIn("after a failed reading")
	logIn("once more")
	if n := w.idp.count(wellKnown).Load(); n != 2 {
		t.Errorf("the configuration was asked for %d times, want twice", n)
	}
	if got := w.log.String(); strings.Count(got, "could not be read again") != 1 || !strings.Contains(got, "502") {
		t.Errorf("log %q, want one warning with the reason", got)
	}
	w.ahead.Store(int64(63 * time.Minute))
	w.idp.set(func() { w.idp.override[wellKnown] = nil })
	logIn("when it is back")
	if n := w.idp.count(wellKnown).Load(); n != 3 {
		t.Errorf("the configuration was asked for %d times, want three times", n)
	}
}

func TestLogIn_KeysThatCannotBeHadAreAnOutage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		serve  http.HandlerFunc
		status int
	}{
		"down":      {down, 503},
		"absent":    {http.NotFound, 503},
		"not JSON":  {func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("<html>")) }, 503},
		"huge":      {func(rw http.ResponseWriter, _ *http.Request) { answerJSON(rw, 200, strings.Repeat("x", 1<<20)) }, 503},
		"elsewhere": {func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/other", http.StatusFound) }, 503},
		"none":      {func(rw http.ResponseWriter, _ *http.Request) { answerJSON(rw, 200, object{"keys": []int{}}) }, 403},
		"of no sense": {func(rw http.ResponseWriter, _ *http.Request) {
			answerJSON(rw, 200, object{"keys": strings.Repeat("x", 5000)})
		}, 403},
	} {
		w := newWorld(t)
		w.idp.override["/keys"] = tt.serve
		a := w.start()
		status := w.browser().logIn(a)
		if _, err := a.ended(); status != tt.status || len(err.Error()) > 1000 {
			t.Errorf("%s: status %d, %.300v; want %d", name, status, err, tt.status)
		}
	}
}
