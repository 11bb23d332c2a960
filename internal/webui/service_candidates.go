package webui

import (
	"net/http"
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// candidateList is what a search for credentials to map has found.
type candidateList struct {
	Words string // how many
	Rows  []candidateWords
	Part  bool // a script puts the list into a page that is there
}

// candidateWords is a credential that the service may map.
type candidateWords struct {
	Ref        string // what the form calls it
	Name, Link string
	Kind, Keys string
	Mapped     bool          // by the service, already
	Added      bool          // the visitor is about to map it
	Removed    bool          // the visitor is about to unmap it
	Received   []receivedKey // keys of it that the service receives already
}

// serviceCandidates shows the credentials that match while a visitor types. The
// address carries what he has chosen so far.
func serviceCandidates(v *visit) error {
	id, asked := v.param("id"), v.r.URL.Query()
	if v.target() == "" {
		return v.sendTo(serviceLink(id)+"/edit", nil) // the list is a part of that page
	}
	var found candidateList
	if text := strings.TrimSpace(asked.Get("find")); text != "" {
		var err error
		if found, err = v.search(id, text, readRefs(asked["add"]), readRefs(asked["remove"])); err != nil {
			return err
		}
	}
	found.Part = true
	return v.render(http.StatusOK, "service_edit", found)
}

// search looks for credentials to map.
func (v *visit) search(id, text string, added, removed []vault.Ref) (out candidateList, err error) {
	found, err := v.vault().Candidates(v.r.Context(), v.Caller, id, text)
	if fault.Is(err, fault.Denied) {
		out.Words = "You may not search for credentials."
		return out, nil
	}
	if err != nil {
		return out, err
	}
	for _, c := range found {
		link := holderLink(c.Ref)
		words := candidateWords{
			Ref: refField(c.Ref), Name: link.Name, Link: link.Link, Kind: kindOfRef(c.Ref), Keys: strings.Join(c.KeyNames, ", "),
			Mapped: c.Mapped, Added: mentions(added, c.Ref), Removed: mentions(removed, c.Ref),
		}
		for _, key := range c.Conflicts {
			key.From = slices.DeleteFunc(key.From, func(r vault.Ref) bool { return mentions(removed, r) })
			if len(key.From) > 0 {
				words.Received = append(words.Received, receivedWords(key))
			}
		}
		out.Rows = append(out.Rows, words)
	}
	switch len(out.Rows) {
	case 0:
		out.Words = "No enabled credential has this in its name or keys."
	case vault.MaxCandidates:
		out.Words = "The first " + count(len(out.Rows), "credential") + " that match. Type more to see others."
	default:
		out.Words = count(len(out.Rows), "credential") + " found."
	}
	return out, nil
}
