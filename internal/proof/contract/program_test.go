package contract

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

var dir = flag.String("contract-dir", "testdata", "directory of an exchanges.json, and of a pending.txt if some are pending")

func TestMain(m *testing.M) { server.Main(m) }

// tokenSecret is the same in all servers, so that a token made on one store is
// good on another: services get theirs before they exist.
const tokenSecret = "contract-replay-api-token-secret-0123456789"

// settings translates the settings of a block for a server on the embedded store
// and a key file.
func settings(r *Recording, b Block, directory string) map[string]string {
	translated := map[string]string{}
	for name, value := range r.Settings(b) {
		if strings.HasPrefix(name, "DYNAMODB_") || name == "KMS_MASTER_KEY" {
			continue
		}
		translated[name] = strings.ReplaceAll(value, "{{tmpdir}}", directory)
	}
	translated["SESSION_SECRET"] = "contract-replay-session-secret" // recorded as "any"
	translated["API_TOKEN_SECRET"] = tokenSecret
	translated["HEADER_AUTH_TRUSTED_PROXIES"] = "127.0.0.1"
	return translated
}

// TestProgram_AnswersAsRecorded replays every block against a server of its own.
// Callers that the recording authenticates by a KMS token are replaced by API
// tokens of the same principals.
func TestProgram_AnswersAsRecorded(t *testing.T) {
	t.Parallel()
	r, err := Load(filepath.Join(*dir, "exchanges.json"))
	if err != nil {
		t.Fatal(err)
	}
	pending := readPending(t, r)
	services := serviceTokens(t, r)
	for _, b := range r.Blocks {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			replay(t, r, b, services, pending)
		})
	}
}

func readPending(t *testing.T, r *Recording) Pending {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(*dir, "pending.txt"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	pending, err := ReadPending(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := pending.Check(r); err != nil {
		t.Fatal(err)
	}
	return pending
}

// serviceTokens returns a token for each identity that is a service, made on a
// store where these services exist.
func serviceTokens(t *testing.T, r *Recording) map[string]string {
	t.Helper()
	p := server.New(t, map[string]string{"USE_AUTH": "false", "API_TOKEN_SECRET": tokenSecret})
	s := p.Start()
	defer s.Stop()
	tokens := map[string]string{}
	for id, identity := range r.Identities {
		kind, name := identity.Principal()
		if kind != "service" {
			continue
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.BaseURL+"/v1/services/"+name, strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("PUT /v1/services/%s: %s", name, resp.Status)
		}
		tokens[id] = p.ServiceToken(name)
	}
	return tokens
}

func replay(t *testing.T, r *Recording, b Block, services map[string]string, pending Pending) {
	touch := filepath.Join(t.TempDir(), "maint.touch")
	p := server.New(t, settings(r, b, filepath.Dir(touch)))
	s := p.Start()
	tokens := map[string]string{}
	for id, identity := range r.Identities {
		if kind, name := identity.Principal(); kind == "user" {
			tokens[id] = p.UserToken(name)
		} else {
			tokens[id] = services[id]
		}
	}
	replayer, err := NewReplayer(r, Target{
		BaseURL: s.BaseURL,
		Store:   SQLite,
		Cookies: Names(r.Settings(b)),
		Tokens:  tokens,
		Before:  func(action string) error { return before(action, touch) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer replayer.Close()
	for _, ex := range r.Of(b.Name) {
		t.Run(strconv.Itoa(ex.N), func(t *testing.T) {
			found := replayer.Replay(t.Context(), ex)
			reason, isPending := pending[ex.N]
			switch {
			case isPending && len(found) == 0:
				t.Errorf("%s is answered as wanted: take it off the pending list (%s)", ex.Name, reason)
			case !isPending && len(found) > 0:
				t.Errorf("%s: %s %s\n\t%s", ex.Name, ex.Request.Method, ex.Request.Path, strings.Join(found, "\n\t"))
			}
		})
	}
}

// before does what a recording wants done outside HTTP.
func before(action, touchFile string) error {
	switch action {
	case "create the touch file":
		return os.WriteFile(touchFile, nil, 0o600)
	case "remove the touch file":
		return os.Remove(touchFile)
	}
	return fmt.Errorf("the action %q is not known", action)
}
