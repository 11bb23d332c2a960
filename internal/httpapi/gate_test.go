package httpapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
)

// path returns a path of the route for things that the world has.
func (r *route) example(ids map[string]string) string {
	id := ids[string(r.resource)]
	if strings.HasPrefix(r.path, "/services/") {
		id = ids["service"] // whatever is looked for on its pages
	}
	return strings.NewReplacer(
		"{id}", id, "{to_revision}", "1", "{old_revision}", "1", "{new_revision}", "2", "*", "confidant.css",
		"{n}", "1", "{a}", "1", "{b}", "2",
	).Replace(r.path)
}

// furnished returns a world with one thing of each kind, with two revisions, and
// their ids by resource type.
func furnished(t testing.TB, change func(*setup)) (*world, map[string]string) {
	t.Helper()
	w := newWorld(t, change)
	credential := w.credential("gateway", members{"user": "shop"})
	w.put("ada", "/v1/credentials/"+credential, members{"credential_pairs": members{"user": "shop", "password": "not-a-real-one"}}).want(200)
	blind := w.post("ada", "/v1/blind_credentials", members{
		"name": "signing", "credential_pairs": members{"eu-west-1": "Z0FBQUFBQm4="}, "data_key": members{"eu-west-1": "QVFJQ0FIaQ=="},
		"credential_keys": []string{"key"}, "cipher_type": "fernet", "cipher_version": 2,
	}).want(200).text("id")
	w.put("ada", "/v1/blind_credentials/"+blind, members{"documentation": "d"}).want(200)
	w.service("svc-a")
	w.put("ada", "/v1/services/svc-a", members{"credentials": []string{credential}, "blind_credentials": []string{blind}}).want(200)
	return w, map[string]string{"credential": credential, "blind_credential": blind, "service": "svc-a"}
}

// rows returns how many rows of history there are, to see whether something was
// written.
func (w *world) rows() int {
	w.t.Helper()
	n := 0
	for _, kind := range []string{"credentials", "blind_credentials", "services"} {
		list, ok := w.get("ada", "/v1/archive/"+kind).want(200).at(kind).([]any)
		if !ok {
			w.t.Fatalf("no list of %s", kind)
		}
		n += len(list)
	}
	return n
}

func TestEveryRoute_WantsAProofOrIsOpenToEverybody(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	for _, r := range apiRoutes() {
		if r.access == everybody {
			continue
		}
		path := r.example(ids)
		before := w.audit.len()
		for _, as := range []string{"", "gone", "broken"} {
			a := w.do(request{method: r.method, path: path, as: as, body: bodyFor(&r)})
			want := map[string]int{"": 401, "gone": 401, "broken": 403}[as]
			if r.access == visitor && want == 401 {
				want = 302
			}
			if a.status != want {
				t.Errorf("%s: %d, want %d", a.what, a.status, want)
			}
			if want == 302 && a.header.Get("Location") != "/loggedout" {
				t.Errorf("%s leads to %q", a.what, a.header.Get("Location"))
			}
		}
		// Who has no proof and only wants a page is nothing to record.
		want := 3
		if r.access == visitor {
			want = 2
		}
		entries := w.audit.since(before)
		if len(entries) != want {
			t.Errorf("%s: %d audit records, want %d", r.name, len(entries), want)
		}
		for _, e := range entries {
			if e.Success || e.Action != "authenticate" || e.ResourceType != string(r.resource) || e.Info["route"] != r.name {
				t.Errorf("%s: audit record %+v", r.name, e)
			}
		}
		w.clock.advance(2 * time.Minute)
		refreshRefusals(w)
	}
}

// refreshRefusals begins a new window of refused proofs, as every minute does.
func refreshRefusals(w *world) {
	w.t.Helper()
	fresh, err := audit.NewRefusals(audit.RefusalOptions{To: w.audit})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { fresh.Close(w.t.Context()) })
	w.handler.(*server).refusals = fresh
}

