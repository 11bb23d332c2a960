package webui_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// change stores a new revision of a credential.
func (w *world) change(id string, change vault.CredentialChange) {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	_, err := w.vault.UpdateCredential(w.t.Context(), caller(ada), id, change)
	must(w.t, err)
}

// setPair gives a key of a credential a value.
func (w *world) setPair(id, key, value string) {
	w.t.Helper()
	w.change(id, vault.CredentialChange{Pairs: credential.Patch(pairs(w.t, map[string]string{key: value}), nil, nil)})
}

// sealed is what a client sealed, under some key names.
func sealed(ciphertext string, keys ...string) vault.BlindSealed {
	return vault.BlindSealed{
		Pairs: json.RawMessage(`{"here":"` + ciphertext + `"}`), DataKey: json.RawMessage(`{"here":"a2V5"}`),
		KeyNames: keys, CipherType: "fernet", CipherVersion: 2,
	}
}

// blindOfTwo stores a blind credential of two revisions.
func (w *world) blindOfTwo(name string) string {
	w.t.Helper()
	first, second := sealed("c1phert3xt", "pin"), sealed("0thert3xt", "pin", "puk")
	made, err := w.vault.CreateBlindCredential(w.t.Context(), caller(ada), vault.NewBlind{
		Name: name, Pairs: first.Pairs, DataKey: first.DataKey, KeyNames: first.KeyNames,
		CipherType: first.CipherType, CipherVersion: first.CipherVersion, Enabled: true,
	})
	must(w.t, err)
	_, err = w.vault.UpdateBlindCredential(w.t.Context(), caller(ada), made.Row.ID, vault.BlindChange{Sealed: &second, Enabled: new(false)})
	must(w.t, err)
	return made.Row.ID
}

// rows reads the text of the cells of a page's tables, row by row.
func rows(p page) []string {
	var out []string
	for _, row := range regexp.MustCompile(`(?s)<tr>.*?</tr>`).FindAllString(p.body, -1) {
		text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(row, " ")
		out = append(out, strings.Join(strings.Fields(text), " "))
	}
	return out
}

// wantRow holds a page to have a row that holds the words, in order.
func (p page) wantRow(words ...string) page {
	p.t.Helper()
	for _, row := range rows(p) {
		rest, all := row, true
		for _, w := range words {
			var found bool
			if _, rest, found = strings.Cut(rest, w); !found {
				all = false
				break
			}
		}
		if all {
			return p
		}
	}
	p.t.Errorf("%s: no row says %q, but\n%s", p.what, words, strings.Join(rows(p), "\n"))
	return p
}

func TestHistory_SaysWhatEachRevisionChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"user": "shop", "password": secret})
	w.setPair(id, "password", secret+"2")
	w.setPair(id, "port", "5432")
	w.change(id, vault.CredentialChange{Pairs: credential.Patch(credential.Pairs{}, []string{"port", "user"}, nil), Name: new("door")})
	w.change(id, vault.CredentialChange{Documentation: new(new("Ask Ann")), Tags: &[]string{"pci"}, Enabled: new(false)})
	w.change(id, vault.CredentialChange{Metadata: new(json.RawMessage(`{"a":1}`)), Enabled: new(true)})
	p := w.get(ada, "/credentials/"+id+"/history").want(200, "<h1>History of", ">door</a></h1>").not(secret)
	p.wantRow("6 current", ada, "Enabled; metadata", "Difference").
		wantRow("5", ada, "Disabled; documentation; tags", "Difference", "Revert to this").
		wantRow("4", "New name; values; removed keys port and user").
		wantRow("3", "Values; added key port").
		wantRow("2", "Values", "Revert").
		wantRow("1", "Created", "Revert")
	for _, link := range []string{"/diff/5/6", "/diff/1/2", "/revert/5", "/revert/1"} {
		p.want(200, `href="/credentials/`+id+link+`"`)
	}
	p.want(200, `aria-label="Difference made by revision 6"`, `aria-label="Revert to this, revision 5"`).not("/revert/6", "/diff/0/1")
	// What is compared without a choice is the latest change.
	p.want(200, `name="a" value="5" aria-label="Compare from revision 5" checked`, `name="b" value="6" aria-label="Compare to revision 6" checked`)
}

