package webui

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// credentialForm is the page on which a credential is written, in each of its
// steps.
type credentialForm struct {
	headForm
	Tags    fieldWords
	Pairs   []pairWords
	Length  string // of a generated value
	Symbols bool
}

// reviewWords is what saving would do.
type reviewWords struct {
	Difference *difference
	Effects    *effects
}

// collisionWords is what somebody else has saved meanwhile.
type collisionWords struct {
	Revision     int
	By           string
	When         *moment
	Theirs, Mine *difference
}

// pairWords is a row of the pairs. Kept is a value that was typed, sealed.
type pairWords struct {
	Row                 int
	Label               string // how buttons call it
	Was, Key            string
	Stored              bool // there is a value to keep
	Removed, Replace    bool
	Kept                string
	KeyProblem, Problem string
	Focus, FocusValue   bool
}

// credentialForm puts a draft into words.
func (v *visit) credentialForm(title string, d *draft) (credentialForm, error) {
	page := credentialForm{
		headForm: v.headForm(store.Credential, title, &d.headDraft), Tags: d.tags.words(),
		Length: "32", Symbols: v.sent("symbols"),
	}
	if v.sent("length") {
		page.Length = v.text("length")
	}
	for i, p := range d.pairs {
		words := pairWords{
			Row: i, Label: p.label(i), Was: p.was, Key: p.key, Stored: p.was != "", Removed: p.removed, Replace: p.replace,
			KeyProblem: p.keyProblem, Problem: p.problem,
		}
		if p.given {
			var err error
			if words.Kept, err = v.Fields.Seal(purposeValue, p.value); err != nil {
				return page, err
			}
		}
		page.Pairs = append(page.Pairs, words)
	}
	return page, nil
}

// focusOn gives the focus to the field with an id.
func (page *credentialForm) focusOn(id string) {
	page.Focus = id
	for i := range page.Pairs {
		p := &page.Pairs[i]
		p.Focus = id == fieldID(pairField(i, "key"))
		p.FocusValue = id == fieldID(pairField(i, "value"))
	}
}

// step carries out the button that changes the form and nothing else. It returns
// the id of the field to go on with, and false for any other button.
func (v *visit) step(d *draft) (focus string, ok bool) {
	what, row := v.button()
	if focus, ok := d.headDraft.step(what, row); ok {
		return focus, true
	}
	if what == "add" {
		d.pairs = append(d.pairs, pairDraft{replace: true})
		return fieldID(pairField(len(d.pairs)-1, "key")), true
	}
	if row < 0 || row >= len(d.pairs) {
		return "", false
	}
	p := &d.pairs[row]
	switch what {
	case "remove":
		if p.was == "" {
			d.pairs = append(d.pairs[:row], d.pairs[row+1:]...)
			return "add", true
		}
		p.removed = true
	case "undo": // the pair is as it is stored again
		*p = pairDraft{was: p.was, key: p.was}
	case "replace", "again":
		p.replace, p.given, p.value = true, false, ""
		return fieldID(pairField(row, "value")), true
	case "generate":
		v.generate(p)
	default:
		return "", false
	}
	return fieldID(pairField(row, "key")), true
}

// fieldID returns the id of the field of a name.
func fieldID(name string) string { return strings.ReplaceAll(name, ".", "-") }

// generate gives a pair a random value, which nobody sees.
func (v *visit) generate(p *pairDraft) {
	length, err := strconv.Atoi(strings.TrimSpace(v.text("length")))
	if err != nil {
		p.problem = "The length of a generated value is a number."
		return
	}
	value, err := credential.Generate(rand.Reader, credential.GenerateOptions{Length: length, Letters: true, Digits: true, Symbols: v.sent("symbols")})
	if err != nil {
		words, _, _ := problemOf(err)
		p.problem = words
		return
	}
	p.value, p.given, p.replace, p.problem = value, true, true, ""
}

// newCredential makes a credential.
func newCredential(v *visit) error {
	show := func(d *draft, status int, focus string, problems ...string) error {
		page, err := v.credentialForm("New credential", d)
		if err != nil {
			return err
		}
		page.Back, page.Problems = "/resources", problems
		page.focusOn(focus)
		return v.render(status, "credential_form", page)
	}
	if !v.posts() {
		if err := v.mayCreate("credentials"); err != nil {
			return err
		}
		d := newDraft()
		return show(&d, http.StatusOK, "name")
	}
	d, err := v.readDraft()
	if err != nil {
		return err
	}
	if focus, ok := v.step(&d); ok {
		return show(&d, http.StatusOK, focus)
	}
	if !d.check() {
		return show(&d, http.StatusBadRequest, "", mend)
	}
	in, err := d.fresh()
	if err != nil {
		return v.refuse(&d, err, show)
	}
	made, err := v.vault().CreateCredential(v.r.Context(), v.Caller, in)
	if err != nil {
		return v.refuse(&d, err, show)
	}
	return v.sendTo("/credentials/"+url.PathEscape(made.Row.ID), url.Values{"done": {"created"}})
}

