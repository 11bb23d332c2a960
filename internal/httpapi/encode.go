package httpapi

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/confidant-secrets/confidant/internal/revision"
)

// The functions of this file append JSON to a buffer without reflection. All
// answers about credentials, blind credentials and services are made of them, so
// that there is one encoder, fast or not; a fuzz test holds it to encoding/json.

// dateLayout is the wire form of a time: UTC, always six fraction digits.
const dateLayout = "2006-01-02T15:04:05.000000-07:00"

func appendDate(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, dateLayout)
	return append(b, '"')
}

// appendDateOrNull writes null for the zero time.
func appendDateOrNull(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	return appendDate(b, t)
}

const hexDigits = "0123456789abcdef"

// appendString writes s as a JSON string. What is not valid UTF-8 becomes
// U+FFFD, as in encoding/json.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if ' ' <= c && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n != 1 {
				i += n
				continue
			}
			b = append(b, s[start:i]...)
			b = append(b, `\ufffd`...)
			i++
			start = i
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendStringOrNull writes null for nil.
func appendStringOrNull(b []byte, s *string) []byte {
	if s == nil {
		return append(b, "null"...)
	}
	return appendString(b, *s)
}

// appendStrings writes an array, empty for nil.
func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

// appendRaw writes a value that a row holds as JSON text, an empty object for
// nil.
func appendRaw(b []byte, text json.RawMessage) []byte {
	if len(text) == 0 {
		return append(b, "{}"...)
	}
	return append(b, text...)
}

// appendBools writes an object of booleans, names in order.
func appendBools(b []byte, m map[string]bool) []byte {
	if len(m) == 0 {
		return append(b, "{}"...)
	}
	var few [8]string
	names := few[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		b = strconv.AppendBool(b, m[name])
	}
	return append(b, '}')
}

// appendID writes the id under which a revision is shown: the bare one for the
// current row, "<id>-<revision>" for a historic one.
func appendID(b []byte, m revision.Meta, historic bool) []byte {
	if historic {
		return appendString(b, revision.Key(m.ID, m.Revision))
	}
	return appendString(b, m.ID)
}

// publicPart is JSON that follows from a row alone, as kept in the row's memo:
// the members that no view changes, each with a comma before it.
type publicPart []byte

// appendPublic writes the public part of a row with encode, or what encode wrote
// when the row was shown before.
func appendPublic[T any](b []byte, memo *revision.Memo, row *T, encode func([]byte, *T) []byte) []byte {
	if memo == nil {
		return encode(b, row)
	}
	if kept, ok := memo.Load().(publicPart); ok {
		return append(b, kept...)
	}
	start := len(b)
	b = encode(b, row)
	memo.Store(publicPart(bytes.Clone(b[start:])))
	return b
}
