package httpapi

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
)

func TestCredential_CreateThenGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	made := w.post("ada", "/v1/credentials", members{
		"name": "Gateway", "credential_pairs": members{"User": "shop", "PASSWORD": "x", "n": 1.5}, "unknown": []int{1},
	}).want(200)
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(made.text("id")) {
		t.Errorf("id %q", made.text("id"))
	}
	made.wantAt("revision", "1").wantAt("enabled", "true").wantAt("metadata", "{}").wantAt("documentation", "null").wantAt("tags", "[]").
		wantAt("credential_keys", `["n","password","user"]`).wantAt("credential_pairs", `{"user":"shop","password":"x","n":1.5}`).
		wantAt("permissions", `{"metadata":true,"get":true,"update":true}`).wantAt("modified_by", `"`+ada+`"`).wantAt("next_rotation_date", "null")
	got := w.get("ada", "/v1/credentials/"+made.text("id")).want(200)
	sameJSON(t, "get after create", got.body, made.body)
	if got.header.Get("ETag") != `"1"` {
		t.Errorf("ETag = %q", got.header.Get("ETag"))
	}
}

func TestCredential_NumbersKeepTheirText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.post("ada", "/v1/credentials", `{"name":"n","credential_pairs":{"a":1.50,"b":1e3,"c":-0,"d":12345678901234567890,"e":null,"f":true}}`).text("id")
	if got := string(w.get("ada", "/v1/credentials/"+id).body); !strings.Contains(got, `{"a":1.50,"b":1e3,"c":-0,"d":12345678901234567890,"e":null,"f":true}`) {
		t.Errorf("the pairs have other numbers: %s", got)
	}
}

func TestCredential_MetadataOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("n", members{"a": "b"})
	for value, hidden := range map[string]bool{
		"true": true, "True": true, "1": true,
		"false": false, "False": false, "": false, "TRUE": false, "yes": false, "0": false,
	} {
		want := `{"a":"b"}`
		if hidden {
			want = "{}"
		}
		w.get("ada", "/v1/credentials/"+id+"?metadata_only="+value).want(200).
			wantAt("credential_pairs", want).wantAt("credential_keys", `["a"]`).wantAt("permissions/update", "true")
	}
	w.get("ada", "/v1/credentials/"+id).want(200).wantAt("credential_pairs", `{"a":"b"}`)
}

func TestCredential_WithoutTheRightToGetTheValuesStayHidden(t *testing.T) {
	t.Parallel()
	// bob may do everything but get; eve may do nothing.
	w := newWorld(t, func(s *setup) {
		s.policy = []authz.Entry{{Name: "no-values", Active: true, Cedar: `
			forbid (principal, action == Action::"get", resource is credential) when { principal.name == "bob@example.com" };
			forbid (principal, action, resource) when { principal.name == "eve@example.com" };`}}
	})
	id := w.credential("n", members{"a": "b"})
	w.get("bob", "/v1/credentials/"+id).want(200).wantAt("credential_pairs", "{}").wantAt("credential_keys", `["a"]`).wantAt("permissions", `{"metadata":true,"get":false,"update":true}`)
	w.put("bob", "/v1/credentials/"+id, members{"documentation": "d"}).want(200).
		wantAt("credential_pairs", "{}").wantAt("permissions/get", "false").wantAt("revision", "2").wantAt("credential_keys", `["a"]`)
	w.get("ada", "/v1/credentials/"+id).want(200).wantAt("credential_pairs", `{"a":"b"}`).wantAt("documentation", `"d"`)
	for _, asked := range []string{id, "unknown"} {
		w.get("eve", "/v1/credentials/"+asked).want(403).wantAt("reference", `"`+asked+`"`)
	}
}

