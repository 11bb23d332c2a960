package credential

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Fate is what became of a name between two states.
type Fate string

// The fates.
const (
	Added   Fate = "added"
	Removed Fate = "removed"
	Changed Fate = "changed" // it stands for another value
	Same    Fate = "same"
)

// KeyFate is what became of a key, never its values.
type KeyFate struct {
	Key  string
	Fate Fate
	Was  string // the key that was renamed to it, if any; its Fate tells about the value
	// Lengths of the value in characters, 0 where there is none. Only a
	// comparison with Lengths tells them.
	LengthBefore, LengthAfter int
}

// Comparison says how two states of a credential differ, for a person. Rows are
// shared and must not be changed.
type Comparison struct {
	Before, After *Credential
	// Members that differ, by their names on the wire, as Changes has them.
	Members []string
	Pairs   []KeyFate // ascending by key; unchanged ones too
	// Metadata holds the keys of either state, ascending; unchanged ones too.
	Metadata               []KeyFate
	TagsAdded, TagsRemoved []string // ascending
	Lengths                bool     // whether Pairs tell lengths
}

// Changes returns the members in which two states differ, by their names on the
// wire and in the order in which a page shows them. Whether the pairs do it
// cannot see and is told.
func Changes(before, after *Credential, pairs bool) []string {
	var out []string
	for _, m := range []struct {
		name    string
		changed bool
	}{
		{"name", before.Name != after.Name},
		{"enabled", before.Enabled != after.Enabled},
		{"credential_pairs", pairs},
		{"documentation", !equalText(before.Documentation, after.Documentation)},
		{"tags", !slices.Equal(set(before.Tags), set(after.Tags))},
		{"metadata", len(changedMembers(before.Metadata, after.Metadata))+len(changedMembers(after.Metadata, before.Metadata)) > 0},
	} {
		if m.changed {
			out = append(out, m.name)
		}
	}
	return out
}

// PairsMoved reports, without opening them, whether the pairs of two revisions
// differ. A revision that was sealed anew with the same pairs keeps the date of
// their last change; rows too old to have one are judged by what is sealed.
func PairsMoved(before, after *Credential) bool {
	return before.Sealed.Ciphertext != after.Sealed.Ciphertext &&
		(after.LastRotation.IsZero() || !before.LastRotation.Equal(after.LastRotation))
}

// Compare compares two states of one credential, whose pairs are given.
func Compare(before, after *Credential, was, is Pairs, lengths bool) Comparison {
	return compare(before, after, pairFates(was, is, nil, lengths), lengths)
}

// CompareKept compares two states of one credential that have the same pairs, of
// which only the keys are known.
func CompareKept(before, after *Credential, keys []string) Comparison {
	fates := make([]KeyFate, len(keys))
	for i, key := range keys {
		fates[i] = KeyFate{Key: key, Fate: Same}
	}
	return compare(before, after, fates, false)
}

// Preview compares a credential with what a change makes of it, which turned
// the pairs from was into is. Where certain is false, a value that the change
// gives counts as another one even if it is the same: whoever may not see a
// value must not learn it by guessing.
func (c *Change) Preview(before, after *Credential, was, is Pairs, certain bool) Comparison {
	fates := pairFates(was, is, c.renamed(), false)
	if !certain {
		for i, f := range fates {
			if _, given := c.set.Get(f.Key); given && f.Fate == Same {
				fates[i].Fate = Changed
			}
		}
	}
	return compare(before, after, fates, false)
}

func compare(before, after *Credential, pairs []KeyFate, lengths bool) Comparison {
	moved := slices.ContainsFunc(pairs, func(f KeyFate) bool { return f.Fate != Same || f.Was != "" })
	return Comparison{
		Before: before, After: after, Members: Changes(before, after, moved),
		Pairs: pairs, Lengths: lengths,
		Metadata:    MetadataFates(before.Metadata, after.Metadata),
		TagsAdded:   Missing(set(before.Tags), set(after.Tags)),
		TagsRemoved: Missing(set(after.Tags), set(before.Tags)),
	}
}

// renamed returns the keys that a change renames, by their new names.
func (c *Change) renamed() map[string]string {
	out := make(map[string]string, len(c.rename))
	for from, to := range c.rename {
		if key, err := foldKey(to); err == nil && key != from {
			out[key] = from
		}
	}
	return out
}

// pairFates returns what became of each key, and of which other it has the
// value if it was renamed.
func pairFates(was, is Pairs, renamed map[string]string, lengths bool) []KeyFate {
	before, after := was.tokens(), is.tokens()
	gone := map[string]bool{}
	for _, from := range renamed {
		gone[from] = true
	}
	var out []KeyFate
	for key, value := range after {
		f := KeyFate{Key: key, Fate: Changed}
		old, known := before[key]
		if from, ok := renamed[key]; ok {
			f.Was = from
			old, known = before[from]
		} else if gone[key] {
			known = false // its value went to another name, this one is new
		}
		switch {
		case !known:
			f.Fate = Added
		case old == value:
			f.Fate = Same
		}
		if lengths {
			f.LengthBefore, f.LengthAfter = textLength(old), textLength(value)
		}
		out = append(out, f)
	}
	for key, value := range before {
		if _, stays := after[key]; stays || gone[key] {
			continue
		}
		f := KeyFate{Key: key, Fate: Removed}
		if lengths {
			f.LengthBefore = textLength(value)
		}
		out = append(out, f)
	}
	slices.SortFunc(out, byKey)
	return out
}

// MetadataFates returns what became of each key of two JSON objects, ascending.
func MetadataFates(before, after []byte) []KeyFate {
	was, is := members(before), members(after)
	changed := changedMembers(before, after)
	var out []KeyFate
	for key := range is {
		f := KeyFate{Key: key, Fate: Same}
		if _, known := was[key]; !known {
			f.Fate = Added
		} else if slices.Contains(changed, key) {
			f.Fate = Changed
		}
		out = append(out, f)
	}
	for key := range was {
		if _, stays := is[key]; !stays {
			out = append(out, KeyFate{Key: key, Fate: Removed})
		}
	}
	slices.SortFunc(out, byKey)
	return out
}

func byKey(a, b KeyFate) int { return strings.Compare(a.Key, b.Key) }

// tokens returns the values, as JSON tokens, by their keys.
func (p Pairs) tokens() map[string]string {
	out := map[string]string{}
	for _, p := range p.pairs() {
		out[p.key] = string(p.value)
	}
	return out
}

// textLength returns how many characters a scalar has as people see it.
func textLength(token string) int {
	if token != "" && token[0] == '"' {
		token = decodeText([]byte(token))
	}
	return utf8.RuneCountInString(token)
}
