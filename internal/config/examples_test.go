package config

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// examples are the example configurations and the way to log in that each shows.
var examples = map[string]string{
	"single-machine.env": "local",
	"behind-proxy.env":   "header",
	"saml.env":           "saml",
	"google.env":         "google",
	"dynamodb-kms.env":   "oidc",
	"development.env":    "local", // which USE_AUTH=false leaves unused
}

// loadExample loads an example with stand-ins for the files of secrets that it
// names, which are read at once.
func loadExample(t *testing.T, path string) (*Config, error) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"session-secret", "api-token-secret", "oidc-client-secret"} {
		secret := filepath.Join(dir, name)
		if err := os.WriteFile(secret, []byte(strings.Repeat("s", 64)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.ReplaceAll(string(text), "/etc/confidant/"+name, secret))
	}
	copied := filepath.Join(dir, filepath.Base(path))
	if err := os.WriteFile(copied, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(Sources{File: copied}, Everything)
}

// TestExamples_Load holds every example configuration to the settings.
func TestExamples_Load(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../configs/*.env")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		name := filepath.Base(path)
		found = append(found, name)
		c, err := loadExample(t, path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Login.UseAuth && len(c.Warnings) > 0 {
			t.Errorf("%s warns: %q", name, c.Warnings)
		}
		if c.Login.Module != examples[name] || c.LoginUnavailable() != "" {
			t.Errorf("%s: people log in by %q (%s), want %q", name, c.Login.Module, c.LoginUnavailable(), examples[name])
		}
	}
	if want := slices.Sorted(maps.Keys(examples)); !slices.Equal(slices.Sorted(slices.Values(found)), want) {
		t.Errorf("the examples are %v, want %v", found, want)
	}
}

// TestExamples_TheProxyVouchesForNobodyElse holds the example of a proxy to the
// settings it goes with: every location that leads to Confidant sets both identity
// headers itself, so that none comes from a client.
func TestExamples_TheProxyVouchesForNobodyElse(t *testing.T) {
	t.Parallel()
	c, err := loadExample(t, "../../configs/behind-proxy.env")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../configs/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "server "+c.Server.Address()+";") {
		t.Errorf("nginx.conf does not lead to %s", c.Server.Address())
	}
	leading := 0
	for _, location := range strings.Split(string(text), "\n    location ")[1:] {
		if !strings.Contains(location, "proxy_pass http://confidant;") {
			continue
		}
		leading++
		name, _, _ := strings.Cut(location, " {")
		for _, header := range []string{c.Login.UsernameHeader, c.Login.EmailHeader, "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-Id"} {
			if !strings.Contains(location, "proxy_set_header "+header+" ") {
				t.Errorf("nginx.conf: location %s does not set %s", name, header)
			}
		}
	}
	if leading < 3 {
		t.Errorf("nginx.conf: %d locations lead to Confidant, want 3", leading)
	}
}

// readUnit returns the settings of a unit of systemd by section and name, in
// order, and refuses lines that are none.
func readUnit(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unit, section := map[string][]string{}, ""
	for row := range strings.Lines(string(text)) {
		row = strings.TrimSuffix(row, "\n")
		name, value, found := strings.Cut(row, "=")
		switch {
		case row == "" || row[0] == '#':
		case strings.HasPrefix(row, "[") && strings.HasSuffix(row, "]"):
			section = row
		case found && section != "" && name != "" && !strings.ContainsAny(name, " \t"):
			unit[section+name] = append(unit[section+name], value)
		default:
			t.Errorf("%s: no setting: %q", path, row)
		}
	}
	return unit
}

// TestExamples_TheUnit holds the unit of systemd to what the server does and to
// the other examples.
func TestExamples_TheUnit(t *testing.T) {
	t.Parallel()
	const path = "../../configs/confidant.service"
	unit := readUnit(t, path)
	for name, want := range map[string]string{
		"[Service]Type":                     "exec", // the server does not report that it is ready
		"[Service]ExecStart":                "/usr/local/bin/confidant serve --config-file /etc/confidant/confidant.env",
		"[Service]ExecReload":               "/bin/kill -HUP $MAINPID",
		"[Service]Restart":                  "on-failure",
		"[Service]RestartPreventExitStatus": "2 3",
		"[Service]TimeoutStopSec":           "40",
		"[Service]AmbientCapabilities":      "CAP_NET_BIND_SERVICE",
		"[Service]UMask":                    "0077",
		"[Service]StateDirectory":           "confidant",
		"[Service]ProtectSystem":            "strict",
		"[Service]NoNewPrivileges":          "true",
		"[Service]MemoryDenyWriteExecute":   "true",
		"[Service]ProcSubset":               "", // the length of the listener's queue stands in /proc/sys
		"[Service]PrivateUsers":             "", // there the capability would be of no use
		"[Install]WantedBy":                 "multi-user.target",
	} {
		if got := strings.Join(unit[name], ","); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name := range examples {
		c, err := loadExample(t, "../../configs/"+name)
		if err != nil {
			t.Fatal(err)
		}
		if c.Storage.Embedded() && name != "development.env" && c.Storage.DataDir != "/var/lib/confidant" {
			t.Errorf("%s keeps data in %s, which the unit does not let it write", name, c.Storage.DataDir)
		}
	}
	verifyUnit(t, path)
}

// verifyUnit has systemd judge a unit, where there is a systemd.
func verifyUnit(t *testing.T, path string) {
	t.Helper()
	systemd, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The program is not installed here, and systemd looks for it.
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	installed := filepath.Join(t.TempDir(), filepath.Base(path))
	text = bytes.ReplaceAll(text, []byte("/usr/local/bin/confidant"), []byte(program))
	if err := os.WriteFile(installed, text, 0o600); err != nil {
		t.Fatal(err)
	}
	// It tells of unknown names without failing, and fails for what is wrong with
	// other units of this machine.
	said, _ := exec.CommandContext(t.Context(), systemd, "verify", installed).CombinedOutput()
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, filepath.Base(path)) {
			t.Errorf("systemd says: %s", line)
		}
	}
}
