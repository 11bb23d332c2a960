package webui_test

import (
	"bytes"
	"html"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/vault"
)

const secret = "swordfish"

func TestCredential_ShowsWhatItIsAndNoValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("Gateway <b>", map[string]string{"user": "shop", "password": secret})
	w.service("payments", id)
	w.get(ada, "/credentials/"+id).want(200, "Gateway &lt;b&gt;", "Revision 1", "user", "password", `href="/services/payments"`,
		`href="/credentials/`+id+`/edit"`, `aria-label="Reveal the value of password"`, "in 29 days").
		not(secret, "shop")
	w.get(bob, "/credentials/"+id).want(200, "not their values").not("Reveal", "/edit", "/archive", "/state")
	w.get("", "/credentials/"+id).leadsTo(302, "/login?next="+url.QueryEscape("/credentials/"+id))
	w.get(ada, "/credentials/nothing").want(404)
}

// shownValue returns the value of a revealing answer.
func shownValue(p page) string {
	m := regexp.MustCompile(`(?s)<pre[^>]*>\n(.*?)</pre>`).FindStringSubmatch(p.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

func TestReveal_ShowsOneValueOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	value := "\n<b>two\nlines</b>\n"
	id := w.credential("gateway", map[string]string{"user": "shop", "password": value})
	path := "/credentials/" + id + "/reveal"
	before := len(w.audit.Entries())

	whole := w.post(ada, path, url.Values{"key": {"password"}}).want(200, `content="width=device-width`).not("shop")
	if got := shownValue(whole); got != value {
		t.Errorf("shown is %q, want %q", got, value)
	}
	if got := whole.header.Get("Refresh"); got != "30; url=/credentials/"+id {
		t.Errorf("Refresh = %q", got)
	}
	part := w.post(ada, path, url.Values{"key": {"password"}, "row": {"1"}}, "HX-Request", "true", "HX-Target", "pair-1").want(200, `data-seconds="30"`).not("<html")
	copied := w.post(ada, path, url.Values{"key": {"password"}}, "HX-Request", "true", "HX-Target", "copied").want(200, "data-value")
	if shownValue(part) != value || shownValue(copied) != value {
		t.Errorf("the parts show %q and %q", shownValue(part), shownValue(copied))
	}
	seen := 0
	for _, e := range w.audit.Entries()[before:] {
		if e.Action == "get" && e.Success && e.User == ada && e.Info["key"] == "password" && e.Revision == 1 {
			seen++
		}
	}
	if seen != 3 {
		t.Errorf("%d records of a revealed value, want 3", seen)
	}
	w.post(ada, path, url.Values{"key": {"nothing"}}).want(404)
	w.post(ada, path, url.Values{"key": {"user"}, "form_token": {"x"}}).want(401).not("shop")
	w.get(ada, path).leadsTo(303, "/credentials/"+id)
	w.readOnly = true
	w.post(ada, path, url.Values{"key": {"user"}}).want(200, "shop")
}

func TestReveal_IsRefusedToWhoMayNotGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	w.get(bob, "/help") // begins his session
	p := w.post(bob, "/credentials/"+id+"/reveal", url.Values{"key": {"password"}, "form_token": {""}}, "X-XSRF-TOKEN", w.cookies[bob]["XSRF-TOKEN"])
	p.want(403).not(secret)
}

// fields reads the fields of the form of a page, as a browser would send them.
func fields(p page) url.Values {
	out := url.Values{}
	body := p.body
	if i := strings.Index(body, "<main"); i >= 0 {
		body = body[i:]
	}
	for _, m := range regexp.MustCompile(`<input ([^>]*)>`).FindAllStringSubmatch(body, -1) {
		name := attribute(m[1], "name")
		switch kind := attribute(m[1], "type"); {
		case name == "" || kind == "file", kind == "checkbox" && !strings.Contains(m[1], " checked"):
		case kind == "checkbox":
			out.Add(name, "on")
		default:
			out.Add(name, attribute(m[1], "value"))
		}
	}
	for _, m := range regexp.MustCompile(`(?s)<textarea ([^>]*)>\n?(.*?)</textarea>`).FindAllStringSubmatch(body, -1) {
		out.Add(attribute(m[1], "name"), html.UnescapeString(m[2]))
	}
	return out
}

