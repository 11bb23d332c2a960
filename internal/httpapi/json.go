package httpapi

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deeply arrays and objects of a body may be nested. It
// keeps the reader's recursion, and that of whoever reads the value later, small.
const maxDepth = 64

// member is one member of a JSON object: its decoded name and the text of its
// value.
type member struct {
	name  string
	value json.RawMessage
}

// object is a JSON object whose text has been read strictly: RFC 8259 and,
// beyond it, valid UTF-8 only, no lone surrogates, no member name twice in any
// object, nothing behind the value. Values are parts of the text that was read.
type object []member

// parseObject reads a JSON object. The error is fit to be shown to the caller:
// it names members but repeats no value.
func parseObject(text []byte) (object, error) {
	p := parser{text: text}
	p.space()
	if p.end() {
		return nil, p.errorf("it is empty")
	}
	if p.text[p.pos] != '{' {
		// Tell broken JSON from JSON of another type.
		if err := p.value(0); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("it must be an object")
	}
	var members object
	if err := p.object(1, &members); err != nil {
		return nil, err
	}
	p.space()
	if !p.end() {
		return nil, p.errorf("something follows the object")
	}
	return members, nil
}

// get returns the text of a member's value, or nil if the member is absent.
func (o object) get(name string) json.RawMessage {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// parser reads JSON text once, front to back.
type parser struct {
	text []byte
	pos  int
}

func (p *parser) end() bool { return p.pos == len(p.text) }

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("%s (at byte %d)", fmt.Sprintf(format, args...), p.pos)
}

func (p *parser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// next skips white space and returns the byte there, 0 at the end.
func (p *parser) next() byte {
	p.space()
	if p.end() {
		return 0
	}
	return p.text[p.pos]
}

// value reads any value inside depth arrays and objects.
func (p *parser) value(depth int) error {
	switch c := p.next(); {
	case (c == '{' || c == '[') && depth == maxDepth:
		return p.errorf("it is nested more than %d deep", maxDepth)
	case c == '{':
		return p.object(depth+1, nil)
	case c == '[':
		return p.array(depth + 1)
	case c == '"':
		_, err := p.string()
		return err
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	case c == 't':
		return p.literal("true")
	case c == 'f':
		return p.literal("false")
	case c == 'n':
		return p.literal("null")
	case p.end():
		return p.errorf("it ends too early")
	default:
		return p.errorf("a value is expected")
	}
}

func (p *parser) literal(word string) error {
	if len(p.text)-p.pos < len(word) || string(p.text[p.pos:p.pos+len(word)]) != word {
		return p.errorf("a value is expected")
	}
	p.pos += len(word)
	return nil
}

// object reads an object from its brace on; into, if not nil, gets its members.
func (p *parser) object(depth int, into *object) error {
	p.pos++
	seen := names{}
	if p.next() == '}' {
		p.pos++
		return nil
	}
	for {
		if p.next() != '"' {
			return p.errorf("a member name is expected")
		}
		name, err := p.string()
		if err != nil {
			return err
		}
		if !seen.add(name) {
			return p.errorf("member %s stands twice", quoteShort(name))
		}
		if p.next() != ':' {
			return p.errorf("a colon is expected")
		}
		p.pos++
		p.space()
		start := p.pos
		if err := p.value(depth); err != nil {
			if into != nil {
				return fmt.Errorf("in member %s: %w", quoteShort(name), err)
			}
			return err
		}
		if into != nil {
			*into = append(*into, member{name, p.text[start:p.pos:p.pos]})
		}
		switch p.next() {
		case ',':
			p.pos++
		case '}':
			p.pos++
			return nil
		default:
			return p.errorf("a comma or the end of the object is expected")
		}
	}
}

func (p *parser) array(depth int) error {
	p.pos++
	if p.next() == ']' {
		p.pos++
		return nil
	}
	for {
		if err := p.value(depth); err != nil {
			return err
		}
		switch p.next() {
		case ',':
			p.pos++
		case ']':
			p.pos++
			return nil
		default:
			return p.errorf("a comma or the end of the array is expected")
		}
	}
}

func (p *parser) number() error {
	if p.text[p.pos] == '-' {
		p.pos++
	}
	switch {
	case !p.digit():
		return p.errorf("a digit is expected")
	case p.text[p.pos] == '0':
		p.pos++
	default:
		p.digits()
	}
	if p.pos < len(p.text) && p.text[p.pos] == '.' {
		p.pos++
		if !p.digit() {
			return p.errorf("a digit is expected")
		}
		p.digits()
	}
	if p.pos < len(p.text) && (p.text[p.pos] == 'e' || p.text[p.pos] == 'E') {
		p.pos++
		if p.pos < len(p.text) && (p.text[p.pos] == '+' || p.text[p.pos] == '-') {
			p.pos++
		}
		if !p.digit() {
			return p.errorf("a digit is expected")
		}
		p.digits()
	}
	return nil
}

func (p *parser) digit() bool {
	return p.pos < len(p.text) && '0' <= p.text[p.pos] && p.text[p.pos] <= '9'
}

func (p *parser) digits() {
	for p.digit() {
		p.pos++
	}
}

// string reads a string from its quotation mark on and returns it decoded.
func (p *parser) string() (string, error) {
	p.pos++
	start := p.pos
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '"':
			s := string(p.text[start:p.pos])
			p.pos++
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return "", p.errorf("a control character stands in a string")
		case c < utf8.RuneSelf:
			p.pos++
		default:
			if err := p.rune(); err != nil {
				return "", err
			}
		}
	}
	return "", p.errorf("a string does not end")
}

