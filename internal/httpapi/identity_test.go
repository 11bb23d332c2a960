package httpapi

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := w.get("", "/healthcheck").want(200)
	if len(a.body) > 0 || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("healthcheck: %q of type %q, want nothing", a.body, a.header.Get("Content-Type"))
	}
	w.get("", "/readiness").want(200)
	w.mu.Lock()
	w.ready = errDown
	w.mu.Unlock()
	w.get("", "/readiness").want(200) // kept
	w.clock.advance(5 * time.Second)
	if a := w.get("", "/readiness").want(503); len(a.body) > 0 {
		t.Errorf("readiness tells details: %s", a.body)
	}
	if !strings.Contains(w.log.String(), errDown.Error()) {
		t.Error("the log does not say why the server is not ready")
	}
	w.mu.Lock()
	w.ready = nil
	w.mu.Unlock()
	w.get("", "/readiness").want(503) // kept too
	w.clock.advance(5 * time.Second)
	w.get("", "/readiness").want(200)
}

func TestValueGenerator_DrawsFiftyLettersAndDigitsForAnybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	form := regexp.MustCompile(`^[A-Za-z0-9]{50}$`)
	first, second := w.get("", "/v1/value_generator").text("value"), w.get("gone", "/v1/value_generator").text("value")
	if !form.MatchString(first) || !form.MatchString(second) || first == second {
		t.Errorf("drew %q and %q", first, second)
	}
}

func TestClientConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.options.Settings = Settings{
			ClientConfig: []byte(`{"x":1.50}`), ManageGrants: true, Accounts: []string{"b", "a"},
			DefinedTags: []string{"T2", "T1", "T2"}, HistoryPageLimit: 2,
		}
	})
	before := w.audit.len()
	w.setReadOnly(true)
	a := w.get("svc-a", "/v1/client_config").want(200)
	sameJSON(t, "client config", a.body, []byte(`{"defined":{"x":1.50},"generated":{
		"kms_auth_manage_grants":true,"aws_accounts":["a","b"],"xsrf_cookie_name":"XSRF-TOKEN","maintenance_mode":true,
		"history_page_limit":2,"defined_tags":["T1","T2"],"permissions":{
			"credentials":{"list":false,"create":false},
			"blind_credentials":{"list":true,"create":false},
			"services":{"list":false,"create":false}}}}`))
	if n := w.audit.len(); n != before {
		t.Errorf("%d audit records of what is not recorded", n-before)
	}
	plain := newWorld(t, nil).get("ada", "/v1/client_config").want(200)
	sameJSON(t, "client config without settings", plain.body, []byte(`{"defined":{},"generated":{
		"kms_auth_manage_grants":false,"aws_accounts":[],"xsrf_cookie_name":"XSRF-TOKEN","maintenance_mode":false,
		"history_page_limit":null,"defined_tags":[],"permissions":{
			"credentials":{"list":true,"create":true},
			"blind_credentials":{"list":true,"create":true},
			"services":{"list":true,"create":true}}}}`))
}

func TestUserEmail_IsTheNameOfWhoeverAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, method := range []string{"GET", "POST"} {
		for as, want := range map[string]string{"ada": ada, "svc-a": "svc-a", "browser": ada} {
			if got := w.do(request{method: method, path: "/v1/user/email", as: as}).want(200).text("email"); got != want {
				t.Errorf("%s as %s: %q, want %q", method, as, got, want)
			}
		}
	}
	off := newWorld(t, func(s *setup) { s.off = true })
	if got := off.get("", "/v1/user/email").text("email"); got != "unauthenticated user" {
		t.Errorf("without authentication: %q", got)
	}
}
