package backup

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// TestRestore_EndsSessionsAndLetsPeopleInAgain logs a browser in, puts a backup
// of just before back, and finds the session over and the account in order.
func TestRestore_EndsSessionsAndLetsPeopleInAgain(t *testing.T) {
	t.Parallel()
	const password = "correct horse battery"
	p := server.New(t, nil)
	s := p.Start()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	p.MustRun("admin", "add", "lovelace", "--password-file", file)
	dir := t.TempDir()
	p.MustRun("backup", "create", "--directory", dir)
	made, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(made) != 1 {
		t.Fatalf("backups: %v, %v", made, err)
	}

	// The jar disregards ports, so the next server gets the cookies of this one.
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	logIn := func(s *server.Server) {
		t.Helper()
		resp, err := browser.PostForm(s.BaseURL+"/login", url.Values{"name": {"lovelace"}, "password": {password}})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusFound {
			t.Fatalf("logging in: status %d", resp.StatusCode)
		}
	}
	visit := func(s *server.Server, want int) {
		t.Helper()
		resp, err := browser.Get(s.BaseURL + "/v1/credentials")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("visiting: status %d, want %d", resp.StatusCode, want)
		}
	}
	logIn(s)
	visit(s, http.StatusOK)
	s.Stop()
	s = p.Start()
	visit(s, http.StatusOK) // a restart alone ends nothing
	s.Stop()
	p.MustRun("backup", "restore", made[0], "--yes")
	s = p.Start()
	visit(s, http.StatusUnauthorized)
	logIn(s)
	visit(s, http.StatusOK)
}
