package dynamo

import (
	"context"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

const day = 24 * time.Hour

// Summary counts what is in memory, after reading what changed.
func (c *catalogue) Summary(ctx context.Context, q store.SummaryQuery) (store.Summary, error) {
	if err := c.freshen(ctx, c.store.now().Add(-freshFor)); err != nil {
		return store.Summary{}, err
	}
	q.At = q.At.UTC()
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := tally{
		SummaryQuery: q,
		out:          store.Summary{Ages: make([]int, len(q.Ages)+1), Days: make([]int, q.Days), AsOf: c.asOf},
		rules:        store.Query{Rules: q.Rules, At: q.At},
		first:        q.At.Truncate(day).AddDate(0, 0, 1-q.Days),
	}
	for _, e := range c.entries {
		if len(q.Nouns) == 0 || slices.Contains(q.Nouns, e.Noun) {
			t.add(e, c.uses[e.ID] > 0)
		}
	}
	return t.out, nil
}

// tally is a summary while it is counted.
type tally struct {
	store.SummaryQuery
	out   store.Summary
	rules store.Query
	first time.Time // begin of the first day
}

func (t *tally) add(e *listed, mapped bool) {
	count(&t.out.Changed, !e.ModifiedDate.Before(t.At.Add(-day)))
	if since := e.ModifiedDate.Sub(t.first); since >= 0 && since < time.Duration(t.Days)*day {
		t.out.Days[since/day]++
	}
	switch e.Noun {
	case store.Service:
		t.out.Services++
		return
	case store.BlindCredential:
		t.out.BlindCredentials++
	default:
		t.out.Credentials++
		count(&t.out.Due, e.due(&t.rules))
		count(&t.out.NeverRotated, e.neverRotated())
		t.addAge(e.LastRotation)
	}
	count(&t.out.Unmapped, e.Enabled && !mapped)
	count(&t.out.DisabledMapped, !e.Enabled && mapped)
}

func (t *tally) addAge(rotated time.Time) {
	if rotated.IsZero() {
		t.out.AgeUnknown++
		return
	}
	i := slices.IndexFunc(t.Ages, func(days int) bool { return rotated.After(t.At.AddDate(0, 0, -days)) })
	if i < 0 {
		i = len(t.Ages)
	}
	t.out.Ages[i]++
}

func count(n *int, really bool) {
	if really {
		*n++
	}
}
