package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// rowsPerPage is how many things a list shows.
const rowsPerPage = 50

// resourcesPage is the one list of everything that is stored.
type resourcesPage struct {
	frame
	Filters   []selectWords
	Text      string
	Chips     []chip // what the list is narrowed to beyond the fields
	Sorts     []sortWords
	Rows      []rowWords
	Empty     string // in words, why there are none
	Narrowed  bool   // something is looked for
	First     string // address of the first page, if this is another
	Next      string // address of the next page; "" if there is none
	AsOf      *moment
	New       []choice // what may be made here; the first is the main thing
	SortBy    string
	Direction string
	Hidden    []hiddenField // what the form keeps beside its fields
}

// selectWords is a choice in the form above the list.
type selectWords struct {
	Name, Label string
	Options     []optionWords
}

type optionWords struct {
	Value, Label string
	Chosen       bool
}

// chip is one thing the list is narrowed to, and the way to take that away.
type chip struct{ Words, Without string }

type hiddenField struct{ Name, Value string }

// sortWords is the heading of a column.
type sortWords struct {
	Label string
	Link  string // "": the list is not sorted by it
	State string // of aria-sort
	Class string
}

// rowWords is one thing in the list.
type rowWords struct {
	Name, Link, Kind string
	Enabled          bool
	Keys             string
	Services         string
	Due              *moment
	Overdue          bool
	Changed          *moment
	By               string
}

// The choices of the form, and what each asks for.
var (
	kindChoices = []optionWords{
		{Value: "", Label: "All kinds"},
		{Value: string(store.Credential), Label: "Credentials"},
		{Value: string(store.BlindCredential), Label: "Blind credentials"},
		{Value: string(store.Service), Label: "Services"},
	}
	stateChoices = []optionWords{
		{Value: "", Label: "Enabled or disabled"}, {Value: "enabled", Label: "Enabled"}, {Value: "disabled", Label: "Disabled"},
	}
	attentionChoices = []optionWords{
		{Value: "", Label: "Everything"},
		{Value: "due", Label: "Rotation is due"},
		{Value: "never-rotated", Label: "Never rotated"},
		{Value: "unmapped", Label: "Enabled, but no service receives it"},
		{Value: "disabled-mapped", Label: "Disabled, but services receive it"},
		{Value: "changed", Label: "Changed in the last 24 hours"},
	}
)

// narrow puts the parameters of the address into a query. Unknown words narrow
// nothing.
func (v *visit) narrow(asked url.Values) store.Query {
	q := store.Query{
		Text: strings.ToLower(strings.TrimSpace(asked.Get("q"))), Key: asked.Get("key"), Tag: asked.Get("tag"),
		MappedBy: asked.Get("service"), ModifiedBy: asked.Get("by"), After: asked.Get("after"), Limit: rowsPerPage,
	}
	if kind := asked.Get("kind"); slices.ContainsFunc(kindChoices[1:], func(o optionWords) bool { return o.Value == kind }) {
		q.Nouns = []store.Noun{store.Noun(kind)}
	}
	yes, no := true, false
	switch asked.Get("state") {
	case "enabled":
		q.Enabled = &yes
	case "disabled":
		q.Enabled = &no
	}
	switch asked.Get("show") {
	case "due":
		q.Due = true
	case "never-rotated":
		q.NeverRotated = true
	case "unmapped":
		q.Enabled, q.Mapped = &yes, &no
	case "disabled-mapped":
		q.Enabled, q.Mapped = &no, &yes
	case "changed":
		q.ModifiedSince = v.s.now().Add(-24 * time.Hour)
	}
	switch sort := store.Sort(asked.Get("sort")); sort {
	case store.SortModified, store.SortRotation:
		q.Sort = sort
	default:
		q.Sort = store.SortName
	}
	q.Descending = asked.Get("order") == "desc"
	return q
}

