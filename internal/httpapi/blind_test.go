package httpapi

import (
	"maps"
	"strings"
	"testing"
)

// sealedByClient is a blind credential as a client makes it.
func sealedByClient(name string) members {
	return members{
		"name": name, "credential_pairs": members{"eu-west-1": "Z0FBQUFBQm4=", "us-east-1": "Z0FBQUFBQm8="},
		"data_key": members{"eu-west-1": "QVFJQ0FIaQ=="}, "credential_keys": []string{"b", "a", "b"}, "cipher_type": "fernet", "cipher_version": "2",
		"metadata": members{"context": members{"eu-west-1": members{"to": "x"}}},
	}
}

func without(m members, names ...string) members {
	m = maps.Clone(m)
	for _, name := range names {
		delete(m, name)
	}
	return m
}

func with(m members, name string, value any) members {
	m = maps.Clone(m)
	m[name] = value
	return m
}

func TestBlind_CreateThenGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	made := w.post("ada", "/v1/blind_credentials", sealedByClient("n")).want(200).wantAt("revision", "1").wantAt("enabled", "true").
		wantAt("credential_keys", `["a","b"]`).wantAt("cipher_version", "2").wantAt("documentation", "null").
		wantAt("credential_pairs", `{"eu-west-1":"Z0FBQUFBQm4=","us-east-1":"Z0FBQUFBQm8="}`).
		wantAt("metadata", `{"context":{"eu-west-1":{"to":"x"}}}`)
	got := w.get("ada", "/v1/blind_credentials/"+made.text("id")).want(200)
	sameJSON(t, "get after create", got.body, made.body)
	w.post("ada", "/v1/blind_credentials", without(sealedByClient("m"), "metadata", "credential_keys")).want(200).
		wantAt("metadata", "{}").wantAt("credential_keys", "[]")
	w.post("ada", "/v1/blind_credentials", sealedByClient("n")).want(409).wantAt("reference", `"`+made.text("id")+`"`)
	// Blind names are a space of their own.
	w.credential("n", members{"a": "b"})
}

func TestBlind_CiphertextStaysByteForByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const body = `{"name":"n","credential_pairs":{"r":"\u0041\/b","n": 1.0},"data_key":{"r":"k"},"cipher_type":"t","cipher_version":1}`
	id := w.post("ada", "/v1/blind_credentials", body).want(200).text("id")
	if got := string(w.get("ada", "/v1/blind_credentials/"+id).body); !strings.Contains(got, `{"r":"\u0041\/b","n": 1.0}`) {
		t.Errorf("the ciphertext was rewritten: %s", got)
	}
}

func TestBlind_MissingMembersAreNamedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	full := sealedByClient("n")
	for _, tt := range []struct {
		body  members
		words string
	}{
		{members{}, "The following fields are required: ['cipher_version', 'cipher_type', 'credential_pairs', 'data_key']"},
		{without(full, "cipher_type"), "The following fields are required: ['cipher_type']"},
		{with(with(full, "data_key", members{}), "cipher_version", 0), "The following fields are required: ['cipher_version', 'data_key']"},
		{with(full, "data_key", "k"), "data_key must be a dict with a region/key mapping."},
		{with(full, "credential_keys", "a"), "credential_keys must be a list."},
		{with(full, "metadata", []int{}), "metadata must be a dict"},
		{without(full, "name"), "name is a required field"},
	} {
		w.post("ada", "/v1/blind_credentials", tt.body).wantError(400, tt.words)
	}
	strict := newWorld(t, func(s *setup) { s.rules.EnforceDocumentation = true })
	strict.post("ada", "/v1/blind_credentials", full).wantError(400, "The following fields are required: ['documentation']")
}

func TestBlind_Update(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.post("ada", "/v1/blind_credentials", sealedByClient("n")).want(200).text("id")
	path := "/v1/blind_credentials/" + id
	// A client sends back the whole record that it read.
	record, _ := jsonValue(t, w.get("ada", path).body).(members)
	w.put("ada", path, with(without(record, "revision", "modified_by", "modified_date"), "documentation", "d")).want(200).
		wantAt("revision", "2").wantAt("documentation", `"d"`).wantAt("credential_pairs", `{"eu-west-1":"Z0FBQUFBQm4=","us-east-1":"Z0FBQUFBQm8="}`)
	for _, missing := range []string{"data_key", "cipher_type", "cipher_version"} {
		w.put("ada", path, without(sealedByClient("n"), missing)).wantError(400, missing+" required when updating credential_pairs.")
	}
	// Without pairs the rest of what is sealed is not looked at.
	w.put("ada", path, members{"data_key": "k", "cipher_version": "x", "credential_keys": 1, "enabled": false}).want(200).
		wantAt("enabled", "false").wantAt("credential_keys", `["a","b"]`)
	w.put("ada", path, without(sealedByClient("n"), "credential_keys")).want(200).wantAt("credential_keys", "[]")
	w.put("ada", path, members{"enabled": 1}).wantError(400, "Enabled must be a boolean.")
	w.put("ada", path, members{"metadata": nil}).wantError(400, "metadata must be a dict")
	other := w.post("ada", "/v1/blind_credentials", sealedByClient("other")).text("id")
	w.put("ada", path, members{"name": "other"}).want(409).wantAt("reference", `"`+other+`"`)
	w.put("ada", "/v1/blind_credentials/unknown", members{}).wantError(404, "Blind credential not found.")
	w.put("ada", "/v1/blind_credentials/"+w.credential("c", members{"a": "b"}), members{}).wantError(400, "id provided is not a blind-credential.")
}

func TestBlind_HistoryIsReal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.post("ada", "/v1/blind_credentials", sealedByClient("n")).want(200).text("id")
	w.put("ada", "/v1/blind_credentials/"+id, members{"documentation": "two"}).want(200)
	w.get("ada", "/v1/archive/blind_credentials/"+id).want(200).wantAt("next_page", "null").
		wantAt("revisions/0/id", `"`+id+`-2"`).wantAt("revisions/0/documentation", `"two"`).
		wantAt("revisions/1/id", `"`+id+`-1"`).wantAt("revisions/1/documentation", "null").
		wantAt("revisions/1/data_key", `{"eu-west-1":"QVFJQ0FIaQ=="}`)
	old := w.get("ada", "/v1/blind_credentials/"+id+"-1").want(200).wantAt("id", `"`+id+`-1"`).wantAt("documentation", "null")
	if old.header.Get("ETag") != "" {
		t.Error("a historic revision has an ETag")
	}
	w.put("ada", "/v1/blind_credentials/"+id+"/1", nil).want(200).wantAt("revision", "3").wantAt("documentation", "null")
	w.put("ada", "/v1/blind_credentials/"+id+"/1", nil).wantError(400, "No difference between old and new blind credential.")
	w.put("ada", "/v1/blind_credentials/"+id+"/9", nil).wantError(404, "Blind credential not found.")
	w.get("ada", "/v1/blind_credentials/"+id+"-9").want(404)
	w.get("ada", "/v1/archive/blind_credentials/unknown").want(404)
}

func TestBlind_ServicesReadAndDoNotWrite(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	w.get("svc-a", "/v1/blind_credentials/"+ids["blind_credential"]).want(200)
	w.put("svc-a", "/v1/blind_credentials/"+ids["blind_credential"], members{}).want(403)
	w.post("svc-a", "/v1/blind_credentials", sealedByClient("n")).want(403)
}
