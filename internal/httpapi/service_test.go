package httpapi

import (
	"slices"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/keyring"
)

func TestService_FetchesExactlyItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	one, two := w.credential("one", members{"a": "1"}), w.credential("two", members{"b": "2"})
	w.credential("three", members{"c": "3"})
	made := w.put("ada", "/v1/services/svc-a", members{"credentials": []string{two, one, two}, "blind_credentials": []string{}, "enabled": true, "account": ""}).want(200).
		wantAt("revision", "1").wantAt("account", "null").wantAt("permissions", `{"create":true,"metadata":true,"get":true,"update":true}`).
		wantAt("credentials/0/credential_pairs", "{}").wantAt("credentials/0/permissions", "{}")
	ids := []string{one, two}
	slices.Sort(ids)
	if got := made.text("credentials/0/id"); got != ids[0] || made.text("credentials/1/id") != ids[1] {
		t.Errorf("credentials are not in the order of ids: %s", made.body)
	}
	a := w.get("svc-a", "/v1/services/svc-a").want(200).wantAt("permissions", `{"metadata":true,"get":true,"update":false}`)
	if a.header.Get("ETag") != `"1"` {
		t.Errorf("ETag = %q", a.header.Get("ETag"))
	}
	for _, place := range []string{"credentials/0", "credentials/1"} {
		want := map[string]string{one: `{"a":"1"}`, two: `{"b":"2"}`}[a.text(place+"/id")]
		a.wantAt(place+"/credential_pairs", want).wantAt(place+"/permissions", "{}")
	}
	w.get("svc-a", "/v1/services/svc-a?metadata_only=True").want(200).wantAt("credentials/0/credential_pairs", "{}")
	refused := w.get("svc-b", "/v1/services/svc-a").wantError(403, "svc-b does not have access to get service svc-a").wantAt("reference", `"svc-a"`)
	for _, name := range []string{"result", "service"} {
		if strings.Contains(string(refused.body), `"`+name+`"`) {
			t.Errorf("a refusal has a member that one client gives a meaning: %s", refused.body)
		}
	}
	sameJSON(t, "an unknown service", w.get("svc-b", "/v1/services/svc-x").want(403).body,
		[]byte(`{"error":"svc-b does not have access to get service svc-x","reference":"svc-x"}`))
	w.get("svc-c", "/v1/services/svc-c").want(404)
	w.get("ada", "/v1/services/svc-a").want(200).wantAt("permissions", `{"metadata":true,"get":true,"update":true}`)
}

func TestService_ATokenForMetadataGetsNoValues(t *testing.T) {
	t.Parallel()
	w, _ := furnished(t, nil)
	w.get("reader", "/v1/services/svc-a").want(403)
	w.get("reader", "/v1/services/svc-a?metadata_only=true").want(200)
}

func TestService_DisabledThingsAreServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("n", members{"a": "b"})
	w.put("ada", "/v1/credentials/"+id, members{"enabled": false}).want(200)
	w.put("ada", "/v1/services/svc-a", members{"credentials": []string{id}, "enabled": false}).want(200)
	w.get("svc-a", "/v1/services/svc-a").want(200).wantAt("enabled", "false").wantAt("credentials/0/credential_pairs", `{"a":"b"}`)
}

func TestService_AbsentMembersKeepWhatIsMapped(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	w.put("ada", "/v1/services/svc-a", members{"enabled": false}).want(200).
		wantAt("enabled", "false").wantAt("credentials/0/id", `"`+ids["credential"]+`"`).wantAt("blind_credentials/0/id", `"`+ids["blind_credential"]+`"`).
		wantAt("blind_credentials/0/credential_pairs", "{}").wantAt("blind_credentials/0/data_key", "{}")
	w.put("ada", "/v1/services/svc-a", members{"credentials": []string{}}).want(200).wantAt("credentials", "[]").wantAt("enabled", "false")
	w.put("ada", "/v1/services/svc-new", members{}).want(200).wantAt("credentials", "[]").wantAt("enabled", "true")
	w.get("svc-a", "/v1/services/svc-a").want(200).wantAt("blind_credentials/0/data_key", `{"eu-west-1":"QVFJQ0FIaQ=="}`)
}

func TestService_WhatDoesNotExistIsDropped(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	w.put("ada", "/v1/services/svc-b", members{
		"credentials": []string{"unknown", ids["credential"] + "-1", ids["blind_credential"]}, "blind_credentials": []string{"unknown", ids["credential"]},
	}).want(200).wantAt("credentials", "[]").wantAt("blind_credentials", "[]")
}