func TestCredential_OnlyCurrentOnesAreFound(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	c, b := ids["credential"], ids["blind_credential"]
	for _, id := range []string{c + "-1", c + "-2", b, "svc-a", "unknown"} {
		w.get("ada", "/v1/credentials/"+id).want(404)
	}
	w.put("ada", "/v1/credentials/unknown", members{"documentation": "d"}).wantError(404, "Credential not found.")
	for _, id := range []string{"svc-a", b, c + "-1"} {
		w.put("ada", "/v1/credentials/"+id, members{"documentation": "d"}).wantError(400, "id provided is not a credential.")
	}
}

func TestCredential_UpdateKeepsWhatIsAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.post("ada", "/v1/credentials", members{
		"name": "n", "credential_pairs": members{"a": "b"}, "documentation": "d", "metadata": members{"x": 1}, "tags": []string{"T"}, "enabled": false,
	}).text("id")
	before := w.get("ada", "/v1/credentials/"+id)
	rotated := before.text("last_rotation_date")
	w.put("ada", "/v1/credentials/"+id+"?metadata_only=true", members{}).want(200).wantAt("revision", "2").
		wantAt("name", `"n"`).wantAt("documentation", `"d"`).wantAt("metadata", `{"x":1}`).wantAt("tags", `["T"]`).wantAt("enabled", "false").
		wantAt("credential_pairs", `{"a":"b"}`).wantAt("last_rotation_date", `"`+rotated+`"`)
	w.put("ada", "/v1/credentials/"+id, members{"documentation": nil, "enabled": true, "tags": []string{}, "metadata": members{}, "name": "m"}).want(200).
		wantAt("documentation", "null").wantAt("enabled", "true").wantAt("tags", "[]").wantAt("metadata", "{}").wantAt("name", `"m"`)
	// The same pairs in other case are the same pairs, but a new revision.
	w.put("ada", "/v1/credentials/"+id, members{"credential_pairs": members{"A": "b"}}).want(200).
		wantAt("revision", "4").wantAt("last_rotation_date", `"`+rotated+`"`)
	if got := w.put("ada", "/v1/credentials/"+id, members{"credential_pairs": members{"a": "c"}}).want(200).text("last_rotation_date"); got == rotated {
		t.Error("changed pairs do not move the rotation date")
	}
}

func TestCredential_NamesAreTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("n", members{"a": "b"})
	other := w.credential("m", members{"a": "b"})
	words := "Name already exists. See id: " + id
	w.post("ada", "/v1/credentials", members{"name": "n", "credential_pairs": members{"a": "b"}}).wantError(409, words).wantAt("reference", `"`+id+`"`)
	w.put("ada", "/v1/credentials/"+other, members{"name": "n"}).wantError(409, words)
	w.put("ada", "/v1/credentials/"+id, members{"name": "n"}).want(200)
	// A name that a revert would bring back may be another's by now.
	w.put("ada", "/v1/credentials/"+id, members{"name": "renamed"}).want(200)
	w.put("ada", "/v1/credentials/"+other, members{"name": "n"}).want(200)
	w.put("ada", "/v1/credentials/"+id+"/1", nil).want(409).wantAt("reference", `"`+other+`"`)
}

func TestCredential_IfMatch(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	for kind, path := range map[string]string{
		"credential": "/v1/credentials/", "blind_credential": "/v1/blind_credentials/", "service": "/v1/services/",
	} {
		path += ids[kind]
		for _, suffix := range []string{"", "/1"} {
			a := w.do(request{method: "PUT", path: path + suffix, as: "ada", body: members{"enabled": false}, header: []string{"If-Match", `"1"`}})
			a.wantError(409, ids[kind]+" was changed concurrently, reload and try again").wantAt("reference", `"`+ids[kind]+`"`)
			for _, bad := range []string{"2", `"x"`, `W/"2"`, "*", `"2", "3"`, `""`, `"0"`} {
				w.do(request{method: "PUT", path: path + suffix, as: "ada", body: members{}, header: []string{"If-Match", bad}}).want(400)
			}
		}
		a := w.get("ada", path).want(200)
		w.do(request{method: "PUT", path: path, as: "ada", body: members{"enabled": false}, header: []string{"If-Match", a.header.Get("ETag")}}).want(200).wantAt("revision", "3")
	}
}

