package webui

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// text returns a field of the form. Browsers send CRLF for every line break; what
// is stored has LF.
func (v *visit) text(name string) string {
	return strings.ReplaceAll(v.r.PostForm.Get(name), "\r\n", "\n")
}

// sent reports whether a field, or a button, was sent with the form.
func (v *visit) sent(name string) bool { return v.r.PostForm.Has(name) }

// file returns the text of a file of the form, byte for byte; ok says whether one
// was given.
func (v *visit) file(name string) (text string, ok bool, err error) {
	file, header, err := v.r.FormFile(name)
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("reading a file of the form: %w", err)
	}
	defer file.Close()
	body, err := io.ReadAll(file)
	if err != nil {
		return "", false, fmt.Errorf("reading a file of the form: %w", err)
	}
	if header.Filename == "" && len(body) == 0 {
		return "", false, nil
	}
	if !utf8.Valid(body) {
		return "", false, fault.New(fault.Invalid, "The file is not text in UTF-8. Encode it first, for example as base64.")
	}
	return string(body), true, nil
}

// problemOf turns the error of a use case into what a form can show: the words for
// the visitor and the status of the answer. ok is false for an error that is not
// about what was typed, which the page as a whole must answer.
func problemOf(err error) (words string, status int, ok bool) {
	f := fault.As(err)
	if f == nil || f.Message == "" {
		return "", 0, false
	}
	switch f.Kind {
	case fault.Invalid:
		return f.Message, http.StatusBadRequest, true
	case fault.Exists, fault.Stale:
		return f.Message, http.StatusConflict, true
	case fault.TooLarge:
		return f.Message, http.StatusRequestEntityTooLarge, true
	default:
		return "", 0, false
	}
}
