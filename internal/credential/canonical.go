package credential

import (
	"bytes"
	"unicode/utf8"
)

// isCanonical reports whether text is surely canonical, looking at each byte
// once and keeping nothing. It may say no to a canonical text whose keys are
// not plain ASCII or that holds one of the rare escapes; such a text takes the
// general way, which gives it back unchanged.
func isCanonical(text []byte) bool {
	if string(text) == "{}" {
		return true
	}
	if len(text) < 2 || text[0] != '{' || !utf8.Valid(text) {
		return false
	}
	var last []byte
	for i := 1; ; i++ {
		n := plainKey(text[i:])
		if n == 0 {
			return false
		}
		key := text[i+1 : i+n-1]
		if bytes.Compare(last, key) >= 0 {
			return false
		}
		last = key
		i += n
		if i >= len(text) || text[i] != ':' {
			return false
		}
		i++
		n = canonicalScalar(text[i:])
		if n == 0 {
			return false
		}
		i += n
		if i >= len(text) {
			return false
		}
		switch text[i] {
		case ',':
		case '}':
			return i == len(text)-1
		default:
			return false
		}
	}
}

// plainKey returns the length of the key at the start of text, quotes
// included, if it is not empty and all its characters are graphic ASCII that
// needs neither escaping nor lower-casing; else 0.
func plainKey(text []byte) int {
	if len(text) == 0 || text[0] != '"' {
		return 0
	}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			if i == 1 {
				return 0
			}
			return i + 1
		case c <= ' ' || c >= 0x7f || c == '\\' || c >= 'A' && c <= 'Z':
			return 0
		}
	}
	return 0
}

// canonicalScalar returns the length of the canonical scalar at the start of
// text, or 0.
func canonicalScalar(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	switch text[0] {
	case '"':
		return canonicalString(text)
	case 't':
		return prefix(text, "true")
	case 'f':
		return prefix(text, "false")
	case 'n':
		return prefix(text, "null")
	default:
		return numberEnd(text)
	}
}

func prefix(text []byte, word string) int {
	if len(text) >= len(word) && string(text[:len(word)]) == word {
		return len(word)
	}
	return 0
}

// canonicalString returns the length of the canonical string token at the
// start of text, which is valid UTF-8, or 0.
func canonicalString(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return i + 1
		case c < 0x20:
			return 0
		case c == '\\':
			i++
			if i == len(text) {
				return 0
			}
			switch text[i] {
			case '"', '\\', 'b', 'f', 'n', 'r', 't':
			default:
				return 0
			}
		case c == 0xe2:
			// U+2028 and U+2029 must be escaped.
			if i+2 < len(text) && text[i+1] == 0x80 && text[i+2]|1 == 0xa9 {
				return 0
			}
		}
	}
	return 0
}
