package webui_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// ciphertext and wrapped stand in what clients seal in these tests; no page shows
// them.
const (
	ciphertext = "Z0FBQUFBQm4"
	wrapped    = "QVFJQ0FIaQ"
)

// written is what a client wrote, with other members or without some.
func written(change map[string]any) string {
	object := map[string]any{
		"name": "of the client", "credential_pairs": map[string]string{"eu-west-1": ciphertext}, "data_key": map[string]string{"eu-west-1": wrapped},
		"credential_keys": []string{"token", "user"}, "cipher_type": "fernet", "cipher_version": "2",
		"metadata": map[string]any{"context": map[string]any{"eu-west-1": map[string]string{"to": "payments"}}},
	}
	for name, value := range change {
		if object[name] = value; value == nil {
			delete(object, name)
		}
	}
	text, _ := json.Marshal(object)
	return string(text)
}

// stored returns a blind credential as it is stored now.
func (w *world) stored(id string) *blind.Credential {
	w.t.Helper()
	view, err := w.vault.GetBlindCredential(w.t.Context(), caller(ada), id)
	must(w.t, err)
	return view.Row
}

// madeBlind makes a blind credential on its page and returns its id.
func (w *world) madeBlind(name, text string) string {
	w.t.Helper()
	const path = "/blind-credentials/new"
	p := w.press(ada, path, w.get(ada, path), "create", "name", name, "sealed.text", text)
	to, err := url.Parse(p.header.Get("Location"))
	must(w.t, err)
	id, ok := strings.CutPrefix(to.Path, "/blind-credentials/")
	if p.status != http.StatusSeeOther || !ok || to.RawQuery != "done=created" {
		w.t.Fatalf("making %s: %d to %q\n%s", name, p.status, to, p.body)
	}
	return id
}

func TestBlind_TellsWhatIsKnownAndShowsNothingSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.madeBlind("Signing <b>", written(map[string]any{"metadata": map[string]any{"owner <i>": "a <b> team", "context": map[string]any{"eu-west-1": 1}}}))
	w.put("payments", vault.ServiceChange{BlindCredentials: &[]string{id}})
	documentation := "Ask **ops** <script>"
	text := &documentation
	_, err := w.vault.UpdateBlindCredential(t.Context(), caller(ada), id, vault.BlindChange{Documentation: &text})
	must(t, err)
	plain := w.credential("other", map[string]string{"k": "v"})
	before := len(w.audit.Entries())
	w.get(ada, "/blind-credentials/"+id).want(200,
		"Nobody can read this here: it was sealed before it came.", "<h1>Signing &lt;b&gt;</h1>", "Revision 2", "by "+ada,
		`<span class="mono">token</span>, <span class="mono">user</span>`, "fernet, version 2", "eu-west-1",
		`href="/services/payments"`, "Ask <strong>ops</strong> &lt;script&gt;", "owner &lt;i&gt;", "a &lt;b&gt; team", id,
		`href="/blind-credentials/`+id+`/edit"`, `/state">Disable`, "/history",
	).not(ciphertext, wrapped, "Data keys for")
	if n := len(w.audit.Entries()) - before; n != 1 {
		t.Errorf("%d audit records, want 1", n)
	}
	w.get(bob, "/blind-credentials/"+id).want(200, "fernet").not("/edit", "/state", ciphertext)
	w.readOnly = true
	w.get(ada, "/blind-credentials/"+id).want(200, "Maintenance mode").not("/edit", "/state")
	for _, form := range []string{"/blind-credentials/new", "/blind-credentials/" + id + "/edit"} {
		w.get(ada, form).want(403, "Server in maintenance mode.").not("<textarea")
	}
	w.get("", "/blind-credentials/"+id).leadsTo(302, "/login?next="+url.QueryEscape("/blind-credentials/"+id))
	w.get(ada, "/blind-credentials/nothing").want(404)
	w.get(ada, "/blind-credentials/"+plain).want(404)
}

