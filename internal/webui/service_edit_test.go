package webui_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/vault"
)

const editPayments = "/services/payments/edit"

func TestEditService_MapsStepByStepWithScriptsOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	db := w.credential("database", map[string]string{"db_password": secret})
	mail := w.credential("mail", map[string]string{"mail_password": secret})
	sealed := w.blind("vendor mail", "vendor_key")
	w.service("payments", db)
	before := len(w.audit.Entries())
	p := w.get(ada, editPayments)
	if got := len(w.audit.Entries()) - before; got != 1 {
		t.Errorf("a visit left %d records, want 1", got)
	}
	p.want(200, "database", `id="find"`, "autofocus", "What the service receives", "db_password").not(secret, "Added ")

	p = w.press(ada, editPayments, p, "find", "find", "MAIL").want(200, "2 credentials found.", "mail_password",
		`name="do" value="add.credential:`+mail+`"`, `name="do" value="add.blind:`+sealed+`"`, `value="MAIL"`)
	p = w.press(ada, editPayments, p, "add.credential:"+mail).want(200, "Added mail. Nothing is saved yet.",
		"Before saving: what the service will receive", `<span class="mono">mail_password</span> <span class="state state-on">New</span>`,
		`name="add" value="credential:`+mail+`"`, `aria-label="Take back mail"`, "2 credentials found.", `value="MAIL" placeholder="Part of a name or key" autocomplete="off" autocapitalize="none" spellcheck="false" autofocus`)
	p = w.press(ada, editPayments, p, "add.blind:"+sealed, "find", "").want(200, "Added vendor mail.", "vendor_key").not("credentials found")
	p = w.press(ada, editPayments, p, "remove.credential:"+db).want(200, "database is taken away when you save.",
		`<del class="mono">db_password</del> <span class="state state-off">No longer received</span>`, `aria-label="Keep database" autofocus`)
	undone := w.press(ada, editPayments, p, "undo.credential:"+db).want(200, "Undone.", `aria-label="Unmap database" autofocus`).not("<del")
	w.press(ada, editPayments, undone, "undo.blind:"+sealed).want(200).not(`value="blind:`, "vendor_key")
	if got := w.mapping("payments"); got != db {
		t.Errorf("a step has stored %q", got)
	}
	w.press(ada, editPayments, p, "save").leadsTo(303, "/services/payments?done=mapped")
	if got := w.mapping("payments"); got != mail+" "+sealed {
		t.Errorf("mapped is %q, want %q", got, mail+" "+sealed)
	}
	w.press(ada, editPayments, w.get(ada, editPayments), "save").leadsTo(303, "/services/payments?done=same")
}

func TestEditService_ChangesAccountAndState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	db := w.credential("database", map[string]string{"k": "v"})
	w.service("payments", db)
	form := fields(w.get(ada, editPayments))
	form.Del("enabled")
	form.Set("account", "sandbox")
	form.Set("do", "save")
	w.post(ada, editPayments, form).leadsTo(303, "/services/payments?done=mapped")
	view, err := w.vault.GetService(t.Context(), caller(ada), "payments", true)
	must(t, err)
	if row := view.Row; row.Enabled || row.Account != "sandbox" || !slices.Equal(row.Credentials, []string{db}) {
		t.Errorf("stored is %+v", row)
	}
	w.press(ada, editPayments, w.get(ada, editPayments), "save", "account", "<b>").
		want(400, `id="account-problem">&lt;b&gt; is not an account`, "can be told once the above is mended", `value="&lt;b&gt;" selected`).not("<b>")
}

func TestEditService_ShowsConflictsAndDoesNotSaveThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	one := w.credential("one", map[string]string{"key": "a"})
	two := w.credential("<two>", map[string]string{"key": "b"})
	w.service("payments", one)
	p := w.press(ada, editPayments, w.get(ada, editPayments), "find", "find", "two").
		want(200, `<span class="mono">key</span> comes from <a href="/credentials/`+one+`">one</a> already`)
	p = w.press(ada, editPayments, p, "add.credential:"+two).want(200,
		"a service must not get one key from two credentials",
		`<a href="/credentials/`+two+`">&lt;two&gt;</a> and <a href="/credentials/`+one+`">one</a>`,
		`value="save" disabled aria-describedby="conflicts"`, `<span class="state state-bad">Conflict</span>`).not("<two>")
	w.press(ada, editPayments, p, "save").want(400, "Conflicting key pairs in mapped service.", `value="save" disabled`, `name="add" value="credential:`+two+`"`)
	if got := w.mapping("payments"); got != one {
		t.Errorf("mapped is %q, want %q", got, one)
	}
	p = w.press(ada, editPayments, p, "remove.credential:"+one).want(200).not("Conflict", `value="save" disabled`, "comes from")
	w.press(ada, editPayments, p, "save").leadsTo(303, "/services/payments?done=mapped")
}