func TestCredential_EnforcedDocumentation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.rules.EnforceDocumentation = true })
	const words = "documentation is a required field"
	for _, documentation := range []any{nil, ""} {
		w.post("ada", "/v1/credentials", members{"name": "n", "credential_pairs": members{"a": "b"}, "documentation": documentation}).wantError(400, words)
	}
	w.post("ada", "/v1/credentials", members{"name": "n", "credential_pairs": members{"a": "b"}}).wantError(400, words)
	id := w.post("ada", "/v1/credentials", members{"name": "n", "credential_pairs": members{"a": "b"}, "documentation": "d"}).want(200).text("id")
	w.put("ada", "/v1/credentials/"+id, members{"enabled": false}).want(200)
	for _, falsy := range []any{nil, false, 0, 0.0, "", []int{}, members{}} {
		w.put("ada", "/v1/credentials/"+id, members{"documentation": "", "revision": falsy}).wantError(400, words)
	}
	for i, truthy := range []any{1, true, "0", 0.5, []int{0}} {
		w.put("ada", "/v1/credentials/"+id, members{"documentation": "", "revision": truthy}).want(200).wantAt("revision", fmt.Sprint(i+3))
	}
	w.put("ada", "/v1/credentials/"+id+"/1", nil).want(200).wantAt("documentation", `"d"`)
	w.put("ada", "/v1/credentials/"+id+"/3", nil).want(200).wantAt("documentation", `""`)
}

func TestCredential_Revert(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("n", members{"a": "one"})
	w.put("ada", "/v1/credentials/"+id, members{"credential_pairs": members{"b": "two"}, "name": "m"}).want(200)
	// With an empty body that is declared as JSON, as one client sends it.
	w.do(request{method: "PUT", path: "/v1/credentials/" + id + "/1", as: "ada", body: ""}).want(200).
		wantAt("revision", "3").wantAt("credential_pairs", "{}").wantAt("credential_keys", `["a"]`).wantAt("name", `"n"`).
		wantAt("permissions", `{"metadata":true,"get":true,"update":true}`)
	w.get("ada", "/v1/credentials/"+id).wantAt("credential_pairs", `{"a":"one"}`)
	w.put("ada", "/v1/credentials/"+id+"/1", members{"id": id, "revision": 1}).wantError(400, "No difference between old and new credential.")
	for _, n := range []string{"999", "abc", "0", "-1", "+1", "01", "None", "services", "99999999999999999999"} {
		w.put("ada", "/v1/credentials/"+id+"/"+n, nil).want(404)
	}
	w.put("ada", "/v1/credentials/unknown/1", nil).wantError(404, "Credential not found.")
	w.put("ada", "/v1/credentials/"+id+"-1/1", nil).wantError(400, "id provided is not a credential.")
}

func TestCredential_Diff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.post("ada", "/v1/credentials", members{
		"name": "n", "credential_pairs": members{"gone": "secret-1", "kept": "secret-2", "changed": "secret-3"},
		"metadata": members{"x": 1, "y": 2}, "tags": []string{"B", "A"},
	}).text("id")
	w.put("bob", "/v1/credentials/"+id, members{
		"credential_pairs": members{"new": "secret-4", "kept": "secret-2", "changed": "secret-5"}, "metadata": members{"x": 2, "y": 2},
		"documentation": "d", "enabled": false, "tags": []string{"C", "A"},
	}).want(200)
	forth, back := w.get("ada", "/v1/credentials/"+id+"/1/2").want(200), w.get("ada", "/v1/credentials/"+id+"/2/1").want(200)
	sameJSON(t, "the diff the other way round", back.body, forth.body)
	forth.wantAt("credential_pairs", `{"added":["changed","new"],"removed":["changed","gone"]}`).
		wantAt("metadata", `{"added":["x"],"removed":["x"]}`).wantAt("tags", `{"added":["C"],"removed":["B"]}`).
		wantAt("documentation", `{"added":"d","removed":null}`).wantAt("enabled", `{"added":false,"removed":true}`).
		wantAt("modified_by", `{"added":"bob@example.com","removed":"ada@example.com"}`)
	if strings.Contains(string(forth.body), "secret") || strings.Contains(string(forth.body), `"name"`) {
		t.Errorf("the diff tells too much: %s", forth.body)
	}
	sameJSON(t, "no difference", w.get("ada", "/v1/credentials/"+id+"/1/1").want(200).body, []byte("{}"))
	for _, path := range []string{"/unknown/1/2", "/" + id + "/1/9", "/" + id + "/x/1", "/" + id + "/0/1", "/" + id + "-1/1/2"} {
		w.get("ada", "/v1/credentials"+path).want(404)
	}
}

