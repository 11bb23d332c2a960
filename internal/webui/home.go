package webui

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// homePage is the page under "/".
type homePage struct {
	frame
	Attention []attention
	Calm      bool // nothing needs attention
	Rotation  *chart
	Changing  *chart
	Changes   []change
	Empty     string // in words, why there is nothing to show
	New       []choice
}

// attention is a number of things that somebody should look at.
type attention struct {
	Count string
	Words string
	Link  string
}

// change is one of the latest changes.
type change struct {
	Name, Kind, Link string
	Revision         int
	By               string
	When             *moment
}

// home shows what needs attention and what changed last.
func home(v *visit) error {
	page := homePage{frame: v.framed("Home", "home"), New: v.makes()}
	summary, err := v.vault().Summary(v.r.Context(), v.Caller)
	switch {
	case fault.Is(err, fault.Denied):
		page.Empty = "You may not list what is stored here."
		return v.render(http.StatusOK, "home", page)
	case err != nil:
		return err
	case len(summary.Latest) == 0:
		page.Empty = "Nothing is stored yet. A credential is a named set of keys and values; a service receives the credentials that are mapped to it."
	}
	for _, e := range summary.Latest {
		page.Changes = append(page.Changes, change{
			Name: e.Name, Kind: nounWords[e.Noun], Link: nounPaths[e.Noun] + url.PathEscape(e.ID),
			Revision: e.Revision, By: e.ModifiedBy, When: v.at(e.ModifiedDate),
		})
	}
	if summary.Counts != nil {
		v.count(&page, summary)
	}
	return v.render(http.StatusOK, "home", page)
}

// count puts the numbers of a summary on the page.
func (v *visit) count(page *homePage, summary vault.Summary) {
	counts := summary.Counts
	page.Calm = len(summary.Latest) > 0
	for _, a := range []struct {
		n           int
		one, others string
		show        string
		urgent      bool
	}{
		{counts.Due, "credential is due for rotation", "credentials are due for rotation", "due", true},
		{counts.NeverRotated, "credential was never rotated", "credentials were never rotated", "never-rotated", false},
		{counts.Unmapped, "is enabled, but no service receives it", "are enabled, but no service receives them", "unmapped", false},
		{counts.DisabledMapped, "is disabled, but services receive it", "are disabled, but services receive them", "disabled-mapped", true},
		{counts.Changed, "thing changed in the last 24 hours", "things changed in the last 24 hours", "changed", false},
	} {
		words := a.others
		if a.n == 1 {
			words = a.one
		}
		if a.urgent && a.n > 0 {
			page.Calm = false
		}
		page.Attention = append(page.Attention, attention{number(a.n), words, "/resources?show=" + a.show})
	}
	if !allZero(counts.Ages) || counts.AgeUnknown > 0 {
		c := drawn("ages", "Credentials by the time since their values last changed", ages(summary))
		page.Rotation = &c
	}
	if !allZero(counts.Days) {
		c := drawn("days", "Things by the day of their latest change, the last "+count(len(counts.Days), "day"), days(counts))
		page.Changing = &c
	}
}

// ages returns the columns of the ages of values.
func ages(summary vault.Summary) []column {
	var out []column
	add := func(label, words string, n int) {
		out = append(out, column{label, count(n, "credential") + ", " + words, n, true})
	}
	last := 0
	for i, bound := range summary.Ages {
		label := strconv.Itoa(last) + "–" + strconv.Itoa(bound) + " days"
		add(label, label, summary.Counts.Ages[i])
		last = bound
	}
	add("older", "more than "+strconv.Itoa(last)+" days", summary.Counts.Ages[len(summary.Ages)])
	if n := summary.Counts.AgeUnknown; n > 0 {
		add("unknown", "the date is not known", n)
	}
	return out
}

// days returns the columns of the days of changes.
func days(counts *store.Summary) []column {
	out := make([]column, len(counts.Days))
	for i, n := range counts.Days {
		day := counts.AsOf.UTC().Add(-time.Duration(len(counts.Days)-1-i) * 24 * time.Hour)
		out[i] = column{words: day.Format("2 January") + ": " + strconv.Itoa(n), value: n}
		if (len(counts.Days)-1-i)%7 == 0 {
			out[i].label = day.Format("2 Jan")
		}
	}
	return out
}