func attribute(tag, name string) string {
	m := regexp.MustCompile(`(?:^|\s)` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// press sends the form of a page with some fields filled in, and a button.
func (w *world) press(as string, path string, p page, button string, filled ...string) page {
	w.t.Helper()
	form := fields(p)
	for i := 0; i < len(filled); i += 2 {
		form.Set(filled[i], filled[i+1])
	}
	form.Set("do", button)
	return w.post(as, path, form)
}

func TestNewCredential_IsMadeStepByStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const path = "/credentials/new"
	p := w.get(ada, path).want(200, "New credential")
	p = w.press(ada, path, p, "add", "name", "gateway", "pair.0.key", "password", "pair.0.value", secret).
		want(200, "kept for 15 minutes", `value="gateway"`).not(secret)
	p = w.press(ada, path, p, "generate.1", "pair.1.key", "token", "length", "40").want(200).not(secret)
	p = w.press(ada, path, p, "add-metadata", "tags", "pci, eu,pci", "documentation", "Ask\r\nAnn").want(200)
	made := w.press(ada, path, p, "create", "metadata.0.key", "owner", "metadata.0.value", "payments")
	location := made.header.Get("Location")
	if made.status != 303 || !strings.HasSuffix(location, "?done=created") {
		t.Fatalf("%d to %q\n%s", made.status, location, made.body)
	}
	id := strings.TrimSuffix(strings.TrimPrefix(location, "/credentials/"), "?done=created")
	pairs := w.pairsOf(id)
	if token, _ := pairs["token"].(string); pairs["password"] != secret || len(token) != 40 {
		t.Errorf("stored is %v", pairs)
	}
	view, err := w.vault.GetCredential(t.Context(), caller(ada), id, true)
	must(t, err)
	if row := view.Row; row.Name != "gateway" || *row.Documentation != "Ask\nAnn" || strings.Join(row.Tags, " ") != "pci eu" ||
		string(row.Metadata) != `{"owner":"payments"}` || !row.Enabled {
		t.Errorf("stored is %+v", row)
	}
	w.get(ada, location).want(200, "Created.")
	w.get(bob, path).want(403, "You may not make new credentials")
}

func TestNewCredential_SaysWhatIsWrongBesideTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(f *furnishing) { f.rules.EnforceDocumentation = true })
	w.vaultCredential("taken")
	const path = "/credentials/new"
	p := w.get(ada, path)
	for rule, tt := range map[string]struct {
		filled []string
		want   string
		status int
	}{
		"no name":          {[]string{"pair.0.key", "a", "pair.0.value", secret}, `id="name-problem">A credential needs a name.`, 400},
		"no key":           {[]string{"name", "n", "pair.0.value", secret}, `id="pair-0-key-problem">credential key must not be empty`, 400},
		"a blank in a key": {[]string{"name", "n", "pair.0.key", "a b", "pair.0.value", secret}, `id="pair-0-key-problem">credential key must not contain whitespace`, 400},
		"no value":         {[]string{"name", "n", "pair.0.key", "a"}, `id="pair-0-problem">Type a value`, 400},
		"no documentation": {[]string{"name", "n", "pair.0.key", "a", "pair.0.value", secret}, `id="documentation-problem">documentation is a required field`, 400},
		"a taken name":     {[]string{"name", "taken", "documentation", "d", "pair.0.key", "a", "pair.0.value", secret}, `id="name-problem">Name already exists.`, 409},
	} {
		got := w.press(ada, path, p, "create", tt.filled...).want(tt.status, tt.want, "Nothing was saved").not(secret)
		for i := 0; i < len(tt.filled); i += 2 {
			if name := tt.filled[i]; name != "pair.0.value" && !strings.Contains(got.body, html.EscapeString(tt.filled[i+1])) {
				t.Errorf("%s: what was typed as %s is lost", rule, name)
			}
		}
	}
}

// vaultCredential stores a credential that has a documentation.
func (w *world) vaultCredential(name string) {
	w.t.Helper()
	text := "d"
	id := vault.NewCredential{Name: name, Documentation: &text, Enabled: true}
	id.Pairs = pairs(w.t, map[string]string{"k": "v"})
	_, err := w.vault.CreateCredential(w.t.Context(), caller(ada), id)
	must(w.t, err)
}

func TestEditCredential_ChangesWhatWasChangedAfterAReview(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"user": "shop", "password": secret, "old": "x"})
	w.service("payments", id)
	path := "/credentials/" + id + "/edit"
	p := w.get(ada, path).want(200, "unchanged").not(secret, "shop")
	row := func(p page, key string) string {
		m := regexp.MustCompile(`name="pair\.(\d+)\.was" value="` + key + `"`).FindStringSubmatch(p.body)
		if m == nil {
			t.Fatalf("no row for %s in\n%s", key, p.body)
		}
		return m[1]
	}
	p = w.press(ada, path, p, "replace."+row(p, "password")).want(200)
	p = w.press(ada, path, p, "remove."+row(p, "old"), "pair."+row(p, "password")+".value", "new-value").want(200, "is removed when you save").not("new-value")
	p = w.press(ada, path, p, "review", "pair."+row(p, "user")+".key", "login").
		want(200, "1 service feels this", `<ins class="mono">login</ins> (new)`, `<strong class="mono">password</strong> (new value)`, `<del class="mono">user</del> (gone)`).
		not("new-value", secret)
	if got := w.pairsOf(id); len(got) != 3 {
		t.Errorf("the review has changed something: %v", got)
	}
	p = w.press(ada, path, p, "edit").want(200, "kept for 15 minutes")
	p = w.press(ada, path, p, "review")
	w.press(ada, path, p, "save").leadsTo(303, "/credentials/"+id+"?done=saved")
	got := w.pairsOf(id)
	if len(got) != 2 || got["login"] != "shop" || got["password"] != "new-value" {
		t.Errorf("stored is %v", got)
	}
	w.press(ada, path, w.get(ada, path), "review").leadsTo(303, "/credentials/"+id+"?done=same")
	w.get(bob, path).want(403)
}

