package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestInput_WhatIsMalformedIs400AndSaysWhere(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	rows := w.rows()
	c, b := ids["credential"], ids["blind_credential"]
	const (
		post = http.MethodPost
		put  = http.MethodPut
	)
	credential := `"name":"x","credential_pairs":{"a":"b"}`
	blind := `"name":"x","credential_pairs":{"r":"x"},"data_key":{"r":"k"},"cipher_type":"fernet","cipher_version":2`
	tests := []struct{ method, path, body, words string }{
		// The body as a whole, on every route that takes one.
		{post, "/v1/credentials", ``, "A JSON object is expected as the request body."},
		{post, "/v1/credentials", `[]`, "it must be an object"},
		{post, "/v1/credentials", `{"name":`, `in member "name"`},
		{post, "/v1/credentials", `{` + credential + `} x`, "something follows the object"},
		{post, "/v1/credentials", "{\"name\":\"\xff\"}", "not valid UTF-8"},
		{post, "/v1/credentials", `{"name":"\ud800"}`, "surrogate"},
		{post, "/v1/credentials", `{"name":"x","name":"y"}`, `member "name" stands twice`},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":{"a":"1","a":"2"}}`, `member "a" stands twice`},
		{post, "/v1/credentials", `{"metadata":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, "nested"},
		{put, "/v1/credentials/" + c, ``, "A JSON object is expected"},
		{put, "/v1/credentials/" + c, `null`, "it must be an object"},
		{put, "/v1/credentials/" + c + "/1", `[]`, "it must be an object"},
		{put, "/v1/credentials/" + c + "/1", `{`, "a member name is expected"},
		{post, "/v1/credentials/" + c + "/archive", `"x"`, "it must be an object"},
		{post, "/v1/blind_credentials", ``, "A JSON object is expected"},
		{put, "/v1/blind_credentials/" + b, `7`, "it must be an object"},
		{put, "/v1/blind_credentials/" + b + "/1", `[`, "it ends too early"},
		{put, "/v1/services/svc-a", ``, "A JSON object is expected"},
		{put, "/v1/services/svc-a/1", `true`, "it must be an object"},

		{post, "/v1/credentials", `{"credential_pairs":{"a":"b"}}`, "name is a required field"},
		{post, "/v1/credentials", `{"name":"","credential_pairs":{"a":"b"}}`, "name is a required field"},
		{post, "/v1/credentials", `{"name":null,"credential_pairs":{"a":"b"}}`, "name is a required field"},
		{post, "/v1/credentials", `{"name":7,"credential_pairs":{"a":"b"}}`, "name is a required field"},
		{post, "/v1/credentials", `{"name":"x"}`, "credential_pairs is a required field"},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":null}`, "credential_pairs is a required field"},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":{}}`, "credential_pairs is a required field"},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":"a"}`, "credential pairs must be key: value"},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":[]}`, "credential pairs must be key: value"},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":{"a":{}}}`, "credential pairs must be key: value"},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":{"a":[1]}}`, "credential pairs must be key: value"},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":{"a b":"x"}}`, "credential key must not contain whitespace"},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":{"a\tb":"x"}}`, "credential key must not contain whitespace"},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":{"a\u2003":"x"}}`, "credential key must not contain whitespace"},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":{"":"x"}}`, "credential key must not be empty"},
		{post, "/v1/credentials", `{"name":"x","credential_pairs":{"A":"1","a":"2"}}`, "more than once"},
		{post, "/v1/credentials", `{` + credential + `,"metadata":[]}`, "metadata must be a dict"},
		{post, "/v1/credentials", `{` + credential + `,"metadata":null}`, "metadata must be a dict"},
		{post, "/v1/credentials", `{` + credential + `,"metadata":"x"}`, "metadata must be a dict"},
		{post, "/v1/credentials", `{` + credential + `,"enabled":"false"}`, "Enabled must be a boolean."},
		{post, "/v1/credentials", `{` + credential + `,"enabled":null}`, "Enabled must be a boolean."},
		{post, "/v1/credentials", `{` + credential + `,"enabled":1}`, "Enabled must be a boolean."},
		{post, "/v1/credentials", `{` + credential + `,"documentation":7}`, "documentation must be a string or null"},
		{post, "/v1/credentials", `{` + credential + `,"documentation":[]}`, "documentation must be a string or null"},
		{post, "/v1/credentials", `{` + credential + `,"tags":null}`, "tags must be a list of strings"},
		{post, "/v1/credentials", `{` + credential + `,"tags":"x"}`, "tags must be a list of strings"},
		{post, "/v1/credentials", `{` + credential + `,"tags":["x",1]}`, "tags must be a list of strings"},
		{post, "/v1/credentials", `{` + credential + `,"tags":[["x"]]}`, "tags must be a list of strings"},

		{put, "/v1/credentials/" + c, `{"name":null}`, "name is a required field"},
		{put, "/v1/credentials/" + c, `{"name":""}`, "name is a required field"},
		{put, "/v1/credentials/" + c, `{"name":{}}`, "name is a required field"},
		{put, "/v1/credentials/" + c, `{"credential_pairs":{}}`, "Credential Pairs cannot be empty."},
		{put, "/v1/credentials/" + c, `{"credential_pairs":null}`, "Credential Pairs cannot be empty."},
		{put, "/v1/credentials/" + c, `{"credential_pairs":7}`, "credential pairs must be key: value"},
		{put, "/v1/credentials/" + c, `{"metadata":null}`, "metadata must be a dict"},
		{put, "/v1/credentials/" + c, `{"enabled":1}`, "Enabled must be a boolean."},
		{put, "/v1/credentials/" + c, `{"documentation":true}`, "documentation must be a string or null"},
		{put, "/v1/credentials/" + c, `{"tags":null}`, "tags must be a list of strings"},
		{post, "/v1/credentials/" + c + "/archive", `{"force":"yes"}`, "force must be a boolean."},

		{post, "/v1/blind_credentials", `{` + blind + `,"enabled":"x"}`, "Enabled must be a boolean."},
		{post, "/v1/blind_credentials", `{` + blind + `,"metadata":null}`, "metadata must be a dict"},
		{post, "/v1/blind_credentials", `{` + blind + `,"documentation":{}}`, "documentation must be a string or null"},
		{post, "/v1/blind_credentials", `{` + blind + `,"credential_keys":null}`, "credential_keys must be a list."},
		{post, "/v1/blind_credentials", `{` + blind + `,"credential_keys":[1]}`, "credential_keys must be a list."},
		{post, "/v1/blind_credentials", `{` + strings.Replace(blind, "2", `"two"`, 1) + `}`, "cipher_version must be an integer"},
		{post, "/v1/blind_credentials", `{` + strings.Replace(blind, "2", `2.5`, 1) + `}`, "cipher_version must be an integer"},
		{post, "/v1/blind_credentials", `{` + strings.Replace(blind, `"fernet"`, `7`, 1) + `}`, "cipher_type must be a string or null"},
		{post, "/v1/blind_credentials", `{` + strings.Replace(blind, `"x"`, `7`, 1) + `}`, "name is a required field"},
		{put, "/v1/blind_credentials/" + b, `{"name":""}`, "name is a required field"},
		{put, "/v1/blind_credentials/" + b, `{"enabled":null}`, "Enabled must be a boolean."},
		{put, "/v1/blind_credentials/" + b, `{` + blind + `,"credential_keys":"a"}`, "credential_keys must be a list."},
		{put, "/v1/blind_credentials/" + b, `{` + strings.Replace(blind, `{"r":"k"}`, `"k"`, 1) + `}`, "data_key must be a dict with a region/key mapping."},

		{put, "/v1/services/svc-a", `{"credentials":null}`, "credentials must be a list of strings"},
		{put, "/v1/services/svc-a", `{"credentials":"x"}`, "credentials must be a list of strings"},
		{put, "/v1/services/svc-a", `{"credentials":[null]}`, "credentials must be a list of strings"},
		{put, "/v1/services/svc-a", `{"blind_credentials":{}}`, "blind_credentials must be a list of strings"},
		{put, "/v1/services/svc-a", `{"enabled":"x"}`, "Enabled must be a boolean."},
		{put, "/v1/services/svc-a", `{"account":7}`, "account must be a string or null"},
		{put, "/v1/services/svc-a", `{"account":"nowhere"}`, "nowhere is not a valid account."},
	}
	for _, tt := range tests {
		a := w.do(request{method: tt.method, path: tt.path, as: "ada", body: tt.body})
		if a.status != 400 || !strings.Contains(a.text("error"), tt.words) {
			t.Errorf("%s %s %.60s: %d %s, want a 400 with %q", tt.method, tt.path, tt.body, a.status, a.body, tt.words)
		}
	}
	if got := w.rows(); got != rows {
		t.Errorf("%d revisions, want %d: something was written", got, rows)
	}
}

