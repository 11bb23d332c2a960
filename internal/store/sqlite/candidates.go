package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"math"
	"slices"
	"strings"
)

// source is a way to rows among which everything that matches is.
type source struct {
	estimate int // of how many rows it has
	of       int // how many there are about, matching or not
	most     int // of more than so many none are picked out
	fetch    func(ctx context.Context) ([]int64, error)
}

// source returns the smallest of the sources that a search has; nil: none.
func (c catalogue) source(ctx context.Context, f *search) (*source, error) {
	if f.MappedBy != "" {
		return &source{most: math.MaxInt, fetch: func(ctx context.Context) ([]int64, error) { return c.mappedBy(ctx, f.MappedBy) }}, nil
	}
	var newest int64
	if err := c.s.query(ctx, "SELECT coalesce(max(number), 0) FROM current", func(rows *sql.Rows) error { return rows.Scan(&newest) }); err != nil {
		return nil, err
	}
	var best *source
	consider := func(query string, args ...any) error {
		rows, err := c.estimate(ctx, newest, query, args...)
		if err == nil && (best == nil || rows < best.estimate) {
			best = &source{rows, int(newest), candidateLimit, func(ctx context.Context) ([]int64, error) {
				return c.numbers(ctx, query+" LIMIT ?", append(args, candidateLimit+1)...)
			}}
		}
		return err
	}
	for _, label := range f.labels() {
		if err := consider("SELECT number FROM label WHERE label = ?", label); err != nil {
			return nil, err
		}
	}
	if f.ModifiedBy != "" {
		if err := consider("SELECT number FROM current WHERE author = ?", f.ModifiedBy); err != nil {
			return nil, err
		}
	}
	if f.Enabled != nil && !*f.Enabled {
		if err := consider("SELECT number FROM current WHERE enabled = 0"); err != nil {
			return nil, err
		}
	}
	for _, t := range f.ranges() {
		stretch, err := c.stretch(ctx, newest, t)
		if err != nil {
			return nil, err
		}
		if best == nil || stretch.estimate < best.estimate {
			best = stretch
		}
	}
	text, err := c.textSource(ctx, f, newest)
	if err != nil || text == nil || best != nil && best.estimate <= text.estimate {
		return best, err
	}
	return text, nil
}

// ranges are queries for the rows that a filter leaves, each one or two stretches
// of an index.
func (f *search) ranges() []term {
	var out []term
	if f.Mapped != nil {
		t := term{"SELECT number FROM current INDEXED BY current_mapped WHERE noun IN (" + f.nounList() + ") AND mapped = ?", []any{*f.Mapped}}
		if f.Enabled != nil {
			t = term{t.text + " AND enabled = ?", slices.Concat(t.args, []any{*f.Enabled})}
		}
		out = append(out, t)
	}
	if !f.ModifiedSince.IsZero() {
		out = append(out, term{
			"SELECT number FROM current INDEXED BY current_modified WHERE noun IN (" + f.nounList() + ") AND modified >= ?",
			[]any{since(f.ModifiedSince)},
		})
	}
	if f.NeverRotated {
		out = append(out, term{"SELECT number FROM current c INDEXED BY current_unrotated WHERE " + neverRotated, nil})
	}
	if f.Due {
		aged, seen := dueBy(f.Rules, f.At, lookedUp).sources()
		out = append(out, term{aged.text + " UNION ALL " + seen.text, slices.Concat(aged.args, seen.args)})
	}
	return out
}

// stretch is the source of a range, which is read to know how many rows it has. Of
// more than rangeLimit it only says that they may be all.
func (c catalogue) stretch(ctx context.Context, newest int64, t term) (*source, error) {
	numbers, err := c.numbers(ctx, t.text+" LIMIT ?", slices.Concat(t.args, []any{rangeLimit + 1})...)
	if err != nil {
		return nil, err
	}
	s := &source{len(numbers), int(newest), rangeLimit, func(context.Context) ([]int64, error) { return numbers, nil }}
	if len(numbers) > rangeLimit {
		s.estimate = int(newest)
	}
	return s, nil
}

const (
	// probeDepth is how many rows a probe looks at. The queries that are probed
	// give rows in the order they were made, so how close these stand together
	// tells about how many more there are.
	probeDepth = 32
	// Of a text at most so many trigrams are probed, and no more once one is found
	// that few rows have.
	probeLimit, fewRows = 8, 500
)

