package blind

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
)

// Equal reports whether two revisions hold the same, so that going back from
// one to the other would change nothing. Dates and author do not count, and
// JSON values are compared by meaning.
func Equal(a, b *Credential) bool {
	return a.Name == b.Name &&
		a.Enabled == b.Enabled &&
		a.CipherType == b.CipherType &&
		a.CipherVersion == b.CipherVersion &&
		equalText(a.Documentation, b.Documentation) &&
		slices.Equal(Names(a.KeyNames), Names(b.KeyNames)) &&
		equalJSON(a.Pairs, b.Pairs) &&
		equalJSON(a.DataKey, b.DataKey) &&
		equalJSON(a.Metadata, b.Metadata)
}

// Names returns key names as a row keeps them: sorted, without duplicates.
func Names(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// Filled reports whether a JSON value says anything: it is not absent, null,
// false, zero or an empty text, list or object.
func Filled(value json.RawMessage) bool {
	v, err := decode(value)
	if err != nil {
		return false
	}
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return false
}

// IsObject reports whether a JSON value is an object.
func IsObject(value json.RawMessage) bool {
	v, err := decode(value)
	if err != nil {
		return false
	}
	_, ok := v.(map[string]any)
	return ok
}

func equalText(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func equalJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	va, errA := decode(a)
	vb, errB := decode(b)
	return errA == nil && errB == nil && reflect.DeepEqual(va, vb)
}

// decode reads a stored JSON value; an absent one is an empty object, which is
// what absent metadata means.
func decode(value json.RawMessage) (any, error) {
	if value == nil {
		return map[string]any{}, nil
	}
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}