func TestBlind_SaysWhereNothingIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	made, err := w.vault.CreateBlindCredential(t.Context(), caller(ada), vault.NewBlind{
		Name: "odd", Pairs: json.RawMessage(`"` + ciphertext + `"`), DataKey: json.RawMessage(`{"us-east-1":"` + wrapped + `"}`), CipherType: "x", CipherVersion: 1,
	})
	must(t, err)
	w.get(ada, "/blind-credentials/"+made.Row.ID).want(200, "The client did not tell which", "None that can be told", "Data keys for", "us-east-1", "Disabled", "None. Map it").not(ciphertext, wrapped)
}

func TestNewBlind_TakesWhatTheClientWrote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const path = "/blind-credentials/new"
	p := w.get(ada, path).want(200, `name="name" value="" maxlength="1024" required autofocus`, "It is sealed where the values are")
	p = w.press(ada, path, p, "add-metadata", "name", "signing", "sealed.text", written(nil)).
		want(200, "Kept for 15 minutes", "token", "fernet, version 2", "eu-west-1", `value="context"`, `id="metadata-1-key" name="metadata.1.key" value="" aria-label`).
		not(ciphertext, wrapped, "sealed-text")
	p = w.press(ada, path, p, "create", "name", "", "metadata.1.key", "owner", "metadata.1.value", "ops").want(400, `id="name-problem">A blind credential needs a name.`).not(ciphertext)
	to := w.press(ada, path, p, "create", "name", "signing").header.Get("Location")
	id := strings.TrimSuffix(strings.TrimPrefix(to, "/blind-credentials/"), "?done=created")
	row := w.stored(id)
	got := fmt.Sprintf("%s %s %s %s %v %s %d %s %v", row.Name, row.Pairs, row.DataKey, row.Metadata, row.KeyNames, row.CipherType, row.CipherVersion, row.ModifiedBy, row.Enabled)
	want := `signing {"eu-west-1":"` + ciphertext + `"} {"eu-west-1":"` + wrapped + `"} {"context":{"eu-west-1":{"to":"payments"}},"owner":"ops"} [token user] fernet 2 ` + ada + " true"
	if got != want {
		t.Errorf("stored is\n%s, want\n%s", got, want)
	}
	w.press(ada, path, p, "create", "name", "signing").want(409, "Name already exists. See id: "+id).not(ciphertext)
	w.get(ada, to).want(200, "Created.")
	if again := w.press(ada, path, p, "again").want(200, `id="sealed-text"`); strings.Contains(again.body, "sealed.kept") {
		t.Error("what is to be pasted again is kept")
	}
	// What a server answered a client with comes with a word around it.
	w.madeBlind("wrapped", `{"result": true, "blind_credential": `+written(map[string]any{"cipher_version": 2, "credential_keys": nil})+"}\n")
	w.get(bob, path).want(403).not("sealed-text")
}

func TestNewBlind_TakesAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const path = "/blind-credentials/new"
	send := func(name, content string) page {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		form := fields(w.get(ada, path))
		form.Set("do", "create")
		form.Set("name", name)
		for field, values := range form {
			must(t, m.WriteField(field, values[0]))
		}
		part, err := m.CreateFormFile("sealed.file", "blind.json")
		must(t, err)
		_, err = part.Write([]byte(content))
		must(t, err)
		must(t, m.Close())
		return w.send(ada, http.MethodPost, path, &body, m.FormDataContentType())
	}
	if p := send("signing", written(nil)); p.status != http.StatusSeeOther {
		t.Errorf("%d\n%s", p.status, p.body)
	}
	send("other", "\xff\xfe").want(400, `id="sealed-problem">The file is not text in UTF-8.`)
	send("other", "{").want(400, `id="sealed-problem">This is no JSON object.`)
	send("other", "").want(400, `id="sealed-problem">Paste what the client wrote`)
}

