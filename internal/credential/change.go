package credential

import (
	"slices"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// Change is what a caller wants to happen to a credential's pairs: they are
// replaced as a whole, or some of them are patched and the others keep their
// text.
type Change struct {
	whole  bool
	set    Pairs
	remove []string
	rename map[string]string
}

// Whole replaces all pairs.
func Whole(pairs Pairs) *Change { return &Change{whole: true, set: pairs} }

// Patch removes keys, renames others, then sets pairs. Both name keys as they are
// stored; the new names of rename follow the rules for keys that ParsePairs
// knows.
func Patch(set Pairs, remove []string, rename map[string]string) *Change {
	return &Change{set: set, remove: remove, rename: rename}
}

// Apply returns the pairs after the change. It returns an Invalid fault if a
// key to be renamed is not there, or a new name breaks a rule or is in use.
func (c *Change) Apply(current Pairs) (Pairs, error) {
	if c.whole {
		return c.set, nil
	}
	var out []pair
	seen := map[string]bool{}
	renamed := 0
	for _, p := range current.pairs() {
		if slices.Contains(c.remove, p.key) {
			continue
		}
		if to, ok := c.rename[p.key]; ok {
			key, err := foldKey(to)
			if err != nil {
				return Pairs{}, err
			}
			renamed++
			p.key = key
		}
		if seen[p.key] {
			return Pairs{}, fault.Newf(fault.Invalid, "credential key %q is given more than once", p.key)
		}
		seen[p.key] = true
		out = append(out, p)
	}
	if renamed < len(c.rename) {
		return Pairs{}, fault.New(fault.Invalid, "a credential key to be renamed does not exist")
	}
	// Of equal keys the last one stays, so what is set goes behind the rest.
	return canonicalPairs(append(out, c.set.pairs()...)), nil
}
