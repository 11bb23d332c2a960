package vault

import (
	"context"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/store"
)

// What a Summary tells of.
const (
	latestChanges = 10
	summaryDays   = 30
	// filteredChanges is among how many of the latest changes are looked for those
	// that the caller may see.
	filteredChanges = 100
)

// rotationAges are the bounds of the ages that a Summary counts by, in days.
var rotationAges = [...]int{30, 90, 180, 365}

// Summary is what needs attention, among the nouns that the caller may list.
type Summary struct {
	Nouns []store.Noun // that the caller may list
	// Counts is nil where the caller does not see all there is of these nouns: a
	// number would tell of the rest.
	Counts *store.Summary
	Ages   []int         // bounds of Counts.Ages, in days
	Latest []store.Entry // what the caller sees of what changed last, newest first, at most ten
}

// Summary counts what needs attention and tells what changed last. As with Find,
// a service learns of what is mapped to it alone, and whoever may list nothing is
// refused.
func (v *Vault) Summary(ctx context.Context, c authz.Caller) (Summary, error) {
	k := v.begin(c, authz.List, "")
	return perform(ctx, k, func() (none Summary, err error) {
		out := Summary{Ages: slices.Clone(rotationAges[:])}
		if out.Nouns, err = k.listable(ctx, nil); err != nil {
			return none, err
		}
		latest := store.Query{Nouns: out.Nouns, Sort: store.SortModified, Descending: true, Limit: latestChanges}
		if v.rules.ListFilter {
			latest.Limit = filteredChanges
		}
		found, err := k.find(ctx, latest)
		if err != nil {
			return none, err
		}
		out.Latest = found.Entries[:min(latestChanges, len(found.Entries))]
		k.note("count", len(out.Latest))
		if c.Type == authz.Service || v.rules.ListFilter {
			return out, nil
		}
		counts, err := v.store.Catalogue().Summary(ctx, store.SummaryQuery{
			Nouns: out.Nouns, Rules: v.rules.Rotation, At: k.at, Ages: out.Ages, Days: summaryDays,
		})
		if err != nil {
			return none, storeFault("counting", err)
		}
		out.Counts = &counts
		return out, nil
	})
}