// estimate says about how many of the rows up to newest a query has. Fewer than
// probeDepth is known for certain.
func (c catalogue) estimate(ctx context.Context, newest int64, query string, args ...any) (rows int, err error) {
	var n, first, last int64
	err = c.s.query(ctx, "SELECT count(*), coalesce(min(n), 0), coalesce(max(n), 0) FROM (SELECT number AS n FROM ("+query+") LIMIT ?)",
		func(rows *sql.Rows) error { return rows.Scan(&n, &first, &last) }, append(args, probeDepth)...)
	if err != nil || n < probeDepth {
		return int(n), err
	}
	return int(n * (newest - first + 1) / (last - first + 1)), nil
}

func (c catalogue) numbers(ctx context.Context, query string, args ...any) ([]int64, error) {
	numbers := []int64{}
	err := c.s.query(ctx, query, func(rows *sql.Rows) error {
		var n int64
		err := rows.Scan(&n)
		numbers = append(numbers, n)
		return err
	}, args...)
	return numbers, err
}

// mappedBy returns what a service maps and still stands.
func (c catalogue) mappedBy(ctx context.Context, service string) ([]int64, error) {
	var credentials, blinds string
	err := c.s.query(ctx, `SELECT coalesce(h.credentials, ''), coalesce(h.blind_credentials, '')
		FROM current c CROSS JOIN history h ON h.number = c.content WHERE c.id = ? AND c.noun = ?`,
		func(rows *sql.Rows) error { return rows.Scan(&credentials, &blinds) }, service, string(serviceNoun))
	if err != nil {
		return nil, err
	}
	ids, err := mappedIDs(credentials, blinds)
	if err != nil {
		return nil, err
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	return c.numbers(ctx, "SELECT c.number FROM json_each(?) j CROSS JOIN current c ON c.id = j.value WHERE c.noun <> ?",
		string(list), string(serviceNoun))
}

const byTrigrams = "SELECT rowid AS number FROM current_text WHERE current_text MATCH ?"

// textSource finds rows by the trigrams of a text; nil: it has none. To intersect
// all of them takes as long as the most frequent ones do, so it takes the
// rarest alone if those are few, and leaves the rest to the filter.
func (c catalogue) textSource(ctx context.Context, f *search, newest int64) (*source, error) {
	trigrams := trigrams(f.text)
	if len(trigrams) == 0 {
		return nil, nil
	}
	probed, err := c.probeTrigrams(ctx, trigrams, newest)
	if err != nil {
		return nil, err
	}
	return &source{probed[0].estimate, int(newest), candidateLimit, func(ctx context.Context) ([]int64, error) {
		rare := []string{probed[0].text}
		if len(probed) > 1 && probed[1].estimate < 3*probed[0].estimate {
			rare = append(rare, probed[1].text)
		}
		numbers, err := c.match(ctx, rare)
		if err == nil && len(numbers) > candidateLimit && len(trigrams) > len(rare) {
			numbers, err = c.match(ctx, trigrams)
		}
		if err != nil {
			return nil, err
		}
		itself, err := c.numbers(ctx, "SELECT number FROM current WHERE id = ?", f.Text)
		return append(numbers, itself...), err
	}}, nil
}

// trigram is a part of a text and how many rows about have it.
type trigram struct {
	text     string
	estimate int
}

// probeTrigrams probes some of the trigrams and returns these, rarest first.
func (c catalogue) probeTrigrams(ctx context.Context, trigrams []string, newest int64) ([]trigram, error) {
	var probed []trigram
	// From the end, where names that are counted differ.
	for i := len(trigrams) - 1; i >= 0; i -= (len(trigrams) + probeLimit - 1) / probeLimit {
		rows, err := c.estimate(ctx, newest, byTrigrams, phrase(trigrams[i]))
		if err != nil {
			return nil, err
		}
		probed = append(probed, trigram{trigrams[i], rows})
		if rows < fewRows {
			break
		}
	}
	slices.SortFunc(probed, func(a, b trigram) int { return a.estimate - b.estimate })
	return probed, nil
}

// trigrams returns the three-character parts of a text, each once; a shorter
// text has none, and this index is no help with it.
func trigrams(text string) []string {
	runes := []rune(text)
	var out []string
	for i := 0; i+3 <= len(runes); i++ {
		if part := string(runes[i : i+3]); !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out
}

func (c catalogue) match(ctx context.Context, trigrams []string) ([]int64, error) {
	phrases := make([]string, len(trigrams))
	for i, t := range trigrams {
		phrases[i] = phrase(t)
	}
	return c.numbers(ctx, byTrigrams+" LIMIT ?", strings.Join(phrases, " AND "), candidateLimit+1)
}

// phrase quotes a trigram for the index's own query language.
func phrase(trigram string) string { return `"` + strings.ReplaceAll(trigram, `"`, `""`) + `"` }
