package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// openTestIndex opens an index that follows only when told to.
func openTestIndex(t *testing.T, dir string) *Index {
	t.Helper()
	x, err := OpenIndex(t.Context(), IndexOptions{Dir: dir, Interval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	refresh(t, x)
	return x
}

func refresh(t *testing.T, x *Index) {
	t.Helper()
	if err := x.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// numbers returns the numbers of all pages of a query.
func numbers(t *testing.T, x *Index, q Query) []uint64 {
	t.Helper()
	var list []uint64
	for {
		found, err := x.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range found.Records {
			list = append(list, r.Number)
		}
		if found.Next == 0 {
			return list
		}
		q.Before = found.Next
	}
}

func TestIndex_FiltersNewestFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := testDate
	l := openTest(t, FileOptions{Dir: dir, SegmentSize: 1500, Now: func() time.Time { return now }})
	for _, e := range []Entry{
		{User: "ann", Action: "get", Success: true, ResourceType: "credential", ResourceID: "c1", ResourceName: "Database"},
		{User: "bob", Action: "get", ResourceType: "credential", ResourceID: "c1", ResourceName: "Database"},
		{User: "ann", Action: "update", Success: true, ResourceType: "service", ResourceID: "c1"},
		{User: "ann\"e\\", Action: "list", Success: true, Info: map[string]any{"ids": []string{"ÄRGER", "x"}}},
		{User: "payments", UserType: "service", Action: "get", Success: true, ResourceType: "service", ResourceID: "payments"},
		{User: "bob", Action: "update", ResourceType: "service", ResourceID: "payments", Client: "10.9.8.7"},
		{User: "ann", Action: "get", Success: true, ResourceType: "blind_credential", ResourceID: "b1", ResourceName: "c1"},
	} {
		if _, err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	x := openTestIndex(t, dir)
	minute := func(n int) time.Time { return testDate.Add(time.Duration(n) * time.Minute) }
	yes, no := true, false
	for name, tt := range map[string]struct {
		q    Query
		want []uint64
	}{
		"all":                      {Query{}, []uint64{7, 6, 5, 4, 3, 2, 1}},
		"user":                     {Query{User: "ann"}, []uint64{7, 3, 1}},
		"user with escapes":        {Query{User: "ann\"e\\"}, []uint64{4}},
		"unknown user":             {Query{User: "an"}, nil},
		"resource by id or name":   {Query{Resource: "c1"}, []uint64{7, 3, 2, 1}},
		"resource of a type":       {Query{ResourceType: "service", Resource: "c1"}, []uint64{3}},
		"resource by name":         {Query{Resource: "Database"}, []uint64{2, 1}},
		"type":                     {Query{ResourceType: "service"}, []uint64{6, 5, 3}},
		"action":                   {Query{Action: "update"}, []uint64{6, 3}},
		"success":                  {Query{Success: &yes}, []uint64{7, 5, 4, 3, 1}},
		"failure":                  {Query{Success: &no}, []uint64{6, 2}},
		"failure of a user":        {Query{Success: &no, User: "bob", Action: "get"}, []uint64{2}},
		"nobody's failure":         {Query{Success: &no, User: "ann"}, nil},
		"since":                    {Query{Since: minute(5)}, []uint64{7, 6}},
		"until":                    {Query{Until: minute(1)}, []uint64{2, 1}},
		"between":                  {Query{Since: minute(2), Until: minute(4), User: "ann"}, []uint64{3}},
		"text in a name, any case": {Query{Text: "dataBASE"}, []uint64{2, 1}},
		"text in info":             {Query{Text: "ärg"}, []uint64{4}},
		"text with escapes":        {Query{Text: "N\"E\\"}, []uint64{4}},
		"text in the address":      {Query{Text: "9.8.7"}, []uint64{6}},
		"text is not a member":     {Query{Text: "resource_id"}, nil},
		"before":                   {Query{Before: 3, User: "ann"}, []uint64{1}},
		"before all":               {Query{Before: 1}, nil},
		"pages":                    {Query{Limit: 2, Resource: "c1"}, []uint64{7, 3, 2, 1}},
		"pages of one":             {Query{Limit: 1, Text: "a"}, []uint64{7, 6, 5, 4, 3, 2, 1}},
	} {
		if got := numbers(t, x, tt.q); !slices.Equal(got, tt.want) {
			t.Errorf("%s: records %v, want %v", name, got, tt.want)
		}
	}
	for _, limit := range []int{-1, queryLimit + 1} {
		if _, err := x.Query(t.Context(), Query{Limit: limit}); err == nil {
			t.Errorf("a page of %d records is taken", limit)
		}
	}
}

func TestIndex_FollowsByItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x, err := OpenIndex(t.Context(), IndexOptions{Dir: dir, Interval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	l := openTest(t, FileOptions{Dir: dir})
	for i := range uint64(3) {
		appendN(t, l, 1)
		eventually(t, "the record is found", func() bool { return len(numbers(t, x, Query{})) == int(i+1) })
	}
}

func TestIndex_OfManyRecordsMissesNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openTest(t, FileOptions{Dir: dir, SegmentSize: 200 << 10})
	x := openTestIndex(t, dir)
	var wg sync.WaitGroup
	wg.Go(func() { appendFromMany(t, l, 8, 400) })
	for range 20 { // while writing, so that blocks are gone on with
		refresh(t, x)
	}
	wg.Wait()
	refresh(t, x)
	got := numbers(t, x, Query{Limit: 70})
	if len(got) != 3200 || got[0] != 3200 || got[len(got)-1] != 1 {
		t.Errorf("%d records, want 3200 from the last to the first", len(got))
	}
	if got := numbers(t, x, Query{User: "3-17"}); len(got) != 1 {
		t.Errorf("records %v of one user, want one", got)
	}
	var blocks int
	if err := x.db.QueryRow(`SELECT count(*) FROM block`).Scan(&blocks); err != nil || blocks > 3200/blockRecords+10 {
		t.Errorf("%d blocks, %v; want full ones", blocks, err)
	}
}

func TestIndex_CanBeDeletedOrDamagedAndIsBuiltAnew(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	for name, harm := range map[string]func(path string) error{
		"deleted": os.Remove,
		"damaged": func(path string) error {
			return os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600)
		},
		"of another version": func(path string) error {
			db, err := openIndex(t.Context(), path)
			if err != nil {
				return err
			}
			_, err = db.Exec(`DROP TABLE term; CREATE TABLE term (x); PRAGMA user_version = 99`)
			return errors.Join(err, db.Close())
		},
	} {
		x, err := OpenIndex(t.Context(), IndexOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		x.Close()
		if err := harm(filepath.Join(dir, indexName)); err != nil {
			t.Fatal(err)
		}
		if got := numbers(t, openTestIndex(t, dir), Query{User: "u4"}); !slices.Equal(got, []uint64{5}) {
			t.Errorf("%s: records %v, want 5", name, got)
		}
	}
}

func TestIndex_FollowsRewrittenAndRemovedSegments(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	x := openTestIndex(t, dir)
	if err := os.Remove(logSegment(dir, 1, 1)); err != nil {
		t.Fatal(err)
	}
	edit(t, logSegment(dir, 2, 4), func(s string) string {
		l := strings.SplitAfter(s, "\n")
		return removal(t, Checkpoint, l[0]) + removal(t, Tombstone, l[1]) + l[2]
	})
	refresh(t, x)
	if got := numbers(t, x, Query{}); !slices.Equal(got, []uint64{9, 8, 7, 6}) {
		t.Errorf("records %v, want 9 to 6", got)
	}
	if r := verifyTest(t, dir); r.Index != IndexAgrees {
		t.Errorf("report %+v, want an index that agrees", r)
	}
}

// Whether the cut is noticed before or after the log goes on, the index keeps
// the proof.
func TestIndex_ProvesThatTheEndWasCut(t *testing.T) {
	t.Parallel()
	cut := func(t *testing.T, dir string) {
		edit(t, logSegment(dir, 3, 7), func(s string) string { return strings.SplitAfter(s, "\n")[0] })
	}
	for name, tt := range map[string]struct {
		harm func(t *testing.T, dir string)
		want string
	}{
		"cut": {cut, "record 8: the index remembers record 9, the log ends with 7"},
		"last segment removed": {func(t *testing.T, dir string) {
			if err := os.Remove(logSegment(dir, 3, 7)); err != nil {
				t.Fatal(err)
			}
		}, "record 7: the index remembers record 9, the log ends with 6"},
		"everything removed": {func(t *testing.T, dir string) {
			for _, name := range segmentNames(t, dir) {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}, "record 1: the index remembers record 9, the log ends with 0"},
		"cut and gone on": {func(t *testing.T, dir string) {
			cut(t, dir)
			appendN(t, openTest(t, FileOptions{Dir: dir}), 5)
		}, "(record 9): the index remembers another record of this number"},
		"cut, noticed and gone on": {func(t *testing.T, dir string) {
			cut(t, dir)
			openTestIndex(t, dir)
			appendN(t, openTest(t, FileOptions{Dir: dir}), 5)
			openTestIndex(t, dir)
		}, "(record 9): the index remembers another record of this number"},
		"cut, gone on and noticed": {func(t *testing.T, dir string) {
			cut(t, dir)
			appendN(t, openTest(t, FileOptions{Dir: dir}), 5)
			openTestIndex(t, dir)
		}, "(record 9): the index remembers another record of this number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := logOf(t, nil)
			x, err := OpenIndex(t.Context(), IndexOptions{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			refresh(t, x)
			x.Close()
			if r := verifyTest(t, dir); r.Index != IndexAgrees {
				t.Fatalf("before: %+v, want an index that agrees", r)
			}
			tt.harm(t, dir)
			r, err := Verify(t.Context(), dir, VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Index != IndexDisagrees || r.Broken == nil || !strings.Contains(r.Broken.String(), tt.want) {
				t.Errorf("index %s, broken %v; want …%s…", r.Index, r.Broken, tt.want)
			}
		})
	}
}

func TestVerify_AnUnreadableIndexIsSaid(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	if err := os.WriteFile(filepath.Join(dir, indexName), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := verifyTest(t, dir); r.Index != IndexUnreadable {
		t.Errorf("report %+v, want an unreadable index", r)
	}
}

func TestIndex_OpensWithOddDirectoryNames(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a b?c#d%20")
	appendN(t, openTest(t, FileOptions{Dir: dir}), 1)
	x := openTestIndex(t, dir)
	if got := numbers(t, x, Query{}); len(got) != 1 {
		t.Errorf("records %v, want one", got)
	}
	if info, err := os.Stat(filepath.Join(dir, indexName)); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info, err)
	}
}

func TestIndex_QueryCanBeInterrupted(t *testing.T) {
	t.Parallel()
	x := openTestIndex(t, logOf(t, nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.Query(ctx, Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Query = %v, want context.Canceled", err)
	}
}

func BenchmarkIndex(b *testing.B) {
	dir := b.TempDir()
	l, err := OpenFile(FileOptions{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	const records = 50_000
	for i := range records {
		e := sampleEntry()
		e.ResourceID = fmt.Sprint("service-", i%100)
		e.User = e.ResourceID
		if _, err := l.Append(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("build", func(b *testing.B) {
		for b.Loop() {
			for _, end := range []string{"", "-wal", "-shm"} {
				os.Remove(filepath.Join(dir, indexName+end))
			}
			x, err := OpenIndex(b.Context(), IndexOptions{Dir: dir, Interval: time.Hour})
			if err != nil {
				b.Fatal(err)
			}
			if err := x.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
			x.Close()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
	})
	x, err := OpenIndex(b.Context(), IndexOptions{Dir: dir, Interval: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	if err := x.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	for name, q := range map[string]Query{
		"service":      {Resource: "service-7", Limit: 50},
		"newest":       {Limit: 50},
		"text nowhere": {Text: "nowhere"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := x.Query(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if r, err := Verify(b.Context(), dir, VerifyOptions{}); err != nil || r.Entries != records {
				b.Fatal(r, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
	})
}
