package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// chronicle is a noun as the pages about its history know it: what its use cases
// answer, in words.
type chronicle struct {
	noun    store.Noun
	journal func(v *visit, id string, before int) (vault.Journal, error)
	compare func(v *visit, id string, a, b int) (compared, error)
	preview func(v *visit, id string, to int) (reverting, error)
	revert  func(v *visit, id string, to, seen int) error
}

// compared is two revisions of a thing side by side.
type compared struct {
	before, after revision.Meta
	name          string
	difference    *difference
	permissions   vault.Permissions
}

// reverting is what a revert would do to a thing as it is now.
type reverting struct {
	revision.Meta
	name       string
	gone       int // credentials that were mapped and are no more
	difference *difference
	effects    *effects
}

// Headings of what is compared.
const (
	nowHead      = "Now"
	revertedHead = "After reverting"
)

func revisionHead(m revision.Meta) string { return "Revision " + number(m.Revision) }

// link returns where a thing of the noun has its page; the pages about its
// history are below it.
func (n chronicle) link(v *visit) string { return nounLink(n.noun, v.param("id")) }

// missing is the answer to a revision that is not there.
func (n chronicle) missing(cause error) error {
	noun := strings.ToLower(nounWords[n.noun])
	return fault.Wrap(fault.NotFound, "There is no such "+noun+", or it has no such revision.", cause)
}

// historyPage tells the revisions of one thing.
type historyPage struct {
	frame
	Kind, Name, Link string
	Problem          string
	Rows             []revisionWords
	Several          bool // there are revisions to compare
	MayRevert        bool
	Newest, Older    string // addresses of other pages of it; "" where this is it
}

// revisionWords is one revision.
type revisionWords struct {
	Revision   int
	Current    bool
	When       *moment
	By, What   string
	From, To   bool // chosen for a comparison
	DiffLink   string
	RevertLink string
}

// history shows the revisions of one thing, the newest first.
func (n chronicle) history(v *visit) error {
	asked := v.r.URL.Query()
	before, _ := strconv.Atoi(asked.Get("before"))
	journal, err := n.journal(v, v.param("id"), max(before, 0))
	if err != nil {
		return err
	}
	page := historyPage{
		frame: v.framed("History of "+journal.Name, "resources"), Kind: nounWords[n.noun], Name: journal.Name, Link: n.link(v),
		Problem: comparisonProblems[asked.Get("problem")], Several: len(journal.Entries) > 1,
		MayRevert: journal.Permissions["revert"] && !v.s.readOnly(),
	}
	if before > 0 {
		page.Newest = page.Link + "/history"
	}
	if journal.Next > 0 {
		page.Older = page.Link + "/history?before=" + strconv.Itoa(journal.Next)
	}
	from, to := asked.Get("a"), asked.Get("b")
	for i, e := range journal.Entries {
		nr := strconv.Itoa(e.Revision)
		row := revisionWords{
			Revision: e.Revision, Current: e.Revision == journal.Revision, When: v.at(e.ModifiedDate), By: e.ModifiedBy,
			What: n.whatChanged(e), From: from == nr, To: to == nr,
		}
		if from == "" && to == "" { // the latest change is what people look for
			row.From, row.To = i == 1, i == 0
		}
		if !e.First && i+1 < len(journal.Entries) {
			row.DiffLink = page.Link + "/diff/" + strconv.Itoa(journal.Entries[i+1].Revision) + "/" + nr
		}
		if page.MayRevert && !row.Current {
			row.RevertLink = page.Link + "/revert/" + nr
		}
		page.Rows = append(page.Rows, row)
	}
	return v.render(http.StatusOK, "history", page)
}

// comparisonProblems are what the history says about a comparison that was asked
// for wrongly, by the word that its address carries.
var comparisonProblems = map[string]string{
	"choose": "Choose a revision in each of the two columns.",
	"same":   "Choose two different revisions: one does not differ from itself.",
}

// memberNames are what a revision can change, by the names on the wire.
var memberNames = map[string]string{
	"name":             "new name",
	"credential_pairs": "values",
	"cipher_type":      "cipher",
	"cipher_version":   "cipher version",
	"documentation":    "documentation",
	"tags":             "tags",
	"metadata":         "metadata",
	"account":          "account",
}

// countedMembers are told by what came and went.
var countedMembers = []string{"credential_keys", "credentials", "blind_credentials"}

// whatChanged says in a short sentence what a revision changed. Which values
// did, only the difference knows, which opens them.
func (n chronicle) whatChanged(e vault.JournalEntry) string {
	switch {
	case e.First && e.Revision == 1:
		return "Created"
	case e.First:
		return "The earliest revision that is kept"
	}
	var parts []string
	add := func(words string) { parts = append(parts, words) }
	keys := func(words string, names []string) {
		switch len(names) {
		case 0:
		case 1:
			add(words + " key " + names[0])
		default:
			add(words + " keys " + shortSentence(names))
		}
	}
	for _, member := range e.Members {
		switch {
		case member == "enabled":
			add(strings.ToLower(stateWord(e.Enabled)))
		case member == "credential_pairs" && n.noun == store.BlindCredential:
			add("new ciphertext")
		case slices.Contains(countedMembers, member): // told below
		default:
			add(memberNames[member])
		}
	}
	keys("added", e.KeysAdded)
	keys("removed", e.KeysRemoved)
	if e.Mapped > 0 {
		add("mapped " + count(e.Mapped, "credential"))
	}
	if e.Unmapped > 0 {
		add("unmapped " + count(e.Unmapped, "credential"))
	}
	if len(parts) == 0 {
		return "Nothing that is shown"
	}
	sentence := strings.Join(parts, "; ")
	return strings.ToUpper(sentence[:1]) + sentence[1:]
}

// shortSentence joins names as a sentence does, the first few of many.
func shortSentence(names []string) string {
	const most = 5
	if len(names) > most {
		return shortList(names, most)
	}
	return list(names)
}

// comparison sends the form below the history on to the two revisions it names.
func (n chronicle) comparison(v *visit) error {
	asked := v.r.URL.Query()
	a, b := revisionOf(asked.Get("a")), revisionOf(asked.Get("b"))
	problem := ""
	switch {
	case a == 0 || b == 0:
		problem = "choose"
	case a == b:
		problem = "same"
	default:
		return v.sendTo(n.link(v)+"/diff/"+strconv.Itoa(min(a, b))+"/"+strconv.Itoa(max(a, b)), nil)
	}
	query := url.Values{"problem": {problem}}
	for name, revision := range map[string]int{"a": a, "b": b} {
		if revision != 0 {
			query.Set(name, strconv.Itoa(revision))
		}
	}
	return v.sendTo(n.link(v)+"/history", query)
}

// revisionOf reads the number of a revision; 0, which none has, if it is none.
func revisionOf(text string) int {
	id, number, ok := revision.Split("x-" + text)
	if !ok || id != "x" {
		return 0
	}
	return number
}
