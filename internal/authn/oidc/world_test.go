package oidc_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/oidc"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

// world is a provider and what several processes of ours share.
type world struct {
	t          *testing.T
	idp        *idp
	challenges *authn.Challenges
	ahead      atomic.Int64 // by which our clock is ahead, in nanoseconds
	log        lockedBuffer
	root       string // public root URL; empty: of the process that is asked
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, idp: newIDP(t)}
	db, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(t.TempDir(), "db"), Log: slog.New(slog.DiscardHandler), Now: w.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	w.challenges, err = authn.NewChallenges(authn.ChallengeOptions{
		Documents: db.Documents(), Cookie: "confidant_session", Secure: func(*http.Request) bool { return false }, Now: w.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *world) options() oidc.Options {
	return oidc.Options{
		Method: "oidc", Issuer: w.idp.issuer, ClientID: clientID, ClientSecret: clientSecret,
		Root: func(r *http.Request) string {
			if w.root != "" {
				return w.root
			}
			return "http://" + r.Host
		},
		Challenges:    w.challenges,
		Administrator: func(email string) bool { return email == "root@example.com" },
		Client:        &http.Client{Transport: w.idp},
		Now:           w.now,
		Log:           slog.New(slog.NewTextHandler(&w.log, nil)),
	}
}

// app is one process of ours.
type app struct {
	*httptest.Server
	flow *oidc.OIDC

	mu       sync.Mutex
	identity authn.Identity // of the last log-in that ended
	err      error
}

// statuses are those of the faults a log-in may end with.
var statuses = map[fault.Kind]int{
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.BadProof:        http.StatusForbidden,
	fault.Denied:          http.StatusForbidden,
	fault.Unavailable:     http.StatusServiceUnavailable,
	fault.Internal:        http.StatusInternalServerError,
}

func (w *world) start(change ...func(*oidc.Options)) *app {
	w.t.Helper()
	o := w.options()
	for _, c := range change {
		c(&o)
	}
	flow, err := oidc.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	a := &app{flow: flow}
	router := chi.NewRouter()
	flow.Mount(router, func(rw http.ResponseWriter, _ *http.Request, id authn.Identity, err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.identity, a.err = id, err
		if err == nil {
			rw.WriteHeader(http.StatusNoContent)
			return
		}
		if id != (authn.Identity{}) {
			w.t.Errorf("a refused log-in has the identity %+v", id)
		}
		if err := w.idp.leaked(err.Error() + fault.As(err).Message); err != nil {
			w.t.Error(err)
		}
		rw.WriteHeader(statuses[fault.KindOf(err)])
	})
	a.Server = httptest.NewServer(router)
	w.t.Cleanup(a.Close)
	w.t.Cleanup(func() {
		if err := w.idp.leaked(w.log.String()); err != nil {
			w.t.Error(err)
		}
	})
	return a
}

// ended returns how the last log-in ended.
func (a *app) ended() (authn.Identity, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.identity, a.err
}

// browser keeps cookies. It follows no redirect by itself.
type browser struct {
	t      *testing.T
	client http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w.t, http.Client{Transport: w.idp, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

// get returns the status and where the browser is sent.
func (b *browser) get(address string) (status int, location string) {
	b.t.Helper()
	answer, err := b.client.Get(address)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("Location")
}

// comeBack begins a log-in, goes through the provider's page, and returns where
// the provider sends the browser.
func (b *browser) comeBack(a *app, query string) string {
	b.t.Helper()
	status, location := b.get(a.URL + "/v1/login" + query)
	if status != http.StatusFound {
		b.t.Fatalf("beginning: status %d, want 302", status)
	}
	status, location = b.get(location)
	if status != http.StatusSeeOther {
		b.t.Fatalf("the provider's page: status %d, want 303", status)
	}
	return location
}

// logIn goes all the way and returns the last status.
func (b *browser) logIn(a *app) int {
	b.t.Helper()
	status, _ := b.get(b.comeBack(a, ""))
	return status
}

// at returns the address in another process.
func at(a *app, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	u.Host = strings.TrimPrefix(a.URL, "http://")
	return u.String()
}

// lockedBuffer takes log lines of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