func TestEditService_SaysWhatIsTooMuchAndWhatIsOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.service("payments")
	form := fields(w.get(ada, editPayments))
	form.Add("add", "credential:nothing<b>")
	form.Add("add", "rubbish")
	w.post(ada, editPayments, form).want(200, "Saving leaves out what is of no credential any more", "nothing&lt;b&gt;", "Gone: there is no such credential any more").
		not("nothing<b>", "rubbish")
	for range 91 {
		form.Add("add", "credential:"+w.credential("c"+w.now.String(), map[string]string{"k" + w.now.Format("150405"): "v"}))
		w.now = w.now.Add(1e9)
	}
	w.post(ada, editPayments, form).want(400, "At most 90 credentials can be mapped or unmapped at once, this would be 91.", "can be told once the above is mended")
	form.Set("do", "save")
	w.post(ada, editPayments, form).want(400, "At most 90 credentials")
	if got := w.mapping("payments"); got != "" {
		t.Errorf("mapped is %q", got)
	}
}

func TestEditService_ShowsMarkupAsText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const payload = `"><script>alert(1)</script>`
	db := w.credential(payload, map[string]string{"db": "v"})
	w.service("payments")
	form := fields(w.get(ada, editPayments))
	for name, value := range map[string]string{"find": payload, "add": "credential:" + db, "add.name": payload, "account": payload, "account.was": "", "revision": "1"} {
		form.Set(name, value)
	}
	w.post(ada, editPayments, form).want(400, `value="&#34;&gt;&lt;script`, "not offered any more").not("<script>alert")
	form.Set("account", payload)
	form.Set("account.was", payload) // left alone
	p := w.post(ada, editPayments, form).want(200, "1 credential found.", "&gt;&lt;script").not("<script>alert")
	form = fields(p)
	form.Set("revision", payload)
	w.post(ada, editPayments, form).not("<script>alert")
	w.get(ada, "/services/payments/candidates?"+url.Values{"find": {payload}}.Encode(), "HX-Request", "true", "HX-Target", "candidates").
		want(200, "&gt;&lt;script").not("<script>alert")
	w.service("payments", db)
	w.get(ada, "/services/payments").want(200).not("<script>alert")
}

func TestEditService_ShowsACollisionBesideMine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	db := w.credential("database", map[string]string{"db": "v"})
	mine, theirs := w.credential("mine", map[string]string{"m": "v"}), w.credential("theirs", map[string]string{"t": "v"})
	w.service("payments", db)
	p := w.press(ada, editPayments, w.get(ada, editPayments), "add.credential:"+mine)
	w.put("payments", vault.ServiceChange{Credentials: &[]string{db, theirs}, Enabled: new(false), Account: "sandbox"})

	w.press(ada, editPayments, p, "save").want(409, "Somebody else changed payments first", "Nothing of yours was saved. Revision 2",
		"Their change", `href="/credentials/`+theirs+`">theirs</a>`, "Your change", `href="/credentials/`+mine+`">mine</a>`, "Disabled", "sandbox",
		"Apply mine on top", `<a class="btn" href="/services/payments">Discard mine</a>`)
	if got := w.mapping("payments"); strings.Contains(got, mine) {
		t.Errorf("mapped is %q", got)
	}
	// What of mine is so already is not asked for again.
	w.put("payments", vault.ServiceChange{Credentials: &[]string{mine}, Account: "sandbox"})
	p = w.press(ada, editPayments, p, "save").want(409, "Revision 3", "Nothing of it is left to change.")
	w.press(ada, editPayments, w.press(ada, editPayments, p, "again"), "save").leadsTo(303, "/services/payments?done=same")
}

