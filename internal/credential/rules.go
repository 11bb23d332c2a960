package credential

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// ParseMetadata checks that raw is a JSON object and returns it without idle
// white space; nil stands for an empty object. Anything else is an Invalid
// fault.
func ParseMetadata(raw json.RawMessage) (json.RawMessage, error) {
	if raw == nil {
		return nil, nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil || compact.Bytes()[0] != '{' {
		return nil, fault.New(fault.Invalid, "metadata must be a dict")
	}
	return compact.Bytes(), nil
}

// Documented reports whether a documentation text satisfies enforcement.
func Documented(text *string) bool { return text != nil && *text != "" }

// Equal reports whether two revisions hold the same for a reader, so that
// going back from one to the other would change nothing. The pairs are those
// of a and b. Dates, author and the order of tags do not count.
func Equal(a, b *Credential, pairsA, pairsB Pairs) bool {
	return a.Name == b.Name &&
		a.Enabled == b.Enabled &&
		equalText(a.Documentation, b.Documentation) &&
		slices.Equal(set(a.Tags), set(b.Tags)) &&
		len(changedMembers(a.Metadata, b.Metadata)) == 0 &&
		len(changedMembers(b.Metadata, a.Metadata)) == 0 &&
		pairsA.Equal(pairsB)
}

// Identical reports whether two rows are the same revision, byte for byte.
// What may be amended without a revision does not count: the date of the last
// decryption, key names written in later, and the head.
func Identical(a, b *Credential) bool {
	return a.ID == b.ID && a.Revision == b.Revision &&
		a.ModifiedDate.Equal(b.ModifiedDate) && a.ModifiedBy == b.ModifiedBy &&
		a.Name == b.Name && a.Enabled == b.Enabled &&
		a.Sealed.Ciphertext == b.Sealed.Ciphertext && a.Sealed.Version == b.Sealed.Version &&
		bytes.Equal(a.Sealed.DataKey, b.Sealed.DataKey) &&
		equalText(a.Documentation, b.Documentation) &&
		slices.Equal(a.Tags, b.Tags) &&
		a.LastRotation.Equal(b.LastRotation) &&
		bytes.Equal(orEmpty(a.Metadata), orEmpty(b.Metadata))
}

func equalText(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// set returns the elements of list sorted and without duplicates.
func set(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

func orEmpty(object json.RawMessage) json.RawMessage {
	if object == nil {
		return json.RawMessage("{}")
	}
	return object
}

// changedMembers returns the keys of b, sorted, that a does not have with the
// same value. The spelling of values does not matter, but for that of numbers.
func changedMembers(a, b json.RawMessage) []string {
	older, newer := members(a), members(b)
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(newer)) {
		if was, ok := older[key]; !ok || !reflect.DeepEqual(was, newer[key]) {
			keys = append(keys, key)
		}
	}
	return keys
}

// members decodes a stored JSON object; one that does not decode has none.
func members(object json.RawMessage) map[string]any {
	d := json.NewDecoder(bytes.NewReader(orEmpty(object)))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil
	}
	return m
}