func TestNewBlind_SaysWhatIsWrongBesideTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(set *furnishing) { set.rules.EnforceDocumentation = true })
	const path = "/blind-credentials/new"
	region := func(name string) map[string]string { return map[string]string{name: ciphertext} }
	for _, tt := range []struct {
		text, want string
	}{
		{"", "Paste what the client wrote, or choose its file."},
		{" \r\n", "Paste what the client wrote, or choose its file."},
		{"PASSWORD=" + ciphertext, "This is no JSON object."},
		{`[1]`, "This is no JSON object."},
		{`null`, "This is no JSON object."},
		{written(nil) + "x", "This is no JSON object."},
		{`{}`, "It lacks credential_pairs, data_key, cipher_type and cipher_version."},
		{written(map[string]any{"data_key": nil, "DATA_KEY": region("r")}), "It lacks data_key."},
		{written(map[string]any{"credential_pairs": map[string]string{"PASSWORD": ciphertext}}), "credential_pairs and data_key hold one text for each region"},
		{written(map[string]any{"credential_pairs": ciphertext}), "credential_pairs and data_key hold one text for each region"},
		{written(map[string]any{"credential_pairs": map[string]int{"eu-west-1": 1}}), "credential_pairs and data_key hold one text for each region"},
		{written(map[string]any{"credential_pairs": map[string]string{}, "data_key": map[string]string{}}), "credential_pairs and data_key hold one text for each region"},
		{written(map[string]any{"data_key": region("us-east-1")}), "credential_pairs and data_key hold one text for each region"},
		{written(map[string]any{"cipher_type": ""}), "cipher_type is a name"},
		{written(map[string]any{"cipher_type": 7}), "cipher_type is a name"},
		{written(map[string]any{"cipher_version": "two"}), "cipher_version is a number"},
		{written(map[string]any{"cipher_version": 0}), "cipher_version is a number"},
		{written(map[string]any{"credential_keys": "token"}), "credential_keys is a list of names."},
	} {
		p := w.press(ada, path, w.get(ada, path), "create", "name", `a"<b>`, "documentation", "kept </textarea><i>", "sealed.text", tt.text)
		p.want(400, `id="sealed-problem">`+tt.want, "Nothing was saved.", `name="name" value="a&#34;&lt;b&gt;"`, "kept &lt;/textarea&gt;&lt;i&gt;").not(ciphertext, "sealed.kept")
	}
	p := w.press(ada, path, w.get(ada, path), "create", "name", "a", "sealed.text", written(nil))
	p.want(400, `id="documentation-problem">The following fields are required: [&#39;documentation&#39;]`, "Kept for 15 minutes").not(ciphertext)
	w.press(ada, path, p, "create", "documentation", "d", "metadata.0.key", "", "metadata.0.value", "x").want(400, "A value needs a name.")
}

func TestEditBlind_ChangesWhatWasChangedAfterAReview(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.madeBlind("signing", written(nil))
	w.put("payments", vault.ServiceChange{BlindCredentials: &[]string{id}})
	path := "/blind-credentials/" + id + "/edit"
	p := w.get(ada, path).want(200, "Unchanged. Nobody can read it here", `value="signing"`, `value="context"`).not(ciphertext, wrapped, "sealed.replace")
	w.press(ada, path, p, "review").leadsTo(303, "/blind-credentials/"+id+"?done=same")

	changed := w.press(ada, path, p, "review", "name", "signing <2>", "documentation", "new").
		want(200, "Review the changes to signing", "signing &lt;2&gt;", "Documentation").not("Another one.", ciphertext)
	back := w.press(ada, path, changed, "edit").want(200, `value="signing &lt;2&gt;"`, "Unchanged")
	w.press(ada, path, back, "save").leadsTo(303, "/blind-credentials/"+id+"?done=saved")
	if row := w.stored(id); row.Name != "signing <2>" || *row.Documentation != "new" || !strings.Contains(string(row.Pairs), ciphertext) || row.Revision != 2 {
		t.Errorf("stored is %+v", row)
	}

	p = w.press(ada, path, w.get(ada, path), "replace").want(200, `id="sealed-text"`, "Keep what is stored")
	if kept := w.press(ada, path, p, "undo", "sealed.text", written(nil)).want(200, "Unchanged"); strings.Contains(kept.body, "sealed.kept") {
		t.Error("what is stored stays, and yet something is kept")
	}
	w.press(ada, path, p, "review").want(400, "Paste what the client wrote")
	p = w.press(ada, path, p, "review", "sealed.text", written(map[string]any{"credential_keys": []string{"user", "pin"}, "metadata": nil, "credential_pairs": map[string]string{"eu-west-1": "bmV3"}})).
		want(200, "Another one.", "pin", "New", "token", "Removed").not("bmV3", "Documentation")
	w.press(ada, path, p, "save").leadsTo(303, "/blind-credentials/"+id+"?done=saved")
	if row := w.stored(id); string(row.Pairs) != `{"eu-west-1":"bmV3"}` || fmt.Sprint(row.KeyNames) != "[pin user]" || !strings.Contains(string(row.Metadata), "payments") {
		t.Errorf("stored is %s %s %s", row.Pairs, row.KeyNames, row.Metadata)
	}
	w.get(bob, path).want(403).not("signing</h1>")
	w.post(ada, path, url.Values{"name": {"x"}, "sealed.text": {written(nil)}, "do": {"save"}}).leadsTo(303, path)
}