// bodyFor returns a body that the route takes.
func bodyFor(r *route) any {
	if r.body == noBody {
		return nil
	}
	return members{}
}

func TestEveryChange_WantsTheCSRFTokenOfABrowserAndOfNobodyElse(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	w.get("browser", "/v1/user/email").want(200)
	token := w.jar["XSRF-TOKEN"]
	if len(token) != 40 {
		t.Fatalf("the XSRF cookie is %q, want 40 hex digits", token)
	}
	rows := w.rows()
	for _, r := range apiRoutes() {
		if !r.csrf {
			continue
		}
		path := r.example(ids)
		for _, given := range [][]string{nil, {"X-XSRF-TOKEN", ""}, {"X-XSRF-TOKEN", strings.Repeat("0", 40)}, {"X-Xsrf-Token", token + " "}} {
			before := w.audit.len()
			a := w.do(request{method: r.method, path: path, as: "browser", body: members{}, header: given})
			if len(given) == 2 && strings.TrimSpace(given[1]) == token {
				continue // a header's value never keeps its blanks
			}
			a.wantError(401, "The CSRF token is missing or wrong.")
			if a.header.Get("Set-Cookie") == "" {
				t.Errorf("%s: the refusal sets no cookies", a.what)
			}
			entries := w.audit.since(before)
			if len(entries) != 1 || entries[0].Success || entries[0].User != ada || entries[0].Action != string(r.action) {
				t.Errorf("%s: audit records %+v", a.what, entries)
			}
		}
	}
	if got := w.rows(); got != rows {
		t.Errorf("%d revisions, want %d: something was written", got, rows)
	}
	with := []string{"X-XSRF-TOKEN", token}
	w.do(request{method: "PUT", path: "/v1/services/svc-b", as: "browser", body: members{}, header: with}).want(200)
	w.put("ada", "/v1/services/svc-c", members{}).want(200)
	off := newWorld(t, func(s *setup) { s.off = true })
	off.put("", "/v1/services/svc-c", members{}).want(200)
}

func TestEveryChange_IsRefusedInMaintenanceModeAfterProofAndToken(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	w.get("browser", "/v1/user/email").want(200)
	rows := w.rows()
	w.setReadOnly(true)
	for _, r := range apiRoutes() {
		path := r.example(ids)
		if !r.maintenance {
			if r.method == http.MethodGet && r.path != "/v1/login" {
				if a := w.get("ada", path); a.status >= 400 && a.status != 404 {
					t.Errorf("%s: %d in maintenance mode: %s", a.what, a.status, a.body)
				}
			}
			continue
		}
		before := w.audit.len()
		// Before the policy: who may not change anything is told the same.
		for _, as := range []string{"ada", "svc-b"} {
			a := w.do(request{method: r.method, path: path, as: as, body: members{}}).wantError(403, "Server in maintenance mode.")
			if got := a.header.Get("Retry-After"); got != "60" {
				t.Errorf("%s: Retry-After = %q, want 60", a.what, got)
			}
		}
		w.do(request{method: r.method, path: path, body: members{}}).want(401)
		w.do(request{method: r.method, path: path, as: "broken", body: members{}}).want(403).wantAt("error", `"Access denied. Authentication failed."`)
		w.do(request{method: r.method, path: path, as: "browser", body: members{}}).want(401)
		if n := w.audit.len() - before; n < 3 {
			t.Errorf("%s: %d audit records of refused calls", r.name, n)
		}
	}
	w.setReadOnly(false)
	if got := w.rows(); got != rows {
		t.Errorf("%d revisions, want %d: something was written", got, rows)
	}
}

