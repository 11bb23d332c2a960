package webui

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// blindDraft is a blind credential as a visitor is about to write it. What a
// client sealed travels through the form sealed once more: it is long, and nobody
// has to look at it.
type blindDraft struct {
	headDraft
	replace bool // something sealed is given, or asked for
	given   bool
	sealed  vault.BlindSealed // if given
	problem string
}

// purposeSealed is what is kept from the form of a blind credential.
const purposeSealed = "what a client sealed"

// beginBlindDraft returns the draft of a stored blind credential.
func beginBlindDraft(row *blind.Credential) blindDraft {
	return blindDraft{headDraft: beginHead(row.Revision, row.Name, row.Enabled, row.Documentation, row.Metadata)}
}

// readBlindDraft reads the draft from the form that was sent. A file goes before
// what was pasted, and that before what was pasted earlier.
func (v *visit) readBlindDraft() (d blindDraft, err error) {
	d.headDraft = v.readHead()
	if d.replace = d.revision == 0 || v.sent("sealed.replace"); !d.replace {
		return d, nil
	}
	text, ok, err := v.file("sealed.file")
	if err != nil {
		if words, _, shown := problemOf(err); shown {
			d.problem = words
			return d, nil
		}
		return d, err
	}
	if !ok {
		text = v.text("sealed.text")
	}
	kept := v.text("sealed.kept")
	switch {
	case strings.TrimSpace(text) != "":
		var metadata json.RawMessage
		d.sealed, metadata, err = readSealed(text)
		d.metadata.merge(metadata)
	case kept != "":
		if text, err = v.Fields.Open(purposeSealed, kept); err == nil {
			d.sealed, _, err = readSealed(text)
		}
	default:
		return d, nil
	}
	if err != nil {
		d.problem = err.Error()
		return d, nil
	}
	d.given = true
	return d, nil
}

// merge puts the members of an object into the rows, in place of those of the
// same name.
func (m *metadataDraft) merge(object json.RawMessage) {
	for _, row := range beginMetadata(object).rows {
		if i := slices.IndexFunc(m.rows, func(r memberDraft) bool { return r.key == row.key }); i >= 0 {
			m.rows[i] = row
		} else {
			m.rows = append(m.rows, row)
		}
	}
}

// step carries out the button that changes the form and nothing else. It returns
// the id of the field to go on with, and false for any other button.
func (d *blindDraft) step(what string, row int) (focus string, ok bool) {
	switch what {
	case "replace", "again":
		d.replace, d.given, d.problem = true, false, ""
		return "sealed-text", true
	case "undo": // what is stored stays
		d.replace, d.given, d.problem = false, false, ""
		return "replace", true
	default:
		return d.headDraft.step(what, row)
	}
}

// check notes beside the fields what is wrong with them by themselves and reports
// whether nothing is.
func (d *blindDraft) check() bool {
	fine := d.headDraft.check("A blind credential needs a name.")
	if d.replace && !d.given && d.problem == "" {
		d.problem = "Paste what the client wrote, or choose its file."
	}
	return fine && d.problem == ""
}

// change returns what the draft asks for: only what differs from what the visitor
// began with. ok is false if that is nothing.
func (d *blindDraft) change() (c vault.BlindChange, ok bool) {
	if d.name.changed() {
		c.Name, ok = &d.name.value, true
	}
	if d.documentation.changed() {
		text := d.documentationText()
		c.Documentation, ok = &text, true
	}
	if d.enabled != d.wasEnabled {
		c.Enabled, ok = &d.enabled, true
	}
	if object, changed := d.metadata.object(); changed {
		c.Metadata, ok = &object, true
	}
	if d.given {
		c.Sealed, ok = &d.sealed, true
	}
	c.IfRevision = d.revision
	return c, ok
}

// fresh returns the draft as a new blind credential.
func (d *blindDraft) fresh() vault.NewBlind {
	s := d.sealed
	metadata, _ := d.metadata.object()
	return vault.NewBlind{
		Name: d.name.value, Documentation: d.documentationText(), Metadata: metadata, Enabled: d.enabled,
		Pairs: s.Pairs, DataKey: s.DataKey, KeyNames: s.KeyNames, CipherType: s.CipherType, CipherVersion: s.CipherVersion,
	}
}

// after returns what a row becomes by what the draft changes.
func (d *blindDraft) after(was *blind.Credential) *blind.Credential {
	row := was.Clone()
	if d.name.changed() {
		row.Name = d.name.value
	}
	if d.documentation.changed() {
		row.Documentation = d.documentationText()
	}
	if d.enabled != d.wasEnabled {
		row.Enabled = d.enabled
	}
	if object, changed := d.metadata.object(); changed {
		row.Metadata = object
	}
	if s := d.sealed; d.given {
		row.Pairs, row.DataKey, row.KeyNames = s.Pairs, s.DataKey, blind.Names(s.KeyNames)
		row.CipherType, row.CipherVersion = s.CipherType, s.CipherVersion
	}
	return row
}

// mine returns what a draft changes about the row that the visitor began with.
func (d *blindDraft) mine(was *blind.Credential) *difference {
	after := d.after(was)
	return blindDifference(vault.BlindComparison{
		Before: was, After: after, Sealed: d.given,
		KeysAdded:   credential.Missing(was.KeyNames, after.KeyNames),
		KeysRemoved: credential.Missing(after.KeyNames, was.KeyNames),
		Metadata:    credential.MetadataFates(was.Metadata, after.Metadata),
	}, "Now", "After saving")
}