// mend stands above a form that has something wrong beside its fields.
const mend = "Nothing was saved. Please mend what is marked below."

// mayCreate refuses who may not make things of a noun, by its name in the plural.
func (v *visit) mayCreate(noun string) error {
	if !v.s.vault.Hints(v.r.Context(), v.Caller)[noun]["create"] {
		return fault.Newf(fault.Denied, "You may not make new %s.", strings.ReplaceAll(noun, "_", " "))
	}
	return v.writable()
}

// refuse shows the form again with what a use case found wrong, beside the field
// that it is about where that is known.
func (v *visit) refuse(d *draft, err error, show func(d *draft, status int, focus string, problems ...string) error) error {
	status, focus, words, ok := d.blame(err)
	if !ok {
		return err
	}
	return show(d, status, focus, words)
}

// editCredential changes a credential: the form, what saving would do, and the
// saving.
func editCredential(v *visit) error {
	id := v.param("id")
	back := "/credentials/" + url.PathEscape(id)
	finish := func(d *draft, status int, complete func(*credentialForm)) error {
		page, err := v.credentialForm("Edit "+d.name.was, d)
		if err != nil {
			return err
		}
		page.Back = back
		complete(&page)
		return v.render(status, "credential_form", page)
	}
	show := func(d *draft, status int, focus string, problems ...string) error {
		return finish(d, status, func(page *credentialForm) {
			page.Problems = problems
			page.focusOn(focus)
		})
	}
	if !v.posts() {
		view, err := v.vault().GetCredential(v.r.Context(), v.Caller, id, true)
		if err != nil {
			return err
		}
		if !view.Permissions["update"] {
			return mayNot("change", "credential", view.Row.Name)
		}
		if err := v.writable(); err != nil {
			return err
		}
		d := beginDraft(view)
		return show(&d, http.StatusOK, "")
	}
	d, err := v.readDraft()
	if err != nil {
		return err
	}
	if focus, ok := v.step(&d); ok {
		return show(&d, http.StatusOK, focus)
	}
	if !d.check() {
		return show(&d, http.StatusBadRequest, "", mend)
	}
	change, err := d.change()
	if err != nil {
		return v.refuse(&d, err, show)
	}
	if empty(change) {
		return v.sendTo(back, url.Values{"done": {"same"}})
	}
	status := http.StatusOK
	if v.text("do") == "save" {
		if _, err = v.vault().UpdateCredential(v.r.Context(), v.Caller, id, change); err == nil {
			return v.sendTo(back, url.Values{"done": {"saved"}})
		}
		status = http.StatusBadRequest
	}
	if err == nil || inConflict(err) { // which keys those are, the preview tells
		var preview vault.CredentialPreview
		if preview, err = v.vault().PreviewCredential(v.r.Context(), v.Caller, id, change); err == nil {
			return finish(&d, status, func(page *credentialForm) { page.Review = &reviewWords{d.mine(), credentialEffects(preview)} })
		}
	}
	if fault.Is(err, fault.Stale) {
		return v.collide(&d, id, finish)
	}
	return v.refuse(&d, err, show)
}

// inConflict reports whether a use case refuses a change because a service would
// get a key from two credentials.
func inConflict(err error) bool {
	f := fault.As(err)
	return f != nil && f.Details != nil
}

// collide shows what somebody else has saved meanwhile, beside the draft. The
// form then goes on from that revision.
func (v *visit) collide(d *draft, id string, finish func(*draft, int, func(*credentialForm)) error) error {
	now, err := v.vault().GetCredential(v.r.Context(), v.Caller, id, true)
	if err != nil {
		return err
	}
	theirs, err := v.vault().CompareCredential(v.r.Context(), v.Caller, id, d.revision, now.Row.Revision)
	if err != nil {
		return err
	}
	return finish(d, http.StatusConflict, func(page *credentialForm) {
		page.Revision = now.Row.Revision
		page.Collision = &collisionWords{
			Revision: now.Row.Revision, By: now.Row.ModifiedBy, When: v.at(now.Row.ModifiedDate),
			Theirs: credentialDifference(theirs.Comparison, "Before", "Theirs"), Mine: d.mine(),
		}
	})
}
