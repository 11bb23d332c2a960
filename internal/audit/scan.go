package audit

import (
	"bytes"
	"encoding/json"
)

// members calls f with name and value, as they stand, of each member in the
// body of an entry's frame, until f returns false. It reports false for a body
// that appendBody did not write; what f saw before is then of no worth. It
// exists because the index looks at every record and needs five members of it.
func members(body []byte, f func(name, value []byte) bool) bool {
	for len(body) > 0 {
		rest, ok := bytes.CutPrefix(body, []byte(`,"`))
		if !ok {
			return false
		}
		end := bytes.IndexByte(rest, '"')
		if end < 0 || end+1 >= len(rest) || rest[end+1] != ':' {
			return false
		}
		name, value := rest[:end], rest[end+2:]
		n := valueLength(value)
		if n == 0 {
			return false
		}
		if !f(name, value[:n]) {
			return true
		}
		body = value[n:]
	}
	return true
}

// valueLength returns how many bytes the JSON value at the beginning of b has;
// 0 if it does not end.
func valueLength(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := textLength(b[i:])
			if n == 0 {
				return 0
			}
			i += n - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1
			}
			if depth < 0 {
				return 0
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	if depth > 0 {
		return 0
	}
	return len(b)
}

func textLength(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// text returns the content of a JSON string.
func text(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return value
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return inner
	}
	return []byte(s)
}
