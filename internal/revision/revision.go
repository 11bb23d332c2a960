// Package revision holds what every noun with a history shares: who made which
// revision when, how a historic row is keyed, and how lists are paged. It does
// no I/O.
package revision

import (
	"strconv"
	"strings"
	"time"
)

// Meta identifies one revision of one thing.
type Meta struct {
	ID           string    // base id: never the "<id>-<n>" form
	Revision     int       // 1 and up
	ModifiedDate time.Time // UTC, whole microseconds
	ModifiedBy   string    // name of the principal
}

// Key returns the key of revision n of id in the shared key space: "<id>-<n>".
func Key(id string, n int) string { return id + "-" + strconv.Itoa(n) }

// Split is the reverse of Key: it takes the last "-<digits>" off. It reports
// false for a text without such an end. A service may bear a name that looks
// like a key ("foo-1"), so a split key is a guess until a row confirms it.
func Split(key string) (id string, n int, ok bool) {
	i := strings.LastIndexByte(key, '-')
	if i <= 0 || i == len(key)-1 {
		return "", 0, false
	}
	digits := key[i+1:]
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return "", 0, false
		}
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || digits[0] == '0' {
		return "", 0, false
	}
	return key[:i], n, true
}

// Instant returns t as rows keep it: UTC, truncated to microseconds.
func Instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// DateLayout is the stored form of a time: 31 characters, always six fraction
// digits, always "+0000".
const DateLayout = "2006-01-02T15:04:05.000000-0700"

// FormatDate returns the stored form of t.
func FormatDate(t time.Time) string { return Instant(t).Format(DateLayout) }

// ParseDate reads the stored form.
func ParseDate(s string) (time.Time, error) {
	t, err := time.Parse(DateLayout, s)
	if err != nil {
		return time.Time{}, err
	}
	return t.UTC(), nil
}
