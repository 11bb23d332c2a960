package dynamo

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Find searches what is in memory, after reading what changed.
func (c *catalogue) Find(ctx context.Context, q store.Query) (store.Found, error) {
	q.Sort = cmp.Or(q.Sort, store.SortName)
	q.Limit = min(max(q.Limit, 1), 1000)
	after, err := parsePlace(q)
	if err != nil {
		return store.Found{}, err
	}
	if err := c.freshen(ctx, c.store.now().Add(-freshFor)); err != nil {
		return store.Found{}, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	found := store.Found{AsOf: c.asOf}
	matching := c.matching(q, after)
	slices.SortFunc(matching, func(a, b placed) int { return a.place.compare(q, b.place) })
	for _, p := range matching[:min(q.Limit, len(matching))] {
		entry := p.Entry
		entry.Services = c.uses[p.ID]
		entry.NextRotation = q.Rotates(&entry)
		found.Entries = append(found.Entries, entry)
	}
	if len(matching) > q.Limit {
		found.Next = matching[q.Limit-1].place.token(q)
	}
	return found, nil
}

// placed is an entry with its place in the order asked.
type placed struct {
	place
	*listed
}

// matching returns what matches and comes behind a place.
func (c *catalogue) matching(q store.Query, after *place) []placed {
	var mapped map[string]bool
	if q.MappedBy != "" {
		mapped = map[string]bool{}
		if e := c.entries[q.MappedBy]; e != nil {
			for _, id := range e.maps {
				mapped[id] = true
			}
		}
	}
	text := strings.ToLower(q.Text)
	var out []placed
	for _, e := range c.entries {
		if !matches(e, &q, text, mapped) || !c.attention(e, &q) {
			continue
		}
		p := place{sortKey(q, e), e.ID}
		if after == nil || p.compare(q, *after) > 0 {
			out = append(out, placed{p, e})
		}
	}
	return out
}

func matches(e *listed, q *store.Query, text string, mapped map[string]bool) bool {
	switch {
	case len(q.Nouns) > 0 && !slices.Contains(q.Nouns, e.Noun),
		text != "" && q.Text != e.ID && !strings.Contains(e.folded, text),
		q.Key != "" && !slices.Contains(e.KeyNames, q.Key),
		q.Tag != "" && !slices.Contains(e.Tags, q.Tag),
		mapped != nil && (e.Noun == store.Service || !mapped[e.ID]),
		q.ModifiedBy != "" && e.ModifiedBy != q.ModifiedBy,
		q.Enabled != nil && e.Enabled != *q.Enabled,
		e.ModifiedDate.Before(q.ModifiedSince):
		return false
	}
	return true
}

// attention reports whether an entry is what the filters about rotation and
// mapping ask for.
func (c *catalogue) attention(e *listed, q *store.Query) bool {
	switch {
	case q.Mapped != nil && (e.Noun == store.Service || *q.Mapped != (c.uses[e.ID] > 0)),
		q.NeverRotated && !e.neverRotated(),
		q.Due && !e.due(q):
		return false
	}
	return true
}

func (e *listed) neverRotated() bool {
	return e.Noun == store.Credential && (e.Revision == 1 || e.LastRotation.IsZero())
}

func (e *listed) due(q *store.Query) bool {
	next := q.Rotates(&e.Entry)
	return !next.IsZero() && !next.After(q.At)
}

// sortKey is what an order compares, as text.
func sortKey(q store.Query, e *listed) string {
	switch q.Sort {
	case store.SortModified:
		return revision.FormatDate(e.ModifiedDate)
	case store.SortRotation:
		if e.LastRotation.IsZero() {
			return ""
		}
		return revision.FormatDate(e.LastRotation)
	default:
		return e.lower
	}
}

// place is where an entry stands in an order.
type place struct{ key, id string }

func (p place) compare(q store.Query, other place) int {
	order := cmp.Or(cmp.Compare(p.key, other.key), cmp.Compare(p.id, other.id))
	if q.Descending {
		return -order
	}
	return order
}

// token is a place and the order it belongs to, as text.
type token struct {
	Sort       store.Sort `json:"s"`
	Descending bool       `json:"d"`
	Key        string     `json:"k"`
	ID         string     `json:"i"`
}

func (p place) token(q store.Query) string {
	b, err := json.Marshal(token{q.Sort, q.Descending, p.key, p.id})
	if err != nil {
		panic("dynamo: a place is made of texts: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parsePlace reads the token of a query; nil if it has none.
func parsePlace(q store.Query) (*place, error) {
	if q.After == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(q.After)
	if err != nil {
		return nil, revision.ErrCursor
	}
	var t token
	if json.Unmarshal(b, &t) != nil || t.Sort != q.Sort || t.Descending != q.Descending || t.ID == "" {
		return nil, revision.ErrCursor
	}
	return &place{t.Key, t.ID}, nil
}