func TestEditService_AppliesMineOnTop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	db := w.credential("database", map[string]string{"db": "v"})
	mine, theirs := w.credential("mine", map[string]string{"m": "v"}), w.credential("theirs", map[string]string{"t": "v"})
	w.service("payments", db)
	p := w.press(ada, editPayments, w.get(ada, editPayments), "add.credential:"+mine)
	w.put("payments", vault.ServiceChange{Credentials: &[]string{theirs}, Enabled: new(false), Account: "sandbox"})
	p = w.press(ada, editPayments, p, "remove.credential:"+db).want(409, "mine", "theirs")
	p = w.press(ada, editPayments, p, "again").want(200, "Before saving", "mine", "theirs", `value="sandbox" selected`).not(`name="enabled" checked`, "database")
	w.press(ada, editPayments, p, "save").leadsTo(303, "/services/payments?done=mapped")
	view, err := w.vault.GetService(t.Context(), caller(ada), "payments", true)
	must(t, err)
	want := []string{mine, theirs}
	slices.Sort(want)
	if row := view.Row; row.Revision != 3 || row.Enabled || row.Account != "sandbox" || !slices.Equal(row.Credentials, want) {
		t.Errorf("stored is %+v, want %v mapped", row, want)
	}
}

func TestEditService_SendsPartsToScripts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	db := w.credential("database", map[string]string{"db": "v"})
	spare := w.credential("spare db", map[string]string{"db": "v"})
	w.service("payments", db)
	p := w.get(ada, editPayments).want(200, `hx-get="/services/payments/candidates"`)
	form := fields(p)
	form.Set("do", "add.credential:"+spare)
	part := w.post(ada, editPayments, form, "HX-Request", "true", "HX-Target", "form").
		want(200, "<form", `<div id="live" hx-swap-oob="innerHTML">Added spare db. Nothing is saved yet.</div>`).not("<html", `role="status"`)
	if got := part.header.Get("HX-Reswap"); got != "" {
		t.Errorf("HX-Reswap = %q", got)
	}
	form.Set("do", "save")
	form.Set("add", "credential:"+spare)
	refused := w.post(ada, editPayments, form, "HX-Request", "true", "HX-Target", "form").want(400, `role="alert"`)
	if got := refused.header.Get("HX-Reswap"); got != "innerHTML show:#form:top" {
		t.Errorf("HX-Reswap = %q", got)
	}

	const candidates = "/services/payments/candidates"
	typed := []string{"HX-Request", "true", "HX-Target", "candidates"}
	w.get(ada, candidates+"?find=db", typed...).want(200, "spare db", "Add spare db", "comes from", `id="live" hx-swap-oob="innerHTML">2 credentials found.</div>`).not("<html")
	w.get(ada, candidates+"?find=database&remove=credential:"+db, typed...).want(200, "Keep database").not("Mapped already")
	w.get(ada, candidates+"?find=db&remove=credential:"+db+"&add=credential:"+spare, typed...).want(200, "Take back spare db").not("comes from")
	w.get(ada, candidates+"?find=nowhere", typed...).want(200, "No enabled credential has this")
	w.get(ada, candidates+"?find=+", typed...).want(200).not("<li>", "No enabled")
	w.get(ada, candidates+"?find=db").leadsTo(http.StatusSeeOther, editPayments)
}

// carolAddsNothing lets carol change services, but map nothing more to them.
const carol = "carol@example.com"

var carolAddsNothing = authz.Entry{
	Name: "carol adds nothing", Active: true,
	Cedar: `forbid(principal, action, resource) when { principal.name == "` + carol + `" && resource has added_credential_ids && !resource.added_credential_ids.isEmpty() };
forbid(principal, action == Action::"list", resource) when { principal.name == "` + carol + `" };`,
}

func TestEditService_IsRefusedToWhoMayNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(f *furnishing) { f.policies = []authz.Entry{carolAddsNothing} })
	db := w.credential("database", map[string]string{"db": "v"})
	w.service("payments")
	w.get(bob, editPayments).want(403)
	w.get(ada, "/services/nothing/edit").want(404)

	p := w.get(carol, editPayments).want(200)
	w.press(carol, editPayments, p, "find", "find", "db").want(200, "You may not search for credentials.")
	for _, button := range []string{"find", "save"} {
		form := fields(p)
		form.Set("add", "credential:"+db)
		form.Set("do", button)
		w.post(carol, editPayments, form).want(403, "they do not own the credentials being added", `name="add" value="credential:`+db+`"`)
	}
	if got := w.mapping("payments"); got != "" {
		t.Errorf("mapped is %q", got)
	}
	w.post(ada, editPayments, url.Values{"do": {"save"}, "form_token": {"x"}}).want(401)
	p = w.get(ada, editPayments)
	w.readOnly = true
	w.get(ada, editPayments).want(403, "maintenance mode")
	w.press(ada, editPayments, p, "save").want(403)
}
