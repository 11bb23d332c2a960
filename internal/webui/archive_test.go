package webui_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestArchive_SaysWhatItDoesAndDoesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	w.change(id, vault.CredentialChange{Enabled: new(false)})
	path := "/credentials/" + id + "/archive"
	before := len(w.audit.Entries())
	p := w.get(ada, path).want(200, "<h1>Archive gateway</h1>", "Archive moves this credential with its 2 revisions out of reach.",
		"confidant restore-credentials --ids "+id+" --force", `btn-danger" name="do" value="confirm">Archive</button>`).not(secret)
	if n := len(w.audit.Entries()) - before; n != 1 {
		t.Errorf("a visit makes %d records, want 1", n)
	}
	w.press(ada, path, p, "confirm").leadsTo(http.StatusSeeOther, "/resources?done=archived")
	w.get(ada, "/resources?done=archived").want(200, "Archived. An administrator can bring it back.").not("gateway")
	if _, err := w.vault.GetCredential(t.Context(), caller(ada), id, true); !fault.Is(err, fault.NotFound) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestArchive_IsRefusedWithEachReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	w.service("payments", id)
	w.service("reports", id)
	path := "/credentials/" + id + "/archive"
	p := w.get(ada, path).want(200, "This cannot be done.", "It is still enabled.", `href="/credentials/`+id+`/state"`,
		"2 services receive it. Unmap it there first:", `href="/services/payments"`, `href="/services/reports"`).not("<form method", "out of reach")
	w.post(ada, path, url.Values{"changed": {w.now.Format(time.RFC3339Nano)}}).want(400, "It is still enabled.", "2 services")
	w.press(ada, path, p, "confirm").want(200, "It is still enabled.") // without what was seen nothing is done
	w.change(id, vault.CredentialChange{Enabled: new(false)})
	w.get(ada, path).want(200, "2 services receive it").not("still enabled")
}

func TestArchive_SaysWhoWasFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	w.change(id, vault.CredentialChange{Enabled: new(false)})
	path := "/credentials/" + id + "/archive"
	p := w.get(ada, path)
	_, err := w.vault.UpdateCredential(t.Context(), caller("eve@example.com"), id, vault.CredentialChange{Name: new("door")})
	must(t, err)
	p = w.press(ada, path, p, "confirm").want(409, "eve@example.com was first.", "Archive door", "its 3 revisions")
	w.press(ada, path, p, "confirm").leadsTo(http.StatusSeeOther, "/resources?done=archived")
}

// archiveless is a store without an archive.
type archiveless struct{ store.Store }

func (archiveless) ArchivedCredentials() store.Revisions[credential.Credential] { return nil }

func TestArchive_SaysWhereThereIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(f *furnishing) { f.store = func(db store.Store) store.Store { return archiveless{db} } })
	id := w.credential("gateway", map[string]string{"password": secret})
	w.change(id, vault.CredentialChange{Enabled: new(false)})
	path := "/credentials/" + id + "/archive"
	w.get(ada, path).want(200, "No archive is set up here.").not("<form method")
	w.post(ada, path, url.Values{"changed": {w.now.Format(time.RFC3339Nano)}}).want(400, "No archive is set up here.")
	w.get(bob, path).want(403)
	w.get(ada, "/credentials/"+id).want(200).not("/archive")
}

func TestArchive_IsForThoseWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("gateway", map[string]string{"password": secret})
	w.change(id, vault.CredentialChange{Enabled: new(false)})
	path := "/credentials/" + id + "/archive"
	w.get(bob, path).want(403).not("<form method")
	w.get(ada, "/credentials/none/archive").want(404)
	token := w.token(ada)
	w.readOnly = true
	w.get(ada, path).want(200, "out of reach").not("<form method")
	w.post(ada, path, url.Values{"changed": {w.now.Format(time.RFC3339Nano)}, "form_token": {token}}).want(403)
}