func TestInput_ThePolicySpeaksBeforeAnybodyLooksAtTheMembers(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	for _, body := range []string{`{}`, `{"enabled":"x","tags":7}`, `{"name":`, `[]`, ``} {
		w.do(request{method: "POST", path: "/v1/credentials", as: "svc-a", body: body}).want(403)
		w.do(request{method: "PUT", path: "/v1/credentials/" + ids["credential"], as: "svc-a", body: body}).want(403)
		w.do(request{method: "PUT", path: "/v1/credentials/unknown", as: "ada", body: body}).want(404)
		w.do(request{method: "PUT", path: "/v1/services/svc-b", as: "svc-a", body: body}).want(403)
	}
}

func TestInput_ContentTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i, tt := range []struct {
		contentType string
		status      int
	}{
		{"application/json", 200},
		{"application/json; charset=utf-8", 200},
		{"application/json;charset", 200},
		{"Application/JSON", 200},
		{"application/vnd.example+json", 200},
		{"application/problem+json; x=y", 200},
		{"text/plain", 400},
		{"text/json", 400},
		{"application/x-www-form-urlencoded", 400},
		{"application/jsonx", 400},
		{"json", 400},
		{";", 400},
	} {
		a := w.do(request{
			method: "POST", path: "/v1/credentials", as: "ada", type_: tt.contentType,
			body: members{"name": string(rune('a' + i)), "credential_pairs": members{"a": "b"}},
		})
		if a.status != tt.status {
			t.Errorf("%q: %d, want %d: %s", tt.contentType, a.status, tt.status, a.body)
		}
	}
	r := w.request(request{method: "POST", path: "/v1/credentials", as: "ada", body: `{}`})
	r.Header.Del("Content-Type")
	w.do(request{method: "PUT", path: "/v1/credentials/x/1", as: "ada", body: "", type_: "text/plain"}).want(404) // an empty body has no type
}

func TestInput_ARowThatIsTooLargeIs413(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	big := strings.Repeat("x", 390<<10)
	w.post("ada", "/v1/credentials", members{"name": "n", "credential_pairs": members{"a": big}}).want(413)
	w.post("ada", "/v1/credentials", members{"name": "n", "credential_pairs": members{"a": "b"}, "metadata": members{"x": big}}).want(413)
	w.get("ada", "/v1/credentials").wantAt("credentials", "[]")
}

func TestTextsOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[]`: `[]`, ` [ ] `: "", `["a"]`: `["a"]`, `[ "a" , "b\n" ]`: `["a","b\n"]`, `["a",1]`: "", `[1]`: "", `{}`: "", `null`: "", `["a",["b"]]`: "",
	} {
		list, ok := textsOf(json.RawMessage(text))
		if ok != (want != "") {
			t.Errorf("textsOf(%s) = %q, %v", text, list, ok)
			continue
		}
		if ok {
			got, err := json.Marshal(list)
			if err != nil || string(got) != want {
				t.Errorf("textsOf(%s) = %s, want %s", text, got, want)
			}
		}
	}
}
