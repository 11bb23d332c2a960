package contract

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// replaying returns a replayer for a server that f plays. Its answers carry the
// headers of every answer.
func replaying(t *testing.T, r *Recording, f http.HandlerFunc) (*Replayer, *[]string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for name, value := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-XSS-Protection": "1; mode=block", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store", "Content-Type": "application/json",
		} {
			w.Header().Set(name, value)
		}
		f(w, req)
	}))
	t.Cleanup(s.Close)
	var actions []string
	p, err := NewReplayer(r, Target{
		BaseURL: s.URL,
		Store:   SQLite,
		Cookies: Names(nil),
		Tokens:  map[string]string{"alice": "token-of-alice"},
		Before: func(action string) error {
			actions = append(actions, action)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, &actions
}

func exchanges(t *testing.T, text string) []Exchange {
	t.Helper()
	var list []Exchange
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestReplay_SendsWhatWasRecorded(t *testing.T) {
	t.Parallel()
	var got []string
	p, actions := replaying(t, &Recording{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, strings.Join([]string{
			r.Method, r.RequestURI, r.Header.Get("Content-Type"), r.Header.Get("Authorization"),
			r.Header.Get("X-XSRF-TOKEN"), r.Header.Get("Cookie"), string(body),
		}, "|"))
		http.SetCookie(w, &http.Cookie{Name: "XSRF-TOKEN", Value: testXSRF, Path: "/", SameSite: http.SameSiteLaxMode})
		_, _ = io.WriteString(w, `{"next_page": "a+b/c= d", "id": "x1"}`)
	})
	for _, ex := range exchanges(t, `[
		{"n": 1, "request": {"method": "GET", "path": "/v1/a?limit=1", "cookies": "session"}, "captures": {"p": "/next_page", "c.id": "/id"},
			"response": {"status": 200, "json": {"next_page": "{{p}}", "id": "{{c.id}}"}}},
		{"n": 2, "request": {"method": "GET", "path": "/v1/a?page={{p}}"}, "before": "create the touch file",
			"response": {"status": 200, "json": {"next_page": "{{page}}", "id": "x1"}}},
		{"n": 3, "request": {"method": "PUT", "path": "/v1/a/{{c.id}}", "cookies": "session", "json": {"id": "{{c.id}}"},
			"headers": {"X-XSRF-TOKEN": "{{cookie:XSRF-TOKEN}}", "Content-Type": "application/x+json"}},
			"response": {"status": 200, "json": {"next_page": "{{page}}", "id": "{{c.id}}"}}},
		{"n": 4, "request": {"method": "POST", "path": "/v1/a", "raw_body": "{{", "headers": {"Authorization": "none"}},
			"response": {"status": 200, "json": {"next_page": "{{page}}", "id": "{{c.id}}"}}}
	]`) {
		if found := p.Replay(t.Context(), ex); len(found) > 0 {
			t.Errorf("exchange %d: %q", ex.N, found)
		}
	}
	want := []string{
		"GET|/v1/a?limit=1|||||",
		"GET|/v1/a?page=a%2Bb%2Fc%3D%20d|||||",
		"PUT|/v1/a/x1|application/x+json||" + testXSRF + "|XSRF-TOKEN=" + testXSRF + `|{"id": "x1"}`,
		"POST|/v1/a||none|||{{",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !slices.Equal(*actions, []string{"create the touch file"}) {
		t.Errorf("actions before requests: %q", *actions)
	}
}

func TestReplay_SendsATokenInPlaceOfAnIdentity(t *testing.T) {
	t.Parallel()
	recording := &Recording{Identities: map[string]Identity{"alice": {Username: "2/user/alice"}}}
	p, _ := replaying(t, recording, func(w http.ResponseWriter, r *http.Request) {
		username, token, _ := r.BasicAuth()
		_ = json.NewEncoder(w).Encode(username + " " + token + " " + r.Header.Get("X-Auth-Token"))
	})
	list := exchanges(t, `[
		{"n": 1, "request": {"method": "GET", "path": "/v1/a", "identity": "alice", "headers": {"X-Auth-Token": "{{tok_alice}}"}},
		 "response": {"status": 200, "json": "2/user/alice token-of-alice token-of-alice"}},
		{"n": 2, "request": {"method": "GET", "path": "/v1/a", "identity": "bob"}, "response": {"status": 200, "json": ""}}
	]`)
	if found := p.Replay(t.Context(), list[0]); len(found) > 0 {
		t.Errorf("with a token: %q", found)
	}
	if found := p.Replay(t.Context(), list[1]); len(found) == 0 {
		t.Error("without a token: no difference")
	}
}

func TestReplay_SaysWhatCannotBeCaptured(t *testing.T) {
	t.Parallel()
	p, _ := replaying(t, &Recording{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"id": null}`)
	})
	for _, ex := range exchanges(t, `[
		{"n": 1, "request": {"method": "GET", "path": "/v1/a"}, "captures": {"x": "/id"}, "response": {"status": 200, "json": {"id": null}}},
		{"n": 2, "request": {"method": "GET", "path": "/v1/a"}, "captures": {"x": "/name"}, "response": {"status": 200, "json": {"id": null}}},
		{"n": 3, "request": {"method": "GET", "path": "/v1/a/{{x}}"}, "response": {"status": 200, "json": {"id": null}}}
	]`) {
		if found := p.Replay(t.Context(), ex); len(found) != 1 {
			t.Errorf("exchange %d: %q, want one difference", ex.N, found)
		}
	}
}

func TestReplay_DoesNotJudgeWhatIsSkipped(t *testing.T) {
	t.Parallel()
	var r Recording
	if err := json.Unmarshal([]byte(`{"expected": {"skip": [{"n": 1}]}}`), &r); err != nil {
		t.Fatal(err)
	}
	asked := false
	p, _ := replaying(t, &r, func(w http.ResponseWriter, _ *http.Request) {
		asked = true
		w.WriteHeader(http.StatusTeapot)
	})
	for _, ex := range exchanges(t, `[{"n": 1, "request": {"method": "GET", "path": "/favicon.ico"}, "response": {"status": 200}}]`) {
		if found := p.Replay(t.Context(), ex); len(found) > 0 || !asked {
			t.Errorf("asked %v, found %q; want to be asked and not judged", asked, found)
		}
	}
}
