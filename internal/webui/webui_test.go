package webui_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/webui"
	"github.com/confidant-secrets/confidant/web"
)

var now = time.Date(2026, 3, 2, 9, 15, 30, 0, time.UTC)

// site returns pages over a search that answers with found and failure.
func site(t *testing.T, found store.Found, failure error, change func(*webui.Options)) *webui.Site {
	t.Helper()
	o := webui.Options{
		Find: func(_ context.Context, _ authz.Caller, q store.Query) (store.Found, error) {
			if q.Sort != store.SortModified || !q.Descending || q.Limit < 1 {
				t.Errorf("Find was asked %+v, want the latest changes", q)
			}
			return found, failure
		},
		ReadOnly:  func() bool { return false },
		LoginPath: "/v1/login",
		Version:   "1.2.3",
		Now:       func() time.Time { return now },
	}
	if change != nil {
		change(&o)
	}
	s, err := webui.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ada() authz.Caller {
	return authz.Caller{Principal: authz.Principal{Type: authz.User, Name: "ada@example.com"}}
}

func homePage(t *testing.T, s *webui.Site) string {
	t.Helper()
	w := httptest.NewRecorder()
	if err := s.Home(t.Context(), w, ada()); err != nil {
		t.Fatal(err)
	}
	checkPage(t, w)
	return w.Body.String()
}

// checkPage holds a page to what every page must be.
func checkPage(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type = %q", got)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q, want no-store", got)
	}
	body := w.Body.String()
	for _, want := range []string{"<!DOCTYPE html>", `lang="en"`, `name="viewport"`, `href="#content"`, `id="content"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	// The content security policy forbids all of these.
	if m := regexp.MustCompile(`(?i)\sstyle=|<style|<script|\son[a-z]+=|javascript:|//[a-z]`).FindString(body); m != "" {
		t.Errorf("the page holds %q", m)
	}
	if n := strings.Count(body, "<h1>"); n != 1 {
		t.Errorf("the page has %d first headings, want 1", n)
	}
}

func TestHome_ShowsTheVisitorAndTheLatestChanges(t *testing.T) {
	t.Parallel()
	body := homePage(t, site(t, store.Found{Entries: []store.Entry{
		{Noun: store.Credential, ID: "c1", Name: "Gateway <b>", Revision: 3, ModifiedBy: "bob@example.com", ModifiedDate: now.Add(-90 * time.Minute)},
		{Noun: store.BlindCredential, ID: "b1", Name: "Signing", Revision: 1, ModifiedBy: "bob@example.com", ModifiedDate: now.Add(-49 * time.Hour)},
		{Noun: store.Service, ID: "pay/ü", Name: "pay/ü", Revision: 9, ModifiedBy: "bob@example.com", ModifiedDate: now.Add(-20 * time.Second)},
	}}, nil, nil))
	for _, want := range []string{
		"ada@example.com", `href="/loggedout"`, "Confidant 1.2.3",
		"Gateway &lt;b&gt;", `href="/v1/credentials/c1?metadata_only=true"`, "1 hour ago", `datetime="2026-03-02T07:45:30Z" title="2026-03-02 07:45:30 UTC"`,
		`href="/v1/blind_credentials/b1?metadata_only=true"`, "2 days ago",
		`href="/v1/services/pay%2F%C3%BC?metadata_only=true"`, "just now",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the home page lacks %q", want)
		}
	}
	if strings.Contains(body, "Maintenance mode") {
		t.Error("the home page speaks of maintenance mode, which is off")
	}
}

func TestHome_SaysWhyItShowsNothing(t *testing.T) {
	t.Parallel()
	if body := homePage(t, site(t, store.Found{}, nil, nil)); !strings.Contains(body, "Nothing is stored yet") {
		t.Error("an empty store is not explained")
	}
	denied := fault.New(fault.Denied, "no")
	if body := homePage(t, site(t, store.Found{}, denied, nil)); !strings.Contains(body, "You may not list") {
		t.Error("a refused list is not explained")
	}
}

func TestHome_ShowsMaintenanceModeAndBrandAndHidesLoggingOutWhereThereIsNoLoggingIn(t *testing.T) {
	t.Parallel()
	body := homePage(t, site(t, store.Found{}, nil, func(o *webui.Options) {
		o.ReadOnly = func() bool { return true }
		o.Brand = "Safe & sound"
		o.LoginPath = ""
	}))
	for _, want := range []string{"Maintenance mode", "Safe &amp; sound"} {
		if !strings.Contains(body, want) {
			t.Errorf("the home page lacks %q", want)
		}
	}
	if strings.Contains(body, "Log out") {
		t.Error("the home page offers to log out although nobody logs in")
	}
}

