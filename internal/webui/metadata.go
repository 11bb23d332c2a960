package webui

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// metadataDraft is the metadata of a draft: members of a JSON object, each in a
// row of its own.
type metadataDraft struct {
	was  string // the object as it is stored
	rows []memberDraft
}

// memberDraft is one member. A text is shown as it is, anything else as JSON.
type memberDraft struct {
	key, value string
	raw        string // the value as it is stored, JSON; "": the member is new
	problem    string
}

// beginMetadata returns the rows of a stored object, in its order.
func beginMetadata(object json.RawMessage) metadataDraft {
	m := metadataDraft{was: string(object)}
	if len(object) == 0 {
		m.was = "{}"
		return m
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return m
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return m
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return m
		}
		name, _ := key.(string)
		m.rows = append(m.rows, memberDraft{key: name, value: memberText(raw), raw: string(raw)})
	}
	return m
}

// text returns how the value of a member is shown; "" if there is none.
func (m metadataDraft) text(key string) string {
	for _, row := range m.rows {
		if row.key == key {
			return row.value
		}
	}
	return ""
}

// memberText returns how a value is shown.
func memberText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil && strings.HasPrefix(string(raw), `"`) {
		return text
	}
	return string(raw)
}

func memberField(i int, name string) string { return "metadata." + strconv.Itoa(i) + "." + name }

// readMetadata reads the rows from the form.
func (v *visit) readMetadata() metadataDraft {
	m := metadataDraft{was: v.r.PostForm.Get("metadata.was")}
	stored := beginMetadata(json.RawMessage(m.was))
	for i := range maxPairs {
		if !v.sent(memberField(i, "key")) {
			break
		}
		row := memberDraft{
			key: strings.TrimSpace(v.text(memberField(i, "key"))), value: v.text(memberField(i, "value")),
			raw: v.r.PostForm.Get(memberField(i, "raw")),
		}
		for _, was := range stored.rows {
			if was.raw == row.raw && strings.TrimSpace(oneLine(was.key)) == row.key {
				row.key = was.key
			}
		}
		if text := memberText(json.RawMessage(row.raw)); row.raw != "" && oneLine(text) == oneLine(row.value) {
			row.value = text
		}
		m.rows = append(m.rows, row)
	}
	return m
}

// problem notes what is wrong with the rows and reports whether anything is.
func (m *metadataDraft) problem() (wrong bool) {
	seen := map[string]bool{}
	for i := range m.rows {
		row := &m.rows[i]
		switch {
		case row.key == "" && row.value != "":
			row.problem = "A value needs a name."
		case row.key != "" && seen[row.key]:
			row.problem = "This name stands here twice."
		}
		seen[row.key] = true
		wrong = wrong || row.problem != ""
	}
	return wrong
}

// json returns the value as it is to be stored. What was a number, a list or the
// like stays one as long as its text is one.
func (m memberDraft) json() json.RawMessage {
	if m.raw != "" {
		raw := json.RawMessage(m.raw)
		if memberText(raw) == m.value && json.Valid(raw) {
			return raw
		}
		if raw[0] != '"' && json.Valid([]byte(m.value)) {
			return json.RawMessage(m.value)
		}
	}
	return encoded(m.value)
}

// encoded returns a text as a JSON string, without the escapes for HTML.
func encoded(text string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string can always be encoded
	return bytes.TrimSpace(b.Bytes())
}

// object returns the metadata as it is to be stored, and whether that differs from
// what is. Rows without a name are left out.
func (m *metadataDraft) object() (json.RawMessage, bool) {
	b := []byte{'{'}
	var rows []memberDraft
	for _, row := range m.rows {
		if row.key == "" {
			continue
		}
		row.problem = ""
		rows = append(rows, row)
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, encoded(row.key)...), ':'), row.json()...)
	}
	stored := beginMetadata(json.RawMessage(m.was))
	return append(b, '}'), !slices.Equal(rows, stored.rows)
}
