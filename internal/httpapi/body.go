package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// bodyRule says what body a route takes.
type bodyRule uint8

const (
	noBody       bodyRule = iota // none is read
	objectBody                   // a JSON object
	optionalBody                 // nothing at all, or a JSON object
	formBody                     // what a browser sends from a form
)

// readBody reads and parses the body as the route's rule wants it. A body that
// is malformed is an Invalid fault.
func (c *call) readBody() (object, error) {
	text, err := io.ReadAll(c.r.Body)
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, errBodyTooLarge
		}
		return nil, fault.Wrap(fault.Invalid, "The request body did not arrive whole.", err)
	}
	if len(text) == 0 {
		if c.route.body == optionalBody {
			return nil, nil
		}
		return nil, fault.New(fault.Invalid, "A JSON object is expected as the request body.")
	}
	if !isJSON(c.r.Header.Get("Content-Type")) {
		return nil, fault.New(fault.Invalid, "Content-Type must be application/json.")
	}
	members, err := parseObject(text)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "The request body is not a valid JSON object: %v.", err)
	}
	return members, nil
}

var errBodyTooLarge = fault.New(fault.TooLarge, "The request body is too large.")

// readForm parses what a browser sent from a form. All of it stays in memory: a
// file in it may be a secret.
func (c *call) readForm() error {
	err := c.r.ParseForm() // the other call would hide its error
	if err == nil {
		err = c.r.ParseMultipartForm(c.s.bodyLimit)
	}
	if errors.Is(err, http.ErrNotMultipart) {
		err = nil
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) || errors.Is(err, multipart.ErrMessageTooLarge) {
		return errBodyTooLarge
	}
	if err != nil {
		return fault.Wrap(fault.Invalid, "The form did not arrive whole.", err)
	}
	for name, values := range c.r.PostForm {
		for _, text := range append([]string{name}, values...) {
			if !utf8.ValidString(text) { // it would be stored as something else
				return fault.New(fault.Invalid, "The form is not text in UTF-8.")
			}
		}
	}
	return nil
}

// isJSON reports whether a media type is application/json or ends in "+json".
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// The readers below turn a member's text into a value. An absent member is nil
// in, nil or zero out; null is told apart from it by the text "null".

func isNull(value json.RawMessage) bool { return string(value) == "null" }

// textOf reads a string.
func textOf(value json.RawMessage) (string, bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	p := parser{text: value}
	s, err := p.string()
	return s, err == nil
}

// boolOf reads true or false.
func boolOf(value json.RawMessage) (v, ok bool) {
	switch string(value) {
	case "true":
		return true, true
	case "false":
		return false, true
	default:
		return false, false
	}
}

// textsOf reads an array of strings.
func textsOf(value json.RawMessage) ([]string, bool) {
	if len(value) == 0 || value[0] != '[' {
		return nil, false
	}
	list := []string{}
	p := parser{text: value, pos: 1}
	if p.next() == ']' {
		return list, true
	}
	for p.next() == '"' {
		s, err := p.string()
		if err != nil {
			return nil, false
		}
		list = append(list, s)
		if p.next() == ']' {
			return list, true
		}
		p.pos++ // the comma: the text has been parsed before
	}
	return nil, false
}
