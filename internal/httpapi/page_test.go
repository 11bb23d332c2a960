package httpapi

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCustomFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"custom/modules/docs.html": "<p>docs</p>", "custom/styles/site.css": "p{}", "custom/images/logo.svg": "<svg/>", "secret.txt": "of the machine alone",
		"custom/other/x.txt": "x",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../../secret.txt", filepath.Join(dir, "custom/styles/out.css")); err != nil {
		t.Fatal(err)
	}
	set := newWorld(t, func(s *setup) { s.options.CustomDirectory = filepath.Join(dir, "custom") })
	unset := newWorld(t, nil)
	for _, tt := range []struct {
		w      *world
		path   string
		status int
		body   string
	}{
		{set, "/custom/modules/docs.html", 200, "<p>docs</p>"},
		{set, "/custom/modules/nope.html", 200, ""},
		{set, "/custom/styles/site.css", 200, "p{}"},
		{set, "/custom/images/logo.svg", 200, "<svg/>"},
		{set, "/custom/styles/nope.css", 404, "-"},
		{set, "/custom/styles/out.css", 404, "-"},
		{set, "/custom/styles/../../secret.txt", 404, "-"},
		{set, "/custom/styles/%2e%2e/%2e%2e/secret.txt", 404, "-"},
		{set, "/custom/styles/", 404, "-"},
		{set, "/custom/other/x.txt", 404, "-"},
		{unset, "/custom/modules/docs.html", 200, ""},
		{unset, "/custom/styles/site.css", 404, "-"},
		{unset, "/custom/images/logo.svg", 404, "-"},
	} {
		a := tt.w.get("ada", tt.path)
		if a.status != tt.status || tt.body != "-" && string(a.body) != tt.body || bytes.Contains(a.body, []byte("of the machine alone")) {
			t.Errorf("%s: %d %q, want %d %q", tt.path, a.status, a.body, tt.status, tt.body)
		}
	}
	set.get("", "/custom/styles/site.css").want(401)
}

func TestStaticFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	if a := w.get("", "/robots.txt").want(200); string(a.body) != "User-agent: *\nDisallow: /\n" {
		t.Errorf("robots.txt: %q", a.body)
	}
	if a := w.get("", "/favicon.ico").want(200); a.header.Get("Content-Type") != "image/vnd.microsoft.icon" || len(a.body) == 0 {
		t.Errorf("favicon.ico: %d bytes of %q", len(a.body), a.header.Get("Content-Type"))
	}
	w.get("", "/404.html").want(200)
	css := w.get("", "/styles/confidant.css").want(200)
	if css.header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.HasPrefix(css.header.Get("Cache-Control"), "public") {
		t.Errorf("style sheet: type %q, Cache-Control %q", css.header.Get("Content-Type"), css.header.Get("Cache-Control"))
	}
}
