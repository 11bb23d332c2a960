package credential

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// Pairs are the opened contents of a credential: key names and their scalar
// values. They are plaintext, so every form that could reach a log or a body
// by accident is redacted; AppendJSON alone gives them out.
//
// Pairs are held as one text in canonical form, which is also what is sealed:
//
//   - one JSON object without any white space, its keys in ascending order of
//     their bytes and lower case;
//   - texts escaped as encoding/json does it without HTML escaping, so that
//     the quote, the backslash, control characters, U+2028 and U+2029 are
//     escaped and everything else stands as UTF-8. A surrogate without its
//     partner, which UTF-8 cannot carry, keeps its escape;
//   - numbers, true, false and null as they were written: 1.0 stays 1.0.
//
// Equal pairs therefore have equal texts. The zero value holds no pair. Pairs
// are immutable.
type Pairs struct{ text []byte }

// ParsePairs reads pairs that a caller sent: a JSON object, or null for none.
// Keys are lower-cased. Its errors are Invalid faults about the first pair in
// document order that breaks a rule; the rule about values goes before those
// about keys.
func ParsePairs(raw []byte) (Pairs, error) {
	if string(bytes.TrimSpace(raw)) == "null" {
		return Pairs{}, nil
	}
	var pairs []pair
	seen := map[string]bool{}
	err := scanObject(raw, false, func(p pair) error {
		key, err := foldKey(p.key)
		if err != nil {
			return err
		}
		if seen[key] {
			return fault.Newf(fault.Invalid, "credential key %q is given more than once", key)
		}
		seen[key] = true
		pairs = append(pairs, pair{key, p.value})
		return nil
	})
	if err != nil {
		if fault.As(err) != nil {
			return Pairs{}, err
		}
		return Pairs{}, fault.Wrap(fault.Invalid, "credential pairs must be key: value", err)
	}
	return canonicalPairs(pairs), nil
}

// OpenPairs reads pairs from an opened row and keeps plaintext. What this
// program sealed is canonical already and costs one look at each byte. What
// others sealed is put into canonical form: rows of the older service with
// their spacing, their escapes and their NaN, Infinity and -Infinity, which
// become texts; objects that came as one text, with keys of either case. Of
// keys that are equal then the last counts.
func OpenPairs(plaintext []byte) (Pairs, error) {
	if isCanonical(plaintext) {
		return Pairs{plaintext}, nil
	}
	var pairs []pair
	err := scanObject(plaintext, true, func(p pair) error {
		pairs = append(pairs, pair{strings.ToLower(p.key), p.value})
		return nil
	})
	if err != nil {
		return Pairs{}, fmt.Errorf("reading opened pairs: %w", err)
	}
	return canonicalPairs(pairs), nil
}

// PairsOf returns pairs whose values are texts. Its errors are those of
// ParsePairs.
func PairsOf(texts map[string]string) (Pairs, error) {
	if len(texts) == 0 {
		return Pairs{}, nil
	}
	text := []byte{'{'}
	for key, value := range texts {
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(appendText(text, key), ':')
		text = appendText(text, value)
	}
	return ParsePairs(append(text, '}'))
}

// CheckKey returns the Invalid fault of the rule that a key breaks, nil if it is
// a good one.
func CheckKey(key string) error {
	_, err := foldKey(key)
	return err
}

// foldKey returns the key as it is stored, or the rule that it breaks.
func foldKey(key string) (string, error) {
	switch {
	case key == "":
		return "", fault.New(fault.Invalid, "credential key must not be empty")
	case strings.ContainsFunc(key, isSpace):
		return "", fault.New(fault.Invalid, "credential key must not contain whitespace")
	case strings.ContainsRune(key, utf8.RuneError):
		return "", fault.New(fault.Invalid, "credential key must be valid Unicode text")
	}
	return strings.ToLower(key), nil
}

// isSpace reports white space as the older service saw it: Unicode's, and the
// four separators of ASCII.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// canonicalPairs sorts pairs whose values are scalar JSON tokens; of equal
// keys the last one stays.
func canonicalPairs(pairs []pair) Pairs {
	if len(pairs) == 0 {
		return Pairs{}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	size := 2
	for _, p := range pairs {
		size += len(p.key) + len(p.value) + 4
	}
	text := append(make([]byte, 0, size), '{')
	for i, p := range pairs {
		if i+1 < len(pairs) && pairs[i+1].key == p.key {
			continue
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = appendText(text, p.key)
		text = append(text, ':')
		text = appendScalar(text, p.value)
	}
	return Pairs{append(text, '}')}
}

// pairs returns the pairs in the order of their keys.
func (p Pairs) pairs() []pair {
	var out []pair
	err := scanObject(p.Encode(), false, func(p pair) error {
		out = append(out, p)
		return nil
	})
	if err != nil {
		panic("credential: pairs hold a text that is not canonical: " + err.Error())
	}
	return out
}

// Check returns the Invalid fault of the first key that breaks a rule, which
// only pairs can have that were not stored under today's rules.
func (p Pairs) Check() error {
	for _, p := range p.pairs() {
		if _, err := foldKey(p.key); err != nil {
			return err
		}
	}
	return nil
}

// Empty reports whether there is no pair.
func (p Pairs) Empty() bool { return len(p.text) <= len("{}") }

// Keys returns the key names in ascending order; it is never nil.
func (p Pairs) Keys() []string {
	pairs := p.pairs()
	keys := make([]string, len(pairs))
	for i, p := range pairs {
		keys[i] = p.key
	}
	return keys
}

// Get returns the value of a key as text: the characters of a JSON string, and
// the JSON text of any other scalar. It reports false if there is no such key.
func (p Pairs) Get(key string) (text string, ok bool) {
	for _, p := range p.pairs() {
		if p.key == key {
			if p.value[0] == '"' {
				return decodeText(p.value), true
			}
			return string(p.value), true
		}
	}
	return "", false
}

// Equal reports whether both hold the same keys with the same values. Numbers
// written differently differ.
func (p Pairs) Equal(q Pairs) bool { return bytes.Equal(p.Encode(), q.Encode()) }

// Encode returns the canonical text, which is what gets sealed. It must not be
// changed.
func (p Pairs) Encode() []byte {
	if p.text == nil {
		return []byte("{}")
	}
	return p.text
}

// AppendJSON appends the pairs in clear as a JSON object. It is for the answer
// to a caller who may see them, and for nothing else.
func (p Pairs) AppendJSON(dst []byte) []byte { return append(dst, p.Encode()...) }

const redacted = "[redacted]"

// String hides the pairs.
func (p Pairs) String() string { return redacted }

// Format hides the pairs from every verb of package fmt.
func (p Pairs) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue hides the pairs.
func (p Pairs) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON hides the pairs; see AppendJSON.
func (p Pairs) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