func TestEveryRoute_AStrangerIsDeniedOnRecordAndNothingIsOpened(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	rows := w.rows()
	opened, closed := w.sealer.counts()
	for _, r := range apiRoutes() {
		if r.access != anyPrincipal || r.recorder == byNobody {
			continue
		}
		if r.resource == "blind_credential" && !r.maintenance {
			continue // services read blind credentials, which nobody here can open
		}
		before := w.audit.len()
		a := w.do(request{method: r.method, path: r.example(ids), as: "svc-b", body: bodyFor(&r)})
		if a.status != http.StatusForbidden || !strings.Contains(a.text("error"), "svc-b does not have access to ") {
			t.Errorf("%s: %d %s, want a 403 of the policy", a.what, a.status, a.body)
		}
		entries := w.audit.since(before)
		if len(entries) != 1 || entries[0].Success || entries[0].User != "svc-b" || entries[0].UserType != "service" {
			t.Errorf("%s: audit records %+v, want one refusal", a.what, entries)
		}
	}
	if o, c := w.sealer.counts(); o != opened || c != closed {
		t.Errorf("%d values were opened and %d sealed for a stranger", o-opened, c-closed)
	}
	if got := w.rows(); got != rows {
		t.Errorf("%d revisions, want %d: something was written", got, rows)
	}
}

func TestEveryRecordedRoute_MakesARecordOfWhatItDoes(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	for _, r := range apiRoutes() {
		if r.recorder != byUseCase {
			continue
		}
		before := w.audit.len()
		w.do(request{method: r.method, path: r.example(ids), as: "ada", body: bodyFor(&r)})
		if w.audit.len() == before {
			t.Errorf("%s makes no audit record", r.name)
		}
		// Nor does one that is malformed go unrecorded.
		if r.body == noBody {
			continue
		}
		before = w.audit.len()
		a := w.do(request{method: r.method, path: r.example(ids), as: "ada", body: `{"a":`})
		entries := w.audit.since(before)
		if a.status != 400 || len(entries) != 1 || entries[0].Success {
			t.Errorf("%s with a malformed body: %d, audit records %+v", r.name, a.status, entries)
		}
	}
}

func TestRefusedProofs_AreRecordedTenAMinuteAndAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range 30 {
		w.get("gone", "/v1/credentials").want(401)
	}
	if n := len(w.audit.since(0)); n != 10 {
		t.Errorf("%d records, want 10", n)
	}
}

func TestAudit_WithoutItNothingIsToldAndNothingDone(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	rows := w.rows()
	w.audit.fail(true)
	for _, r := range apiRoutes() {
		if r.access != anyPrincipal || r.recorder != byUseCase {
			continue
		}
		body := bodyFor(&r)
		if r.path == "/v1/credentials" && body != nil {
			body = members{"name": "n", "credential_pairs": members{"a": "b"}}
		}
		a := w.do(request{method: r.method, path: r.example(ids), as: "ada", body: body})
		if a.status != 503 || a.header.Get("Retry-After") == "" || strings.Contains(string(a.body), "not-a-real-one") {
			t.Errorf("%s: %d %s, want a 503 with Retry-After", a.what, a.status, a.body)
		}
	}
	// Refusals stand without a record.
	w.get("gone", "/v1/credentials").want(401)
	w.do(request{method: "PUT", path: "/v1/services/svc-a", as: "browser", body: members{}}).want(401)
	w.audit.fail(false)
	if got := w.rows(); got != rows {
		t.Errorf("%d revisions, want %d: something was written", got, rows)
	}
}

func TestStore_WithoutItEveryUseCaseIs503(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, func(s *setup) { s.cache = -1 })
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	for _, r := range apiRoutes() {
		if r.recorder != byUseCase {
			continue
		}
		body := bodyFor(&r)
		if r.action == "create" {
			body = map[string]members{
				"credential": {"name": "n", "credential_pairs": members{"a": "b"}}, "blind_credential": sealedByClient("n"),
			}[string(r.resource)]
		}
		a := w.do(request{method: r.method, path: r.example(ids), as: "ada", body: body})
		if a.status != 503 || a.header.Get("Retry-After") == "" && strings.HasPrefix(r.path, "/v1/") {
			t.Errorf("%s: %d %s, want a 503 with Retry-After", a.what, a.status, a.body)
		}
	}
	w.get("ada", "/v1/user/email").want(200)
	w.get("", "/healthcheck").want(200)
}
