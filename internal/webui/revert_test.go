package webui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestRevert_ShowsWhatWouldChangeAndDoesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"user": "shop", "password": secret})
	w.service("payments", id)
	w.setPair(id, "password", "an0ther-value")
	w.setPair(id, "port", "5432")
	w.change(id, vault.CredentialChange{Name: new("door")})
	path := "/credentials/" + id + "/revert/1"
	before := len(w.audit.Entries())
	p := w.get(ada, path).want(200, "<h1>Revert door to revision 1</h1>", "This stores what revision 1 held as a new revision.",
		"Revision 4, which is current now", "1 service feels this", `href="/services/payments"`,
		`<del class="mono">port</del> (gone)`, `<strong class="mono">password</strong> (new value)`, `name="revision" value="4"`).
		not(secret, "an0ther-value", "5432", "was first")
	if n := len(w.audit.Entries()) - before; n != 1 {
		t.Errorf("a visit makes %d records, want 1", n)
	}
	p.wantRow("Name", "door", "gateway").wantRow("password", "New value").wantRow("port", "Removed").wantRow("user", "Same value")
	if got := w.pairsOf(id)["password"]; got != "an0ther-value" {
		t.Errorf("looking at it made it %v", got)
	}
	w.press(ada, path, p, "confirm").leadsTo(http.StatusSeeOther, "/credentials/"+id+"?done=reverted")
	w.get(ada, "/credentials/"+id+"?done=reverted").want(200, "Reverted.", "<h1>gateway</h1>", "Revision 5")
	if got := w.pairsOf(id); got["password"] != secret || len(got) != 2 {
		t.Errorf("stored is %v", got)
	}
}

func TestRevert_OfTheOtherNouns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a, b := w.credential("a", map[string]string{"k": "1"}), w.credential("b", map[string]string{"l": "1"})
	w.service("payments", a)
	w.service("payments", b)
	p := w.get(ada, "/services/payments/revert/1").want(200, "Revert payments to revision 1", "What it receives then").
		wantRow("a", "Mapped").wantRow("b", "No longer mapped").wantRow("k", "New", "a").wantRow("l", "No longer")
	w.press(ada, "/services/payments/revert/1", p, "confirm").leadsTo(http.StatusSeeOther, "/services/payments?done=reverted")
	if got := w.mapping("payments"); !strings.Contains(got, a) || strings.Contains(got, b) {
		t.Errorf("mapped is %s", got)
	}

	blind := w.blindOfTwo("vault-door")
	_, err := w.vault.PutService(t.Context(), caller(ada), "alarm", vault.ServiceChange{BlindCredentials: &[]string{blind}})
	must(t, err)
	path := "/blind-credentials/" + blind + "/revert/1"
	p = w.get(ada, path).want(200, "Revert vault-door to revision 1", "1 service feels this",
		`<strong class="mono">pin</strong> (other ciphertext)`, `<del class="mono">puk</del> (gone)`).not("c1phert3xt")
	w.press(ada, path, p, "confirm").leadsTo(http.StatusSeeOther, "/blind-credentials/"+blind+"?done=reverted")
}

func TestRevert_OfTextAloneIsFeltByNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	w.service("payments", id)
	w.change(id, vault.CredentialChange{Documentation: new(new("Ask Ann"))})
	w.get(ada, "/credentials/"+id+"/revert/1").want(200, "1 service receives it, and will go on receiving the same.").not("feel")
}

func TestRevert_SaysWhoWasFirstAndShowsItAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	w.setPair(id, "password", "an0ther-value")
	path := "/credentials/" + id + "/revert/1"
	p := w.get(ada, path)
	_, err := w.vault.UpdateCredential(t.Context(), caller("eve@example.com"), id, vault.CredentialChange{Name: new("door")})
	must(t, err)
	p = w.press(ada, path, p, "confirm").want(http.StatusConflict, "eve@example.com was first.", "Revision 3", `name="revision" value="3"`).
		wantRow("Name", "door", "gateway")
	w.press(ada, path, p, "confirm").leadsTo(http.StatusSeeOther, "/credentials/"+id+"?done=reverted")
	// Somebody else did the same.
	w.press(ada, path, p, "confirm").want(400, "This cannot be done.", "No difference between old and new credential.").not("Revert</button>")
}