func TestService_Accounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.put("ada", "/v1/services/sandboxed", members{"account": "elsewhere"}).wantError(400, "elsewhere is not a valid account.")
	w.put("ada", "/v1/services/sandboxed", members{"account": "sandbox"}).want(200).wantAt("account", `"sandbox"`)
	w.get("sandboxed", "/v1/services/sandboxed").want(200)
	w.get("ada", "/v1/services/sandboxed").want(200)
	w.put("ada", "/v1/services/svc-a", members{"account": "sandbox"}).want(200)
	w.get("svc-a", "/v1/services/svc-a").wantError(401, "Authenticated user is not authorized.")
	w.put("ada", "/v1/services/svc-a", members{"account": nil}).want(200).wantAt("account", "null")
}

func TestService_Names(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.service("foo-1")
	w.service("foo")
	w.get("ada", "/v1/services/foo-1").want(200).wantAt("id", `"foo-1"`).wantAt("revision", "1")
	w.get("ada", "/v1/services/foo").want(200)
	w.put("ada", "/v1/services/foo-7", members{}).want(400)
	w.service("bar")
	w.put("ada", "/v1/services/bar-1", members{}).wantError(400, "id provided is not a service.")
	id := w.credential("n", members{"a": "b"})
	w.put("ada", "/v1/services/"+id, members{}).wantError(400, "id provided is not a service.")
	for _, bad := range []string{"a%20b", "a%09b", strings.Repeat("x", 256), "%00", "a%E2%80%83b"} {
		w.put("ada", "/v1/services/"+bad, members{}).want(400)
	}
	w.put("ada", "/v1/services/dienst-%C3%BC.x_y@z", members{}).want(200).wantAt("id", `"dienst-ü.x_y@z"`)
	w.get("ada", "/v1/services/dienst-%C3%BC.x_y@z").want(200)
}

func TestService_ArchiveIDsAreForPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("n", members{"a": "1"})
	w.service("svc-a", id)
	w.put("ada", "/v1/services/svc-a", members{"credentials": []string{}}).want(200)
	w.put("ada", "/v1/credentials/"+id, members{"credential_pairs": members{"a": "2"}}).want(200)
	old := w.get("ada", "/v1/services/svc-a-1").want(200).wantAt("id", `"svc-a-1"`).wantAt("credentials/0/credential_pairs", `{"a":"2"}`)
	if old.header.Get("ETag") != "" {
		t.Error("a historic revision has an ETag")
	}
	if a := w.get("svc-a-1", "/v1/services/svc-a-1"); a.status != 404 && a.status != 403 {
		t.Errorf("a service of such a name reads the revision of another: %d", a.status)
	}
}

func TestService_RevertAndDiff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	one, two := w.credential("one", members{"a": "1"}), w.credential("two", members{"b": "2"})
	w.put("ada", "/v1/services/svc-a", members{"credentials": []string{one}, "account": "sandbox"}).want(200)
	w.put("ada", "/v1/services/svc-a", members{"credentials": []string{two}}).want(200)
	w.get("ada", "/v1/services/svc-a/1/2").want(200).wantAt("credentials", `{"added":["`+two+`"],"removed":["`+one+`"]}`).
		wantAt("account", `{"added":null,"removed":"sandbox"}`)
	sameJSON(t, "no difference", w.get("ada", "/v1/services/svc-a/2/2").want(200).body, []byte("{}"))
	w.put("ada", "/v1/services/svc-a/1", members{}).want(200).wantAt("revision", "3").wantAt("account", `"sandbox"`).
		wantAt("credentials/0/id", `"`+one+`"`).wantAt("credentials/0/credential_pairs", "{}").
		wantAt("permissions", `{"metadata":true,"get":true,"update":true}`)
	w.put("ada", "/v1/services/svc-a/1", nil).wantError(400, "No difference between old and new service.")
	w.put("ada", "/v1/services/svc-a", members{"enabled": false, "account": "sandbox"}).want(200)
	w.put("ada", "/v1/services/svc-a/3", nil).want(200).wantAt("enabled", "true")
	w.put("ada", "/v1/services/svc-a/9", nil).want(404)
	w.put("ada", "/v1/services/unknown/1", nil).want(404)
	w.put("ada", "/v1/services/"+one+"/1", nil).wantError(400, "id provided is not a service.")
	w.get("ada", "/v1/services/unknown/1/2").want(404)
	w.get("ada", "/v1/archive/services/svc-a").want(200).wantAt("revisions/0/id", `"svc-a-1"`).wantAt("revisions/0/credentials", "[]")
	w.get("ada", "/v1/archive/services/unknown").want(404)
}

func TestService_AValueThatDoesNotOpenFailsTheWholeAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.service("svc-a", w.credential("one", members{"a": "1"}), w.credential("two", members{"b": "2"}))
	w.sealer.fail(errDown)
	w.get("svc-a", "/v1/services/svc-a").wantError(500, "Decryption error.")
	w.get("svc-a", "/v1/services/svc-a?metadata_only=true").want(200)
	w.sealer.fail(keyring.ErrUnavailable)
	if a := w.get("svc-a", "/v1/services/svc-a").want(503); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}
