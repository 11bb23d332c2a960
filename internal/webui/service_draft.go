package webui

import (
	"slices"
	"strconv"
	"strings"

	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// serviceDraft is a service as a visitor is about to change it. Only what he
// changes travels through the form; the mapping that it changes is the one that
// is stored at the time, so that nothing that others map is lost.
type serviceDraft struct {
	revision            int // that he has seen
	account             edited
	enabled, wasEnabled bool
	added               []vault.Ref
	removed             []vault.Ref // without names
	find                string      // what he searches for
}

func beginServiceDraft(row *service.Service) serviceDraft {
	return serviceDraft{revision: row.Revision, account: unedited(row.Account), enabled: row.Enabled, wasEnabled: row.Enabled}
}

// readServiceDraft reads the draft from the form that was sent. What was added
// comes with its names, as the page has shown them.
func (v *visit) readServiceDraft() serviceDraft {
	d := serviceDraft{
		account: v.edited("account"), enabled: v.sent("enabled"), wasEnabled: v.sent("enabled.was"), find: strings.TrimSpace(v.text("find")),
	}
	if !v.sent("account") {
		d.account.value = d.account.was // nothing to choose from was offered
	}
	d.revision, _ = strconv.Atoi(v.text("revision"))
	names := v.r.PostForm["add.name"]
	for i, field := range v.r.PostForm["add"] {
		if r, ok := readRef(field); ok && !mentions(d.added, r) {
			if i < len(names) {
				r.Name = names[i]
			}
			d.added = append(d.added, r)
		}
	}
	d.removed = readRefs(v.r.PostForm["remove"])
	return d
}

// refField returns what forms call a credential.
func refField(r vault.Ref) string {
	if r.Blind {
		return "blind:" + r.ID
	}
	return "credential:" + r.ID
}

// readRef returns the credential that a form names.
func readRef(field string) (r vault.Ref, ok bool) {
	kind, id, _ := strings.Cut(field, ":")
	return vault.Ref{ID: id, Blind: kind == "blind"}, id != "" && (kind == "blind" || kind == "credential")
}

func readRefs(fields []string) (out []vault.Ref) {
	for _, field := range fields {
		if r, ok := readRef(field); ok {
			out = append(out, r)
		}
	}
	return out
}

// mentions reports whether a credential is among several. Names do not count.
func mentions(list []vault.Ref, r vault.Ref) bool {
	return slices.ContainsFunc(list, sameRef(r))
}

func sameRef(r vault.Ref) func(vault.Ref) bool {
	return func(other vault.Ref) bool { return other.ID == r.ID && other.Blind == r.Blind }
}

// settle drops from the draft what is so already.
func (d *serviceDraft) settle(detail vault.ServiceDetail) {
	mapped := make([]vault.Ref, len(detail.Mapped))
	for i, m := range detail.Mapped {
		mapped[i] = m.Ref
	}
	d.added = slices.DeleteFunc(d.added, func(r vault.Ref) bool { return mentions(mapped, r) })
	d.removed = slices.DeleteFunc(d.removed, func(r vault.Ref) bool { return !mentions(mapped, r) })
	if !d.account.changed() {
		d.account = unedited(detail.Row.Account)
	}
	if d.enabled == d.wasEnabled {
		d.enabled = detail.Row.Enabled
	}
	d.account.was, d.wasEnabled = detail.Row.Account, detail.Row.Enabled
}

// take carries out a button that changes the mapping. It returns what was done,
// "" for any other button, and the credential that it was done to.
func (d *serviceDraft) take(button string) (step string, r vault.Ref) {
	step, field, _ := strings.Cut(button, ".")
	r, ok := readRef(field)
	if !ok {
		return "", r
	}
	switch step {
	case "add":
		if !mentions(d.added, r) {
			d.added = append(d.added, r)
		}
	case "remove":
		if !mentions(d.removed, r) {
			d.removed = append(d.removed, r)
		}
	case "undo":
		d.added = slices.DeleteFunc(d.added, sameRef(r))
		d.removed = slices.DeleteFunc(d.removed, sameRef(r))
	default:
		return "", r
	}
	return step, r
}

// maps reports whether the draft changes the mapping, changes whether anything.
func (d *serviceDraft) maps() bool { return len(d.added)+len(d.removed) > 0 }

func (d *serviceDraft) changes() bool {
	return d.maps() || d.account.changed() || d.enabled != d.wasEnabled
}

// change returns what the draft asks for, on top of what is stored.
func (d *serviceDraft) change(row *service.Service) vault.ServiceChange {
	c := vault.ServiceChange{Account: d.account.value, IfRevision: d.revision}
	if d.enabled != d.wasEnabled {
		c.Enabled = &d.enabled
	}
	if d.maps() {
		plain, blinds := d.applied(row.Credentials, false), d.applied(row.BlindCredentials, true)
		c.Credentials, c.BlindCredentials = &plain, &blinds
	}
	return c
}

// applied returns the ids of one kind that are mapped after the change.
func (d *serviceDraft) applied(ids []string, blind bool) []string {
	out := make([]string, 0, len(ids)+len(d.added))
	for _, id := range ids {
		if !mentions(d.removed, vault.Ref{ID: id, Blind: blind}) {
			out = append(out, id)
		}
	}
	for _, r := range d.added {
		if r.Blind == blind {
			out = append(out, r.ID)
		}
	}
	return out
}

// mine returns what the draft changes.
func (d *serviceDraft) mine(detail vault.ServiceDetail) *difference {
	out := newServiceDifference("Now", "Yours")
	out.field("State", stateWord(d.wasEnabled), stateWord(d.enabled))
	out.field("Account", d.account.was, d.account.value)
	for _, r := range d.added {
		out.Pairs = append(out.Pairs, mappingChange(vault.Mapped{Ref: r}, "on", "Mapped"))
	}
	for _, m := range detail.Mapped {
		if mentions(d.removed, m.Ref) {
			out.Pairs = append(out.Pairs, mappingChange(m, "bad", "No longer mapped"))
		}
	}
	return out.close("Nothing of it is left to change.")
}
