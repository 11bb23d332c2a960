package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// put appends rows behind previous and returns the last as stored.
func put[T any](t *testing.T, r store.Revisions[T], id string, previous *T, rows ...*T) *T {
	t.Helper()
	stored, err := r.Append(t.Context(), store.Write[T]{ID: id, Previous: previous, Rows: rows})
	if err != nil {
		t.Fatalf("Append(%q): %v", id, err)
	}
	if len(stored) != len(rows) {
		t.Fatalf("Append(%q) returned %d rows, want %d", id, len(stored), len(rows))
	}
	return stored[len(stored)-1]
}

// get returns a current row that must exist.
func get[T any](t *testing.T, r store.Reader[T], id string) *T {
	t.Helper()
	v, err := r.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("Get(%q): %v", id, err)
	}
	return v
}

// numbered returns a copy of row as it should be stored.
func (k kind[T]) numbered(row *T, id string, n int) *T {
	v := k.clone(row)
	m := k.meta(v)
	m.ID, m.Revision = id, n
	m.ModifiedDate = revision.Instant(m.ModifiedDate)
	return v
}

// historic returns a copy of a current row as its copy in history should be.
func (k kind[T]) historic(row *T) *T {
	v := k.clone(row)
	if c, ok := any(v).(*credential.Credential); ok {
		c.Head = credential.Head{}
	}
	return v
}

// history returns the historic rows 1..n of a thing whose full rows are made
// from first on.
func (k kind[T]) history(id string, first, n int) []*T {
	rows := make([]*T, n)
	for i := range rows {
		rows[i] = k.historic(k.numbered(k.full(first+i), id, i+1))
	}
	return rows
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func wantStale(t *testing.T, what string, err error, own bool) {
	t.Helper()
	wantError(t, what, err, store.ErrStale)
	stale, ok := errors.AsType[*store.StaleError](err)
	if !ok {
		t.Errorf("%s: error %v (%T), want a StaleError", what, err, err)
	} else if stale.Own != own {
		t.Errorf("%s: StaleError %+v, want Own %v", what, stale, own)
	}
}

func wantTaken(t *testing.T, what string, err error, want store.TakenError) {
	t.Helper()
	wantError(t, what, err, store.ErrTaken)
	taken, ok := errors.AsType[*store.TakenError](err)
	if !ok {
		t.Errorf("%s: error %v (%T), want a TakenError", what, err, err)
		return
	}
	if taken.Key != want.Key || taken.Claim != want.Claim || want.Holder != "" && taken.Holder != want.Holder ||
		want.Noun != "" && taken.Noun != want.Noun {
		t.Errorf("%s: TakenError %+v, want %+v", what, *taken, want)
	}
}

// walk reads all pages and returns their items. Between pages it calls between,
// if that is not nil.
func walk[T any](t *testing.T, limit int, list func(context.Context, revision.Page) (revision.Slice[T], error), between func(page int)) []T {
	t.Helper()
	var (
		all  []T
		page = revision.Page{Limit: limit}
	)
	for n := range 10_000 {
		slice, err := list(t.Context(), page)
		if err != nil {
			t.Fatalf("page %d: %v", n, err)
		}
		if limit > 0 && len(slice.Items) > limit {
			t.Fatalf("page %d holds %d items, want at most %d", n, len(slice.Items), limit)
		}
		all = append(all, slice.Items...)
		if slice.Next == nil {
			return all
		}
		// A cursor goes through its token, as a client sends it.
		page.After, err = revision.ParseCursor(slice.Next.List, slice.Next.Token())
		if err != nil {
			t.Fatalf("page %d: cursor %+v does not survive its token: %v", n, *slice.Next, err)
		}
		if between != nil {
			between(n)
		}
	}
	t.Fatal("the pages do not end")
	return nil
}

// ids returns the keys of rows, in order.
func (k kind[T]) ids(rows []*T) []string {
	out := make([]string, len(rows))
	for i, v := range rows {
		out[i] = k.meta(v).ID
	}
	return out
}

// numbers returns the revision numbers of rows, in order.
func (k kind[T]) numbers(rows []*T) []int {
	out := make([]int, len(rows))
	for i, v := range rows {
		out[i] = k.meta(v).Revision
	}
	return out
}
