package webui_test

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/webui"
	"github.com/confidant-secrets/confidant/web"
)

// site returns the pages without what stands before them.
func site(t *testing.T, change func(*webui.Options)) *webui.Site {
	t.Helper()
	var o webui.Options
	w := newWorld(t, func(set *furnishing) { o = *set.pages })
	o.Vault, o.ReadOnly, o.Now = w.vault, func() bool { return false }, func() time.Time { return w.now }
	if change != nil {
		change(&o)
	}
	s, err := webui.New(o)
	must(t, err)
	return s
}

// checkPage holds a page to what every page must be.
func checkPage(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	page{t: t, what: "a page", status: w.Code, header: w.Header(), body: w.Body.String()}.check()
}

func TestPlainPages(t *testing.T) {
	t.Parallel()
	s := site(t, nil)
	open := site(t, func(o *webui.Options) { o.LoginPath = "" })
	for name, tt := range map[string]struct {
		write  func(http.ResponseWriter) error
		status int
		want   string
	}{
		"logged out":                 {s.LoggedOut, 200, `href="/v1/login"`},
		"logged out, authentication": {open.LoggedOut, 200, "Authentication is switched off"},
		"404.html":                   {s.NotFoundPage, 200, "There is no page"},
		"a problem": {func(w http.ResponseWriter) error {
			return s.Problem(w, httptest.NewRequest(http.MethodGet, "/", nil), authn.Visit{}, http.StatusForbidden, "Not <you>.")
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
	s := site(t, nil)
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
	s := site(t, nil)
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
			if strings.HasPrefix(name, "components/") {
				return nil
			}
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
		t.Error("New without use cases succeeds")
	}
}
