package webui

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"

	"github.com/confidant-secrets/confidant/internal/vault"
)

// credentialPage shows a credential without its values.
type credentialPage struct {
	frame
	ID, Name, Link     string
	Enabled            bool
	Revision           int
	By                 string
	Changed            *moment
	Pairs              []maskedPair
	Services           []serviceWords
	Documentation      template.HTML
	Tags               []tagWords
	Metadata           []fieldChange
	Rotated, Due, Seen *moment
	Overdue            bool
	MayEdit, MayGet    bool
	MayArchive         bool
}

// maskedPair is a pair whose value is behind a mask.
type maskedPair struct {
	Row       int
	Key       string
	Action    string // where its value is asked for
	MayGet    bool
	FormToken string
}

// serviceWords is a service that receives something.
type serviceWords struct {
	Name, Link string
	Enabled    bool
}

// receivers puts the services that receive something into words.
func receivers(services []vault.Dependent) []serviceWords {
	var out []serviceWords
	for _, s := range services {
		out = append(out, serviceWords{s.ID, serviceLink(s.ID), s.Enabled})
	}
	return out
}

type tagWords struct{ Name, Link string }

func credentialLink(id string) string { return "/credentials/" + url.PathEscape(id) }

func blindLink(id string) string { return "/blind-credentials/" + url.PathEscape(id) }

func serviceLink(id string) string { return "/services/" + url.PathEscape(id) }

// showCredential shows a credential.
func showCredential(v *visit) error {
	detail, err := v.vault().ShowCredential(v.r.Context(), v.Caller, v.param("id"))
	if err != nil {
		return err
	}
	row := detail.Row
	page := credentialPage{
		frame: v.framed(row.Name, "resources"), ID: row.ID, Name: row.Name, Link: credentialLink(row.ID),
		Enabled: row.Enabled, Revision: row.Revision, By: row.ModifiedBy, Changed: v.at(row.ModifiedDate),
		Rotated: v.at(row.LastRotation), Due: v.at(detail.NextRotation), Seen: v.at(row.LastDecrypted),
		Overdue: !detail.NextRotation.IsZero() && !detail.NextRotation.After(v.s.now()),
		MayGet:  detail.Permissions["get"], MayEdit: detail.Permissions["update"] && !v.s.readOnly(),
		MayArchive: detail.Permissions["archive"] && !v.s.readOnly(),
	}
	for i, key := range detail.KeyNames {
		page.Pairs = append(page.Pairs, maskedPair{i, key, page.Link + "/reveal", page.MayGet, v.FormToken})
	}
	page.Services = receivers(detail.Dependents)
	if row.Documentation != nil {
		if page.Documentation, err = prose(*row.Documentation); err != nil {
			return fmt.Errorf("rendering documentation: %w", err)
		}
	}
	for _, tag := range row.Tags {
		page.Tags = append(page.Tags, tagWords{tag, "/resources?" + url.Values{"tag": {tag}}.Encode()})
	}
	for _, m := range beginMetadata(row.Metadata).rows {
		page.Metadata = append(page.Metadata, fieldChange{Name: m.key, After: m.value})
	}
	return v.render(http.StatusOK, "credential", page)
}

// revealPage shows one value.
type revealPage struct {
	frame
	Key, Value, Back string
	Revision         int
	Seconds          int
	Row              int
}

// shownFor is how many seconds a value stays on the screen.
const shownFor = 30

// reveal shows one value, for a while, or hands it to the script that copies it.
func reveal(v *visit) error {
	back := credentialLink(v.param("id"))
	if !v.posts() {
		return v.sendTo(back, nil) // after a log-in that the button led to
	}
	value, err := v.vault().RevealPair(v.r.Context(), v.Caller, v.param("id"), v.text("key"))
	if err != nil {
		return err
	}
	row, _ := strconv.Atoi(v.text("row"))
	v.w.Header().Set("Refresh", fmt.Sprintf("%d; url=%s", shownFor, back))
	return v.render(http.StatusOK, "credential_reveal", revealPage{
		frame: v.framed("Value of "+value.Key, "resources"), Key: value.Key, Value: value.Text(), Back: back, Revision: value.Revision, Seconds: shownFor, Row: row,
	})
}
