package webui

import (
	"slices"
	"strconv"
	"strings"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// draft is a credential as a visitor is about to write it. It travels through the
// form, together with what was stored when the visitor began, so that what he
// left alone is left alone. Values that he typed travel sealed.
type draft struct {
	headDraft
	tags  edited
	pairs []pairDraft
}

// pairDraft is one pair. Of a pair that is stored the form never holds the value.
type pairDraft struct {
	was     string // the key as it is stored; "": the pair is new
	key     string
	removed bool
	replace bool // the value is given, or asked for
	given   bool
	value   string // plaintext, if given

	keyProblem, problem string
}

// label names the pair in a row to those who cannot see where they are.
func (p pairDraft) label(row int) string {
	if p.key != "" {
		return p.key
	}
	return "pair " + strconv.Itoa(row+1)
}

// maxPairs bounds the rows of a form.
const maxPairs = 500

// purposeValue is what a value that was typed is sealed for.
const purposeValue = "value of a credential"

// begin returns the draft of a stored credential.
func beginDraft(view vault.CredentialView) draft {
	row := view.Row
	d := draft{
		headDraft: beginHead(row.Revision, row.Name, row.Enabled, row.Documentation, row.Metadata),
		tags:      unedited(strings.Join(row.Tags, ", ")),
	}
	for _, key := range view.KeyNames {
		d.pairs = append(d.pairs, pairDraft{was: key, key: key})
	}
	return d
}

// newDraft returns the draft of a new credential.
func newDraft() draft {
	return draft{headDraft: newHead(), pairs: []pairDraft{{replace: true}}}
}

// readDraft reads the draft from the form that was sent.
func (v *visit) readDraft() (d draft, err error) {
	d.headDraft, d.tags = v.readHead(), v.edited("tags")
	for i := range maxPairs {
		if !v.sent(pairField(i, "key")) {
			break
		}
		p, err := v.readPair(i)
		if err != nil {
			return d, err
		}
		d.pairs = append(d.pairs, p)
	}
	return d, nil
}

func pairField(i int, name string) string { return "pair." + strconv.Itoa(i) + "." + name }

// readPair reads a row. A file goes before what was typed, and that before what
// was typed earlier.
func (v *visit) readPair(i int) (p pairDraft, err error) {
	field := func(name string) string { return pairField(i, name) }
	p.was, p.key = v.text(field("was")), strings.TrimSpace(v.text(field("key")))
	p.removed, p.replace = v.sent(field("removed")), v.sent(field("replace"))
	if !p.replace {
		return p, nil
	}
	text, ok, err := v.file(field("file"))
	switch {
	case err != nil:
		if words, _, shown := problemOf(err); shown {
			p.problem = words
			return p, nil
		}
		return p, err
	case ok:
		p.value, p.given = text, true
		return p, nil
	}
	if p.value = v.text(field("value")); p.value != "" {
		p.given = true
		return p, nil
	}
	if kept := v.r.PostForm.Get(field("kept")); kept != "" {
		if p.value, err = v.Fields.Open(purposeValue, kept); err != nil {
			p.problem = err.Error()
			return p, nil
		}
		p.given = true
	}
	return p, nil
}

// check finds what is wrong with the draft by itself and notes it beside the
// fields. It reports whether nothing is.
func (d *draft) check() bool {
	fine := d.headDraft.check("A credential needs a name.")
	note := func(problem *string, words string) {
		if *problem == "" {
			*problem = words
		}
		fine = false
	}
	seen := map[string]int{}
	left := 0
	for i := range d.pairs {
		p := &d.pairs[i]
		if p.removed {
			continue
		}
		left++
		if words := credential.CheckKey(p.key); words != nil {
			note(&p.keyProblem, words.Error())
		} else if first, twice := seen[strings.ToLower(p.key)]; twice {
			note(&p.keyProblem, "This key stands here twice, see row "+strconv.Itoa(first+1)+".")
		}
		seen[strings.ToLower(p.key)] = i
		switch {
		case p.problem != "":
			fine = false
		case p.replace && !p.given:
			note(&p.problem, "Type a value, choose a file or have one generated.")
		}
	}
	if left == 0 {
		if len(d.pairs) == 0 {
			d.pairs = append(d.pairs, pairDraft{replace: true})
		}
		note(&d.pairs[0].keyProblem, "A credential needs at least one key and value.")
	}
	return fine
}

// pairsChange returns what the draft does to the stored pairs; nil if nothing.
func (d *draft) pairsChange() (*credential.Change, error) {
	set := map[string]string{}
	var remove []string
	rename := map[string]string{}
	for _, p := range d.pairs {
		switch {
		case p.removed && p.was == "":
		case p.removed:
			remove = append(remove, p.was)
		case p.replace:
			set[p.key] = p.value
			if p.was != "" && p.was != strings.ToLower(p.key) {
				remove = append(remove, p.was)
			}
		case p.was != strings.ToLower(p.key):
			rename[p.was] = p.key
		}
	}
	if len(set)+len(remove)+len(rename) == 0 {
		return nil, nil
	}
	pairs, err := credential.PairsOf(set)
	return credential.Patch(pairs, remove, rename), err
}

// change returns what the draft asks for: only what differs from what the visitor
// began with.
func (d *draft) change() (c vault.CredentialChange, err error) {
	c.IfRevision = d.revision
	if d.name.changed() {
		c.Name = &d.name.value
	}
	if d.documentation.changed() {
		text := d.documentationText()
		c.Documentation = &text
	}
	if d.tags.changed() {
		tags := d.tagList()
		c.Tags = &tags
	}
	if d.enabled != d.wasEnabled {
		c.Enabled = &d.enabled
	}
	if object, changed := d.metadata.object(); changed {
		c.Metadata = &object
	}
	c.Pairs, err = d.pairsChange()
	return c, err
}

// empty reports whether a change asks for nothing.
func empty(c vault.CredentialChange) bool {
	return c.Name == nil && c.Documentation == nil && c.Tags == nil && c.Enabled == nil && c.Metadata == nil && c.Pairs == nil
}

// fresh returns the draft as a new credential.
func (d *draft) fresh() (in vault.NewCredential, err error) {
	in.Name, in.Documentation, in.Tags, in.Enabled = d.name.value, d.documentationText(), d.tagList(), d.enabled
	in.Metadata, _ = d.metadata.object()
	set := map[string]string{}
	for _, p := range d.pairs {
		if !p.removed {
			set[p.key] = p.value
		}
	}
	in.Pairs, err = credential.PairsOf(set)
	return in, err
}

// tagList returns the tags, which stand in one field between commas.
func (d *draft) tagList() []string {
	var tags []string
	for tag := range strings.SplitSeq(strings.ReplaceAll(d.tags.value, "\n", ","), ",") {
		if tag = strings.TrimSpace(tag); tag != "" && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}
