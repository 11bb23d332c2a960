package credential

import (
	"bytes"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// pair is one member of a flat JSON object: its key decoded, its value as the
// JSON token that stood there.
type pair struct {
	key   string
	value []byte
}

// Why a text is no flat object of scalars.
var (
	errSyntax = errors.New("not a JSON object")
	errNested = errors.New("a value is an object or a list")
)

// scanObject calls visit for each member of the JSON object in text, in
// document order. A value that is an object or a list ends it with errNested
// before visit hears of that member. With lenient, the three words that
// Python's encoder writes for numbers JSON has no text for are accepted and
// handed on as JSON strings.
func scanObject(text []byte, lenient bool, visit func(pair) error) error {
	if !utf8.Valid(text) {
		return errSyntax
	}
	s := scanner{text: text, lenient: lenient}
	if !s.accept('{') {
		return errSyntax
	}
	for n := 0; !s.accept('}'); n++ {
		if n > 0 && !s.accept(',') {
			return errSyntax
		}
		s.space()
		key, ok := s.string()
		if !ok || !s.accept(':') {
			return errSyntax
		}
		value, err := s.scalar()
		if err != nil {
			return err
		}
		if err := visit(pair{decodeText(key), value}); err != nil {
			return err
		}
	}
	s.space()
	if s.at != len(text) {
		return errSyntax
	}
	return nil
}

type scanner struct {
	text    []byte
	at      int
	lenient bool
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// accept skips white space and then c, if it comes next.
func (s *scanner) accept(c byte) bool {
	s.space()
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// string reads a string token and returns it with its quotes.
func (s *scanner) string() ([]byte, bool) {
	start := s.at
	if start >= len(s.text) || s.text[start] != '"' {
		return nil, false
	}
	for i := start + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.at = i + 1
			return s.text[start:s.at], true
		case c < 0x20:
			return nil, false
		case c == '\\':
			i++
			if i == len(s.text) {
				return nil, false
			}
			if s.text[i] == 'u' {
				if _, ok := hexRune(s.text[i+1:]); !ok {
					return nil, false
				}
			} else if unescape[s.text[i]] == 0 {
				return nil, false
			}
		}
	}
	return nil, false
}

// scalar skips white space and reads a value that is neither object nor list.
func (s *scanner) scalar() ([]byte, error) {
	s.space()
	rest := s.text[s.at:]
	if len(rest) == 0 {
		return nil, errSyntax
	}
	switch rest[0] {
	case '{', '[':
		return nil, errNested
	case '"':
		value, ok := s.string()
		if !ok {
			return nil, errSyntax
		}
		return value, nil
	}
	end := bytes.IndexAny(rest, ",} \t\n\r")
	if end < 0 {
		return nil, errSyntax
	}
	word := rest[:end]
	s.at += end
	switch string(word) {
	case "true", "false", "null":
		return word, nil
	case "NaN", "Infinity", "-Infinity":
		if s.lenient {
			return []byte(`"` + string(word) + `"`), nil
		}
	}
	if end == 0 || numberEnd(word) != end {
		return nil, errSyntax
	}
	return word, nil
}

// numberEnd returns the length of the JSON number at the start of text; 0 if
// there is none.
func numberEnd(text []byte) int {
	i := 0
	digits := func() bool {
		start := i
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i > start
	}
	is := func(set string) bool {
		if i < len(text) && bytes.IndexByte([]byte(set), text[i]) >= 0 {
			i++
			return true
		}
		return false
	}
	is("-")
	if !is("0") && !digits() {
		return 0
	}
	if is(".") && !digits() {
		return 0
	}
	if is("eE") {
		is("+-")
		if !digits() {
			return 0
		}
	}
	return i
}

// unescape maps the letter of a two-character escape to what it stands for; 0
// marks a letter that escapes nothing.
var unescape = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// hexRune reads the four digits of a \u escape.
func hexRune(text []byte) (rune, bool) {
	if len(text) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range text[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// nextRune reads one character, escaped or not, from the inside of a string
// token that was scanned before. A surrogate without its partner is returned as it is.
func nextRune(text []byte) (r rune, size int) {
	if text[0] != '\\' {
		return utf8.DecodeRune(text)
	}
	if text[1] != 'u' {
		return rune(unescape[text[1]]), 2
	}
	r, _ = hexRune(text[2:])
	if utf16.IsSurrogate(r) && len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
		if low, ok := hexRune(text[8:]); ok {
			if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
				return both, 12
			}
		}
	}
	return r, 6
}

// decodeText returns the characters of a string token. A surrogate without its
// partner becomes U+FFFD.
func decodeText(token []byte) string {
	inside := token[1 : len(token)-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		return string(inside)
	}
	out := make([]byte, 0, len(inside))
	for len(inside) > 0 {
		r, size := nextRune(inside)
		out = utf8.AppendRune(out, r)
		inside = inside[size:]
	}
	return string(out)
}

// appendScalar appends a scalar token in canonical form.
func appendScalar(dst, token []byte) []byte {
	if token[0] != '"' {
		return append(dst, token...)
	}
	dst = append(dst, '"')
	for inside := token[1 : len(token)-1]; len(inside) > 0; {
		r, size := nextRune(inside)
		dst = appendRune(dst, r)
		inside = inside[size:]
	}
	return append(dst, '"')
}

// appendText appends text as a canonical string token.
func appendText(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for _, r := range text {
		dst = appendRune(dst, r)
	}
	return append(dst, '"')
}

// appendRune appends one character of a string in canonical form.
func appendRune(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if r < 0x20 || r == '\u2028' || r == '\u2029' || utf16.IsSurrogate(r) {
		return append(dst, '\\', 'u', hex[r>>12&0xf], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf])
	}
	return utf8.AppendRune(dst, r)
}
