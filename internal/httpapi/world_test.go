package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/apitoken"
	"github.com/confidant-secrets/confidant/internal/authn/header"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/envelope"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
	"github.com/confidant-secrets/confidant/internal/telemetry"
	"github.com/confidant-secrets/confidant/internal/vault"
	"github.com/confidant-secrets/confidant/internal/webui"
)

// world is a whole server behind its handler: the real store, envelope and
// policy, with a clock, random bytes and an audit log that the test holds.
type world struct {
	t       testing.TB
	handler http.Handler
	close   func() error // the store
	audit   *auditLog
	sealer  *countingSealer
	policy  *brittlePolicy
	clock   *clock
	log     *logText
	jar     map[string]string // cookies of the browser

	mu       sync.Mutex
	readOnly bool
	ready    error
}

// setup is what a test may change about a world.
type setup struct {
	options *Options
	rules   *vault.Rules
	policy  []authz.Entry
	off     bool // authentication
	cache   int  // bytes of rows that the store keeps in memory; 0: as usual
}

// People and services that the world knows. "ada", "bob" and "svc-…" come with
// an API token of the same name; a browser comes with the headers of a proxy.
const (
	ada = "ada@example.com"
	bob = "bob@example.com"
)

func newWorld(t testing.TB, change func(*setup)) *world {
	t.Helper()
	w := &world{
		t: t, audit: &auditLog{}, clock: &clock{now: time.Date(2026, 3, 2, 9, 15, 30, 120_000_000, time.UTC)},
		log: &logText{}, jar: map[string]string{},
	}
	log := telemetry.NewLogger(w.log, slog.LevelDebug)
	set := &setup{
		options: &Options{Log: log},
		rules:   &vault.Rules{StoreKeyNames: true, Accounts: []string{"sandbox"}},
	}
	if change != nil {
		change(set)
	}

	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "confidant.db"), Log: log, Now: w.clock.Now, CacheBytes: set.cache})
	if err != nil {
		t.Fatal(err)
	}
	w.close = sync.OnceValue(db.Close)
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	sealer, err := envelope.New(envelope.Options{Keyring: keyringtest.NewMemory(), CacheSize: 100, CacheTTL: time.Hour, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	w.sealer = &countingSealer{Sealer: sealer}
	engine, err := authz.NewEngine(set.policy)
	if err != nil {
		t.Fatal(err)
	}
	w.policy = &brittlePolicy{Policy: engine}
	v, err := vault.New(vault.Dependencies{
		Store: db, Sealer: w.sealer, Policy: w.policy, Audit: w.audit, Events: noEvents{},
		ReadOnly: w.isReadOnly, Log: log, Now: w.clock.Now, Random: &counter{}, Rules: *set.rules,
	})
	if err != nil {
		t.Fatal(err)
	}
	refusals, err := audit.NewRefusals(audit.RefusalOptions{To: w.audit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { refusals.Close(context.Background()) })

	proxies := authn.Proxies{Trusted: loopback{}}
	sessions, err := authn.NewSessions(authn.SessionOptions{
		Secret: bytes.Repeat([]byte("s"), 32), Cookie: "confidant_session", CSRFCookie: "XSRF-TOKEN",
		Lifetime: time.Hour, MaxLifetime: 2 * time.Hour, Accounts: noAccounts{}, Secure: proxies.IsHTTPS, Now: w.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	headers, err := header.New(header.Options{
		Username: "X-User", Email: "X-Email", Trusted: loopback{}, Administrator: func(string) bool { return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	o := set.options
	o.Vault, o.Audit, o.Refusals, o.Sessions, o.Proxies = v, w.audit, refusals, sessions, proxies
	o.ReadOnly, o.Now, o.Random = w.isReadOnly, w.clock.Now, &counter{}
	if o.Ready == nil {
		o.Ready = func(context.Context) error { w.mu.Lock(); defer w.mu.Unlock(); return w.ready }
	}
	loginPath := "/v1/login"
	switch {
	case set.off:
		o.Chain, o.Login, loginPath = authn.Chain{authn.Off{}}, authn.Off{}, ""
	case o.LoginMissing != "":
		o.Chain = authn.Chain{apitoken.New(tokens{}), sessions}
	default:
		o.Chain, o.Login = authn.Chain{apitoken.New(tokens{}), sessions, headers}, headers
	}
	pages, err := webui.New(webui.Options{Vault: v, ReadOnly: w.isReadOnly, Accounts: set.rules.Accounts, LoginPath: loginPath, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if o.Pages == nil {
		o.Pages = pages
	}
	if w.handler, err = New(*o); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) isReadOnly() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readOnly
}

func (w *world) setReadOnly(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.readOnly = on
}

// request is what a test sends.
type request struct {
	method string
	path   string
	as     string // name of a token's bearer; "browser" for ada behind the proxy; "" for nobody
	body   any    // a string is sent as it is, anything else as JSON; nil sends nothing
	header []string
	type_  string // Content-Type; empty: application/json where there is a body
}

// do sends a request, holds the answer to the rules for every answer and to
// docs/openapi.yaml, and keeps the cookies.
func (w *world) do(q request) answer {
	w.t.Helper()
	w.clock.advance(time.Second)
	r := w.request(q)
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	result := rec.Result()
	a := answer{t: w.t, what: q.method + " " + q.path + " as " + cmp.Or(q.as, "nobody"), status: result.StatusCode, header: result.Header, body: rec.Body.Bytes()}
	a.checkHeaders(q.path)
	describe(w.t, r, a)
	if q.as == "browser" {
		for _, c := range result.Cookies() {
			w.jar[c.Name] = c.Value
			if c.MaxAge < 0 {
				delete(w.jar, c.Name)
			}
		}
	}
	return a
}

func (w *world) request(q request) *http.Request {
	var body io.Reader
	switch b := q.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	r := httptest.NewRequest(q.method, "http://confidant.example.com"+q.path, body)
	r.RemoteAddr = "127.0.0.1:40000"
	if body != nil {
		r.Header.Set("Content-Type", cmp.Or(q.type_, "application/json"))
	}
	switch q.as {
	case "":
	case "browser":
		r.Header.Set("X-User", "ada")
		r.Header.Set("X-Email", ada)
		for name, value := range w.jar {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	default:
		r.Header.Set("Authorization", "Bearer "+q.as)
	}
	for i := 0; i < len(q.header); i += 2 {
		r.Header.Set(q.header[i], q.header[i+1])
	}
	return r
}

// Shorthands for what most tests send.
func (w *world) get(as, path string) answer {
	w.t.Helper()
	return w.do(request{method: http.MethodGet, path: path, as: as})
}

func (w *world) put(as, path string, body any) answer {
	w.t.Helper()
	return w.do(request{method: http.MethodPut, path: path, as: as, body: body})
}

func (w *world) post(as, path string, body any) answer {
	w.t.Helper()
	return w.do(request{method: http.MethodPost, path: path, as: as, body: body})
}

// object is a JSON object of a request or an answer.
type members = map[string]any

// credential stores a credential and returns its id.
func (w *world) credential(name string, pairs members) string {
	w.t.Helper()
	return w.post("ada", "/v1/credentials", members{"name": name, "credential_pairs": pairs}).want(200).text("id")
}

// service maps credentials to a service.
func (w *world) service(id string, credentials ...string) {
	w.t.Helper()
	w.put("ada", "/v1/services/"+id, members{"credentials": notNil(credentials)}).want(200)
}