// resources shows what is stored, narrowed and sorted as the address says.
func resources(v *visit) error {
	asked := v.r.URL.Query()
	q := v.narrow(asked)
	page := resourcesPage{
		frame: v.framed("Resources", "resources"), Text: asked.Get("q"),
		Filters: []selectWords{
			{"kind", "Kind", chosen(kindChoices, asked.Get("kind"))},
			{"state", "State", chosen(stateChoices, asked.Get("state"))},
			{"show", "Show", chosen(attentionChoices, asked.Get("show"))},
		},
		New: v.makes(), SortBy: asked.Get("sort"), Direction: asked.Get("order"),
	}
	page.OwnSearch = true
	for _, c := range []struct{ name, words string }{
		{"key", "Key"}, {"tag", "Tag"}, {"service", "Received by"}, {"by", "Changed by"},
	} {
		if value := asked.Get(c.name); value != "" {
			page.Chips = append(page.Chips, chip{c.words + ": " + value, v.resourcesLink(asked, c.name, "")})
			page.Hidden = append(page.Hidden, hiddenField{c.name, value})
		}
	}
	for _, name := range []string{"sort", "order"} {
		if value := asked.Get(name); value != "" {
			page.Hidden = append(page.Hidden, hiddenField{name, value})
		}
	}
	for _, name := range []string{"q", "kind", "state", "show", "key", "tag", "service", "by"} {
		page.Narrowed = page.Narrowed || asked.Get(name) != ""
	}
	page.Sorts = v.sorts(asked, q)
	if q.After != "" {
		page.First = v.resourcesLink(asked)
	}
	found, err := v.vault().Find(v.r.Context(), v.Caller, q)
	switch {
	case fault.Is(err, fault.Denied):
		page.Empty = "You may not list what is stored here."
		return v.render(http.StatusOK, "resources", page)
	case fault.Is(err, fault.Invalid):
		return v.sendTo("/resources", nil) // the list has moved on under an old address
	case err != nil:
		return err
	}
	now := v.s.now()
	for _, e := range found.Entries {
		page.Rows = append(page.Rows, rowWords{
			Name: e.Name, Link: nounPaths[e.Noun] + url.PathEscape(e.ID), Kind: nounWords[e.Noun], Enabled: e.Enabled,
			Keys: shortList(e.KeyNames, 3), Services: servicesOf(e),
			Due: v.at(e.NextRotation), Overdue: !e.NextRotation.IsZero() && !e.NextRotation.After(now),
			Changed: v.at(e.ModifiedDate), By: e.ModifiedBy,
		})
	}
	if found.Next != "" {
		page.Next = v.resourcesLink(asked, "after", found.Next)
	}
	if now.Sub(found.AsOf) > 2*time.Second {
		page.AsOf = v.at(found.AsOf)
	}
	switch {
	case len(page.Rows) > 0:
	case found.Next != "":
		page.Empty = "Nothing on this page; what matches may follow on the next."
	case page.Narrowed:
		page.Empty = "Nothing matches."
	default:
		page.Empty = "Nothing is stored yet. A credential is a named set of keys and values; a service receives the credentials that are mapped to it."
	}
	return v.render(http.StatusOK, "resources", page)
}

// resourcesLink returns the address of the list with some parameters changed;
// without a page, since another list begins anew.
func (v *visit) resourcesLink(asked url.Values, changes ...string) string {
	query := url.Values{}
	for name, values := range asked {
		if name != "after" && name != "done" && values[0] != "" {
			query.Set(name, values[0])
		}
	}
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "" {
			query.Del(changes[i])
		} else {
			query.Set(changes[i], changes[i+1])
		}
	}
	link := url.URL{Path: "/resources", RawQuery: query.Encode()}
	return link.String()
}

// sorts returns the headings of the columns.
func (v *visit) sorts(asked url.Values, q store.Query) []sortWords {
	by := func(label string, sort store.Sort, class string) sortWords {
		order, state := "", "none"
		if q.Sort == sort {
			state = "ascending"
			if order = "desc"; q.Descending {
				state, order = "descending", ""
			}
		} else if sort == store.SortModified {
			order = "desc" // the newest first is what people look for
		}
		return sortWords{label, v.resourcesLink(asked, "sort", string(sort), "order", order), state, class}
	}
	plain := func(label string) sortWords { return sortWords{Label: label} }
	return []sortWords{
		by("Name", store.SortName, ""), plain("Kind"), plain("Keys"), plain("Services"),
		by("Rotation", store.SortRotation, ""), by("Changed", store.SortModified, ""), plain("By"),
	}
}

// chosen returns choices of which one is in force.
func chosen(options []optionWords, value string) []optionWords {
	out := slices.Clone(options)
	for i := range out {
		out[i].Chosen = out[i].Value == value
	}
	return out
}

// makes returns what the visitor may make.
func (v *visit) makes() []choice {
	if v.s.readOnly() {
		return nil
	}
	hints := v.s.vault.Hints(v.r.Context(), v.Caller)
	var out []choice
	for _, c := range []struct{ noun, label, link string }{
		{"credentials", "New credential", "/credentials/new"},
		{"services", "New service", "/new-service"},
		{"blind_credentials", "New blind credential", "/blind-credentials/new"},
	} {
		if hints[c.noun]["create"] {
			out = append(out, choice{Label: c.label, Link: c.link})
		}
	}
	return out
}

// shortList names the first of several and counts the rest.
func shortList(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + " and " + number(len(names)-most) + " more"
}

// servicesOf says how many services receive an entry.
func servicesOf(e store.Entry) string {
	if e.Noun == store.Service {
		return ""
	}
	return number(e.Services)
}
