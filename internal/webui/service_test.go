package webui_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/vault"
)

// blind stores a blind credential and returns its id.
func (w *world) blind(name string, keys ...string) string {
	w.t.Helper()
	made, err := w.vault.CreateBlindCredential(w.t.Context(), caller(ada), vault.NewBlind{
		Name: name, Pairs: json.RawMessage(`{"r":"sealed"}`), DataKey: json.RawMessage(`{"r":"wrapped"}`),
		KeyNames: keys, CipherType: "fernet", CipherVersion: 2, Enabled: true,
	})
	must(w.t, err)
	return made.Row.ID
}

// put stores a change of a service.
func (w *world) put(id string, change vault.ServiceChange) {
	w.t.Helper()
	_, err := w.vault.PutService(w.t.Context(), caller(ada), id, change)
	must(w.t, err)
}

// mapping returns what a service maps.
func (w *world) mapping(id string) string {
	w.t.Helper()
	view, err := w.vault.GetService(w.t.Context(), caller(ada), id, true)
	must(w.t, err)
	return strings.Join(append(view.Row.Credentials, view.Row.BlindCredentials...), " ")
}

func TestService_ShowsWhatItReceivesAndFromWhom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	db := w.credential("database <b>", map[string]string{"db_password": secret})
	off := w.credential("old", map[string]string{"old_key": secret})
	_, err := w.vault.UpdateCredential(t.Context(), caller(ada), off, vault.CredentialChange{Enabled: new(false)})
	must(t, err)
	sealed := w.blind("vendor", "vendor_key")
	w.put("payments", vault.ServiceChange{Credentials: &[]string{db, off}, BlindCredentials: &[]string{sealed}, Account: "sandbox"})
	before := len(w.audit.Entries())
	w.get(ada, "/services/payments").want(200,
		`<h1>payments</h1>`, "Revision 1", "changed", "by "+ada, "sandbox",
		`<span class="mono">db_password</span>`, `href="/credentials/`+db+`">database &lt;b&gt;</a>`, "vendor_key", `href="/blind-credentials/`+sealed+`">vendor</a>`,
		"Blind credential", "Disabled", `href="/services/payments/edit" data-shortcut="e"`, `href="/services/payments/history"`, `href="/services/payments/state">Disable`).
		not(secret, "Conflict", "database <b>")
	if got := len(w.audit.Entries()) - before; got != 1 {
		t.Errorf("a visit left %d records, want 1", got)
	}
	w.get(bob, "/services/payments").want(200, "db_password", "/history").not("/edit", "/state")
	w.get("", "/services/payments").leadsTo(302, "/login?next="+url.QueryEscape("/services/payments"))
	w.get(ada, "/services/nothing").want(404)
	w.readOnly = true
	w.get(ada, "/services/payments").want(200, "Maintenance mode").not("/edit", "/state")
}

func TestService_SaysConflictsAndWhatIsGoneInWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(f *furnishing) { f.rules.IgnoreConflicts = true })
	one, two := w.credential("one", map[string]string{"key": "a"}), w.credential("two", map[string]string{"key": "b"})
	w.service("payments", one, two)
	w.get(ada, "/services/payments").want(200, "receives a key more than once",
		`<span class="mono">key</span> comes from <a href="/credentials/`+one+`">one</a> and <a href="/credentials/`+two+`">two</a>`,
		`<span class="state state-bad">Conflict</span>`)
	w.service("empty")
	w.get(ada, "/services/empty").want(200, "None is yet.", "Map credentials")
	w.get(bob, "/services/empty").want(200, "None is yet.").not("Map credentials")
}

func TestNewService_GoesOnToMapping(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const path = "/new-service"
	p := w.get(ada, path).want(200, `name="name"`, "sandbox", "autofocus")
	made := w.press(ada, path, p, "", "name", " new ", "account", "sandbox")
	made.leadsTo(303, "/services/new/edit?done=created")
	w.get(ada, made.header.Get("Location")).want(200, "Created.", `value="sandbox" selected`)

	// Every name that may be one leads back to its pages.
	for name, at := range map[string]string{"a%b?c#d": "/services/a%25b%3Fc%23d", "ümläut": "/services/%C3%BCml%C3%A4ut", `<i>"x"`: "/services/%3Ci%3E%22x%22"} {
		w.press(ada, path, p, "", "name", name).leadsTo(303, at+"/edit?done=created")
		w.get(ada, at).want(200).not("<i>")
		w.get(ada, at+"/edit").want(200).not("<i>")
		w.get(ada, at+"/state").want(200).not("<i>")
	}
	w.get(bob, path).want(403)
	w.readOnly = true
	w.get(ada, path).want(403, "maintenance mode")
	w.press(ada, path, p, "", "name", "late").want(403)
}

func TestNewService_SaysWhatIsWrongBesideTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.service("payments", w.credential("db", map[string]string{"k": "v"}))
	const path = "/new-service"
	p := w.get(ada, path)
	for _, test := range []struct {
		name, account string
		status        int
		field, words  string
	}{
		{"", "", 400, "name", "A service needs a name."},
		{"a b", "", 400, "name", "without slashes and white space"},
		{"a/b", "", 400, "name", "without slashes and white space"},
		{"..", "", 400, "name", "not only dots"},
		{strings.Repeat("x", 256), "", 400, "name", "up to 255"},
		{"payments-1", "", 400, "name", "Something else has this name"},
		{"payments", "", 409, "name", `There is a service of this name already. <a href="/services/payments">Go to payments</a>`},
		{"fresh", "<b>nowhere</b>", 400, "account", "&lt;b&gt;nowhere&lt;/b&gt; is not an account"},
	} {
		got := w.press(ada, path, p, "", "name", test.name, "account", test.account).
			want(test.status, `id="`+test.field+`-problem"`, test.words, `value="`+test.name+`"`, "Nothing was saved.").not("<b>nowhere")
		if n := strings.Count(got.body, `aria-invalid="true"`); n != 1 {
			t.Errorf("%s: %d fields are marked, want 1", test.name, n)
		}
	}
	if w.mapping("payments") == "" {
		t.Error("the service that had the name was overwritten")
	}
}

func TestServiceState_KeepsTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	db := w.credential("db", map[string]string{"k": "v"})
	w.put("payments", vault.ServiceChange{Credentials: &[]string{db}, Account: "sandbox"})
	const path = "/services/payments/state"
	p := w.get(ada, path).want(200, "Disable payments", "goes on receiving")
	w.press(ada, path, p, "confirm").leadsTo(303, "/services/payments?done=disabled")
	view, err := w.vault.GetService(t.Context(), caller(ada), "payments", true)
	must(t, err)
	if row := view.Row; row.Enabled || row.Account != "sandbox" || len(row.Credentials) != 1 || row.Revision != 2 {
		t.Errorf("stored is %+v", row)
	}
	w.press(ada, path, p, "confirm").want(409) // sent again
	w.get(ada, path).want(200, "Enable payments")
	w.get(bob, path).want(403)
}
