package webui

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// headDraft is what the drafts of credentials, blind or not, have in common.
type headDraft struct {
	revision      int // that the visitor began with; 0: what is written is new
	name          edited
	documentation edited
	metadata      metadataDraft
	enabled       bool
	wasEnabled    bool
}

// edited is a text of the form.
type edited struct {
	value, was string
	problem    string
}

func unedited(text string) edited { return edited{value: text, was: text} }

func (e edited) changed() bool { return e.value != e.was }

// beginHead returns the draft of what is stored.
func beginHead(revision int, name string, enabled bool, documentation *string, metadata json.RawMessage) headDraft {
	return headDraft{
		revision: revision, name: unedited(name), documentation: unedited(textOf(documentation)),
		metadata: beginMetadata(metadata), enabled: enabled, wasEnabled: enabled,
	}
}

// newHead returns the draft of something new.
func newHead() headDraft { return headDraft{enabled: true, wasEnabled: true} }

// readHead reads the draft from the form that was sent.
func (v *visit) readHead() (d headDraft) {
	d.revision, _ = strconv.Atoi(v.text("revision"))
	d.name, d.documentation = v.edited("name"), v.edited("documentation")
	if d.name.value = strings.TrimSpace(d.name.value); d.name.value == strings.TrimSpace(oneLine(d.name.was)) {
		d.name.value = d.name.was
	}
	d.enabled, d.wasEnabled = v.sent("enabled"), v.sent("enabled.was")
	d.metadata = v.readMetadata()
	return d
}

// oneLine returns a text as a browser sends it back from a field of one line. What
// nobody has touched must not pass for changed by that.
func oneLine(text string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(text) }

func (v *visit) edited(name string) edited {
	return edited{value: v.text(name), was: v.text(name + ".was")}
}

// check notes beside the fields what is wrong with them by themselves and reports
// whether nothing is.
func (d *headDraft) check(nameless string) bool {
	if d.name.value == "" {
		d.name.problem = nameless
	}
	return !d.metadata.problem() && d.name.problem == ""
}

// step carries out a button that changes the fields and nothing else. It returns
// the id of the field to go on with, and false for any other button.
func (d *headDraft) step(what string, row int) (focus string, ok bool) {
	m := &d.metadata
	switch {
	case what == "edit":
		return "", true
	case what == "add-metadata":
		m.rows = append(m.rows, memberDraft{})
		return fieldID(memberField(len(m.rows)-1, "key")), true
	case what == "remove-metadata" && row >= 0 && row < len(m.rows):
		m.rows = append(m.rows[:row], m.rows[row+1:]...)
		return "add-metadata", true
	default:
		return "", false
	}
}

// blame notes what a use case found wrong beside the field that it is about. It
// returns the status, the field with the focus and the words above the form; ok
// is false for what the page as a whole must answer.
func (d *headDraft) blame(err error) (status int, focus, words string, ok bool) {
	words, status, ok = problemOf(err)
	if !ok {
		return 0, "", "", false
	}
	switch member := fault.As(err).Member; member {
	case "name":
		d.name.problem = words
		return status, member, mend, true
	case "documentation":
		d.documentation.problem = words
		return status, member, mend, true
	case "metadata":
		return status, "add-metadata", words, true
	default:
		return status, "", words, true
	}
}

// documentationText returns the documentation as it is to be stored.
func (d *headDraft) documentationText() *string {
	if d.documentation.value == "" {
		return nil
	}
	return &d.documentation.value
}

// mine adds what the draft changes.
func (d *headDraft) mine(out *difference) {
	out.field("Name", d.name.was, d.name.value)
	out.field("State", stateWord(d.wasEnabled), stateWord(d.enabled))
	if d.documentation.changed() {
		out.field("Documentation", d.documentation.was, d.documentation.value)
	}
	if object, changed := d.metadata.object(); changed {
		out.field("Metadata", d.metadata.was, string(object))
	}
}

// headForm is what the pages on which credentials are written have in common, in
// each of their steps.
type headForm struct {
	frame
	Kind          string // of what is written
	New           bool
	Action        string // address of the form
	Back          string // address of what is written
	Revision      int
	Name          fieldWords
	Documentation fieldWords
	Enabled       bool
	WasEnabled    bool
	MetadataWas   string
	Metadata      []memberWords
	Problems      []string
	Review        *reviewWords // what saving would do; nil while editing
	Collision     *collisionWords
	Focus         string // id of the field that gets the focus
}

// fieldWords is a field of a form.
type fieldWords struct{ Value, Was, Problem string }

func (e edited) words() fieldWords { return fieldWords{e.value, e.was, e.problem} }

// memberWords is a row of the metadata.
type memberWords struct {
	Row                      int
	Key, Value, Raw, Problem string
}

// headForm puts a draft into words.
func (v *visit) headForm(noun store.Noun, title string, d *headDraft) headForm {
	page := headForm{
		frame: v.framed(title, "resources"), Kind: nounWords[noun], New: d.revision == 0, Action: v.r.URL.EscapedPath(), Revision: d.revision,
		Name: d.name.words(), Documentation: d.documentation.words(),
		Enabled: d.enabled, WasEnabled: d.wasEnabled, MetadataWas: d.metadata.was,
	}
	for i, m := range d.metadata.rows {
		page.Metadata = append(page.Metadata, memberWords{i, m.key, m.value, m.raw, m.problem})
	}
	return page
}

// button returns the button that sent the form, and the row that it stands in; -1
// for none.
func (v *visit) button() (what string, row int) {
	what, at, _ := strings.Cut(v.text("do"), ".")
	row, err := strconv.Atoi(at)
	if err != nil {
		row = -1
	}
	return what, row
}
