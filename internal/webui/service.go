package webui

import (
	"net/http"
	"strings"

	"github.com/confidant-secrets/confidant/internal/vault"
)

// servicePage shows a service, what it maps and what it receives by that.
type servicePage struct {
	frame
	Name, Link string
	Enabled    bool
	Account    string
	Revision   int
	By         string
	Changed    *moment
	Keys       []receivedKey
	Conflicts  []receivedKey // those of the keys that come from several
	Mapped     []mappedWords
	MayEdit    bool
}

// mappedWords is a credential in the mapping of a service.
type mappedWords struct {
	Row           int
	Ref           string // what the form calls it
	Name, Link    string
	Kind          string
	Enabled, Gone bool
	Keys          string
	// What the visitor is about to do to it.
	Added, Removed bool
	Focus          bool
}

// showService shows a service.
func showService(v *visit) error {
	detail, err := v.vault().ShowService(v.r.Context(), v.Caller, v.param("id"))
	if err != nil {
		return err
	}
	row := detail.Row
	page := servicePage{
		frame: v.framed(row.ID, "resources"), Name: row.ID, Link: serviceLink(row.ID), Enabled: row.Enabled, Account: row.Account,
		Revision: row.Revision, By: row.ModifiedBy, Changed: v.at(row.ModifiedDate),
		Keys: receivedKeys(detail.Keys, nil, nil), MayEdit: detail.Permissions["update"] && !v.s.readOnly(),
	}
	for _, m := range detail.Mapped {
		page.Mapped = append(page.Mapped, mappedInWords(m))
	}
	for _, key := range page.Keys {
		if key.Conflict {
			page.Conflicts = append(page.Conflicts, key)
		}
	}
	return v.render(http.StatusOK, "service", page)
}

func mappedInWords(m vault.Mapped) mappedWords {
	link := holderLink(m.Ref)
	words := mappedWords{
		Ref: refField(m.Ref), Name: link.Name, Link: link.Link, Kind: kindOfRef(m.Ref),
		Enabled: m.Enabled, Gone: m.Gone, Keys: strings.Join(m.KeyNames, ", "),
	}
	if m.Gone {
		words.Name, words.Link = m.ID, ""
	}
	return words
}

// mayChangeService refuses who may not change a service that he sees, and everybody
// in maintenance mode.
func (v *visit) mayChangeService(detail vault.ServiceDetail) error {
	if !detail.Permissions["update"] {
		return mayNot("change", "service", detail.Row.ID)
	}
	return v.writable()
}
