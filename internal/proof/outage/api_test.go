package outage

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

func TestMain(m *testing.M) { server.Main(m) }

// open are the settings of a server that asks nobody who he is.
func open() map[string]string { return map[string]string{"USE_AUTH": "false"} }

// answer is what a server says.
type answer struct {
	status int
	header http.Header
	text   string
	body   struct {
		ID       string            `json:"id"`
		Revision int               `json:"revision"`
		Pairs    map[string]string `json:"credential_pairs"`
		Error    string            `json:"error"`
	}
}

func ask(t *testing.T, s *server.Server, method, path string, body any) answer {
	t.Helper()
	content := ""
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = string(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.BaseURL+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, s.Log())
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(b)}
	if len(b) > 0 && strings.HasPrefix(path, "/v1/") {
		if err := json.Unmarshal(b, &a.body); err != nil {
			t.Fatalf("%s %s: status %d: %v: %s", method, path, resp.StatusCode, err, b)
		}
	}
	return a
}

// must asks for what has to succeed.
func must(t *testing.T, s *server.Server, method, path string, body any) answer {
	t.Helper()
	a := ask(t, s, method, path, body)
	if a.status != http.StatusOK {
		t.Fatalf("%s %s: status %d, want 200: %s\n%s", method, path, a.status, a.text, s.Log())
	}
	return a
}

const secret = "a value that must not leak"

// prepare makes a credential and a service that maps it, and returns its id.
func prepare(t *testing.T, s *server.Server) (id string) {
	t.Helper()
	id = must(t, s, http.MethodPost, "/v1/credentials", map[string]any{
		"name": "database", "credential_pairs": map[string]string{"password": secret},
	}).body.ID
	must(t, s, http.MethodPut, "/v1/services/shop", map[string]any{"credentials": []string{id}})
	return id
}

// unavailable demands that an answer says "not now, try again" and why, and holds
// no value.
func unavailable(t *testing.T, what string, a answer) {
	t.Helper()
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || a.body.Error == "" {
		t.Errorf("%s: status %d, Retry-After %q, body %s; want 503 with Retry-After and an error",
			what, a.status, a.header.Get("Retry-After"), a.text)
	}
	if strings.Contains(a.text, secret) {
		t.Errorf("%s: a value leaves without an audit record: %s", what, a.text)
	}
}
