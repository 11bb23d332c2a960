package kmsauth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// timeLayout is how a token writes a moment: UTC, no fraction, 16 characters.
const timeLayout = "20060102T150405Z"

// validity is the payload of a token.
type validity struct {
	notBefore, notAfter time.Time
}

// decodeToken returns the ciphertext: standard base64, whose padding may be
// missing, within white space.
func decodeToken(text string) ([]byte, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	b, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("the token is no base64")
	}
	return b, nil
}

// parsePayload reads the two moments; other members are ignored.
func parsePayload(plaintext []byte) (validity, error) {
	var p struct {
		NotBefore *string `json:"not_before"`
		NotAfter  *string `json:"not_after"`
	}
	if err := json.Unmarshal(plaintext, &p); err != nil {
		return validity{}, errors.New("the payload is no JSON object of the expected form")
	}
	if p.NotBefore == nil || p.NotAfter == nil {
		return validity{}, errors.New("the payload lacks not_before or not_after")
	}
	var v validity
	for text, to := range map[*string]*time.Time{p.NotBefore: &v.notBefore, p.NotAfter: &v.notAfter} {
		t, err := time.Parse(timeLayout, *text)
		if err != nil || len(*text) != len(timeLayout) {
			return validity{}, fmt.Errorf("the moment %q is malformed", *text)
		}
		*to = t
	}
	return v, nil
}

// check holds the token against the clock; both bounds belong to its life. It is
// asked on every use, also of a token that is known.
func (v validity) check(now time.Time, longest time.Duration) error {
	switch {
	case v.notAfter.Before(v.notBefore):
		return errors.New("the token ends before it begins")
	case v.notAfter.Sub(v.notBefore) > longest:
		return fmt.Errorf("the token lives longer than %v", longest)
	case now.Before(v.notBefore):
		return errors.New("the token is not valid yet")
	case now.After(v.notAfter):
		return errors.New("the token has expired")
	}
	return nil
}
