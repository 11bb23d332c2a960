package table_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// allowedByGuide returns the actions that the policy in docs/upgrade.md allows.
func allowedByGuide(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/upgrade.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```json\n")
	block, _, closed := strings.Cut(rest, "\n```")
	if !found || !closed {
		t.Fatal("docs/upgrade.md holds no policy")
	}
	var policy struct {
		Statement []struct{ Action []string }
	}
	if err := json.Unmarshal([]byte(block), &policy); err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, s := range policy.Statement {
		actions = append(actions, s.Action...)
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// The permissions in the guide are those that are needed: none is missing, none
// is too many.
func TestUpgradeGuide_PolicyIsExactlyEnough(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	c := cloud.New(t)
	p := server.New(t, c.Settings())
	s := p.Start()
	api := client{t, c, s.BaseURL}

	made := api.must("user", "ann", http.MethodPost, "/v1/credentials", map[string]any{
		"name": "one", "credential_pairs": map[string]any{"one": "1"}, "enabled": false,
	})
	id := made["id"].(string)
	api.must("user", "ann", http.MethodPut, "/v1/services/svc", map[string]any{"credentials": []string{id}})
	api.must("user", "ann", http.MethodPut, "/v1/credentials/"+id, map[string]any{"name": "two", "credential_pairs": map[string]any{"two": "2"}})
	api.must("service", "svc", http.MethodGet, "/v1/services/svc", nil)
	api.must("user", "ann", http.MethodPut, "/v1/services/svc", map[string]any{"credentials": []string{}})
	for _, path := range []string{"/v1/credentials", "/v1/archive/services", "/v1/archive/credentials/" + id} {
		api.must("user", "ann", http.MethodGet, path, nil)
	}
	api.must("user", "ann", http.MethodPost, "/v1/credentials/"+id+"/archive", map[string]any{"force": true})
	p.MustRun("admin", "add", "ann", "--no-password")
	p.MustRun("api", "create-token", "--role", "service", "--username", "svc")
	p.MustRun("setup", "reindex")
	p.MustRun("check")

	used := c.Used()
	// The test's own tokens are made with KMS too, by clients that are not the server.
	if allowed := allowedByGuide(t); !slices.Equal(allowed, used) {
		t.Errorf("the guide allows  %q\nthe program needs %q", allowed, used)
	}
}
