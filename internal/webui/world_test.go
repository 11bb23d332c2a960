package webui_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/audit/audittest"
	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/header"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/envelope"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/httpapi"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
	"github.com/confidant-secrets/confidant/internal/vault"
	"github.com/confidant-secrets/confidant/internal/webui"
)

// world is the pages behind their routes and gates, over a real store. Its
// visitors are people whom a proxy names; "bob" may read and see no value.
type world struct {
	t        testing.TB
	handler  http.Handler
	vault    *vault.Vault
	audit    *audittest.Recorder
	now      time.Time
	readOnly bool
	cookies  map[string]map[string]string // of each visitor
}

const (
	ada = "ada@example.com"
	bob = "bob@example.com"
)

// bobReads leaves bob nothing but names and dates.
var bobReads = authz.Entry{
	Name: "bob reads", Active: true,
	Cedar: `forbid(principal, action, resource) when { principal.name == "` + bob + `" } unless { action == Action::"list" || action == Action::"metadata" };`,
}

// furnishing is what a test may change about a world.
type furnishing struct {
	pages *webui.Options
	rules *vault.Rules
	// policies stand beside those of every world.
	policies []authz.Entry
	// off switches authentication off.
	off bool
	// store stands before the real one.
	store func(store.Store) store.Store
}

func newWorld(t testing.TB, change func(*furnishing)) *world {
	t.Helper()
	w := &world{
		t: t, audit: &audittest.Recorder{}, now: time.Date(2026, 3, 2, 9, 15, 30, 0, time.UTC),
		cookies: map[string]map[string]string{},
	}
	set := &furnishing{
		pages: &webui.Options{LoginPath: "/v1/login", Version: "1.2.3", Accounts: []string{"sandbox"}},
		rules: &vault.Rules{StoreKeyNames: true, SaveLastDecrypted: true, Accounts: []string{"sandbox"}, Rotation: credential.Rotation{Maximum: 30}},
	}
	set.store = func(db store.Store) store.Store { return db }
	if change != nil {
		change(set)
	}
	clock := func() time.Time { return w.now }
	readOnly := func() bool { return w.readOnly }
	log := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "confidant.db"), Log: log, Now: clock})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	sealer, err := envelope.New(envelope.Options{Keyring: keyringtest.NewMemory(), CacheSize: 100, CacheTTL: time.Hour, Log: log})
	must(t, err)
	engine, err := authz.NewEngine(append(set.policies, bobReads))
	must(t, err)
	w.vault, err = vault.New(vault.Dependencies{
		Store: set.store(db), Sealer: sealer, Policy: engine, Audit: w.audit, Events: noEvents{}, ReadOnly: readOnly, Log: log, Now: clock, Rules: *set.rules,
	})
	must(t, err)
	set.pages.Vault, set.pages.ReadOnly, set.pages.Now = w.vault, readOnly, clock
	pages, err := webui.New(*set.pages)
	must(t, err)

	refusals, err := audit.NewRefusals(audit.RefusalOptions{To: w.audit})
	must(t, err)
	t.Cleanup(func() { refusals.Close(context.Background()) })
	proxies := authn.Proxies{Trusted: loopback{}}
	sessions, err := authn.NewSessions(authn.SessionOptions{
		Secret: bytes.Repeat([]byte("s"), 32), Cookie: "confidant_session", CSRFCookie: "XSRF-TOKEN",
		Lifetime: time.Hour, MaxLifetime: 2 * time.Hour, Accounts: noAccounts{}, Secure: proxies.IsHTTPS, Now: clock,
	})
	must(t, err)
	headers, err := header.New(header.Options{
		Username: "X-User", Email: "X-Email", Trusted: loopback{}, Administrator: func(string) bool { return false },
	})
	must(t, err)
	chain, login := authn.Chain{sessions, headers}, authn.LoginFlow(headers)
	if set.off {
		chain, login = authn.Chain{authn.Off{}}, authn.Off{}
	}
	w.handler, err = httpapi.New(httpapi.Options{
		Vault: w.vault, Pages: pages, Chain: chain, Sessions: sessions, Proxies: proxies, Login: login,
		Audit: w.audit, Refusals: refusals, ReadOnly: readOnly, Ready: func(context.Context) error { return nil }, Log: log, Now: clock,
	})
	must(t, err)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type loopback struct{}

func (loopback) Contains(a netip.Addr) bool { return a.IsLoopback() }

type noAccounts struct{}

func (noAccounts) Generation(string) (int64, bool) { return 0, false }

func (noAccounts) ListedAdministrator(string) bool { return false }

type noEvents struct{}

func (noEvents) Publish(event.Event) {}

// caller is a visitor as the use cases know him.
func caller(name string) authz.Caller {
	return authz.Caller{Principal: authz.Principal{Type: authz.User, Name: name, Method: "header"}}
}

// credential stores a credential and returns its id.
func (w *world) credential(name string, values map[string]string) string {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	made, err := w.vault.CreateCredential(w.t.Context(), caller(ada), vault.NewCredential{Name: name, Pairs: pairs(w.t, values), Enabled: true})
	must(w.t, err)
	return made.Row.ID
}

func pairs(t testing.TB, values map[string]string) credential.Pairs {
	t.Helper()
	set, err := credential.PairsOf(values)
	must(t, err)
	return set
}

