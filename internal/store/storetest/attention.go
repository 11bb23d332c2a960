package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// now is a moment late on a day that comes long after all of stock.
var now = time.Date(2026, 6, 15, 22, 30, 0, 123_456_000, time.UTC)

// daysAgo is so many times 24 hours before now, and a bit more.
func daysAgo(days int, more time.Duration) time.Time { return now.AddDate(0, 0, -days).Add(-more) }

// ruleSets are ways to say when rotation is due.
var ruleSets = map[string]credential.Rotation{
	"no rule":                 {},
	"a maximum":               {Maximum: 90},
	"a maximum of a day":      {Maximum: 1},
	"a maximum of an age":     {Maximum: 1 << 40},
	"a tag":                   {PerTag: map[string]int{"FIN": 30}},
	"a tag, at once":          {PerTag: map[string]int{"FIN": 0}},
	"a tag that lifts it":     {Maximum: 90, Exempt: []string{"OLD", "none"}},
	"tags against each other": {Maximum: 60, PerTag: map[string]int{"FIN": 30, "OLD": 7, "slow": 365}, Exempt: []string{"exempt"}},
	"tags alone":              {PerTag: map[string]int{"FIN": 30, "OLD": 60}, Exempt: []string{"exempt"}},
}

// aging fills a store with credentials of all ages, tags and histories, some seen
// by a person since they last changed. It returns their current rows in the
// order of their ids.
func aging(t *testing.T, st store.Store) []*credential.Credential {
	t.Helper()
	var rows []*credential.Credential
	for i, tags := range [][]string{nil, {"FIN"}, {"OLD"}, {"FIN", "OLD"}, {"slow", "FIN"}, {"exempt", "FIN", "OLD"}} {
		for j, rotated := range []time.Time{
			{},
			now, daysAgo(1, 0), daysAgo(1, -time.Microsecond), daysAgo(29, 0), daysAgo(30, 0), daysAgo(30, -time.Microsecond),
			daysAgo(60, time.Hour), daysAgo(89, 0), daysAgo(90, 0), daysAgo(400, 0),
		} {
			n := 11*i + j
			c := credentials().bare(n)
			c.Tags, c.LastRotation, c.Enabled = tags, rotated, n%3 > 0
			switch n % 4 {
			case 1: // before it last changed
				c.LastDecrypted = rotated.AddDate(0, 0, -1)
			case 2:
				c.LastDecrypted = daysAgo(0, time.Second)
			}
			row := put(t, st.Credentials(), hexID(0xd0, n), nil, c)
			if n%5 == 0 {
				c = row.Clone()
				c.ModifiedDate = daysAgo(n, 0)
				row = put(t, st.Credentials(), row.ID, row, c)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func due(r credential.Rotation, c *credential.Credential) bool {
	next := r.Next(c, now)
	return !next.IsZero() && !next.After(now)
}

// filter returns the ids of rows, in their order.
func filter(rows []*credential.Credential, want func(*credential.Credential) bool) []string {
	ids := []string{}
	for _, c := range rows {
		if want(c) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func findDue(t *testing.T, s suite, st store.Store) {
	rows := aging(t, st)
	put(t, st.BlindCredentials(), blindOne, nil, blindCredentials().bare(1))
	wantDue := func(what string, q store.Query, limit int, want []string) {
		t.Helper()
		q.Due, q.At, q.Limit = true, now, limit
		s.eventually(t, func() string {
			got := find(t, st, q)
			slices.Sort(got)
			if d := diff(want, got); d != "" {
				return fmt.Sprintf("%s, pages of %d: %s", what, limit, d)
			}
			return ""
		})
	}
	for what, rules := range ruleSets {
		q := store.Query{Rules: rules}
		want := filter(rows, func(c *credential.Credential) bool { return due(rules, c) })
		for _, order := range []store.Sort{store.SortName, store.SortModified, store.SortRotation} {
			q.Sort, q.Descending = order, order == store.SortModified
			wantDue(what, q, 7, want)
			wantDue(what, q, 1000, want)
		}
		q.Tag = "OLD"
		wantDue(what+", with a tag", q, 7, filter(rows, func(c *credential.Credential) bool {
			return due(rules, c) && slices.Contains(c.Tags, "OLD")
		}))
		q.Tag, q.Enabled, q.NeverRotated = "", pointer(true), true
		wantDue(what+", enabled and never rotated", q, 7, filter(rows, func(c *credential.Credential) bool {
			return due(rules, c) && c.Enabled && (c.Revision == 1 || c.LastRotation.IsZero())
		}))
		found, err := st.Catalogue().Find(t.Context(), store.Query{Limit: 1000, Rules: rules, At: now, Nouns: []store.Noun{store.Credential}})
		if err != nil || len(found.Entries) != len(rows) {
			t.Fatalf("Find: %d entries, %v; want %d", len(found.Entries), err, len(rows))
		}
		slices.SortFunc(found.Entries, func(a, b store.Entry) int { return cmp.Compare(a.ID, b.ID) })
		for i, e := range found.Entries {
			if want := rules.Next(rows[i], now); !e.NextRotation.Equal(want) || !e.LastDecrypted.Equal(rows[i].LastDecrypted) {
				t.Errorf("%s: %s is to be rotated at %v and was seen at %v, want %v and %v", what, e.ID, e.NextRotation, e.LastDecrypted, want, rows[i].LastDecrypted)
			}
		}
	}
	// Seeing the pairs makes them due, changing them afterwards not.
	rules, row := ruleSets["a maximum"], rows[1]
	due := func() []string {
		return filter(rows, func(c *credential.Credential) bool { return due(rules, c) })
	}
	if slices.Contains(due(), row.ID) {
		t.Fatal("what was rotated now is due")
	}
	change := func(at time.Time) func(*credential.Credential) bool {
		return func(c *credential.Credential) bool { c.LastDecrypted = at; return true }
	}
	if err := st.Credentials().Amend(t.Context(), row.ID, row.Revision, change(now)); err != nil {
		t.Fatalf("Amend: %v", err)
	}
	wantDue("seen when it changed", store.Query{Rules: rules}, 1000, due())
	row = get(t, st.Credentials(), row.ID)
	changed := row.Clone()
	changed.LastRotation, changed.LastDecrypted = daysAgo(2, 0), daysAgo(1, 0)
	rows[1] = put(t, st.Credentials(), row.ID, row, changed)
	wantDue("seen after it changed", store.Query{Rules: rules}, 1000, due())
	if err := st.Credentials().Amend(t.Context(), row.ID, rows[1].Revision, change(daysAgo(3, 0))); err != nil {
		t.Fatalf("Amend: %v", err)
	}
	rows[1] = get(t, st.Credentials(), row.ID)
	wantDue("not seen after all", store.Query{Rules: rules}, 1000, due())
	if slices.Contains(due(), row.ID) {
		t.Error("what was seen before it changed is due")
	}
}

func findMapped(t *testing.T, s suite, st store.Store) {
	id := func(n int) string { return hexID(0xc0, n) }
	wantMapped := func(what string, mapped ...string) {
		t.Helper()
		yes, no := true, false
		var unmapped []string
		for i := range 4 {
			if _, err := st.Credentials().Get(t.Context(), id(i)); err == nil && !slices.Contains(mapped, id(i)) {
				unmapped = append(unmapped, id(i))
			}
		}
		s.wantFound(t, st, what+": mapped", store.Query{Mapped: &yes, Limit: 1}, mapped...)
		s.wantFound(t, st, what+": not mapped", store.Query{Mapped: &no, Limit: 1}, unmapped...)
	}
	for i := range 3 {
		put(t, st.Credentials(), id(i), nil, credentials().bare(i))
	}
	wantMapped("nothing")
	one := put(t, st.Services(), "one", nil, mapped(1, []string{id(0), id(1)}, nil))
	two := put(t, st.Services(), "two", nil, mapped(2, []string{id(1), id(3)}, nil))
	wantMapped("two services", id(0), id(1))
	row := get(t, st.Credentials(), id(0))
	put(t, st.Credentials(), id(0), row, credentials().bare(0))
	wantMapped("after another revision", id(0), id(1))
	one = put(t, st.Services(), "one", one, mapped(3, []string{id(2)}, nil))
	wantMapped("after one maps another", id(1), id(2))
	put(t, st.Credentials(), id(3), nil, credentials().bare(3))
	wantMapped("after what was mapped already came", id(1), id(2), id(3))
	if err := st.Services().Delete(t.Context(), "two", two.Revision, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantMapped("after one was deleted", id(2))
	if err := st.Credentials().Delete(t.Context(), id(3), 1, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	three := &service.Service{Meta: revision.Meta{ID: "three", Revision: 1, ModifiedDate: moment(5)}, Credentials: []string{id(0)}}
	if _, err := st.Services().Import(t.Context(), three, nil); err != nil {
		t.Fatalf("Import: %v", err)
	}
	wantMapped("after one was imported", id(0), id(2))
	put(t, st.Services(), "one", one, mapped(6, nil, nil))
	wantMapped("after one maps nothing", id(0))
}

// wantSummary compares what is counted.
func (s suite) wantSummary(t *testing.T, st store.Store, what string, q store.SummaryQuery, want store.Summary) {
	t.Helper()
	before := time.Now().Add(-time.Minute)
	s.eventually(t, func() string {
		got, err := st.Catalogue().Summary(t.Context(), q)
		if err != nil {
			return fmt.Sprintf("%s: Summary: %v", what, err)
		}
		if got.AsOf.Before(before) {
			return fmt.Sprintf("%s: the answer is as of %v, want now", what, got.AsOf)
		}
		got.AsOf = time.Time{}
		if d := diff(want, got); d != "" {
			return what + ": " + d
		}
		return ""
	})
}

func summaryCounts(t *testing.T, s suite, st store.Store) {
	s.wantSummary(t, st, "nothing", store.SummaryQuery{At: now}, store.Summary{Ages: []int{0}})
	stock(t, st)
	aging(t, st)
	yes, no := true, false
	for what, rules := range ruleSets {
		for _, nouns := range [][]store.Noun{
			nil, {store.Credential}, {store.BlindCredential}, {store.Service}, {store.BlindCredential, store.Service},
		} {
			for _, at := range []time.Time{now, moment(4).Add(24 * time.Hour), moment(1).AddDate(0, 0, 90)} {
				count := func(q store.Query, noun store.Noun) int {
					q.Nouns, q.Limit = nouns, 100
					if noun != "" {
						if q.Nouns = []store.Noun{noun}; len(nouns) > 0 && !slices.Contains(nouns, noun) {
							return 0
						}
					}
					return len(find(t, st, q))
				}
				want := store.Summary{
					Credentials:      count(store.Query{}, store.Credential),
					BlindCredentials: count(store.Query{}, store.BlindCredential),
					Services:         count(store.Query{}, store.Service),
					Due:              count(store.Query{Due: true, Rules: rules, At: at}, ""),
					NeverRotated:     count(store.Query{NeverRotated: true}, ""),
					Unmapped:         count(store.Query{Enabled: &yes, Mapped: &no}, ""),
					DisabledMapped:   count(store.Query{Enabled: &no, Mapped: &yes}, ""),
					Changed:          count(store.Query{ModifiedSince: at.Add(-24 * time.Hour)}, ""),
				}
				unknown := 0
				if want.Credentials > 0 {
					unknown = 7 // one of the stock and one for each of the tags
				}
				want.Ages, want.AgeUnknown = []int{want.Credentials - unknown}, unknown
				s.wantSummary(t, st, fmt.Sprintf("%s, %v at %v", what, nouns, at), store.SummaryQuery{Nouns: nouns, Rules: rules, At: at}, want)
			}
		}
	}
}

func summaryAgesAndDays(t *testing.T, s suite, st store.Store) {
	for i, x := range []struct{ rotated, modified time.Time }{
		{now, now},
		{daysAgo(30, -time.Microsecond), daysAgo(0, 22*time.Hour)}, // 00:30 of the day
		{daysAgo(30, 0), daysAgo(0, 23*time.Hour)},                 // 23:30 of the day before
		{daysAgo(89, 0), daysAgo(1, 0)},
		{daysAgo(90, 0), daysAgo(2, 23*time.Hour)}, // late on the first of four days
		{daysAgo(1000, 0), daysAgo(3, 23*time.Hour)},
		{time.Time{}, now.Add(2 * time.Hour)}, // of a clock that is ahead
	} {
		c := credentials().bare(i)
		c.LastRotation, c.ModifiedDate = x.rotated, x.modified
		put(t, st.Credentials(), hexID(0xc0, i), nil, c)
	}
	service := mapped(1, []string{hexID(0xc0, 0)}, nil)
	service.ModifiedDate = now
	put(t, st.Services(), "service", nil, service)
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 5*3600)} {
		q := store.SummaryQuery{At: now.In(zone), Ages: []int{30, 90}, Days: 4}
		s.wantSummary(t, st, "all", q, store.Summary{
			Credentials: 7, Services: 1, NeverRotated: 7, Unmapped: 0, DisabledMapped: 1, Changed: 6,
			Ages: []int{2, 2, 2}, AgeUnknown: 1, Days: []int{1, 0, 2, 3},
		})
		q.Nouns, q.Days = []store.Noun{store.Service}, 1
		s.wantSummary(t, st, "services", q, store.Summary{Services: 1, Changed: 1, Ages: []int{0, 0, 0}, Days: []int{1}})
	}
}
