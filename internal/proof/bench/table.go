package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// table collects what was measured.
type table struct{ lines []line }

// line is one measurement beside what it is held against.
type line struct {
	what    string
	value   string // what the program does
	against string // what it is compared with, and what that does; empty: nothing
	ratio   float64
	atLeast bool    // the ratio has to be at least the target, else at most
	target  float64 // 0: none
	unit    string  // of ratio and target; empty: a plain number
}

// met says whether the target is met.
func (l line) met() bool {
	return l.target == 0 || l.atLeast == (l.ratio >= l.target) || l.ratio == l.target
}

func (t *table) add(l line) { t.lines = append(t.lines, l) }

// print writes the table for people.
func (t *table) print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "measured\tvalue\tagainst\tratio\ttarget\t")
	for _, l := range t.lines {
		target, verdict := "", ""
		if l.target != 0 {
			relation := "at most"
			if l.atLeast {
				relation = "at least"
			}
			target = fmt.Sprintf("%s %.4g%s", relation, l.target, l.unit)
			verdict = "met"
			if !l.met() {
				verdict = "NOT MET"
			}
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%.3g%s\t%s\t%s\n", l.what, l.value, l.against, l.ratio, l.unit, target, verdict)
	}
	return out.Flush()
}

func perSecond(rate float64) string { return fmt.Sprintf("%.0f/s", rate) }

// each returns how long one act takes of which so many can be done in a second.
func each(rate float64) string {
	d := time.Duration(float64(time.Second) / rate)
	if d < time.Millisecond {
		return fmt.Sprintf("%.0f µs", float64(d)/float64(time.Microsecond))
	}
	return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
}
