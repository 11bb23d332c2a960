package authn

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
)

// FormTokenField is the form field in which pages repeat the CSRF token, since a
// form without scripts cannot send a header.
const FormTokenField = "form_token"

// FormToken returns the session's CSRF token for one page: base64url of a mask
// drawn for it and the token under that mask. It differs on every page, so that
// nobody can guess it piece by piece from the length of compressed answers
// (BREACH, Gluck, Harris and Prado 2013).
func (s *Sessions) FormToken(session *Session) (string, error) {
	token, err := hex.DecodeString(session.csrf)
	if err != nil {
		return "", fmt.Errorf("decoding a CSRF token: %w", err)
	}
	out := make([]byte, 2*len(token))
	mask := out[:len(token)]
	if _, err := io.ReadFull(s.Random, mask); err != nil {
		return "", fmt.Errorf("drawing a mask: %w", err)
	}
	subtle.XORBytes(out[len(token):], mask, token)
	return base64.RawURLEncoding.EncodeToString(out), nil
}

// csrfOf returns the CSRF token that a request repeats, as hex digits: in the
// header, or in a form that has been parsed already. It is empty if there is
// none.
func csrfOf(r *http.Request) string {
	if token := r.Header.Get(CSRFHeader); token != "" {
		return token
	}
	masked, err := base64.RawURLEncoding.DecodeString(r.PostForm.Get(FormTokenField))
	if err != nil || len(masked) != 2*csrfBytes {
		return ""
	}
	token := make([]byte, csrfBytes)
	subtle.XORBytes(token, masked[:csrfBytes], masked[csrfBytes:])
	return hex.EncodeToString(token)
}