// Browsers send a field of one line without the line breaks in it.
func TestEditBlind_WhatABrowserCannotShowStaysAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	made, err := w.vault.CreateBlindCredential(t.Context(), caller(ada), vault.NewBlind{
		Name: " two\nlines ", Pairs: json.RawMessage(`{"r":"x"}`), DataKey: json.RawMessage(`{"r":"k"}`), CipherType: "fernet", CipherVersion: 2,
		Metadata: json.RawMessage(`{"note":"two\r\nlines\n"," key\n":1.50,"list":[1, 2],"empty":""}`),
	})
	must(t, err)
	path := "/blind-credentials/" + made.Row.ID + "/edit"
	browsers := func(p page) []string {
		var sent []string
		for name, values := range fields(p) {
			if name == "name" || strings.HasSuffix(name, ".key") || strings.HasSuffix(name, ".value") {
				sent = append(sent, name, strings.NewReplacer("\r", "", "\n", "").Replace(values[0]))
			}
		}
		return sent
	}
	p := w.get(ada, path)
	w.press(ada, path, p, "save", browsers(p)...).leadsTo(303, "/blind-credentials/"+made.Row.ID+"?done=same")
	p = w.press(ada, path, p, "add-metadata", browsers(p)...)
	w.press(ada, path, p, "save", append(browsers(p), "documentation", "d")...).leadsTo(303, "/blind-credentials/"+made.Row.ID+"?done=saved")
	if row := w.stored(made.Row.ID); row.Name != " two\nlines " || string(row.Metadata) != string(made.Row.Metadata) || *row.Documentation != "d" {
		t.Errorf("stored is %q %s", row.Name, row.Metadata)
	}
}

func TestEditBlind_SaysConflictsInWordsAndDoesNotSaveThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.madeBlind("signing", written(nil))
	plain, other := w.credential("gateway", map[string]string{"pin": secret}), w.blind("other", "pin")
	w.put("pay&go", vault.ServiceChange{BlindCredentials: &[]string{id}, Credentials: &[]string{plain}})
	w.put("payments", vault.ServiceChange{BlindCredentials: &[]string{id, other}})
	path := "/blind-credentials/" + id + "/edit"
	p := w.press(ada, path, w.press(ada, path, w.get(ada, path), "replace"), "review", "sealed.text", written(map[string]any{"credential_keys": []string{"pin"}}))
	p.want(200, "This cannot be saved", `<span class="mono">pin</span>`, `href="/services/pay&amp;go"`, `href="/services/payments"`,
		`href="/credentials/`+plain+`">gateway`, `href="/blind-credentials/`+other+`">other`, "2 services feel this").not(ciphertext, `value="save"`)
	w.press(ada, path, p, "save").want(400, "Conflicting key pairs", "Kept for 15 minutes").not(ciphertext)
	if row := w.stored(id); row.Revision != 1 {
		t.Errorf("revision %d", row.Revision)
	}
}

