package webui

import (
	"net/http"
	"net/url"
	"time"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// archiveCredential asks whether to archive a credential, and does it.
func archiveCredential(v *visit) error {
	id := v.param("id")
	if !v.posts() {
		return askToArchive(v, id, nil)
	}
	seen, err := time.Parse(time.RFC3339Nano, v.text("changed"))
	if err != nil {
		return askToArchive(v, id, nil)
	}
	_, err = v.vault().ArchiveCredential(v.r.Context(), v.Caller, id, vault.ArchiveOptions{Force: true, UnchangedSince: seen})
	if err == nil {
		return v.sendTo("/resources", url.Values{"done": {"archived"}})
	}
	return askToArchive(v, id, err)
}

// askToArchive says what archiving does, or why it cannot be done; after an
// attempt that was refused also that.
func askToArchive(v *visit, id string, refused error) error {
	status := http.StatusOK
	if refused != nil {
		var ok bool
		if _, status, ok = problemOf(refused); !ok {
			return refused
		}
	}
	now, err := v.vault().ShowCredential(v.r.Context(), v.Caller, id)
	if err != nil {
		return err
	}
	row := now.Row
	page := v.asking("Archive", store.Credential, row.ID, row.Name)
	page.Danger = true
	page.Hidden = []hiddenField{{"changed", row.ModifiedDate.Format(time.RFC3339Nano)}}
	if !now.Permissions["archive"] {
		// Whether he may not, or there is no archive, a trial tells.
		switch _, err := v.vault().ArchiveCredential(v.r.Context(), v.Caller, id, vault.ArchiveOptions{}); {
		case fault.Is(err, fault.Invalid):
			page.Refusals = []refusal{{Words: "No archive is set up here. Whoever runs this names a table for it: DYNAMODB_TABLE_ARCHIVE."}}
			return v.confirm(status, page)
		case err != nil:
			return err
		}
	}
	if row.Enabled {
		enabled := refusal{Words: "It is still enabled."}
		if !v.s.readOnly() {
			enabled.Links = []linked{{"Disable it", page.Back + "/state"}}
		}
		page.Refusals = append(page.Refusals, enabled)
	}
	if len(now.Dependents) > 0 {
		mapped := refusal{Words: receiveIt(len(now.Dependents)) + ". Unmap it there first:"}
		for _, d := range now.Dependents {
			mapped.Links = append(mapped.Links, linked{d.ID, serviceLink(d.ID)})
		}
		page.Refusals = append(page.Refusals, mapped)
	}
	if len(page.Refusals) > 0 {
		return v.confirm(status, page)
	}
	page.Words = []string{
		"Archive moves this credential with its " + count(row.Revision, "revision") + " out of reach. No page shows it any more and no service can be given it.",
		"An administrator can bring it back with",
	}
	page.Command = "confidant restore-credentials --ids " + row.ID + " --force"
	if refused != nil { // it was changed meanwhile, and may be archived as it is now
		page.First, status = v.first(row.Meta), http.StatusConflict
	}
	return v.confirm(status, page)
}
