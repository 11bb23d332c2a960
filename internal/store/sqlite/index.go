package sqlite

import "strings"

// separator stands around each part of what is searched, so that no match runs
// from one into the next.
const separator = "\x1f"

// fold returns text as names are sorted and everything is searched.
func fold(text string) string { return strings.ToLower(text) }

// title is the name, which of a service is its id.
func (c *content) title() string {
	if c.noun == serviceNoun {
		return c.id
	}
	return c.name
}

// sought is what a search for text looks through.
func (c *content) sought(folded string) string {
	parts := []string{"", folded}
	for _, list := range []string{c.keyNames, c.tags} {
		names, err := decodeList(list)
		if err != nil {
			continue // it was encoded a moment ago
		}
		for _, name := range names {
			parts = append(parts, fold(name))
		}
	}
	return strings.Join(append(parts, ""), separator)
}

// Kinds of labels: what stands before the name of a key, or a tag.
const (
	keyLabel = "k"
	tagLabel = "t"
)

// labels returns key names and tags as table label keeps them.
func labels(keyNames, tags string) map[string]bool {
	set := map[string]bool{}
	for _, kind := range []struct{ prefix, list string }{{keyLabel, keyNames}, {tagLabel, tags}} {
		names, err := decodeList(kind.list)
		if err != nil {
			continue // a damaged list is not found by what it holds
		}
		for _, name := range names {
			set[kind.prefix+name] = true
		}
	}
	return set
}

// indexText brings the text of a row, new if old is nil, into current_text.
func (t *transaction) indexText(old *thing, was *details, number int64, sought string) error {
	if old != nil {
		if was.sought == sought {
			return nil
		}
		if err := t.forgetText(number, was.sought); err != nil {
			return err
		}
	}
	return t.exec("INSERT INTO current_text (rowid, sought) VALUES (?, ?)", number, sought)
}

// forgetText takes a text out of current_text, which must be told what it was.
func (t *transaction) forgetText(number int64, sought string) error {
	return t.exec("INSERT INTO current_text (current_text, rowid, sought) VALUES ('delete', ?, ?)", number, sought)
}

// indexLabels brings the labels of a row from what they were to what its content
// says.
func (t *transaction) indexLabels(was *details, c *content, number int64) error {
	if was.keyNames == c.keyNames && was.tags == c.tags {
		return nil
	}
	before, after := labels(was.keyNames, was.tags), labels(c.keyNames, c.tags)
	for label := range before {
		if !after[label] {
			if err := t.exec("DELETE FROM label WHERE label = ? AND number = ?", label, number); err != nil {
				return err
			}
		}
	}
	for label := range after {
		if !before[label] {
			if err := t.exec("INSERT INTO label (label, number) VALUES (?, ?) ON CONFLICT DO NOTHING", label, number); err != nil {
				return err
			}
		}
	}
	return nil
}