func TestEditBlind_ACollisionKeepsWhatWasGiven(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"review", "save"} {
		w := newWorld(t, nil)
		id := w.madeBlind("signing", written(nil))
		path := "/blind-credentials/" + id + "/edit"
		p := w.press(ada, path, w.get(ada, path), "replace")
		mine := written(map[string]any{"credential_keys": []string{"token", "user", "pin"}, "metadata": nil})
		if at == "save" {
			p = w.press(ada, path, p, "review", "sealed.text", mine)
			mine = ""
		}
		name := "signing of carol"
		_, err := w.vault.UpdateBlindCredential(t.Context(), caller("carol@example.com"), id, vault.BlindChange{Name: &name})
		must(t, err)
		p = w.press(ada, path, p, at, "sealed.text", mine).
			want(409, "Somebody else changed signing first", "carol@example.com", "signing of carol", "Apply mine on top", "Discard mine", "pin", "Blind credential").not(ciphertext)
		p = w.press(ada, path, p, "review").want(200, "pin").not("signing of carol</span>")
		w.press(ada, path, p, "save").leadsTo(303, "/blind-credentials/"+id+"?done=saved")
		if row := w.stored(id); row.Name != name || len(row.KeyNames) != 3 || row.Revision != 3 {
			t.Errorf("%s: stored is %q, keys %q, revision %d", at, row.Name, row.KeyNames, row.Revision)
		}
	}
}

func TestEditBlind_WhatIsKeptEndsAfterFifteenMinutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.madeBlind("signing", written(nil))
	path := "/blind-credentials/" + id + "/edit"
	p := w.press(ada, path, w.press(ada, path, w.get(ada, path), "replace"), "review", "sealed.text", written(map[string]any{"cipher_version": 3})).want(200)
	w.now = w.now.Add(16 * time.Minute)
	p.body = regexp.MustCompile(`<input type="hidden" name="form_token"[^>]*>`).ReplaceAllString(p.body, "")
	w.press(ada, path, p, "save").want(400, "no longer readable", `id="sealed-text"`)
	if row := w.stored(id); row.CipherVersion != 2 {
		t.Errorf("stored is version %d", row.CipherVersion)
	}
}

func TestEditBlind_ScriptsGetThePartAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.madeBlind("signing", written(nil))
	path := "/blind-credentials/" + id + "/edit"
	form := fields(w.get(ada, path))
	script := []string{"HX-Request", "true", "HX-Target", "form"}
	form.Set("do", "replace")
	w.post(ada, path, form, script...).want(200, `id="sealed-text"`).not("<html")
	form.Set("do", "save")
	form.Set("name", "changed")
	p := w.post(ada, path, form, script...).want(204)
	if got := p.header.Get("HX-Redirect"); got != "/blind-credentials/"+id+"?done=saved" {
		t.Errorf("HX-Redirect = %q", got)
	}
}

func TestBlindState_EnablesAndDisables(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.madeBlind("signing", written(nil))
	w.put("payments", vault.ServiceChange{BlindCredentials: &[]string{id}})
	path := "/blind-credentials/" + id + "/state"
	p := w.get(ada, path).want(200, "Disable signing", "Blind credential", `href="/services/payments"`)
	w.press(ada, path, p, "confirm").leadsTo(303, "/blind-credentials/"+id+"?done=disabled")
	if w.stored(id).Enabled {
		t.Error("it is enabled")
	}
	w.press(ada, path, p, "confirm").want(409)
	w.press(ada, path, w.get(ada, path).want(200, "Enable signing"), "confirm").leadsTo(303, "/blind-credentials/"+id+"?done=enabled")
	if row := w.stored(id); !row.Enabled || row.Revision != 3 || !strings.Contains(string(row.Pairs), ciphertext) {
		t.Errorf("stored is %+v", row)
	}
	w.get(bob, path).want(403)
}