// service maps credentials to a service.
func (w *world) service(id string, credentials ...string) {
	w.t.Helper()
	_, err := w.vault.PutService(w.t.Context(), caller(ada), id, vault.ServiceChange{Credentials: &credentials})
	must(w.t, err)
}

// page is an answer.
type page struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

// get asks for a page as a visitor; headers come in pairs.
func (w *world) get(as, path string, headers ...string) page {
	w.t.Helper()
	return w.send(as, http.MethodGet, path, nil, "", headers...)
}

// post sends a form the way the page shown before would, with its token.
func (w *world) post(as, path string, form url.Values, headers ...string) page {
	w.t.Helper()
	sent := url.Values{}
	for name, values := range form {
		sent[name] = values
	}
	if !sent.Has(authn.FormTokenField) {
		sent.Set(authn.FormTokenField, w.token(as))
	}
	return w.send(as, http.MethodPost, path, strings.NewReader(sent.Encode()), "application/x-www-form-urlencoded", headers...)
}

// token returns a form token of the visitor's session.
func (w *world) token(as string) string {
	w.t.Helper()
	defer func(on bool) { w.readOnly = on }(w.readOnly)
	w.readOnly = false // forms that are open go on into maintenance mode
	body := w.send(as, http.MethodGet, "/credentials/new", nil, "").body
	m := regexp.MustCompile(`name="form_token" value="([^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		if as == ada {
			w.t.Fatalf("no form token in\n%s", body)
		}
		return "" // who may make nothing is shown no form
	}
	return m[1]
}

func (w *world) send(as, method, path string, body io.Reader, contentType string, headers ...string) page {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	r := httptest.NewRequest(method, "http://confidant.example.com"+path, body)
	r.RemoteAddr = "127.0.0.1:40000"
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if as != "" {
		name, _, _ := strings.Cut(as, "@")
		r.Header.Set("X-User", name)
		r.Header.Set("X-Email", as)
		for name, value := range w.cookies[as] {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		if w.cookies[as] == nil {
			w.cookies[as] = map[string]string{}
		}
		w.cookies[as][c.Name] = c.Value
	}
	p := page{t: w.t, what: fmt.Sprintf("%s %s as %q", method, path, as), status: rec.Code, header: rec.Header(), body: rec.Body.String()}
	if strings.HasPrefix(p.header.Get("Content-Type"), "text/html") && p.body != "" && r.Header.Get("HX-Request") == "" {
		p.check()
	}
	return p
}

// check holds a page to what every page must be.
func (p page) check() {
	p.t.Helper()
	if got := p.header.Get("Cache-Control"); got != "no-store" {
		p.t.Errorf("%s: Cache-Control = %q, want no-store", p.what, got)
	}
	for _, want := range []string{"<!DOCTYPE html>", `lang="en"`, `name="viewport"`, `href="#content"`, `id="content"`} {
		if !strings.Contains(p.body, want) {
			p.t.Errorf("%s: the page lacks %s", p.what, want)
		}
	}
	// The content security policy forbids all of these.
	if m := regexp.MustCompile(`(?i)<[^>]*\s(style|on[a-z]+|hx-on[a-z:-]*)=|<style|<script(?: |>)(?:[^s]|s[^r])|href="javascript:`).FindString(p.body); m != "" {
		p.t.Errorf("%s: the page holds %q", p.what, m)
	}
	if n := strings.Count(p.body, "<h1"); n != 1 {
		p.t.Errorf("%s: the page has %d first headings, want 1", p.what, n)
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`\sid="([^"]+)"`).FindAllStringSubmatch(p.body, -1) {
		if ids[m[1]] {
			p.t.Errorf("%s: the id %s stands twice", p.what, m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`aria-describedby="([^"]+)"`).FindAllStringSubmatch(p.body, -1) {
		for id := range strings.FieldsSeq(m[1]) {
			if !ids[id] {
				p.t.Errorf("%s: a field is described by %s, which is not there", p.what, id)
			}
		}
	}
}

// want holds an answer to its status and to what must stand in it.
func (p page) want(status int, parts ...string) page {
	p.t.Helper()
	if p.status != status {
		p.t.Errorf("%s: status %d, want %d\n%s", p.what, p.status, status, p.body)
	}
	for _, part := range parts {
		if !strings.Contains(p.body, part) {
			p.t.Errorf("%s: the page lacks %q in\n%s", p.what, part, p.body)
		}
	}
	return p
}

// not holds an answer to what must not stand in it.
func (p page) not(parts ...string) page {
	p.t.Helper()
	for _, part := range parts {
		if strings.Contains(p.body, part) {
			p.t.Errorf("%s: the page holds %q in\n%s", p.what, part, p.body)
		}
	}
	return p
}

// leadsTo holds an answer to be a redirect.
func (p page) leadsTo(status int, location string) {
	p.t.Helper()
	if p.status != status || p.header.Get("Location") != location {
		p.t.Errorf("%s: %d to %q, want %d to %q\n%s", p.what, p.status, p.header.Get("Location"), status, location, p.body)
	}
}

// pairsOf returns the pairs as they are stored now.
func (w *world) pairsOf(id string) map[string]any {
	w.t.Helper()
	view, err := w.vault.GetCredential(w.t.Context(), caller(ada), id, false)
	must(w.t, err)
	out := map[string]any{}
	must(w.t, json.Unmarshal(view.Pairs.AppendJSON(nil), &out))
	return out
}
