package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is one case in a golden file: what is asked, and what is answered.
type golden struct {
	Request struct {
		Method string          `json:"method"`
		Path   string          `json:"path"`
		As     string          `json:"as,omitempty"`
		Header []string        `json:"header,omitempty"`
		Body   json.RawMessage `json:"body,omitempty"`
	} `json:"request"`
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
}

// Each route has a golden file with an answer of every status that can be had of
// it. A case that changes something runs in a world of its own, so that cases do
// not depend on one another.
func TestGolden_EveryRouteAndStatus(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	furnishedWorld := func() (*world, map[string]string) {
		return furnished(t, func(s *setup) {
			s.options.BodyLimit = 4096
			s.policy = []authz.Entry{{Name: "not-eve", Active: true, Cedar: `forbid (principal, action, resource) when { principal.name == "eve@example.com" };`}}
		})
	}
	shared, ids := furnishedWorld()
	for _, r := range routes() {
		if !strings.HasPrefix(r.path, "/v1/") || isLogin(r.path) {
			continue
		}
		file := filepath.Join("testdata", "golden", strings.NewReplacer("/v1/", "", "/", "_", "{", "", "}", "").Replace(r.path)+"."+strings.ToLower(r.method)+".json")
		var want, got []golden
		if text, err := os.ReadFile(file); err == nil {
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		for _, status := range []int{200, 400, 401, 403, 404, 409, 413, 500, 503} {
			w := shared
			if status == 200 && r.maintenance {
				w, ids = furnishedWorld()
			}
			if c, ok := goldenCase(w, &r, ids, status); ok {
				got = append(got, c)
				seen[r.name+" "+strconv.Itoa(status)] = true
			}
		}
		if *update {
			writeGolden(t, file, got)
			continue
		}
		if len(got) != len(want) {
			t.Errorf("%s has %d cases, want %d", file, len(want), len(got))
			continue
		}
		for i := range got {
			what := r.name + " " + strconv.Itoa(got[i].Status)
			if got[i].Status != want[i].Status {
				t.Errorf("%s: status %d, want %d", what, got[i].Status, want[i].Status)
			}
			sameJSON(t, what, got[i].Body, want[i].Body)
		}
	}
	covered(t, seen)
}

// isLogin reports whether a path belongs to the ways to log in and out, whose
// answers depend on the way in use.
func isLogin(path string) bool {
	return path == "/v1/login" || strings.HasPrefix(path, "/v1/saml/") || strings.HasPrefix(path, "/login") || path == "/setup"
}

// covered fails the test if docs/openapi.yaml describes a status for which
// there is no case.
func covered(t *testing.T, seen map[string]bool) {
	t.Helper()
	cannot := map[string]string{
		"GET /v1/value_generator 503": "it needs nothing that could be away",
		"GET /v1/client_config 503":   "it needs nothing that could be away",
		"GET /v1/user/email 500":      "it does nothing that could fail",
		"GET /v1/user/email 503":      "it needs nothing that could be away",
		"POST /v1/user/email 500":     "it does nothing that could fail",
		"POST /v1/user/email 503":     "it needs nothing that could be away",

		"POST /v1/credentials/{id}/archive 409": "it takes a mapping that comes in between",
	}
	for _, r := range routes() {
		if !strings.HasPrefix(r.path, "/v1/") || isLogin(r.path) {
			continue
		}
		for status := range describedStatuses(t, &r) {
			key := r.name + " " + status
			if !seen[key] && cannot[key] == "" && status != "429" {
				t.Errorf("there is no golden answer for %s", key)
			}
		}
	}
}

// goldenCase asks for an answer of the status; false if the route has none.
func goldenCase(w *world, r *route, ids map[string]string, status int) (golden, bool) {
	w.t.Helper()
	q := request{method: r.method, path: r.example(ids), as: "ada", body: goldenBody(r, ids)}
	switch status {
	case 200:
		if r.resource == authz.Credential && r.action == authz.Archive {
			w.put("ada", "/v1/services/svc-a", members{"credentials": []string{}}).want(200)
			w.put("ada", "/v1/credentials/"+ids["credential"], members{"enabled": false}).want(200)
		}
	case 400:
		switch {
		case r.body != noBody:
			q.body = `{"enabled":`
		case r.action == authz.List:
			q.path += "?page=garbage"
		default:
			return golden{}, false
		}
	case 401:
		if r.access == everybody {
			return golden{}, false
		}
		q.as = ""
	case 403:
		switch {
		case r.access == everybody:
			return golden{}, false
		case r.recorder == byNobody:
			q.as = "broken"
		default:
			q.as = "eve"
		}
	case 404:
		// A list of dependents is empty for what is unknown, and a PUT makes a service.
		if !strings.Contains(r.path, "{id}") || strings.HasSuffix(r.path, "{id}/services") || r.name == "PUT /v1/services/{id}" {
			return golden{}, false
		}
		q.path = r.example(map[string]string{string(r.resource): "unknown"})
	case 409:
		switch {
		case r.method == http.MethodPut:
			q.header = []string{"If-Match", `"7"`}
		case r.action == authz.Create:
			name := map[authz.ResourceType]string{authz.Credential: "gateway", authz.BlindCredential: "signing"}[r.resource]
			q.body = with(q.body.(members), "name", name)
		default:
			return golden{}, false
		}
	case 413:
		if r.body == noBody {
			return golden{}, false
		}
		q.body = `{"documentation":"` + strings.Repeat("x", 5000) + `"}`
	case 500:
		if r.path == "/v1/user/email" {
			return golden{}, false
		}
		defer w.breakDown()()
	case 503:
		if r.recorder != byUseCase {
			return golden{}, false
		}
		w.audit.fail(true)
		defer w.audit.fail(false)
	}
	a := w.do(q)
	if a.status != status {
		w.t.Errorf("%s: %d, want %d: %s", a.what, a.status, status, a.body)
	}
	c := golden{Status: a.status, Body: a.body}
	c.Request.Method, c.Request.Path, c.Request.As, c.Request.Header = q.method, q.path, q.as, q.header
	if r.path == "/v1/value_generator" && status == 200 {
		c.Body = json.RawMessage(`{"value":"` + strings.Repeat("x", valueLength) + `"}`)
	}
	switch body := q.body.(type) {
	case nil:
	case string: // cut short, or of no interest
		text, err := json.Marshal(body[:min(len(body), 40)])
		if err != nil {
			w.t.Fatal(err)
		}
		c.Request.Body = text
	default:
		text, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		c.Request.Body = text
	}
	return c, true
}

// goldenBody returns a body that the route takes and that says something.
func goldenBody(r *route, ids map[string]string) any {
	switch {
	case r.body == noBody:
		return nil
	case r.action == authz.Create && r.resource == authz.Credential:
		return members{
			"name": "New", "credential_pairs": members{"API_Key": "not-a-real-one", "retries": 3}, "documentation": "How to renew it.",
			"metadata": members{"owner": "payments"}, "tags": []string{"PAYMENTS"},
		}
	case r.action == authz.Create:
		return sealedByClient("New")
	case r.action == authz.Archive:
		return members{"force": true}
	case r.action == authz.Update && r.resource == authz.ServiceResource:
		return members{"credentials": []string{ids["credential"]}, "enabled": false, "account": "sandbox"}
	case r.action == authz.Update:
		return members{"documentation": "How to renew it.", "enabled": false}
	default:
		return members{}
	}
}

// breakDown makes every use case, and what needs random bytes, fail in a way
// that nobody foresaw, until the returned function is called.
func (w *world) breakDown() (mend func()) {
	s := w.handler.(*server)
	random := s.random
	w.policy.broken.Store(true)
	s.random = failingReader{}
	return func() {
		w.policy.broken.Store(false)
		s.random = random
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("no random bytes") }

// brittlePolicy is a policy that can be made to panic.
type brittlePolicy struct {
	authz.Policy
	broken atomic.Bool
}

func (p *brittlePolicy) Decide(ctx context.Context, r authz.Request) authz.Decision {
	if p.broken.Load() {
		panic("the policy is broken")
	}
	return p.Policy.Decide(ctx, r)
}

func writeGolden(t *testing.T, file string, cases []golden) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(cases); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
