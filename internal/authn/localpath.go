package authn

import (
	"net/url"
	"strings"
	"unicode"
)

// LocalPath returns text if it is a path on this server, with its query, and "/"
// if it leads anywhere else. Browsers take "//host" and "/\host" for another
// server and drop control characters before they look.
func LocalPath(text string) string {
	if !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || strings.ContainsRune(text, '\\') ||
		len(text) > maxLocalPath || strings.ContainsFunc(text, unicode.IsControl) {
		return "/"
	}
	u, err := url.Parse(text)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil {
		return "/"
	}
	return text
}

const maxLocalPath = 2000