func TestHistory_OffersNoRevertThatWouldBeRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	w.setPair(id, "password", "x")
	w.get(bob, "/credentials/"+id+"/history").want(200, "Difference").not("evert", "/state")
	w.readOnly = true
	w.get(ada, "/credentials/"+id+"/history").want(200, "Difference").not("evert")
}

func TestHistory_OfTheOtherNouns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a, b := w.credential("a", map[string]string{"k": "1"}), w.credential("b", map[string]string{"l": "1"})
	w.service("payments", a)
	w.service("payments", b)
	_, err := w.vault.PutService(t.Context(), caller(ada), "payments", vault.ServiceChange{Account: "sandbox", Enabled: new(false)})
	must(t, err)
	w.get(ada, "/services/payments/history").want(200, "History of", `href="/services/payments/revert/1"`).
		wantRow("3 current", "Account; disabled").wantRow("2", "Mapped 1 credential; unmapped 1 credential").wantRow("1", "Created")
	blind := w.blindOfTwo("vault-door")
	w.get(ada, "/blind-credentials/"+blind+"/history").want(200, `href="/blind-credentials/`+blind+`/diff/1/2"`).
		wantRow("2 current", "Disabled; new ciphertext; added key puk").wantRow("1", "Created")
}

func TestHistory_GoesOnBehindAHundredRevisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 103 {
		_, err := w.vault.PutService(t.Context(), caller(ada), "payments", vault.ServiceChange{Enabled: new(i%2 == 0)})
		must(t, err)
	}
	w.get(ada, "/services/payments/history").want(200, `href="/services/payments/history?before=4" rel="next"`, "Earlier revisions").
		not("Latest revisions", ">3<")
	w.get(ada, "/services/payments/history?before=4").want(200, "Latest revisions", `href="/services/payments/diff/1/2"`).
		not("Earlier revisions", "current<").wantRow("3", "Enabled").wantRow("1", "Created")
	w.get(ada, "/services/payments/history?before=1").want(200, "No revision is older than that.")
}

func TestHistory_OfOneRevisionOffersNoComparison(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	w.get(ada, "/credentials/"+id+"/history").want(200, "Created").not("Compare", `type="radio"`, "Revert")
}

func TestCompare_SendsOnToTheTwoRevisionsOrBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	w.service("a", id)
	for _, noun := range []string{"/credentials/" + id, "/services/a", "/blind-credentials/x"} {
		for asked, want := range map[string]string{
			"a=1&b=2":               "/diff/1/2",
			"a=3&b=2":               "/diff/2/3",
			"a=2&b=2":               "/history?a=2&b=2&problem=same",
			"":                      "/history?problem=choose",
			"a=1":                   "/history?a=1&problem=choose",
			"a=one&b=2":             "/history?b=2&problem=choose",
			"a=-1&b=02":             "/history?problem=choose",
			"a=%3Cscript%3E&b=9e99": "/history?problem=choose",
		} {
			w.get(ada, noun+"/diff?"+asked).leadsTo(http.StatusSeeOther, noun+want)
		}
	}
	w.setPair(id, "password", "x")
	w.get(ada, "/credentials/"+id+"/history?a=1&b=1&problem=same").want(200, "Choose two different revisions",
		`name="a" value="1" aria-label="Compare from revision 1" checked`, `name="b" value="1" aria-label="Compare to revision 1" checked`)
	w.get(ada, "/credentials/"+id+"/history?problem=choose").want(200, "Choose a revision in each")
	w.get(ada, "/credentials/"+id+"/history?problem=%3Cb%3E").want(200).not("<b>")
}

func TestDiff_ShowsWhatDiffersAndNoValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"user": "shop", "password": secret, "old": "abc"})
	_, err := w.vault.UpdateCredential(t.Context(), caller(ada), id, vault.CredentialChange{
		Name: new("door"), Documentation: new(new("Ask Ann")), Tags: &[]string{"pci"}, Enabled: new(false),
		Metadata: new(json.RawMessage(`{"owner":"payments"}`)),
		Pairs:    credential.Patch(pairs(t, map[string]string{"password": secret + "longer", "port": "5432"}), []string{"old"}, nil),
	})
	must(t, err)
	path := "/credentials/" + id + "/diff/"
	before := len(w.audit.Entries())
	p := w.get(ada, path+"1/2").want(200, "Difference of", `href="/credentials/`+id+`/revert/1">Revert to revision 1</a>`, ">door</a>", "From revision 1", "to revision 2").not(secret, "5432")
	if n := len(w.audit.Entries()) - before; n != 1 {
		t.Errorf("a visit makes %d records, want 1", n)
	}
	grown := fmt.Sprintf("%d → %d", len(secret), len(secret)+6)
	p.wantRow("Name", "gateway", "door").wantRow("State", "Enabled", "Disabled").wantRow("Documentation", "None", "Ask Ann").
		wantRow("Tags", "None", "pci").wantRow("Metadata: owner", "None", "payments").
		wantRow("old", "Removed", "3").wantRow("password", "New value", grown).wantRow("port", "New", "4").wantRow("user", "Same value", "4")
	// The earlier one stands first, whichever is named first.
	w.get(ada, path+"2/1").want(200, "From revision 1").wantRow("Name", "gateway", "door")
	// Who may see no value is told no length.
	w.get(bob, path+"1/2").want(200).not(secret, "Characters", grown, "evert").wantRow("password", "New value")
	w.get(ada, path+"1/1").want(200, "Nothing differs between these two.").not("evert")
	w.readOnly = true
	w.get(ada, path+"1/2").want(200).not("evert")
	for _, none := range []string{path + "1/3", path + "0/1", path + "x/1", "/credentials/none/diff/1/2"} {
		w.get(ada, none).want(404, "There is no such credential, or it has no such revision.")
	}
}

func TestDiff_OfTheOtherNouns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a, b := w.credential("a", map[string]string{"k": "1"}), w.credential("b", map[string]string{"l": "1"})
	w.service("payments", a)
	w.service("payments", b)
	w.get(ada, "/services/payments/diff/1/2").want(200, `href="/credentials/`+a+`"`, `href="/credentials/`+b+`"`).
		wantRow("a", "No longer mapped").wantRow("b", "Mapped")
	w.get(ada, "/services/payments/diff/1/9").want(404, "There is no such service, or it has no such revision.")
	blind := w.blindOfTwo("vault-door")
	w.get(ada, "/blind-credentials/"+blind+"/diff/1/2").want(200).not("c1phert3xt", "0thert3xt").
		wantRow("State", "Enabled", "Disabled").wantRow("Sealed values", "One ciphertext", "Another one.").wantRow("puk", "New")
	w.get(ada, "/blind-credentials/"+blind+"/diff/1/9").want(404, "There is no such blind credential, or it has no such revision.")
}

func TestHistoryPages_ShowMarkupAsText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const bad = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	id := w.credential("gateway", map[string]string{"password": secret})
	w.change(id, vault.CredentialChange{
		Name: new(bad), Documentation: new(new(bad)), Tags: &[]string{bad}, Enabled: new(false),
		Metadata: new(json.RawMessage(`{"<b>x</b>":"<script>alert(1)</script>"}`)),
		Pairs:    credential.Patch(pairs(t, map[string]string{"<i>k</i>": "v"}), nil, nil),
	})
	for _, path := range []string{"/history", "/diff/1/2", "/revert/1", "/state", "/archive"} {
		w.get(ada, "/credentials/"+id+path).want(200).not("<script>alert", "<img src=x", "<b>x", "<i>k")
	}
}
