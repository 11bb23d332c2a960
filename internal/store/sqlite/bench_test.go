package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

func benchID(n int) string { return fmt.Sprintf("%016x%016x", uint64(n)*0x9e3779b97f4a7c15, n) }

// benchRow is a credential of about a kilobyte.
func benchRow(n int) *credential.Credential {
	return &credential.Credential{
		Meta:     revision.Meta{ModifiedDate: time.UnixMicro(1_700_000_000_000_000 + int64(n)).UTC(), ModifiedBy: "ann@example.com"},
		Name:     fmt.Sprintf("payments credential %06d", (n*7919)%1_000_000),
		Sealed:   sealed.Value{Ciphertext: strings.Repeat("gAAAAABeDV2l", 60), DataKey: make([]byte, 120), Version: 2},
		KeyNames: []string{"api_key", fmt.Sprintf("password_%d", n%1000)},
		Enabled:  true,
		Metadata: json.RawMessage(`{"team":"payments"}`),
		Tags:     []string{"FINANCIALLY_SENSITIVE"},
	}
}

// filled returns a store with n credentials, put in as quickly as possible.
func filled(b testing.TB, n int) *Store {
	b.Helper()
	s := open(b, "")
	const batch = 500
	for first := 0; first < n; first += batch {
		err := s.write(b.Context(), "filling", func(t *transaction) error {
			for i := first; i < min(first+batch, n); i++ {
				c := credentialCodec{}.encode(benchRow(i))
				c.id = benchID(i)
				if err := t.append(mainSpace, nil, []content{c}, nil); err != nil {
					return err
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

func BenchmarkGetCached(b *testing.B) {
	s := filled(b, 1000)
	ctx := b.Context()
	for i := range 1000 {
		if _, err := s.Credentials().Get(ctx, benchID(i)); err != nil {
			b.Fatal(err)
		}
	}
	id := benchID(500)
	b.ReportAllocs()
	b.Run("1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Credentials().Get(ctx, id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := s.Credentials().Get(ctx, id); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkGetUncached(b *testing.B) {
	s := filled(b, 20_000)
	s.cache.limit = 0
	for i := 0; b.Loop(); i++ {
		if _, err := s.Credentials().Get(b.Context(), benchID(i*7919%20_000)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBatchGet5(b *testing.B) {
	s := filled(b, 1000)
	ids := []string{benchID(1), benchID(2), benchID(3), benchID(4), benchID(5)}
	slices.Sort(ids) // as those of a service are
	b.ReportAllocs()
	for b.Loop() {
		if rows, err := s.Credentials().BatchGet(b.Context(), ids); err != nil || len(rows) != 5 {
			b.Fatal(len(rows), err)
		}
	}
}

// BenchmarkRawUpdate is what one write costs in SQLite itself: the same two rows
// in plain tables, flushed.
func BenchmarkRawUpdate(b *testing.B) {
	conn, err := connect(b.Context(), b.TempDir()+"/raw.db")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.close() })
	for _, statement := range []string{
		"PRAGMA journal_mode = WAL", "PRAGMA wal_autocheckpoint = 1000",
		"CREATE TABLE history (id TEXT NOT NULL, revision INTEGER NOT NULL, modified INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (id, revision))",
		"CREATE TABLE current (id TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, modified INTEGER NOT NULL, body TEXT NOT NULL)",
		"CREATE INDEX current_modified ON current (modified)",
	} {
		if _, err := conn.exec(statement); err != nil {
			b.Fatal(err)
		}
	}
	const n = 10_000
	body := strings.Repeat("x", 1100)
	conn.exec("BEGIN IMMEDIATE")
	for i := range n {
		if _, err := conn.exec("INSERT INTO current VALUES (?, 1, ?, ?)", benchID(i), i, body); err != nil {
			b.Fatal(err)
		}
	}
	conn.exec("COMMIT")
	for i := 0; b.Loop(); i++ {
		for _, s := range []struct {
			query string
			args  []any
		}{
			{"BEGIN IMMEDIATE", nil},
			{"INSERT INTO history VALUES (?, ?, ?, ?)", []any{benchID(i * 7919 % n), i, n + i, body}},
			{"UPDATE current SET revision = ?, modified = ?, body = ? WHERE id = ?", []any{i, n + i, body, benchID(i * 7919 % n)}},
			{"COMMIT", nil},
		} {
			if _, err := conn.exec(s.query, s.args...); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	const n = 10_000
	s := filled(b, n)
	b.Run("update", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			update(b, s, i*7919%n, i)
		}
	})
	b.Run("update parallel 16", func(b *testing.B) {
		var next atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				i := int(next.Add(1))
				update(b, s, i*7919%n, i)
			}
		})
	})
	next := n
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			next++
			_, err := s.Credentials().Append(b.Context(), store.Write[credential.Credential]{ID: benchID(next), Rows: []*credential.Credential{benchRow(next)}})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// update gives credential i new values, as a PUT does.
func update(b *testing.B, s *Store, i, round int) {
	previous, err := s.Credentials().Get(b.Context(), benchID(i))
	if err != nil {
		b.Error(err)
		return
	}
	row := previous.Clone()
	row.ModifiedDate = row.ModifiedDate.Add(time.Duration(round) * time.Millisecond)
	row.LastRotation = row.ModifiedDate
	row.Sealed.Ciphertext = strings.Repeat("gAAAAABeDV2m", 60)
	_, err = s.Credentials().Append(b.Context(), store.Write[credential.Credential]{ID: benchID(i), Previous: previous, Rows: []*credential.Credential{row}})
	if err != nil {
		b.Error(err)
	}
}

func BenchmarkLists(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		s := filled(b, n)
		after := &revision.Cursor{ModifiedDate: benchRow(n / 2).ModifiedDate, ID: benchID(n / 2)}
		b.Run(fmt.Sprintf("page of 100 out of %d", n), func(b *testing.B) {
			for b.Loop() {
				slice, err := s.Credentials().List(b.Context(), revision.Page{Limit: 100, After: after})
				if err != nil || len(slice.Items) != 100 {
					b.Fatal(len(slice.Items), err)
				}
			}
		})
		b.Run(fmt.Sprintf("history page of 100 out of %d", n), func(b *testing.B) {
			for b.Loop() {
				slice, err := s.Credentials().History(b.Context(), "", revision.Page{Limit: 100})
				if err != nil || len(slice.Items) != 100 {
					b.Fatal(len(slice.Items), err)
				}
			}
		})
		for _, q := range []struct {
			what  string
			query store.Query
		}{
			{"everything", store.Query{}},
			{"newest", store.Query{Sort: store.SortModified, Descending: true}},
			{"one name", store.Query{Text: benchRow(n / 3).Name}},
			{"part of a name", store.Query{Text: "9 07"}},
			{"part of all names", store.Query{Text: "credential"}},
			{"short part of all names", store.Query{Text: "ay"}},
			{"short part of none", store.Query{Text: "zz"}},
			{"a rare key", store.Query{Key: "password_77"}},
			{"part of keys", store.Query{Text: "password_77"}},
			{"a key of all", store.Query{Key: "api_key"}},
			{"a tag of all", store.Query{Tag: "FINANCIALLY_SENSITIVE"}},
			{"author of all", store.Query{ModifiedBy: "ann@example.com"}},
			{"author of none", store.Query{ModifiedBy: "eve"}},
		} {
			b.Run(fmt.Sprintf("find %s out of %d", q.what, n), func(b *testing.B) {
				q.query.Limit = 100
				for b.Loop() {
					if _, err := s.Catalogue().Find(b.Context(), q.query); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkDependents5000(b *testing.B) {
	s := open(b, "")
	err := s.write(b.Context(), "filling", func(t *transaction) error {
		for i := range 5000 {
			c := serviceCodec{}.encode(&service.Service{Credentials: []string{"c"}})
			c.id = fmt.Sprintf("service%d", i)
			if err := t.append(mainSpace, nil, []content{c}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			d, err := s.Documents().Get(b.Context(), store.KindMapping, "c")
			var m store.Mapping
			if err != nil || json.Unmarshal(d.Body, &m) != nil || len(m.Services) != 5000 {
				b.Fatal(err)
			}
		}
	})
	b.Run("mapping of one more", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			_, err := s.Services().Append(b.Context(), store.Write[service.Service]{
				ID: fmt.Sprintf("more%d", i), Rows: []*service.Service{{Credentials: []string{"c"}}},
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		s := filled(b, n)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("with %d", n), func(b *testing.B) {
			for b.Loop() {
				again, err := Open(context.Background(), Options{Path: s.path, Log: s.log})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := again.Credentials().Get(b.Context(), benchID(1)); err != nil {
					b.Fatal(err)
				}
				again.Close()
			}
		})
	}
}
