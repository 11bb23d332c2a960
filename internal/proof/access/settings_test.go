package access

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/config"
)

// load loads an example as a configuration file, with something in the files that
// it names.
func load(t *testing.T, b block) *config.Config {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const place = "/etc/confidant/"
	for _, m := range regexp.MustCompile(place+`(\S+)`).FindAllStringSubmatch(b.text, -1) {
		write(m[1], strings.Repeat("s", 32))
	}
	path := filepath.Join(dir, "confidant.env")
	write("confidant.env", strings.ReplaceAll(b.text, place, dir+"/"))
	c, err := config.Load(config.Sources{File: path}, config.Everything)
	if err != nil {
		t.Fatalf("line %d: %v", b.line, err)
	}
	return c
}

// Each example of settings loads without a warning, and those for people let them
// log in.
func TestSettings_Load(t *testing.T) {
	t.Parallel()
	for _, b := range blocks(t, "ini") {
		c := load(t, b)
		if len(c.Warnings) > 0 {
			t.Errorf("line %d warns: %q", b.line, c.Warnings)
		}
		if why := c.LoginUnavailable(); why != "" {
			t.Errorf("line %d: nobody can log in: %s", b.line, why)
		}
	}
}

// example returns the settings for a way to log in.
func example(t *testing.T, module string) *config.Config {
	t.Helper()
	for _, b := range blocks(t, "ini") {
		if strings.Contains(b.text, "USER_AUTH_MODULE="+module+"\n") {
			return load(t, b)
		}
	}
	t.Fatalf("the page has no settings for %s", module)
	return nil
}

// What the provider's side is told is what this side says.
func TestSettings_SimpleSAMLphpKnowsTheRightAddresses(t *testing.T) {
	t.Parallel()
	root := example(t, "saml").SAML.URLRoot
	php := blocks(t, "php")[0].text
	for _, want := range []string{
		"$metadata['" + root + "/v1/saml/metadata']",
		"'AssertionConsumerService' => '" + root + "/v1/saml/consume'",
		"'SingleLogoutService' => '" + root + "/v1/saml/logout'",
	} {
		if !strings.Contains(php, want) {
			t.Errorf("the example lacks %q", want)
		}
	}
}

// The proxy sets the identity headers that this side believes, and says how the
// browser came.
func TestSettings_NginxSetsEveryHeaderThatCounts(t *testing.T) {
	t.Parallel()
	login := example(t, "header").Login
	nginx := blocks(t, "nginx")[0].text
	if strings.Count(nginx, "{") != strings.Count(nginx, "}") {
		t.Error("braces do not match")
	}
	for _, header := range []string{login.UsernameHeader, login.EmailHeader, "Host", "X-Forwarded-For", "X-Forwarded-Proto"} {
		if !strings.Contains(nginx, "proxy_set_header "+header+" ") {
			t.Errorf("the proxy does not set %q", header)
		}
	}
}

func TestSettings_UsersFileAdmits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(path, []byte(blocks(t, "yaml")[0].text), 0o600); err != nil {
		t.Fatal(err)
	}
	admission, err := authn.NewAdmission(authn.AdmissionOptions{Suffix: "@example.com", UsersFile: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := admission.Admit("Ada@Example.com"); err != nil {
		t.Errorf("somebody in the file: %v", err)
	}
	if admission.Admit("eve@example.com") == nil {
		t.Error("somebody else is admitted")
	}
}

func TestSettings_JSONIsJSON(t *testing.T) {
	t.Parallel()
	for _, b := range blocks(t, "json") {
		if !json.Valid([]byte(b.text)) {
			t.Errorf("line %d: not JSON", b.line)
		}
	}
}

// The function in Python is the one of the client that another test runs.
func TestPython_IsTheClientThatIsTested(t *testing.T) {
	t.Parallel()
	client := read(t, "../table/testdata/fetch.py")
	for _, b := range blocks(t, "python") {
		if !strings.Contains(client, b.text) {
			t.Errorf("line %d: the example is not part of the client", b.line)
		}
	}
}
