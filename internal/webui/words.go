package webui

import (
	"fmt"
	"strings"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// moment is a time as pages show it.
type moment struct {
	Words   string // from now, for example "2 hours ago"
	Exact   string // for people
	Instant string // for programs, RFC 3339
}

// at returns how a time is shown; nil for the zero time.
func (v *visit) at(t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &moment{
		Words: fromNow(t.Sub(v.s.now())),
		Exact: t.Format("2006-01-02 15:04:05 UTC"), Instant: t.Format(time.RFC3339),
	}
}

// fromNow puts a distance in time into words.
func fromNow(d time.Duration) string {
	ago := d < 0
	if ago {
		d = -d
	}
	var words string
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		words = count(int(d/time.Minute), "minute")
	case d < 24*time.Hour:
		words = count(int(d/time.Hour), "hour")
	case d < 60*24*time.Hour:
		words = count(int(d/(24*time.Hour)), "day")
	case d < 2*365*24*time.Hour:
		words = count(int(d/(30*24*time.Hour)), "month")
	default:
		words = count(int(d/(365*24*time.Hour)), "year")
	}
	if ago {
		return words + " ago"
	}
	return "in " + words
}

// count puts a number of things into words, with commas between the thousands.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return number(n) + " " + thing + "s"
}

// number writes a number with commas between the thousands.
func number(n int) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && d != '-' && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// list joins words as a sentence does.
func list(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
	}
}

// nounWords names the nouns for people, nounPaths where each has its pages.
var (
	nounWords = map[store.Noun]string{
		store.Credential:      "Credential",
		store.BlindCredential: "Blind credential",
		store.Service:         "Service",
	}
	nounPaths = map[store.Noun]string{
		store.Credential:      "/credentials/",
		store.BlindCredential: "/blind-credentials/",
		store.Service:         "/services/",
	}
)
