package webui

import (
	"net/http"
	"slices"

	"github.com/confidant-secrets/confidant/internal/vault"
)

// serviceForm is the page on which a service is changed, in each of its steps.
type serviceForm struct {
	frame
	Name, Link string
	Action     string // address of the form
	Revision   int
	serviceFields
	AccountWas string
	WasEnabled bool
	Problems   []string
	Find       string
	FocusFind  bool
	SearchAt   string         // where a script searches while one types
	Candidates *candidateList // nil: nothing is searched for
	Mapped     []mappedWords
	Keys       []receivedKey
	Preview    bool // the keys are those after saving
	Untold     bool // what they are after saving cannot be told
	Conflicts  []conflict
	Left       []string // ids in the mapping that are of nothing, which saving leaves out
	Said       string   // what the last step did
	Part       bool     // a script puts the form into a page that is there
	Collision  *collisionWords
}

// serviceFields are what a service has beside its mapping.
type serviceFields struct {
	Accounts       []optionWords // none: services are not scoped
	AccountProblem string
	Enabled        bool
}

// serviceFields returns the fields with an account chosen.
func (v *visit) serviceFields(account string, enabled bool) serviceFields {
	if len(v.s.accounts) == 0 && account == "" {
		return serviceFields{Enabled: enabled}
	}
	options := []optionWords{{Value: "", Label: "Any account"}}
	for _, name := range v.s.accounts {
		options = append(options, optionWords{Value: name, Label: name})
	}
	if !v.offersAccount(account) {
		options = append(options, optionWords{Value: account, Label: account + " (not offered any more)"})
	}
	return serviceFields{Accounts: chosen(options, account), Enabled: enabled}
}

// offersAccount reports whether a service may be scoped to an account; "" is any.
func (v *visit) offersAccount(name string) bool {
	return name == "" || slices.Contains(v.s.accounts, name)
}

// form puts the request into words.
func (e *serviceEdit) form() serviceForm {
	d, row := &e.draft, e.detail.Row
	page := serviceForm{
		frame: e.framed("Edit "+row.ID, "resources"), Name: row.ID, Link: serviceLink(row.ID), Revision: row.Revision,
		serviceFields: e.serviceFields(d.account.value, d.enabled), AccountWas: d.account.was, WasEnabled: d.wasEnabled,
		Problems: e.problems, Find: d.find, Candidates: e.candidates, Part: e.target() != "",
	}
	page.Action, page.SearchAt, page.AccountProblem = page.Link+"/edit", page.Link+"/candidates", e.account
	page.Mapped = e.mapped()
	page.Keys = receivedKeys(e.detail.Keys, nil, nil)
	page.Untold = d.changes() && e.preview == nil
	if p := e.preview; p != nil {
		page.Preview, page.Left = true, p.Gone
		page.Keys, page.Conflicts = receivedKeys(p.Keys, p.Added, p.Removed), conflictsOf(p.Collisions)
	}
	page.FocusFind = e.status == http.StatusOK && !slices.ContainsFunc(page.Mapped, func(m mappedWords) bool { return m.Focus })
	page.Said = e.said(page.Mapped)
	return page
}

// mapped returns what is mapped and what is to be, in words.
func (e *serviceEdit) mapped() []mappedWords {
	var out []mappedWords
	for _, m := range e.detail.Mapped {
		words := mappedInWords(m)
		words.Removed = mentions(e.draft.removed, m.Ref)
		out = append(out, words)
	}
	for _, r := range e.draft.added {
		words := mappedInWords(e.adding(r))
		words.Added = true
		if words.Name == "" {
			words.Name = r.ID
		}
		out = append(out, words)
	}
	for i := range out {
		out[i].Row = i
		out[i].Focus = e.step != "" && e.step != "add" && out[i].Ref == refField(e.taken)
	}
	return out
}

// adding returns what is known of a credential that is to be mapped.
func (e *serviceEdit) adding(r vault.Ref) vault.Mapped {
	if e.preview == nil {
		return vault.Mapped{Ref: r, Enabled: true}
	}
	for _, m := range e.preview.Comparison.Mapped {
		if sameRef(r)(m.Ref) {
			m.KeyNames = keysFrom(e.preview.Keys, r)
			return m
		}
	}
	return vault.Mapped{Ref: r, Gone: true}
}

// keysFrom returns the keys that a service would receive from a credential.
func keysFrom(keys []vault.Receipt, r vault.Ref) (out []string) {
	for _, key := range keys {
		if slices.ContainsFunc(key.From, sameRef(r)) {
			out = append(out, key.Key)
		}
	}
	return out
}

// said tells what the last step did.
func (e *serviceEdit) said(mapped []mappedWords) string {
	name := e.taken.ID
	for _, m := range mapped {
		if m.Ref == refField(e.taken) {
			name = m.Name
		}
	}
	switch e.step {
	case "add":
		return "Added " + name + ". Nothing is saved yet."
	case "remove":
		return name + " is taken away when you save."
	case "undo":
		return "Undone."
	default:
		return ""
	}
}
