package webui

import (
	"net/http"
	"net/url"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// blindForm is the page on which a blind credential is written, in each of its
// steps.
type blindForm struct {
	headForm
	Stored  bool // there is something sealed to keep
	Replace bool
	Kept    string // what a client sealed, sealed once more
	Sealed  sealedWords
	Problem string // what is wrong with what was pasted
}

// blindForm puts a draft into words.
func (v *visit) blindForm(title string, d *blindDraft) (page blindForm, err error) {
	page = blindForm{
		headForm: v.headForm(store.BlindCredential, title, &d.headDraft),
		Stored:   d.revision != 0, Replace: d.replace, Problem: d.problem,
	}
	if !d.given {
		return page, nil
	}
	page.Sealed = wordsOfSealed(d.after(new(blind.Credential)))
	text, err := sealedText(d.sealed)
	if err != nil {
		return page, err
	}
	page.Kept, err = v.Fields.Seal(purposeSealed, text)
	return page, err
}

// newBlind makes a blind credential.
func newBlind(v *visit) error {
	show := func(d *blindDraft, status int, focus string, problems ...string) error {
		page, err := v.blindForm("New blind credential", d)
		if err != nil {
			return err
		}
		page.Back, page.Problems, page.Focus = "/resources", problems, focus
		return v.render(status, "blind_form", page)
	}
	if !v.posts() {
		if err := v.mayCreate("blind_credentials"); err != nil {
			return err
		}
		return show(&blindDraft{headDraft: newHead(), replace: true}, http.StatusOK, "name")
	}
	d, err := v.readBlindDraft()
	if err != nil {
		return err
	}
	if focus, ok := d.step(v.button()); ok {
		return show(&d, http.StatusOK, focus)
	}
	if !d.check() {
		return show(&d, http.StatusBadRequest, "", mend)
	}
	made, err := v.vault().CreateBlindCredential(v.r.Context(), v.Caller, d.fresh())
	if err != nil {
		status, focus, words, ok := d.blame(err)
		if !ok {
			return err
		}
		return show(&d, status, focus, words)
	}
	return v.sendTo(blindLink(made.Row.ID), url.Values{"done": {"created"}})
}

// blindEdit is one request to change a blind credential.
type blindEdit struct {
	*visit
	id    string
	draft blindDraft
}

// editBlind changes a blind credential: the form, what saving would do, and the
// saving.
func editBlind(v *visit) error {
	e := &blindEdit{visit: v, id: v.param("id")}
	if !v.posts() {
		detail, err := e.look()
		if err != nil {
			return err
		}
		e.draft = beginBlindDraft(detail.Row)
		return e.show(http.StatusOK, nil)
	}
	var err error
	if e.draft, err = v.readBlindDraft(); err != nil {
		return err
	}
	if focus, ok := e.draft.step(v.button()); ok {
		return e.show(http.StatusOK, func(page *blindForm) { page.Focus = focus })
	}
	if e.draft.revision == 0 { // no form of this page says so
		return v.sendTo(v.r.URL.EscapedPath(), nil)
	}
	if !e.draft.check() {
		return e.show(http.StatusBadRequest, func(page *blindForm) { page.Problems = []string{mend} })
	}
	change, ok := e.draft.change()
	switch {
	case !ok:
		return v.sendTo(blindLink(e.id), url.Values{"done": {"same"}})
	case v.text("do") == "save":
		return e.save(change)
	default:
		return e.review(change)
	}
}

// look returns what is stored now, for whoever may change it.
func (e *blindEdit) look() (vault.BlindDetail, error) {
	detail, err := e.vault().ShowBlindCredential(e.r.Context(), e.Caller, e.id)
	if err != nil {
		return detail, err
	}
	if !detail.Permissions["update"] {
		return detail, mayNot("change", "blind credential", detail.Row.Name)
	}
	return detail, e.writable()
}

// show shows the form, or another step of it that complete makes of it.
func (e *blindEdit) show(status int, complete func(*blindForm)) error {
	page, err := e.blindForm("Edit "+e.draft.name.was, &e.draft)
	if err != nil {
		return err
	}
	page.Back = blindLink(e.id)
	if complete != nil {
		complete(&page)
	}
	return e.render(status, "blind_form", page)
}

// review shows what saving would do.
func (e *blindEdit) review(change vault.BlindChange) error {
	preview, err := e.vault().PreviewBlindCredential(e.r.Context(), e.Caller, e.id, change)
	if err != nil {
		return e.refused(err)
	}
	return e.show(http.StatusOK, func(page *blindForm) {
		page.Review = &reviewWords{e.draft.mine(preview.Comparison.Before), blindEffects(preview)}
	})
}

func (e *blindEdit) save(change vault.BlindChange) error {
	_, err := e.vault().UpdateBlindCredential(e.r.Context(), e.Caller, e.id, change)
	if err != nil {
		return e.refused(err)
	}
	return e.sendTo(blindLink(e.id), url.Values{"done": {"saved"}})
}

// refused shows the form again with what a use case found wrong.
func (e *blindEdit) refused(err error) error {
	if fault.Is(err, fault.Stale) {
		detail, err := e.look()
		if err != nil {
			return err
		}
		return e.collide(detail.Row)
	}
	status, focus, words, ok := e.draft.blame(err)
	if !ok {
		return err
	}
	return e.show(status, func(page *blindForm) { page.Focus, page.Problems = focus, []string{words} })
}

// collide shows what somebody else has saved meanwhile, beside the draft. The
// form then goes on from that revision.
func (e *blindEdit) collide(now *blind.Credential) error {
	theirs, err := e.vault().CompareBlindCredential(e.r.Context(), e.Caller, e.id, e.draft.revision, now.Revision)
	if err != nil {
		return err
	}
	return e.show(http.StatusConflict, func(page *blindForm) {
		page.Revision = now.Revision
		page.Collision = &collisionWords{
			Revision: now.Revision, By: now.ModifiedBy, When: e.at(now.ModifiedDate),
			Theirs: blindDifference(theirs, "Before", "Theirs"), Mine: e.draft.mine(theirs.Before),
		}
	})
}
