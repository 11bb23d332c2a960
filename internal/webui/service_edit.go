package webui

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// serviceEdit is one request to change a service: what is stored, what the
// visitor makes of it, and what has come of that so far.
type serviceEdit struct {
	*visit
	detail vault.ServiceDetail
	draft  serviceDraft
	// step is the button that changed the mapping of the credential taken; "" if
	// none did.
	step  string
	taken vault.Ref

	status     int
	problems   []string
	account    string                // what is wrong with the account
	preview    *vault.ServicePreview // nil: nothing is changed, or it would be refused
	candidates *candidateList        // nil: nothing is searched for
}

// editService changes what a service maps, its account and its state. Every step
// shows what the service would receive.
func editService(v *visit) error {
	e := &serviceEdit{visit: v, status: http.StatusOK}
	if err := e.read(); err != nil {
		return err
	}
	if !v.posts() {
		e.draft = beginServiceDraft(e.detail.Row)
		return e.show()
	}
	e.draft = v.readServiceDraft()
	if e.draft.revision != e.detail.Row.Revision {
		return e.collide()
	}
	e.step, e.taken = e.draft.take(v.text("do"))
	e.draft.settle(e.detail)
	if v.text("do") == "save" {
		return e.save()
	}
	return e.show()
}

// read looks up the service for whoever may change it.
func (e *serviceEdit) read() (err error) {
	if e.detail, err = e.vault().ShowService(e.r.Context(), e.Caller, e.param("id")); err != nil {
		return err
	}
	return e.mayChangeService(e.detail)
}

// save stores the draft.
func (e *serviceEdit) save() error {
	id := e.detail.Row.ID
	if !e.draft.changes() {
		return e.sendTo(serviceLink(id), url.Values{"done": {"same"}})
	}
	if !e.offersAccount(e.draft.account.value) {
		return e.show()
	}
	_, err := e.vault().PutService(e.r.Context(), e.Caller, id, e.draft.change(e.detail.Row))
	switch {
	case err == nil:
		return e.sendTo(serviceLink(id), url.Values{"done": {"mapped"}})
	case fault.Is(err, fault.Stale):
		if err := e.read(); err != nil {
			return err
		}
		return e.collide()
	}
	if err := e.noteRefusal(err); err != nil {
		return err
	}
	return e.show()
}

// collide shows what somebody else has saved meanwhile, beside the draft. The
// form then goes on from that revision.
func (e *serviceEdit) collide() error {
	row := e.detail.Row
	theirs, err := e.vault().CompareService(e.r.Context(), e.Caller, row.ID, e.draft.revision, row.Revision)
	if err != nil {
		return err
	}
	e.draft.settle(e.detail)
	e.status = http.StatusConflict
	page := e.form()
	page.Collision = &collisionWords{
		Revision: row.Revision, By: row.ModifiedBy, When: e.at(row.ModifiedDate),
		Theirs: serviceDifference(theirs, "Before", "Theirs"), Mine: e.draft.mine(e.detail),
	}
	return e.send(page)
}

// show shows the form with what the service would receive, and with what a search
// has found.
func (e *serviceEdit) show() error {
	if err := e.tryOut(); err != nil {
		return err
	}
	if e.draft.find != "" || e.text("do") == "find" {
		found, err := e.search(e.detail.Row.ID, e.draft.find, e.draft.added, e.draft.removed)
		if err != nil {
			return err
		}
		e.candidates = &found
	}
	return e.send(e.form())
}

// tryOut asks what the service would receive. What would refuse the change is
// noted as a problem.
func (e *serviceEdit) tryOut() error {
	d := &e.draft
	if !e.offersAccount(d.account.value) {
		e.account = d.account.value + " is not an account that a service can be scoped to."
		if e.posts() { // the form alone is fine, although what is stored no longer is
			e.status = http.StatusBadRequest
		}
		return nil
	}
	if !d.changes() {
		return nil
	}
	preview, err := e.vault().PreviewService(e.r.Context(), e.Caller, e.detail.Row.ID, d.change(e.detail.Row))
	if err != nil {
		return e.noteRefusal(err)
	}
	e.preview = &preview
	return nil
}

// noteRefusal notes why a use case refuses the draft. It returns the errors that are
// not about that. Since the visitor may change the service, a denial is about
// what he adds to it.
func (e *serviceEdit) noteRefusal(err error) error {
	words, status, ok := problemOf(err)
	if fault.Is(err, fault.Denied) && len(e.draft.added) > 0 {
		words, status, ok = fault.As(err).Message, http.StatusForbidden, true
	}
	if !ok {
		return err
	}
	e.status = status
	if !slices.Contains(e.problems, words) {
		e.problems = append(e.problems, words)
	}
	return nil
}

// send sends the form. What is to be read first then is at the top.
func (e *serviceEdit) send(page serviceForm) error {
	if e.status != http.StatusOK {
		e.w.Header().Set("HX-Reswap", "innerHTML show:#form:top")
	}
	return e.render(e.status, "service_edit", page)
}