func TestCredential_Revisions(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	id := ids["credential"]
	a := w.get("ada", "/v1/archive/credentials/"+id+"?page=nonsense&limit=1").want(200).wantAt("next_page", "null")
	a.wantAt("revisions/0/id", `"`+id+`-1"`).wantAt("revisions/1/id", `"`+id+`-2"`).
		wantAt("revisions/1/credential_keys", "[]").wantAt("revisions/1/credential_pairs", "{}").wantAt("revisions/1/permissions", "{}")
	w.get("ada", "/v1/archive/credentials/unknown").want(404)
	w.get("ada", "/v1/archive/credentials/svc-a").want(404)
	w.get("ada", "/v1/archive/credentials/"+id+"-1").want(200).wantAt("revisions", "[]")
}

func TestCredential_Dependents(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	w.service("svc-0", ids["credential"])
	w.put("ada", "/v1/services/svc-0", members{"enabled": false}).want(200)
	w.get("ada", "/v1/credentials/"+ids["credential"]+"/services").want(200).
		wantAt("services", `[{"id":"svc-0","enabled":false},{"id":"svc-a","enabled":true}]`)
	w.get("ada", "/v1/blind_credentials/"+ids["blind_credential"]+"/services").want(200).wantAt("services", `[{"id":"svc-a","enabled":true}]`)
	w.get("ada", "/v1/credentials/unknown/services").want(200).wantAt("services", "[]")
	w.get("ada", "/v1/blind_credentials/unknown/services").want(200).wantAt("services", "[]")
}

func TestCredential_Archive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("n", members{"a": "b"})
	path := "/v1/credentials/" + id + "/archive"
	w.service("svc-a", id)
	w.post("ada", path, members{"force": true}).wantError(400, "Credential still enabled")
	w.put("ada", "/v1/credentials/"+id, members{"enabled": false}).want(200)
	w.post("ada", path, members{"force": true}).wantError(400, "Credential has mapped services")
	w.put("ada", "/v1/services/svc-a", members{"credentials": []string{}}).want(200)
	for _, force := range []any{"yes", 1, nil, []bool{true}} {
		w.post("ada", path, members{"force": force}).wantError(400, "force must be a boolean.")
	}
	w.post("ada", path, nil).want(200).wantAt("result", `"dry-run success"`)
	w.post("ada", path, "").want(200).wantAt("result", `"dry-run success"`)
	w.post("ada", path, members{}).want(200).wantAt("result", `"dry-run success"`)
	w.post("ada", path, members{"force": false}).want(200).wantAt("result", `"dry-run success"`)
	w.get("ada", "/v1/credentials/"+id).want(200)
	w.post("ada", path, members{"force": true}).want(200).wantAt("result", `"success"`)
	w.get("ada", "/v1/credentials/"+id).want(404)
	w.get("ada", "/v1/archive/credentials/"+id).want(404)
	w.get("ada", "/v1/credentials").want(200).wantAt("credentials", "[]")
	w.get("ada", "/v1/archive/credentials").want(200).wantAt("credentials", "[]")
	w.post("ada", path, members{"force": true}).wantError(404, "Credential not found.")
	w.post("ada", "/v1/credentials/svc-a/archive", nil).wantError(400, "id provided is not a credential.")
}

