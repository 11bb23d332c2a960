package webui

import (
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// confirmPage says what something would do, and asks whether to do it.
type confirmPage struct {
	frame
	Kind       string // what kind of thing it is about
	First      *earlier
	Words      []string  // what will happen
	Refusals   []refusal // why it cannot be done; with any there is no button
	Command    string    // that undoes it, for an administrator
	Conflicts  []conflict
	Services   []serviceWords
	Difference *difference
	Effects    *effects
	Action     string        // address of the form
	Hidden     []hiddenField // what the form carries beside its button
	Button     string        // "": there is nothing to do here
	Danger     bool
	Back       string // where cancelling leads
}

// earlier is who has changed a thing since it was shown.
type earlier struct {
	Revision int
	By       string
	When     *moment
}

// first returns who has changed a thing, as it is now.
func (v *visit) first(now revision.Meta) *earlier {
	return &earlier{now.Revision, now.ModifiedBy, v.at(now.ModifiedDate)}
}

// refusal is a reason why something cannot be done, and where that can be
// mended.
type refusal struct {
	Words string
	Links []linked
}

// confirm shows the question. Where it cannot be answered with yes, that stands
// first, and there is no button.
func (v *visit) confirm(status int, page confirmPage) error {
	page.Action = v.r.URL.EscapedPath()
	if page.Effects != nil {
		page.Conflicts, page.Effects.Conflicts = page.Effects.Conflicts, nil
	}
	if len(page.Refusals)+len(page.Conflicts) > 0 || v.s.readOnly() {
		page.Button = ""
	}
	return v.render(status, "confirm", page)
}

// asking begins the page that asks about a thing. Do is what is to be done with
// it, for example "Disable": the first word of the title and the button.
func (v *visit) asking(do string, noun store.Noun, id, name string) confirmPage {
	return confirmPage{
		frame: v.framed(do+" "+name, "resources"), Kind: nounWords[noun], Button: do, Back: nounLink(noun, id),
	}
}

// refusalOf turns the error of a use case into a reason that a page can show,
// with the status it is shown under. ok is false for what the page as a whole
// must answer.
func refusalOf(noun store.Noun, err error) (r refusal, status int, ok bool) {
	words, status, ok := problemOf(err)
	if !ok {
		return r, 0, false
	}
	r.Words = words
	if f := fault.As(err); f.Kind == fault.Exists && f.Reference != "" {
		r.Words = "Another one bears the name by now, and a name is borne by one alone."
		r.Links = []linked{{"Look at the other one", nounLink(noun, f.Reference)}}
	}
	return r, status, true
}

// nounLink returns where a thing has its page.
func nounLink(noun store.Noun, id string) string {
	switch noun {
	case store.BlindCredential:
		return blindLink(id)
	case store.Service:
		return serviceLink(id)
	default:
		return credentialLink(id)
	}
}

// receiveIt says how many services receive a thing.
func receiveIt(n int) string {
	switch n {
	case 0:
		return "No service receives it"
	case 1:
		return "1 service receives it"
	default:
		return number(n) + " services receive it"
	}
}
