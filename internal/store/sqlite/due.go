package sqlite

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
)

// day is one in microseconds.
const day = 24 * 60 * 60 * 1_000_000

// term is a piece of a query with its arguments.
type term struct {
	text string
	args []any
}

// join puts an operator between terms.
func join(operator string, terms ...term) term {
	var texts []string
	var args []any
	for _, t := range terms {
		texts, args = append(texts, t.text), append(args, t.args...)
	}
	return term{"(" + strings.Join(texts, " "+operator+" ") + ")", args}
}

// neverRotated is what store.Query.NeverRotated asks of a row, in the words of
// index current_unrotated.
var neverRotated = "c.noun = 'c' AND (c.revision = 1 OR c.rotated = " + noTimeText + ")"

// since is the first moment that the tables know of those not before t.
func since(t time.Time) int64 {
	if at := micros(t); moment(at).Before(t) {
		return at + 1
	}
	return micros(t)
}

// daysBefore is so many days before a moment, but not before the unknown one.
func daysBefore(at time.Time, days int) int64 {
	const most = 10_000_000 // which is long before anything that is known
	return max(micros(at)-int64(min(days, most))*day, noTime)
}

// due is credential.Rotation at a moment in terms of the tables. Pairs are due if
// they last changed long enough ago by any of the rules that apply, or if any
// applies and a person has seen them since; an exempt tag lifts it all.
type due struct {
	rules  []rule
	exempt []any // labels
	at     int64
	tagged func(labels ...any) term // whether a row has one of them
}

// rule makes pairs due that have not changed since a moment: of credentials with
// a label, or of all if it is empty.
type rule struct {
	label string
	since int64
}

// ruled reports whether rotation is ever due by the rules.
func ruled(r credential.Rotation) bool { return r.Maximum > 0 || len(r.PerTag) > 0 }

func dueBy(r credential.Rotation, at time.Time, tagged func(labels ...any) term) due {
	d := due{at: micros(at), tagged: tagged}
	if r.Maximum > 0 {
		d.rules = append(d.rules, rule{"", daysBefore(at, r.Maximum)})
	}
	for _, tag := range slices.Sorted(maps.Keys(r.PerTag)) {
		if days := r.PerTag[tag]; r.Maximum <= 0 || days < r.Maximum {
			d.rules = append(d.rules, rule{tagLabel + tag, daysBefore(at, days)})
		}
	}
	for _, tag := range r.Exempt {
		d.exempt = append(d.exempt, tagLabel+tag)
	}
	return d
}

// lookedUp asks the table for each row, which is quick for a few.
func lookedUp(labels ...any) term {
	return term{"EXISTS (SELECT 1 FROM label WHERE label IN (" + places(len(labels)) + ") AND number = c.number)", labels}
}

// collected reads all that have the labels first, which is quick for many rows.
func collected(labels ...any) term {
	return term{"c.number IN (SELECT number FROM label WHERE label IN (" + places(len(labels)) + "))", labels}
}

// places are n marks for arguments.
func places(n int) string { return "?" + strings.Repeat(", ?", n-1) }

func (d due) applies(r rule) term {
	if r.label == "" {
		return term{text: everything}
	}
	return d.tagged(r.label)
}

// aged is the condition that pairs have not changed for long enough.
func (d due) aged() term {
	var terms []term
	for _, r := range d.rules {
		terms = append(terms, join("AND", term{"c.rotated <= ?", []any{r.since}}, d.applies(r)))
	}
	return join("OR", terms...)
}

// seen is the condition that a person has seen pairs that some rule is about.
func (d due) seen() term {
	var terms []term
	for _, r := range d.rules {
		terms = append(terms, d.applies(r))
	}
	return join("AND", term{"c.seen <= ?", []any{d.at}}, join("OR", terms...))
}

// now is the condition that either is so.
func (d due) now() term { return join("OR", d.aged(), d.seen()) }

// subject is the condition that no tag lifts the rules.
func (d due) subject() term {
	if len(d.exempt) == 0 {
		return term{text: everything}
	}
	return negated(d.tagged(d.exempt...))
}

func negated(t term) term { return term{"NOT " + t.text, t.args} }

// sources returns two queries that have no row in common: for the numbers of what
// has not changed for long enough, and of what else was seen, which is little.
func (d due) sources() (aged, seen term) {
	latest := int64(noTime)
	for _, r := range d.rules {
		latest = max(latest, r.since)
	}
	aged = join("AND", term{"c.noun = 'c' AND c.rotated <= ?", []any{latest}}, d.aged(), d.subject())
	d.tagged = lookedUp
	seen = join("AND", term{text: "c.seen IS NOT NULL"}, d.seen(), d.subject(), negated(d.aged()))
	aged.text = "SELECT number FROM current c INDEXED BY current_rotated WHERE " + aged.text
	seen.text = "SELECT number FROM current c INDEXED BY current_seen WHERE " + seen.text
	return aged, seen
}