func TestRevert_IsRefusedWithTheReasonAndItsRemedy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	path := "/credentials/" + id + "/revert/1"
	w.get(ada, path).want(400, "No difference between old and new credential.", `<a class="btn" href="/credentials/`+id+`/history">Back</a>`).not("Cancel")

	w.change(id, vault.CredentialChange{Name: new("door")})
	other := w.credential("gateway", map[string]string{"password": secret})
	w.get(ada, path).want(409, "Another one bears the name by now", `href="/credentials/`+other+`"`).not("Cancel")
}

func TestRevert_OfWhatWouldCollideOffersNoButton(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret, "user": "shop"})
	w.change(id, vault.CredentialChange{Pairs: credential.Patch(credential.Pairs{}, []string{"user"}, nil)})
	other := w.credential("other", map[string]string{"user": "x"})
	w.service("payments", id, other)
	path := "/credentials/" + id + "/revert/1"
	p := w.get(ada, path).want(200, `<span class="mono">user</span> in <a href="/services/payments">payments</a>`, `href="/credentials/`+other+`"`).
		not("Cancel", "Revert</button>")
	w.press(ada, path, p, "confirm", "revision", "2").want(400, "Conflicting key pairs in mapped service.", `href="/credentials/`+other+`"`)
	if got := w.pairsOf(id); len(got) != 1 {
		t.Errorf("stored is %v", got)
	}
}

func TestRevert_SaysWhatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a, b := w.credential("a", map[string]string{"k": "1"}), w.credential("b", map[string]string{"l": "1"})
	w.service("payments", a, b)
	w.service("payments")
	w.change(a, vault.CredentialChange{Enabled: new(false)})
	_, err := w.vault.ArchiveCredential(t.Context(), caller(ada), a, vault.ArchiveOptions{Force: true})
	must(t, err)
	w.get(ada, "/services/payments/revert/1").want(200, "1 credential that revision 1 mapped is no more, and stays out.").wantRow("l", "New")
}

func TestRevert_IsForThoseWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	w.setPair(id, "password", "x")
	w.service("payments", id)
	w.service("payments")
	for _, path := range []string{"/credentials/" + id + "/revert/1", "/services/payments/revert/1"} {
		w.get(bob, path).want(403)
		token := w.token(ada)
		w.post(bob, path, url.Values{"revision": {"2"}, "form_token": {token}}).want(401)
	}
	for _, path := range []string{"/credentials/" + id + "/revert/9", "/credentials/" + id + "/revert/x", "/credentials/none/revert/1"} {
		w.get(ada, path).want(404, "There is no such credential, or it has no such revision.")
	}
	// Without the revision that was seen nothing is done.
	w.post(ada, "/credentials/"+id+"/revert/1", nil).want(200, "Revert gateway to revision 1")
	token := w.token(ada)
	w.readOnly = true
	w.get(ada, "/credentials/"+id+"/revert/1").want(200, "Maintenance mode.").not("Cancel", "<form method")
	w.post(ada, "/credentials/"+id+"/revert/1", url.Values{"revision": {"2"}, "form_token": {token}}).want(403)
	if got := w.pairsOf(id)["password"]; got != "x" {
		t.Errorf("stored is %v", got)
	}
}

func TestHistoryPages_OfAServiceWithACuriousName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const name = `ü%41+a?b#c"<i>-7`
	id := w.credential("gateway", map[string]string{"password": secret})
	w.service(name, id)
	w.service(name)
	link := "/services/" + url.PathEscape(name)
	written := strings.ReplaceAll(link, "+", "&#43;") // in an attribute
	w.get(ada, link+"/history").want(200, `href="`+written+`/revert/1"`, `action="`+written+`/diff"`).not("<i>")
	w.get(ada, link+"/diff?a=1&b=2").leadsTo(http.StatusSeeOther, link+"/diff/1/2")
	w.get(ada, link+"/diff/1/2").want(200, `href="`+written+`/history"`)
	p := w.get(ada, link+"/revert/1").want(200, `action="`+written+`/revert/1"`)
	w.press(ada, link+"/revert/1", p, "confirm").leadsTo(http.StatusSeeOther, link+"?done=reverted")
	p = w.get(ada, link+"/state").want(200, `action="`+written+`/state"`)
	w.press(ada, link+"/state", p, "confirm").leadsTo(http.StatusSeeOther, link+"?done=disabled")
}
