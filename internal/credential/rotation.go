package credential

import (
	"slices"
	"time"
)

// Rotation says how old pairs may become.
type Rotation struct {
	Maximum int            // days for every credential; 0: no general maximum
	PerTag  map[string]int // days for credentials with the tag
	Exempt  []string       // tags that lift every rule
}

// Next returns when the pairs of c are to be changed next, or the zero time
// where no rule applies. Pairs that a person has seen since they last changed
// are due from that moment on; pairs of unknown age are due now.
func (r Rotation) Next(c *Credential, now time.Time) time.Time {
	days, ruled := r.Maximum, r.Maximum > 0
	for _, tag := range c.Tags {
		if slices.Contains(r.Exempt, tag) {
			return time.Time{}
		}
		if d, ok := r.PerTag[tag]; ok && (!ruled || d < days) {
			days, ruled = d, true
		}
	}
	switch {
	case !ruled:
		return time.Time{}
	case c.LastRotation.IsZero():
		return now
	case c.LastDecrypted.After(c.LastRotation):
		return c.LastDecrypted
	default:
		return c.LastRotation.AddDate(0, 0, days)
	}
}
