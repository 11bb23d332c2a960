package webui_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestCredentialState_SaysWhatItMeansAndDoesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	path := "/credentials/" + id + "/state"
	w.get(ada, path).want(200, "<h1>Disable gateway</h1>", "Disabled is a mark for people", "No service receives it, so nobody feels this.").not(secret)
	w.service("payments", id)
	w.service("reports", id)
	p := w.get(ada, path).want(200, "2 services receive it, and will go on to until it is unmapped there.",
		`href="/services/payments"`, `href="/services/reports"`, "Disable</button>")
	w.press(ada, path, p, "confirm").leadsTo(http.StatusSeeOther, "/credentials/"+id+"?done=disabled")
	w.get(ada, "/credentials/"+id+"?done=disabled").want(200, "Disabled.", `href="`+path+`">Enable</a>`)
	p = w.get(ada, path).want(200, "<h1>Enable gateway</h1>", "2 services receive it, before and after.", "Enable</button>")
	w.press(ada, path, p, "confirm").leadsTo(http.StatusSeeOther, "/credentials/"+id+"?done=enabled")
}

func TestCredentialState_SaysWhoWasFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	path := "/credentials/" + id + "/state"
	p := w.get(ada, path)
	_, err := w.vault.UpdateCredential(t.Context(), caller("eve@example.com"), id, vault.CredentialChange{Name: new("door")})
	must(t, err)
	again := w.press(ada, path, p, "confirm").want(http.StatusConflict, "eve@example.com was first.", "<h1>Disable door</h1>", `value="2"`)
	_, err = w.vault.UpdateCredential(t.Context(), caller("eve@example.com"), id, vault.CredentialChange{Enabled: new(false)})
	must(t, err)
	w.press(ada, path, again, "confirm").want(http.StatusConflict, "eve@example.com was first.", "It is disabled already.").not("Cancel")
}

func TestCredentialState_IsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(f *furnishing) { f.rules.EnforceDocumentation = true })
	made, err := w.vault.CreateCredential(t.Context(), caller(ada), vault.NewCredential{
		Name: "gateway", Documentation: new("d"), Pairs: pairs(t, map[string]string{"k": "v"}), Enabled: true,
	})
	must(t, err)
	id := made.Row.ID
	w.change(id, vault.CredentialChange{Documentation: new((*string)(nil)), SkipDocumentation: true})
	path := "/credentials/" + id + "/state"
	w.press(ada, path, w.get(ada, path), "confirm").want(400, "This cannot be done.", "documentation").not("Cancel", "was first")
}

func TestCredentialState_IsForThoseWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	path := "/credentials/" + id + "/state"
	w.get(bob, path).want(403, "You may not change the credential gateway.")
	w.get(ada, "/credentials/none/state").want(404)
	w.post(ada, path, url.Values{"enabled": {"false"}}).leadsTo(http.StatusSeeOther, path) // nothing was seen
	token := w.token(ada)
	w.readOnly = true
	w.get(ada, path).want(200).not("<form method", "Cancel")
	w.post(ada, path, url.Values{"enabled": {"false"}, "revision": {"1"}, "form_token": {token}}).want(403)
	w.readOnly = false
	w.get(ada, "/credentials/"+id).want(200, ">Disable</a>")
}
