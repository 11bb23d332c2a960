package authn_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

// desk is a keeper of log-ins over a store of its own, and its clock.
type desk struct {
	*authn.Challenges
	documents store.Documents
	now       time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	clock := func() time.Time { return d.now }
	s, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(t.TempDir(), "db"), Log: slog.New(slog.DiscardHandler), Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	d.documents = s.Documents()
	d.Challenges, err = authn.NewChallenges(authn.ChallengeOptions{
		Documents: d.documents, Cookie: "confidant_session",
		Secure: func(r *http.Request) bool { return r.TLS != nil }, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var (
	code  = authn.Step{Name: "totp", Path: "/login"}
	saml  = authn.Step{Name: "saml", Path: "/v1/saml/consume", CrossSite: true, Life: time.Minute}
	state = map[string]string{"name": "ada"}
)

// begin begins a log-in and returns its id and the browser's cookie.
func (d *desk) begin(t *testing.T, s authn.Step) (id string, cookie *http.Cookie) {
	t.Helper()
	w := httptest.NewRecorder()
	id, err := d.Begin(w, httptest.NewRequest("GET", "/", nil), s, state)
	if err != nil {
		t.Fatal(err)
	}
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies %v, want one", cookies)
	}
	return id, cookies[0]
}

func with(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("POST", "/", nil)
	for _, c := range cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

func TestChallenges_FinishesOnceWhatTheBrowserBegan(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, cookie := d.begin(t, code)
	if raw, err := base64.RawURLEncoding.DecodeString(id); err != nil || len(raw) != 32 {
		t.Errorf("id %q, want 32 bytes", id)
	}
	for range 2 {
		var got map[string]string
		if err := d.Look(with(cookie), code, id, &got); err != nil || got["name"] != "ada" {
			t.Errorf("Look: %v, %v", got, err)
		}
	}
	var got map[string]string
	w := httptest.NewRecorder()
	if err := d.Finish(w, with(cookie), code, id, &got); err != nil || got["name"] != "ada" {
		t.Errorf("Finish: %v, %v", got, err)
	}
	if gone := w.Result().Cookies(); len(gone) != 1 || gone[0].Name != cookie.Name || gone[0].MaxAge >= 0 {
		t.Errorf("cookies afterwards %v, want that one removed", gone)
	}
	if err := d.Finish(httptest.NewRecorder(), with(cookie), code, id, &got); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a second time: %v", err)
	}
}

func TestChallenges_RefusesWhatDoesNotBelong(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, cookie := d.begin(t, code)
	other, otherCookie := d.begin(t, code)
	foreign := *cookie
	foreign.Value = otherCookie.Value
	for name, tt := range map[string]struct {
		r    *http.Request
		step authn.Step
		id   string
	}{
		"no cookie":             {with(), code, id},
		"another log-in's":      {with(otherCookie), code, id},
		"another value":         {with(&foreign), code, id},
		"another id":            {with(cookie), code, other},
		"another step":          {with(cookie), saml, id},
		"unknown id":            {with(cookie), code, id[:8] + strings.Repeat("A", 35)},
		"no id":                 {with(cookie), code, ""},
		"an id that is no text": {with(cookie), code, strings.Repeat("/", 43)},
		"too short an id":       {with(cookie), code, id[:8]},
	} {
		var got map[string]string
		if err := d.Look(tt.r, tt.step, tt.id, &got); !fault.Is(err, fault.Unauthenticated) || got != nil {
			t.Errorf("%s: %v, %v; want a refusal", name, got, err)
		}
	}
	var got map[string]string
	if err := d.Look(with(&foreign, cookie), code, id, &got); err != nil {
		t.Errorf("with two cookies of the name: %v", err)
	}
}

func TestChallenges_End(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	long, longCookie := d.begin(t, code)
	short, shortCookie := d.begin(t, saml)
	d.now = d.now.Add(time.Minute)
	var got map[string]string
	if err := d.Look(with(shortCookie), saml, short, &got); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("after its life: %v", err)
	}
	if err := d.Look(with(longCookie), code, long, &got); err != nil {
		t.Errorf("within ten minutes: %v", err)
	}
	d.now = d.now.Add(9 * time.Minute)
	if err := d.Look(with(longCookie), code, long, &got); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("after ten minutes: %v", err)
	}
}

func TestChallenges_OneOfManyFinishes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, cookie := d.begin(t, code)
	var finished atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			var got map[string]string
			err := d.Finish(httptest.NewRecorder(), with(cookie), code, id, &got)
			switch {
			case err == nil:
				finished.Add(1)
			case !fault.Is(err, fault.Unauthenticated):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := finished.Load(); got != 1 {
		t.Errorf("%d requests finished it, want one", got)
	}
}

func TestChallenges_CookieFlags(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, lax := d.begin(t, code)
	if !lax.HttpOnly || lax.SameSite != http.SameSiteLaxMode || lax.Secure || lax.Path != "/login" || lax.MaxAge != 600 {
		t.Errorf("%+v", lax)
	}
	_, cross := d.begin(t, saml)
	if !cross.HttpOnly || cross.SameSite != http.SameSiteNoneMode || !cross.Secure || cross.Path != saml.Path || cross.MaxAge != 60 {
		t.Errorf("%+v", cross)
	}
}

// away is a store that does not answer.
type away struct{ store.Documents }

func (away) Get(context.Context, string, string) (*store.Document, error) {
	return nil, store.ErrUnavailable
}

func (away) Put(context.Context, store.Document, int) (int, error) { return 0, store.ErrUnavailable }

func TestChallenges_AnOutageIsNoRefusal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, cookie := d.begin(t, code)
	d.Documents = away{}
	_, begin := d.Begin(httptest.NewRecorder(), with(), code, state)
	var got map[string]string
	for what, err := range map[string]error{
		"Begin": begin, "Look": d.Look(with(cookie), code, id, &got),
		"Finish": d.Finish(httptest.NewRecorder(), with(cookie), code, id, &got),
	} {
		if !fault.Is(err, fault.Unavailable) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, want Unavailable", what, err)
		}
	}
}

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/": "/", "/credentials/a?b=c#d": "/credentials/a?b=c#d", "/login": "/login",
		"": "/", "credentials": "/", "https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", `\/evil`: "/",
		"/\t/evil.example": "/", "/\n": "/", "javascript:alert(1)": "/", "/%zz": "/", " /x": "/", "/" + strings.Repeat("x", 3000): "/",
		"http:/x": "/", "/a//b": "/a//b",
	} {
		if got := authn.LocalPath(text); got != want {
			t.Errorf("LocalPath(%q) = %q, want %q", text, got, want)
		}
	}
}
