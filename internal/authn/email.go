package authn

import (
	"strings"
	"unicode"
)

// maxEmail bounds an e-mail address in bytes (RFC 5321: 64, "@", 255).
const maxEmail = 320

// FoldEmail returns an e-mail address in the form under which it is an identity:
// in lower case, without blanks at its ends. It reports false for what cannot be
// one identity: several joined by a proxy or provider, blanks, control
// characters, and characters whose lower case is an ASCII letter, as that of the
// Kelvin sign is: an address must not become somebody else's.
func FoldEmail(text string) (email string, ok bool) {
	text = strings.TrimSpace(text)
	email = strings.ToLower(text)
	if email == "" || len(email) > maxEmail {
		return "", false
	}
	for _, c := range text {
		if c == ',' || unicode.IsSpace(c) || unicode.IsControl(c) || c > unicode.MaxASCII && unicode.ToLower(c) <= unicode.MaxASCII {
			return "", false
		}
	}
	return email, true
}
