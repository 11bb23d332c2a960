package sqlite

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

func key(id string) cacheKey { return cacheKey{credentialNoun, id} }

// wantKnown checks which rows a cache knows of, without using them.
func wantKnown(t *testing.T, c *cache, want map[string]bool) {
	t.Helper()
	for id, known := range want {
		if _, got := c.rows[credentialNoun][id]; got != known {
			t.Errorf("the cache knows %q: %v, want %v", id, got, known)
		}
	}
}

func TestCache_KeepsTheRowsUsedLastWithinItsLimit(t *testing.T) {
	t.Parallel()
	c := newCache(3 * (entryBytes + 100))
	for _, id := range []string{"a", "b", "c"} {
		c.fill(c.now(), key(id), id, 100)
	}
	c.get(credentialNoun, "a")
	c.fill(c.now(), key("d"), "d", 100)
	wantKnown(t, c, map[string]bool{"a": true, "b": false, "c": true, "d": true})
	c.fill(c.now(), key("large"), "large", entryBytes)
	wantKnown(t, c, map[string]bool{"large": true, "d": true, "a": false})
	c.fill(c.now(), key("too large"), "too large", 10*entryBytes)
	wantKnown(t, c, map[string]bool{"too large": false})
	if c.size > c.limit {
		t.Errorf("%d bytes are kept, at most %d should be", c.size, c.limit)
	}
}

func TestCache_DropsAFillWhoseGenerationMoved(t *testing.T) {
	t.Parallel()
	writes := []written{{key: key("a"), row: "new", size: 1}}
	for what, between := range map[string]func(c *cache){
		"a commit begun":    func(c *cache) { c.begin(writes) },
		"a commit":          func(c *cache) { c.begin(writes); c.end(writes, true) },
		"a commit of other": func(c *cache) { o := []written{{key: key("b")}}; c.begin(o); c.end(o, true) },
		"a failed commit":   func(c *cache) { c.begin(writes); c.end(writes, false) },
		"another process":   func(c *cache) { c.clear() },
	} {
		c := newCache(1 << 20)
		generation := c.now()
		between(c)
		c.fill(generation, key("a"), "old", 1)
		if row, _ := c.get(credentialNoun, "a"); row == "old" {
			t.Errorf("a fill that began before %s was kept", what)
		}
	}
}

func TestCache_HoldsNothingOfWhatIsBeingCommitted(t *testing.T) {
	t.Parallel()
	c := newCache(1 << 20)
	c.fill(c.now(), key("a"), "old", 1)
	c.fill(c.now(), key("b"), "old", 1)
	writes := []written{{key: key("a"), row: "new", size: 1}, {key: key("c"), row: nil}}
	c.begin(writes)
	c.fill(c.now(), key("a"), "old", 1)
	wantKnown(t, c, map[string]bool{"a": false, "b": true})
	c.fill(c.now(), key("d"), "other", 1)
	c.end(writes, true)
	if row, _ := c.get(credentialNoun, "a"); row != "new" {
		t.Errorf("after the commit the cache holds %v, want the new row", row)
	}
	wantKnown(t, c, map[string]bool{"b": true, "c": false, "d": true})
}

