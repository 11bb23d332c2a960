package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// tally is one statement of many counts, all of the same moment, each over a
// stretch of an index.
type tally struct {
	parts []string
	args  []any
	sums  []*int
}

// add counts the rows of a query's FROM clause into sum.
func (t *tally) add(sum *int, from string, args ...any) {
	t.parts = append(t.parts, "SELECT "+strconv.Itoa(len(t.sums))+", count(*) FROM "+from)
	t.args = append(t.args, args...)
	t.sums = append(t.sums, sum)
}

// addDays counts the changes of a noun by day, the first beginning at start.
func (t *tally) addDays(sums []int, n noun, start int64) {
	starts := make([]int64, len(sums))
	for i := range starts {
		starts[i] = start + int64(i)*day
	}
	list, err := json.Marshal(starts)
	if err != nil {
		panic("sqlite: a list of numbers marshals: " + err.Error())
	}
	t.parts = append(t.parts, "SELECT "+strconv.Itoa(len(t.sums))+` + j.key, (SELECT count(*) FROM current INDEXED BY current_modified
		WHERE noun = ? AND modified >= j.value AND modified < j.value + `+strconv.Itoa(day)+") FROM json_each(?) j")
	t.args = append(t.args, string(n), string(list))
	for i := range sums {
		t.sums = append(t.sums, &sums[i])
	}
}

// count runs the statement.
func (t *tally) count(ctx context.Context, s *Store) error {
	return s.query(ctx, strings.Join(t.parts, " UNION ALL "), func(rows *sql.Rows) error {
		var i, n int
		err := rows.Scan(&i, &n)
		*t.sums[i] += n
		return err
	}, t.args...)
}

// Summary counts what needs attention.
func (c catalogue) Summary(ctx context.Context, q store.SummaryQuery) (store.Summary, error) {
	const what = "counting"
	if err := ctx.Err(); err != nil {
		return store.Summary{}, wrap(ctx, what, err)
	}
	out := store.Summary{Ages: make([]int, len(q.Ages)+1), Days: make([]int, q.Days), AsOf: c.s.now()}
	var t tally
	for _, n := range nouns {
		if len(q.Nouns) == 0 || slices.Contains(q.Nouns, n.name()) {
			t.addNoun(&out, n, q)
		}
	}
	if len(t.parts) == 0 {
		return out, nil
	}
	if err := t.count(ctx, c.s); err != nil {
		return store.Summary{}, wrap(ctx, what, err)
	}
	out.Credentials = out.AgeUnknown
	for _, n := range out.Ages {
		out.Credentials += n
	}
	return out, nil
}

// addNoun counts all that is asked about a noun.
func (t *tally) addNoun(out *store.Summary, n noun, q store.SummaryQuery) {
	kind := string(n)
	t.add(&out.Changed, "current INDEXED BY current_modified WHERE noun = ? AND modified >= ?", kind, since(q.At.Add(-24*time.Hour)))
	today := micros(q.At.UTC().Truncate(24 * time.Hour))
	t.addDays(out.Days, n, today-int64(q.Days-1)*day)
	if n == serviceNoun {
		t.add(&out.Services, "current INDEXED BY current_mapped WHERE noun = ?", kind)
		return
	}
	const standing = "current INDEXED BY current_mapped WHERE noun = ? AND mapped = ? AND enabled = ?"
	t.add(&out.Unmapped, standing, kind, false, true)
	t.add(&out.DisabledMapped, standing, kind, true, false)
	if n == blindNoun {
		t.add(&out.BlindCredentials, "current INDEXED BY current_mapped WHERE noun = ?", kind)
		return
	}
	t.add(&out.NeverRotated, "current c INDEXED BY current_unrotated WHERE "+neverRotated)
	if ruled(q.Rules) {
		aged, seen := dueBy(q.Rules, q.At, collected).sources()
		t.add(&out.Due, "("+aged.text+")", aged.args...)
		t.add(&out.Due, "("+seen.text+")", seen.args...)
	}
	t.addAges(out, q)
}

// addAges counts credentials, every one of them once, by their last rotation.
func (t *tally) addAges(out *store.Summary, q store.SummaryQuery) {
	const stretch = "current INDEXED BY current_rotated WHERE noun = 'c' AND rotated "
	t.add(&out.AgeUnknown, stretch+"= ?", int64(noTime))
	younger := ""
	var args []any
	for i, days := range q.Ages {
		bound := daysBefore(q.At, days)
		t.add(&out.Ages[i], stretch+"> ?"+younger, append([]any{bound}, args...)...)
		younger, args = " AND rotated <= ?", []any{bound}
	}
	t.add(&out.Ages[len(q.Ages)], stretch+"> ?"+younger, append([]any{int64(noTime)}, args...)...)
}
