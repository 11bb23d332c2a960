package sqlite

import (
	"fmt"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// benchNow is the moment of the benchmarks about age.
var benchNow = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// benchRules are rules of each kind. By them a third of aged is due.
var benchRules = credential.Rotation{Maximum: 300, PerTag: map[string]int{"PCI": 90}, Exempt: []string{"FIXED"}}

// aged is a credential of a store in use for two years: half of them have the
// tag of a rule, some another that lifts all rules, one in forty is disabled,
// one in twenty was seen since its pairs changed.
func aged(n int) *credential.Credential {
	row := benchRow(n)
	row.LastRotation = benchNow.Add(-time.Duration(n*7919%400*24) * time.Hour)
	row.ModifiedDate = row.LastRotation.Add(time.Duration(n) * time.Microsecond)
	row.Enabled = n%40 != 7
	row.Tags = []string{[]string{"PCI", "team payments"}[n%2]}
	switch n % 20 {
	case 3:
		row.Tags = append(row.Tags, "FIXED")
	case 4:
		row.LastDecrypted = row.LastRotation.Add(time.Hour)
	}
	return row
}

// lived returns a store with n such credentials, nine of ten mapped. One in
// seven has a second revision.
func lived(b *testing.B, n int) *Store {
	b.Helper()
	s := open(b, "")
	const batch = 500
	for first := 0; first < n; first += batch {
		err := s.write(b.Context(), "filling", func(t *transaction) error {
			var ids []string
			for i := first; i < min(first+batch, n); i++ {
				c := credentialCodec{}.encode(aged(i))
				c.id = benchID(i)
				rows := []content{c}
				if i%7 == 0 {
					rows = append(rows, c)
				}
				if err := t.append(mainSpace, nil, rows, nil); err != nil {
					return err
				}
				if ids = append(ids, c.id); len(ids) == 50 {
					c = serviceCodec{}.encode(&service.Service{Credentials: ids[:45], Enabled: true})
					c.id, ids = fmt.Sprint("service", i), nil
					if err := t.append(mainSpace, nil, []content{c}, nil); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func BenchmarkAttention(b *testing.B) {
	yes, no := true, false
	for _, n := range []int{1000, 100_000} {
		s := lived(b, n)
		b.Run(fmt.Sprintf("summary of %d", n), func(b *testing.B) {
			q := store.SummaryQuery{Rules: benchRules, At: benchNow, Ages: []int{30, 90, 180, 365}, Days: 30}
			for b.Loop() {
				got, err := s.Catalogue().Summary(b.Context(), q)
				if err != nil || got.Credentials != n || got.Due < n/4 || got.Unmapped < n/20 || got.DisabledMapped == 0 {
					b.Fatalf("%+v, %v", got, err)
				}
			}
		})
		for _, q := range []struct {
			what  string
			query store.Query
		}{
			{"mapped", store.Query{Mapped: &yes}},
			{"not mapped", store.Query{Mapped: &no}},
			{"disabled, mapped", store.Query{Mapped: &yes, Enabled: &no}},
			{"enabled, not mapped", store.Query{Mapped: &no, Enabled: &yes}},
			{"disabled", store.Query{Enabled: &no}},
			{"never rotated", store.Query{NeverRotated: true}},
			{"due", store.Query{Due: true, Rules: benchRules}},
			{"due by one tag", store.Query{Due: true, Rules: credential.Rotation{PerTag: map[string]int{"PCI": 396}}}},
			{"due of few", store.Query{Due: true, Rules: credential.Rotation{Maximum: 399, Exempt: []string{"PCI"}}}},
			{"due of none", store.Query{Due: true, Rules: credential.Rotation{Maximum: 1, Exempt: []string{"PCI", "team payments"}}}},
			{"changed in a day", store.Query{ModifiedSince: benchNow.AddDate(0, 0, -1)}},
			{"changed in a month", store.Query{ModifiedSince: benchNow.AddDate(0, 0, -30)}},
		} {
			for _, order := range []store.Sort{store.SortName, store.SortModified, store.SortRotation} {
				b.Run(fmt.Sprintf("%s by %s out of %d", q.what, order, n), func(b *testing.B) {
					q.query.Limit, q.query.At, q.query.Sort, q.query.Descending = 50, benchNow, order, order == store.SortModified
					for b.Loop() {
						if _, err := s.Catalogue().Find(b.Context(), q.query); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