func TestHome_ReturnsWhatElseFailsAndWritesNothing(t *testing.T) {
	t.Parallel()
	down := fault.New(fault.Unavailable, "The store does not answer.")
	w := httptest.NewRecorder()
	if err := site(t, store.Found{}, down, nil).Home(t.Context(), w, ada()); !errors.Is(err, down) {
		t.Errorf("Home = %v, want the error of the search", err)
	}
	if w.Body.Len() > 0 {
		t.Errorf("a page was begun: %s", w.Body)
	}
}

func TestPlainPages(t *testing.T) {
	t.Parallel()
	s := site(t, store.Found{}, nil, nil)
	open := site(t, store.Found{}, nil, func(o *webui.Options) { o.LoginPath = "" })
	for name, tt := range map[string]struct {
		write  func(http.ResponseWriter) error
		status int
		want   string
	}{
		"logged out":                 {s.LoggedOut, 200, `href="/v1/login"`},
		"logged out, authentication": {open.LoggedOut, 200, "Authentication is switched off"},
		"404.html":                   {s.NotFoundPage, 200, "There is no page"},
		"a problem": {func(w http.ResponseWriter) error {
			return s.Problem(w, http.StatusForbidden, "Not <you>.")
		}, 403, "Not &lt;you&gt;."},
	} {
		w := httptest.NewRecorder()
		if err := tt.write(w); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkPage(t, w)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: status %d, want %d and %q in\n%s", name, w.Code, tt.status, tt.want, w.Body)
		}
	}
}

func TestFile_ServesEveryStaticFileWithItsTypeAndForLong(t *testing.T) {
	t.Parallel()
	s := site(t, store.Found{}, nil, nil)
	served := 0
	err := fs.WalkDir(web.Static(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		want, err := fs.ReadFile(web.Static(), name)
		if err != nil {
			return err
		}
		served++
		get := func(headers ...string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/"+name, nil)
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			if !s.File(w, r, name) {
				t.Errorf("%s is not found", name)
			}
			return w
		}
		plain := get()
		if got := plain.Body.String(); got != string(want) || plain.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d bytes of type %q, want %d", name, len(got), plain.Header().Get("Content-Type"), len(want))
		}
		if got := plain.Header().Get("Cache-Control"); got != "public, max-age=43200" {
			t.Errorf("%s: Cache-Control = %q", name, got)
		}
		if again := get("If-None-Match", plain.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s: a client that has it gets %d and %d bytes", name, again.Code, again.Body.Len())
		}
		if small := get("Accept-Encoding", "gzip"); small.Header().Get("Content-Encoding") == "gzip" {
			r, err := gzip.NewReader(small.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != string(want) {
				t.Errorf("%s unpacks to %d bytes, %v; want %d", name, len(got), err, len(want))
			}
			if small.Header().Get("ETag") == plain.Header().Get("ETag") {
				t.Errorf("%s has one ETag for both forms", name)
			}
		} else if path.Ext(name) == ".css" {
			t.Errorf("%s is not compressed", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if served < 4 {
		t.Errorf("only %d static files were found", served)
	}
}

func TestFile_FindsNothingElse(t *testing.T) {
	t.Parallel()
	s := site(t, store.Found{}, nil, nil)
	for _, name := range []string{"", "styles", "styles/", "styles/nope.css", "../web.go", "styles/../robots.txt", "/robots.txt"} {
		w := httptest.NewRecorder()
		if s.File(w, httptest.NewRequest(http.MethodGet, "/", nil), name) {
			t.Errorf("File(%q) found something", name)
		}
	}
}

// Style sheets and drawings are held to the content security policy too.
func TestStaticFiles_HoldNothingInlineAndNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	err := fs.WalkDir(web.Static(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(web.Static(), name)
		if err != nil {
			return err
		}
		switch path.Ext(name) {
		case ".svg":
			if m := regexp.MustCompile(`(?i)\sstyle=|<style|<script|\son[a-z]+=|href=`).Find(text); m != nil {
				t.Errorf("%s holds %q", name, m)
			}
		case ".css":
			if m := regexp.MustCompile(`(?i)@import|url\(|https?:`).Find(text); m != nil {
				t.Errorf("%s holds %q", name, m)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNew_NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := webui.New(webui.Options{}); err == nil {
		t.Error("New without Find and ReadOnly succeeds")
	}
}