func TestCache_IsOffBelowZero(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{Path: t.TempDir() + "/c.db", Log: open(t, "").log, CacheBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	appendRow(t, s, "c", nil, benchRow(1))
	first, err := s.Credentials().Get(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Credentials().Get(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Error("two reads give one row although nothing is kept")
	}
	if rows, err := s.Credentials().BatchGet(t.Context(), []string{"c", "d"}); err != nil || len(rows) != 1 {
		t.Errorf("BatchGet: %d rows, %v; want one", len(rows), err)
	}
}

func TestCache_GivesEachRowItShowsAPlaceForAMemo(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	stored := appendRow(t, s, "c", nil, benchRow(1))
	if _, err := s.BlindCredentials().Append(t.Context(), store.Write[blind.Credential]{ID: "b", Rows: []*blind.Credential{{Name: "b"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Services().Append(t.Context(), store.Write[service.Service]{ID: "s", Rows: []*service.Service{{}}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := s.Credentials().Get(t.Context(), "c")
		if err != nil || c.Memo == nil {
			t.Errorf("credential %+v, %v; want one with a memo", c, err)
		}
		b, err := s.BlindCredentials().Get(t.Context(), "b")
		if err != nil || b.Memo == nil {
			t.Errorf("blind credential %+v, %v; want one with a memo", b, err)
		}
		v, err := s.Services().Get(t.Context(), "s")
		if err != nil || v.Memo == nil {
			t.Errorf("service %+v, %v; want one with a memo", v, err)
		}
		s.cache.clear() // and now as read from the file
	}
	stored.Memo.Store("kept")
	row, err := s.Credentials().Get(t.Context(), "c")
	if err != nil || row == stored || row.Memo.Load() != nil {
		t.Errorf("a row read anew holds the memo %v, %v; want none", row.Memo.Load(), err)
	}
	row.Memo.Store("kept")
	rows, err := s.Credentials().BatchGet(t.Context(), []string{"c"})
	if err != nil || len(rows) != 1 || rows[0].Memo.Load() != "kept" {
		t.Errorf("BatchGet: %d rows, %v; want the row with its memo", len(rows), err)
	}
	if err := s.Credentials().Amend(t.Context(), "c", 1, touchHead); err != nil {
		t.Fatal(err)
	}
	if row, err = s.Credentials().Get(t.Context(), "c"); err != nil || row.Memo.Load() != nil {
		t.Errorf("an amended row holds the memo %v, %v; want none", row.Memo.Load(), err)
	}
}

func TestCache_RemembersWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	ids := []string{"absent", "c"}
	appendRow(t, s, "c", nil, benchRow(1))
	if _, err := s.Credentials().BatchGet(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	if row, known := s.cache.get(credentialNoun, "absent"); !known || row != nil {
		t.Errorf("the cache knows of an absent row: %v %v, want that it is not there", row, known)
	}
	if _, err := s.Credentials().Get(t.Context(), "absent"); err == nil {
		t.Error("Get of an absent row: no error")
	}
	appendRow(t, s, "absent", nil, benchRow(2))
	if rows, err := s.Credentials().BatchGet(t.Context(), ids); err != nil || len(rows) != 2 {
		t.Errorf("BatchGet after creating the row: %d rows, %v; want 2", len(rows), err)
	}
	if err := s.Credentials().Delete(t.Context(), "absent", 1, nil); err != nil {
		t.Fatal(err)
	}
	if rows, err := s.Credentials().BatchGet(t.Context(), ids); err != nil || len(rows) != 1 {
		t.Errorf("BatchGet after deleting the row: %d rows, %v; want one", len(rows), err)
	}
}

// TestCache_NeverShowsARowOlderThanOneSeen has readers watch rows that are
// written all the time: what a reader sees never goes back, and is never older
// than what was acknowledged before he asked.
func TestCache_NeverShowsARowOlderThanOneSeen(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	s.cache.limit = 8 * 1024 // so that rows come and go
	const things = 8
	var acknowledged [things]atomic.Int64
	ids := make([]string, things)
	for i := range ids {
		ids[i] = fmt.Sprintf("c%d", i)
		appendRow(t, s, ids[i], nil, benchRow(i))
		acknowledged[i].Store(1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range things {
		wg.Go(func() {
			for ctx.Err() == nil {
				previous, err := s.Credentials().Get(t.Context(), ids[i])
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				row := previous.Clone()
				if previous.Revision%3 == 0 {
					err = s.Credentials().Amend(t.Context(), ids[i], previous.Revision, touchHead)
				}
				if err == nil {
					previous, err = s.Credentials().Get(t.Context(), ids[i])
				}
				if err == nil {
					_, err = s.Credentials().Append(t.Context(), write(ids[i], previous, row))
				}
				if err != nil {
					t.Errorf("writing: %v", err)
					return
				}
				acknowledged[i].Add(1)
			}
		})
	}
	for reader := range 4 {
		wg.Go(func() {
			var seen [things]int
			for n := reader; ctx.Err() == nil; n++ {
				var before [things]int64
				for i := range things {
					before[i] = acknowledged[i].Load()
				}
				rows, err := s.Credentials().BatchGet(t.Context(), ids[n%things:])
				if err != nil || len(rows) != things-n%things {
					t.Errorf("BatchGet: %d rows, %v", len(rows), err)
					return
				}
				for j, row := range rows {
					i := n%things + j
					if row.Revision < seen[i] || int64(row.Revision) < before[i] {
						t.Errorf("%s is at %d, was seen at %d and acknowledged at %d", row.ID, row.Revision, seen[i], before[i])
						return
					}
					seen[i] = row.Revision
				}
			}
		})
	}
	wg.Wait()
}
