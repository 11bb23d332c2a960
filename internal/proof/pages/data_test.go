package pages_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// api asks a server as one user.
type api struct {
	base, token string
}

// object is a JSON object.
type object map[string]any

// do sends a request that has to succeed, and returns the answer.
func (a api) do(t *testing.T, method, path string, body object) object {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, a.base+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer object
	if err := json.Unmarshal(said, &answer); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d\n%s", method, path, resp.StatusCode, said)
	}
	return answer
}

// credential makes a credential and returns its id.
func (a api) credential(t *testing.T, fields object) string {
	t.Helper()
	id, ok := a.do(t, http.MethodPost, "/v1/credentials", fields)["id"].(string)
	if !ok {
		t.Fatal("a new credential has no id")
	}
	return id
}

// secret is in every value of the data, so that a page which delivers one unasked
// can be told.
const secret = "swordfish"

// data is what a server has.
type data struct {
	api
	credentials []string // ids of those that are enabled and mapped in turns
	unmapped    string   // id of a credential that no service maps
	disabled    string   // id of one that is disabled
	old         string   // id of one with five revisions, which all differ
	blind       string   // id of a blind credential with two revisions
	services    []string // names, each with two revisions
}

// count of credentials: more than one page of a list shows.
const credentials = 60

// seed fills a server.
func seed(t *testing.T, a api) *data {
	t.Helper()
	d := &data{api: a}
	for i := range credentials {
		d.credentials = append(d.credentials, a.credential(t, object{
			"name":             fmt.Sprintf("Database of team %02d", i),
			"credential_pairs": object{fmt.Sprintf("database_password_%02d", i): fmt.Sprint(secret, i)},
			"documentation":    "Log in to the **console**, make a new one, put it here.",
			"metadata":         object{"owner": fmt.Sprintf("team-%02d", i)},
			"tags":             []string{fmt.Sprintf("team-%02d", i%7)},
		}))
	}
	doc := "Nobody remembers."
	d.unmapped = a.credential(t, object{
		"name": "Forgotten key", "credential_pairs": object{"forgotten": secret}, "documentation": doc,
	})
	d.disabled = a.credential(t, object{
		"name": "Retired key", "credential_pairs": object{"retired": secret}, "documentation": doc, "enabled": false,
	})
	d.old = a.credential(t, object{
		"name": "Old key, revision 1", "credential_pairs": object{"old_1": secret}, "documentation": doc,
	})
	for n := 2; n <= 5; n++ {
		a.do(t, http.MethodPut, "/v1/credentials/"+d.old, object{
			"name":             fmt.Sprintf("Old key, revision %d", n),
			"credential_pairs": object{fmt.Sprintf("old_%d", n): fmt.Sprint(secret, n), "old_kept": secret},
		})
	}
	d.blind, _ = a.do(t, http.MethodPost, "/v1/blind_credentials", object{
		"name": "Signing key", "credential_pairs": object{"eu-west-1": "Z0FBQUFBQm4="}, "data_key": object{"eu-west-1": "QVFJQ0FIaQ=="},
		"credential_keys": []string{"signing_key"}, "cipher_type": "fernet", "cipher_version": 2, "documentation": doc,
	})["id"].(string)
	a.do(t, http.MethodPut, "/v1/blind_credentials/"+d.blind, object{"documentation": "Made with the **client**."})
	for i, name := range []string{"payments-production", "payments-staging", "search-production"} {
		maps := []string{d.credentials[i], d.credentials[i+3], d.old}
		a.do(t, http.MethodPut, "/v1/services/"+name, object{"credentials": maps[:1]})
		a.do(t, http.MethodPut, "/v1/services/"+name, object{"credentials": maps, "blind_credentials": []string{d.blind}, "enabled": i != 1})
		d.services = append(d.services, name)
	}
	return d
}