func TestEditCredential_ShowsConflictsAndDoesNotSaveThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"user": "shop"})
	other := w.credential("other <i>", map[string]string{"token": "x"})
	w.service("payments", id, other)
	path := "/credentials/" + id + "/edit"
	p := w.press(ada, path, w.get(ada, path), "add")
	p = w.press(ada, path, p, "review", "pair.1.key", "token", "pair.1.value", secret).
		want(200, "This cannot be saved", `href="/credentials/`+other+`">other &lt;i&gt;`, `href="/services/payments"`).not(`value="save"`)
	w.press(ada, path, p, "save").want(400, "This cannot be saved", `href="/services/payments"`).not(`value="save"`)
	if got := w.pairsOf(id); len(got) != 1 {
		t.Errorf("stored is %v", got)
	}
}

func TestEditCredential_ACollisionKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"user": "shop", "password": secret})
	path := "/credentials/" + id + "/edit"
	p := w.press(ada, path, w.get(ada, path), "replace.0") // password
	p = w.press(ada, path, p, "review", "pair.0.value", "mine")
	name := "gateway of bob"
	_, err := w.vault.UpdateCredential(t.Context(), caller("carol@example.com"), id, vault.CredentialChange{Name: &name})
	must(t, err)
	p = w.press(ada, path, p, "save").want(409, "Somebody else changed gateway first", "carol@example.com", "gateway of bob", "Apply mine on top", "New value").not(">mine<")
	p = w.press(ada, path, p, "review").want(200, "Review the changes")
	w.press(ada, path, p, "save").leadsTo(303, "/credentials/"+id+"?done=saved")
	view, err := w.vault.GetCredential(t.Context(), caller(ada), id, true)
	must(t, err)
	if got := w.pairsOf(id); view.Row.Name != name || got["password"] != "mine" || got["user"] != "shop" || view.Row.Revision != 3 {
		t.Errorf("stored is %q, %v, revision %d", view.Row.Name, got, view.Row.Revision)
	}
}

func TestEditCredential_AKeptValueEndsAfterFifteenMinutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	path := "/credentials/" + id + "/edit"
	p := w.press(ada, path, w.get(ada, path), "replace.0")
	p = w.press(ada, path, p, "review", "pair.0.value", "mine").want(200)
	w.now = w.now.Add(16 * time.Minute)
	p.body = regexp.MustCompile(`<input type="hidden" name="form_token"[^>]*>`).ReplaceAllString(p.body, "")
	w.press(ada, path, p, "save").want(400, "no longer readable")
	if got := w.pairsOf(id); got["password"] != secret {
		t.Errorf("stored is %v", got)
	}
}

// A key such as a PEM comes from a file byte for byte.
func TestEditCredential_TakesAFileByteForByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"key": "old"})
	path := "/credentials/" + id + "/edit"
	value := "-----BEGIN X-----\r\nAAA=\n-----END X-----\n\n"
	send := func(content string) page {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		for name, values := range fields(w.press(ada, path, w.get(ada, path), "replace.0")) {
			must(t, m.WriteField(name, values[0]))
		}
		must(t, m.WriteField("do", "save"))
		part, err := m.CreateFormFile("pair.0.file", "key.pem")
		must(t, err)
		_, err = part.Write([]byte(content))
		must(t, err)
		must(t, m.Close())
		return w.send(ada, http.MethodPost, path, &body, m.FormDataContentType())
	}
	send(value).leadsTo(303, "/credentials/"+id+"?done=saved")
	if got := w.pairsOf(id)["key"]; got != value {
		t.Errorf("stored is %q, want %q", got, value)
	}
	send("\xff\xfe").want(400, `id="pair-0-problem">The file is not text in UTF-8.`)
}

func TestEditCredential_ATypedTextKeepsItsLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"key": "old"})
	path := "/credentials/" + id + "/edit"
	p := w.press(ada, path, w.get(ada, path), "replace.0")
	w.press(ada, path, p, "save", "pair.0.value", "\r\na\r\n\r\nb\r\n").leadsTo(303, "/credentials/"+id+"?done=saved")
	if got := w.pairsOf(id)["key"]; got != "\na\n\nb\n" {
		t.Errorf("stored is %q", got)
	}
}
