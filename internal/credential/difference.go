package credential

import (
	"encoding/json"
	"slices"
	"time"
)

// Difference says what changed between two revisions of a credential. Its JSON
// form is the body of the diff routes. Of pairs and metadata it names keys,
// never values. The zero value, two times the same revision, is "{}".
type Difference struct {
	Name          *Values[string]  `json:"name,omitempty"`
	Enabled       *Values[bool]    `json:"enabled,omitempty"`
	Documentation *Values[*string] `json:"documentation,omitempty"`
	Pairs         *Names           `json:"credential_pairs,omitempty"`
	Metadata      *Names           `json:"metadata,omitempty"`
	Tags          *Values[Set]     `json:"tags,omitempty"`
	LastRotation  *Values[Date]    `json:"last_rotation_date,omitempty"`
	ModifiedBy    *Values[string]  `json:"modified_by,omitempty"`
	ModifiedDate  *Values[Date]    `json:"modified_date,omitempty"`
}

// Values is a member's value in the newer and in the older revision.
type Values[T any] struct {
	Added   T `json:"added"`
	Removed T `json:"removed"`
}

// Names are sorted names that the newer revision added and removed. A name
// whose value changed is in both.
type Names struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
}

// Set is a sorted list without duplicates; an empty one is "[]".
type Set []string

// MarshalJSON writes a nil Set as an empty list.
func (s Set) MarshalJSON() ([]byte, error) {
	return json.Marshal(append([]string{}, s...))
}

// Date is a time on the wire; the zero time is null.
type Date time.Time

// MarshalJSON writes ISO 8601 in UTC with six digits of a second.
func (d Date) MarshalJSON() ([]byte, error) {
	t := time.Time(d)
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000000-07:00"`), nil
}

// Diff compares two revisions of one credential; which is given first does not
// matter. The pairs are those of a and b.
func Diff(a, b *Credential, pairsA, pairsB Pairs) Difference {
	if a.Revision == b.Revision {
		return Difference{}
	}
	if a.Revision > b.Revision {
		a, b, pairsA, pairsB = b, a, pairsB, pairsA
	}
	d := Difference{
		Pairs:        NewNames(changedPairs(pairsA, pairsB), changedPairs(pairsB, pairsA)),
		Metadata:     NewNames(changedMembers(a.Metadata, b.Metadata), changedMembers(b.Metadata, a.Metadata)),
		ModifiedBy:   &Values[string]{b.ModifiedBy, a.ModifiedBy},
		ModifiedDate: &Values[Date]{Date(b.ModifiedDate), Date(a.ModifiedDate)},
	}
	if a.Name != b.Name {
		d.Name = &Values[string]{b.Name, a.Name}
	}
	if a.Enabled != b.Enabled {
		d.Enabled = &Values[bool]{b.Enabled, a.Enabled}
	}
	if !equalText(a.Documentation, b.Documentation) {
		d.Documentation = &Values[*string]{b.Documentation, a.Documentation}
	}
	if older, newer := set(a.Tags), set(b.Tags); !slices.Equal(older, newer) {
		d.Tags = &Values[Set]{Missing(older, newer), Missing(newer, older)}
	}
	if !a.LastRotation.Equal(b.LastRotation) {
		d.LastRotation = &Values[Date]{Date(b.LastRotation), Date(a.LastRotation)}
	}
	return d
}

// NewNames returns what was added and removed, or nil if that is nothing.
func NewNames(added, removed []string) *Names {
	if len(added) == 0 && len(removed) == 0 {
		return nil
	}
	return &Names{added, removed}
}

// Missing returns what newer has and older, which is sorted, has not, in the
// order of newer.
func Missing(older, newer []string) []string {
	var out []string
	for _, s := range newer {
		if _, found := slices.BinarySearch(older, s); !found {
			out = append(out, s)
		}
	}
	return out
}

// changedPairs returns the keys of newer that older does not have with the
// same value.
func changedPairs(older, newer Pairs) []string {
	was := map[string]string{}
	for _, p := range older.pairs() {
		was[p.key] = string(p.value)
	}
	var keys []string
	for _, p := range newer.pairs() {
		if value, ok := was[p.key]; !ok || value != string(p.value) {
			keys = append(keys, p.key)
		}
	}
	return keys
}
