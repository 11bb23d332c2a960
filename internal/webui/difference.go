package webui

import (
	"encoding/json"
	"strings"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// difference is how two states of a thing differ, ready to print. Values of pairs
// are never in it.
type difference struct {
	BeforeHead, AfterHead string
	Fields                []fieldChange
	PairsHead             string
	KeyHead               string // of what the pairs are named by; "": they are keys
	LengthHead            string
	Pairs                 []pairChange
	Nothing               string // in words, that nothing differs; "" if something does
}

type fieldChange struct{ Name, Before, After string }

// pairChange is what became of one key. Class is the shape of its mark.
type pairChange struct{ Key, Class, Words, Length, Link string }

// What becomes of a key.
func keyAdded(key string) pairChange { return pairChange{Key: key, Class: "on", Words: "New"} }

func keyRemoved(key string) pairChange { return pairChange{Key: key, Class: "bad", Words: "Removed"} }

func keyChanged(key string) pairChange { return pairChange{Key: key, Class: "due", Words: "New value"} }

func keySame(key string) pairChange { return pairChange{Key: key, Class: "off", Words: "Same value"} }

func (d *difference) field(name, before, after string) {
	if before != after {
		d.Fields = append(d.Fields, fieldChange{name, orNone(before), orNone(after)})
	}
}

func orNone(text string) string {
	if text == "" {
		return "None"
	}
	return text
}

func stateWord(enabled bool) string {
	if enabled {
		return "Enabled"
	}
	return "Disabled"
}

// credentialDifference puts the comparison of two states of a credential into
// words.
func credentialDifference(c credential.Comparison, before, after string) *difference {
	out := &difference{BeforeHead: before, AfterHead: after, PairsHead: "Keys and values"}
	if c.Lengths {
		out.LengthHead = "Characters"
	}
	was, is := c.Before, c.After
	out.field("Name", was.Name, is.Name)
	out.field("State", stateWord(was.Enabled), stateWord(is.Enabled))
	out.field("Documentation", textOf(was.Documentation), textOf(is.Documentation))
	out.field("Tags", strings.Join(was.Tags, ", "), strings.Join(is.Tags, ", "))
	out.metadata(c.Metadata, was.Metadata, is.Metadata)
	moved := false
	for _, pair := range c.Pairs {
		words := keySame(pair.Key)
		switch pair.Fate {
		case credential.Added:
			words = keyAdded(pair.Key)
		case credential.Removed:
			words = keyRemoved(pair.Key)
		case credential.Changed:
			words = keyChanged(pair.Key)
		}
		if pair.Was != "" {
			words.Words += ", was called " + pair.Was
		}
		moved = moved || pair.Fate != credential.Same || pair.Was != ""
		if c.Lengths {
			words.Length = lengths(pair.LengthBefore, pair.LengthAfter)
		}
		out.Pairs = append(out.Pairs, words)
	}
	if !moved {
		out.Pairs = nil // that all is the same is said once
	}
	return out.close("Nothing differs between these two.")
}

// metadata adds the members in which two objects differ.
func (d *difference) metadata(fates []credential.KeyFate, before, after json.RawMessage) {
	was, is := beginMetadata(before), beginMetadata(after)
	for _, m := range fates {
		if m.Fate != credential.Same {
			d.Fields = append(d.Fields, fieldChange{"Metadata: " + m.Key, orNone(was.text(m.Key)), orNone(is.text(m.Key))})
		}
	}
}

func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// lengths says how long a value was and is, 0 for none.
func lengths(before, after int) string {
	switch {
	case before == after:
		return number(after)
	case before == 0:
		return number(after)
	case after == 0:
		return number(before)
	default:
		return number(before) + " → " + number(after)
	}
}

// close says so if nothing differs.
func (d *difference) close(nothing string) *difference {
	if len(d.Fields)+len(d.Pairs) == 0 {
		d.Nothing = nothing
	}
	return d
}

// mine returns what a draft changes.
func (d *draft) mine() *difference {
	out := &difference{BeforeHead: "Now", AfterHead: "After saving", PairsHead: "Keys and values", LengthHead: "Details"}
	d.headDraft.mine(out)
	if d.tags.changed() {
		out.field("Tags", d.tags.was, strings.Join(d.tagList(), ", "))
	}
	for _, p := range d.pairs {
		switch key := strings.ToLower(p.key); {
		case p.removed && p.was != "":
			out.Pairs = append(out.Pairs, keyRemoved(p.was))
		case p.removed:
		case p.was == "":
			out.Pairs = append(out.Pairs, keyAdded(key))
		case p.replace && p.was != key:
			change := keyChanged(key)
			change.Length = "was called " + p.was
			out.Pairs = append(out.Pairs, change)
		case p.replace:
			out.Pairs = append(out.Pairs, keyChanged(key))
		case p.was != key:
			change := keySame(key)
			change.Words, change.Length = "New name", "was called "+p.was
			out.Pairs = append(out.Pairs, change)
		}
	}
	return out.close("This changes nothing.")
}

// blindDifference puts the comparison of two states of a blind credential into
// words. Of what is sealed nothing is known but that the ciphertext is another.
func blindDifference(c vault.BlindComparison, before, after string) *difference {
	out := &difference{BeforeHead: before, AfterHead: after, PairsHead: "Keys"}
	was, is := c.Before, c.After
	out.field("Name", was.Name, is.Name)
	out.field("State", stateWord(was.Enabled), stateWord(is.Enabled))
	out.field("Documentation", textOf(was.Documentation), textOf(is.Documentation))
	out.metadata(c.Metadata, was.Metadata, is.Metadata)
	out.field("Cipher", cipherWords(was), cipherWords(is))
	if c.Sealed {
		out.Fields = append(out.Fields, fieldChange{"Sealed values", "One ciphertext", "Another one. Whether the values differ, only who can open them knows."})
	}
	for _, key := range c.KeysAdded {
		out.Pairs = append(out.Pairs, keyAdded(key))
	}
	for _, key := range c.KeysRemoved {
		out.Pairs = append(out.Pairs, keyRemoved(key))
	}
	return out.close("Nothing differs between these two.")
}

func cipherWords(row *blind.Credential) string {
	if row.CipherType == "" {
		return ""
	}
	return row.CipherType + ", version " + number(row.CipherVersion)
}