// rune steps over a character beyond ASCII.
func (p *parser) rune() error {
	r, n := utf8.DecodeRune(p.text[p.pos:])
	if r == utf8.RuneError && n == 1 {
		return p.errorf("a string is not valid UTF-8")
	}
	p.pos += n
	return nil
}

// escaped goes on reading a string that started at start and has an escape at
// the current place.
func (p *parser) escaped(start int) (string, error) {
	s := append([]byte(nil), p.text[start:p.pos]...)
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch {
		case c == '"':
			p.pos++
			return string(s), nil
		case c < ' ':
			return "", p.errorf("a control character stands in a string")
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			s = utf8.AppendRune(s, r)
		default:
			from := p.pos
			if err := p.rune(); err != nil {
				return "", err
			}
			s = append(s, p.text[from:p.pos]...)
		}
	}
	return "", p.errorf("a string does not end")
}

// escape reads one escape sequence, a surrogate pair as one.
func (p *parser) escape() (rune, error) {
	if p.pos+1 >= len(p.text) {
		return 0, p.errorf("a string does not end")
	}
	c := p.text[p.pos+1]
	if c != 'u' {
		p.pos += 2
		switch c {
		case '"', '\\', '/':
			return rune(c), nil
		case 'b':
			return '\b', nil
		case 'f':
			return '\f', nil
		case 'n':
			return '\n', nil
		case 'r':
			return '\r', nil
		case 't':
			return '\t', nil
		}
		return 0, p.errorf("there is no such escape")
	}
	r, ok := p.hex()
	if !ok {
		return 0, p.errorf("an escape lacks its four hexadecimal digits")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	low, ok := p.hex()
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, p.errorf("half of a surrogate pair stands alone")
	}
	return r, nil
}

// hex reads "\uXXXX".
func (p *parser) hex() (rune, bool) {
	if len(p.text)-p.pos < 6 || p.text[p.pos] != '\\' || p.text[p.pos+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range p.text[p.pos+2 : p.pos+6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	p.pos += 6
	return r, true
}

// names is a set of member names. Objects are small, so a list is searched
// until it grows.
type names struct {
	list []string
	set  map[string]struct{}
}

// add reports whether the name is new.
func (n *names) add(name string) bool {
	if n.set != nil {
		before := len(n.set)
		n.set[name] = struct{}{}
		return len(n.set) > before
	}
	for _, known := range n.list {
		if known == name {
			return false
		}
	}
	if n.list = append(n.list, name); len(n.list) > 16 {
		n.set = make(map[string]struct{}, 2*len(n.list))
		for _, known := range n.list {
			n.set[known] = struct{}{}
		}
	}
	return true
}

// quoteShort quotes a caller's text for an error message, cut if it is long.
func quoteShort(s string) string {
	const most = 64
	if len(s) <= most {
		return strconv.Quote(s)
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "…"
}
