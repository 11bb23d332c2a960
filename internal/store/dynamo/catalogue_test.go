package dynamo_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
)

// clock is a clock that a test moves on.
type clock struct{ ahead atomic.Int64 }

func newClock() *clock { return &clock{} }

func (c *clock) set(o *dynamo.Options) {
	o.Now = func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }
}

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// freshFor is how old what a search shows may be.
const freshFor = 2 * time.Second

func findIDs(t *testing.T, s store.Store, q store.Query) []string {
	t.Helper()
	q.Limit = 1000
	found, err := s.Catalogue().Find(t.Context(), q)
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	var ids []string
	for _, e := range found.Entries {
		ids = append(ids, e.ID)
	}
	return ids
}

// TestCatalogue_FollowsOtherMachines shows when writes of another process are
// seen: changes within seconds, deletions and amendments at the next full reading.
func TestCatalogue_FollowsOtherMachines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	clock := newClock()
	s := w.indexed(t, w.client(nil), clock.set)
	other := w.open(t, w.client(nil))
	stays := prepareCredential(t, other, "stays", "stays")
	goes := prepareCredential(t, other, "goes", "goes")
	want := func(what string, query store.Query, ids ...string) {
		t.Helper()
		if got := findIDs(t, s, query); !slices.Equal(got, ids) {
			t.Errorf("%s: found %q, want %q", what, got, ids)
		}
	}
	want("at first", store.Query{}, "goes", "stays")
	prepareCredential(t, other, "comes", "comes")
	clock.advance(3 * time.Second)
	want("after a creation", store.Query{}, "comes", "goes", "stays")

	if err := other.Credentials().Delete(t.Context(), "goes", goes.Revision, nil); err != nil {
		t.Fatal(err)
	}
	err := other.Credentials().Amend(t.Context(), "stays", stays.Revision, func(c *credential.Credential) bool {
		c.KeyNames = []string{"filled_in"}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	clock.advance(16 * time.Minute)
	findIDs(t, s, store.Query{}) // a full reading follows behind it
	deadline := time.Now().Add(10 * time.Second)
	for len(findIDs(t, s, store.Query{})) == 3 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	want("after a full reading", store.Query{}, "comes", "stays")
	want("an amendment after a full reading", store.Query{Key: "filled_in"}, "stays")

	// Deleted and created anew elsewhere, its revision counts from one again.
	row, err := other.Credentials().Get(t.Context(), "stays")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := other.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: "stays", Previous: row, Rows: []*credential.Credential{row, row, row}})
	if err != nil {
		t.Fatal(err)
	}
	clock.advance(3 * time.Second)
	findIDs(t, s, store.Query{})
	if err := other.Credentials().Delete(t.Context(), "stays", rows[2].Revision, nil); err != nil {
		t.Fatal(err)
	}
	prepareCredential(t, other, "stays", "stays, anew")
	clock.advance(16 * time.Minute)
	findIDs(t, s, store.Query{})
	for len(findIDs(t, s, store.Query{Text: "anew"})) == 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	want("one that was created anew", store.Query{Text: "anew"}, "stays")
}

// TestCatalogue_ShowsOwnWritesAtOnce whatever the index says.
func TestCatalogue_ShowsOwnWritesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	clock := newClock()
	s := w.indexed(t, w.client(newLag(t, w).trace), clock.set)
	first := prepareCredential(t, s, "own", "own")
	// look searches over the whole time of the lag, each time after a new reading,
	// none of which may be so late that it does not look back to the writes.
	look := func(what string, q store.Query, want ...string) {
		t.Helper()
		for range 6 {
			clock.advance(freshFor)
			if got := findIDs(t, s, q); !slices.Equal(got, want) {
				t.Fatalf("%s: found %q, want %q", what, got, want)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	look("a creation", store.Query{}, "own")
	if err := s.Credentials().Amend(t.Context(), "own", 1, func(c *credential.Credential) bool { c.KeyNames = []string{"filled_in"}; return true }); err != nil {
		t.Fatal(err)
	}
	look("an amendment", store.Query{Key: "filled_in"}, "own")
	renamed, err := s.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: "own", Previous: first, Rows: []*credential.Credential{sampleCredential("renamed")}})
	if err != nil {
		t.Fatal(err)
	}
	look("a new name", store.Query{Text: "renamed"}, "own")
	if err := s.Credentials().Delete(t.Context(), "own", renamed[0].Revision, nil); err != nil {
		t.Fatal(err)
	}
	look("a deletion", store.Query{})
}

// TestCatalogue_FutureDatesDoNotBlindIt has a row from a server whose clock, or
// time zone, was ahead.
func TestCatalogue_FutureDatesDoNotBlindIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	clock := newClock()
	s := w.indexed(t, w.client(nil), clock.set)
	other := w.open(t, w.client(nil))
	v := sampleCredential("ahead")
	v.ModifiedDate = time.Now().Add(14 * time.Hour)
	if _, err := other.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: "ahead", Rows: []*credential.Credential{v}}); err != nil {
		t.Fatal(err)
	}
	findIDs(t, s, store.Query{})
	prepareCredential(t, other, "now", "now")
	clock.advance(3 * time.Second)
	if got := findIDs(t, s, store.Query{}); !slices.Equal(got, []string{"ahead", "now"}) {
		t.Errorf("found %q, want both", got)
	}
}

// TestCatalogue_OneReadingForAll starts many searches at once over an unread table:
// they share one reading, and a caller who goes away does not end it.
func TestCatalogue_OneReadingForAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	var queries atomic.Int64
	release := make(chan struct{})
	s := w.indexed(t, w.client(intercept(func(e *exchange) (*http.Response, error) {
		if e.operation == "Query" {
			queries.Add(1)
			<-release
		}
		return e.send()
	})))
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { _, err := s.Catalogue().Find(ctx, store.Query{}); gone <- err }()
	for queries.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the search that was cancelled: %v", err)
	}
	answers := make(chan error)
	for range 20 {
		go func() { _, err := s.Catalogue().Find(t.Context(), store.Query{}); answers <- err }()
	}
	time.Sleep(50 * time.Millisecond)
	close(release)
	for range 20 {
		if err := <-answers; err != nil {
			t.Errorf("Find: %v", err)
		}
	}
	if n := queries.Load(); n != 3 {
		t.Errorf("%d queries, want 3 for all", n)
	}
}

func TestClose_EndsReadingsAndSearches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	asked := make(chan struct{}, 10)
	s := w.indexed(t, w.client(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("X-Amz-Target") == "DynamoDB_20120810.Query" {
				asked <- struct{}{}
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return next.RoundTrip(r)
		})
	}))
	answer := make(chan error)
	go func() { _, err := s.Catalogue().Find(t.Context(), store.Query{}); answer <- err }()
	<-asked
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-answer; err == nil {
		t.Error("the search that was under way: no error")
	}
	if _, err := s.Catalogue().Find(t.Context(), store.Query{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a search after Close: %v, want %v", err, store.ErrUnavailable)
	}
}