func TestCredential_ConflictsNameEverybodyConcerned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	one, two := w.credential("one", members{"a": "1"}), w.credential("two", members{"b": "2"})
	blind := w.post("ada", "/v1/blind_credentials", members{
		"name": "blind", "credential_pairs": members{"r": "x"}, "data_key": members{"r": "k"}, "credential_keys": []string{"c"},
		"cipher_type": "fernet", "cipher_version": 2,
	}).want(200).text("id")
	w.put("ada", "/v1/services/svc-a", members{"credentials": []string{one, two}, "blind_credentials": []string{blind}}).want(200)
	w.service("svc-0", one, two)
	const words = "Conflicting key pairs in mapped service."
	w.put("ada", "/v1/credentials/"+one, members{"credential_pairs": members{"B": "x"}}).wantError(400, words).
		wantAt("conflicts", `{"b":{"services":["svc-0","svc-a"],"credentials":["`+two+`"],"blind_credentials":[]}}`)
	w.put("ada", "/v1/credentials/"+one, members{"credential_pairs": members{"b": "x", "c": "y"}}).wantError(400, words).
		wantAt("conflicts/c", `{"services":["svc-a"],"credentials":[],"blind_credentials":["`+blind+`"]}`)
	w.get("ada", "/v1/credentials/"+one).wantAt("revision", "1")
	three := w.credential("three", members{"a": "3", "b": "3"})
	ids := []string{one, three}
	slices.Sort(ids)
	w.put("ada", "/v1/services/svc-b", members{"credentials": ids}).wantError(400, words).
		wantAt("conflicts", `{"a":{"credentials":["`+ids[0]+`","`+ids[1]+`"],"blind_credentials":[]}}`)
	w.get("ada", "/v1/services/svc-b").want(404)

	lax := newWorld(t, func(s *setup) { s.rules.IgnoreConflicts = true })
	lax.service("svc-a", lax.credential("one", members{"a": "1"}), lax.credential("two", members{"a": "2"}))
}

func TestCredential_ManyWritersGetRevisionsWithoutGaps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("n", members{"a": "b"})
	var wg sync.WaitGroup
	statuses := make([]int, 20)
	for i := range statuses {
		wg.Go(func() {
			statuses[i] = w.put("ada", "/v1/credentials/"+id, members{"documentation": fmt.Sprint(i)}).status
		})
	}
	wg.Wait()
	written := 0
	for _, status := range statuses {
		switch status {
		case http.StatusOK:
			written++
		case http.StatusConflict:
		default:
			t.Errorf("status %d", status)
		}
	}
	current := w.get("ada", "/v1/credentials/"+id).wantAt("revision", fmt.Sprint(written+1))
	seen := map[string]bool{}
	list, _ := w.get("ada", "/v1/archive/credentials/"+id).at("revisions").([]any)
	for i, r := range list {
		row, _ := r.(members)
		if fmt.Sprint(row["revision"]) != fmt.Sprint(i+1) {
			t.Errorf("revision %v at place %d", row["revision"], i+1)
		}
		text := fmt.Sprint(row["documentation"])
		if seen[text] {
			t.Errorf("documentation %q stands in two revisions", text)
		}
		seen[text] = true
	}
	if len(list) != written+1 || fmt.Sprint(list[len(list)-1].(members)["documentation"]) != current.text("documentation") {
		t.Errorf("%d revisions for %d writes", len(list), written)
	}
}

func TestCredential_LastDecryptedMovesTheRotationDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.rules.SaveLastDecrypted = true
		s.rules.Rotation.Maximum = 30
	})
	made := w.post("ada", "/v1/credentials", members{"name": "n", "credential_pairs": members{"a": "b"}})
	id, due := made.text("id"), made.text("next_rotation_date")
	w.get("ada", "/v1/credentials/"+id+"?metadata_only=true").wantAt("next_rotation_date", `"`+due+`"`)
	if got := w.get("ada", "/v1/credentials/"+id).text("next_rotation_date"); got >= due {
		t.Errorf("after the values were seen they are due %s, want before %s", got, due)
	}
}
