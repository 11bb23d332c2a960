package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

func listRules[T any]() []rule[T] {
	return []rule[T]{
		{"holds current rows, newest change first", newestFirst[T]},
		{"an empty list has no page behind it", emptyList[T]},
		{"pages hold each row once", pagesHoldEachOnce[T]},
		{"rows of equal date are each visited once", equalDates[T]},
		{"rows that are not written meanwhile are each visited once", pagesWhileWriting[T]},
	}
}

// listed returns a row as a list may show it: as stored, or without what is
// sealed if got comes without.
func (k kind[T]) listed(row, got *T) *T {
	v := k.clone(row)
	k.light(v)
	if diff(v, got) == "" {
		return v
	}
	return row
}

func newestFirst[T any](t *testing.T, s suite, k kind[T], st store.Store) {
	dates := []int{3, 1, 4, 2, 0}
	for i, n := range dates {
		put(t, k.of(st), k.id(i), nil, k.full(n))
	}
	moved := put(t, k.of(st), k.id(4), get(t, k.of(st), k.id(4)), k.full(9))
	s.eventually(t, func() string {
		slice, err := k.of(st).List(t.Context(), revision.Page{})
		if err != nil {
			return fmt.Sprintf("List: %v", err)
		}
		if d := diff([]string{k.id(4), k.id(2), k.id(0), k.id(3), k.id(1)}, k.ids(slice.Items)); d != "" {
			return d
		}
		if slice.Next != nil {
			return fmt.Sprintf("a list without a limit names a next page %+v", *slice.Next)
		}
		if d := diff(k.listed(moved, slice.Items[0]), slice.Items[0]); d != "" {
			return d
		}
		for i, got := range slice.Items[1:] {
			n := []int{2, 0, 3, 1}[i]
			want := k.numbered(k.full(dates[n]), k.id(n), 1)
			if d := diff(k.listed(want, got), got); d != "" {
				return d
			}
		}
		return ""
	})
}

func emptyList[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	for _, page := range []revision.Page{{}, {Limit: 10}} {
		if got := walk(t, page.Limit, k.of(st).List, nil); len(got) != 0 {
			t.Errorf("List of an empty store holds %q", k.ids(got))
		}
	}
}

func pagesHoldEachOnce[T any](t *testing.T, s suite, k kind[T], st store.Store) {
	want := fill(t, k, st, 0, 23)
	for _, limit := range []int{1, 7, 22, 23, 24, 1000} {
		s.eventually(t, func() string {
			got := walk(t, limit, k.of(st).List, nil)
			if !slices.IsSortedFunc(got, func(a, b *T) int { return k.meta(b).ModifiedDate.Compare(k.meta(a).ModifiedDate) }) {
				return fmt.Sprintf("pages of %d are not newest first: %q", limit, k.ids(got))
			}
			if d := diff(want, slices.Sorted(slices.Values(k.ids(got)))); d != "" {
				return fmt.Sprintf("pages of %d: %s", limit, d)
			}
			return ""
		})
	}
}

func equalDates[T any](t *testing.T, s suite, k kind[T], st store.Store) {
	var want []string
	for i := range 12 {
		row := k.full(i)
		k.meta(row).ModifiedDate = moment(i / 6)
		put(t, k.of(st), k.id(i), nil, row)
		want = append(want, k.id(i))
	}
	slices.Sort(want)
	for _, limit := range []int{1, 5, 6, 7} {
		s.eventually(t, func() string {
			got := walk(t, limit, k.of(st).List, nil)
			return diff(want, slices.Sorted(slices.Values(k.ids(got))))
		})
	}
}

// pagesWhileWriting changes rows and adds new ones between pages: what is
// written moves to the front, and what is not must still come exactly once.
func pagesWhileWriting[T any](t *testing.T, s suite, k kind[T], st store.Store) {
	fill(t, k, st, 0, 30)
	s.eventually(t, func() string {
		if got := walk(t, 0, k.of(st).List, nil); len(got) != 30 {
			return fmt.Sprintf("%d rows are listed, want 30", len(got))
		}
		return ""
	})
	written := map[string]bool{}
	got := walk(t, 4, k.of(st).List, func(page int) {
		changed := k.id(3 * page)
		written[changed] = true
		put(t, k.of(st), changed, get(t, k.of(st), changed), k.full(1000+page))
		put(t, k.of(st), k.id(500+page), nil, k.full(2000+page))
	})
	seen := map[string]int{}
	for _, id := range k.ids(got) {
		seen[id]++
	}
	for i := range 30 {
		if id := k.id(i); !written[id] && seen[id] != 1 {
			t.Errorf("row %q, which was not written, came %d times, want once", id, seen[id])
		}
	}
}

// fill creates rows first..first+n-1 and returns their ids, sorted.
func fill[T any](t *testing.T, k kind[T], st store.Store, first, n int) []string {
	t.Helper()
	var ids []string
	for i := first; i < first+n; i++ {
		put(t, k.of(st), k.id(i), nil, k.full(i))
		ids = append(ids, k.id(i))
	}
	slices.Sort(ids)
	return ids
}

func historyRules[T any]() []rule[T] {
	return []rule[T]{
		{"of one thing comes highest revision first, sealed values too", historyOfOne[T]},
		{"of one thing pages", historyOfOnePages[T]},
		{"of one thing leaves out what is above the current row or missing", historyOfOneGaps[T]},
		{"of a thing that is not there is empty", historyOfNone[T]},
		{"of all things comes newest first, sealed values too", historyOfAll[T]},
		{"of all things pages, each row once", historyOfAllPages[T]},
	}
}

// historyOfOne has each revision dated before the one it follows, as happens
// between machines whose clocks differ.
func historyOfOne[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	var (
		previous *T
		want     []*T
	)
	for n := 1; n <= 11; n++ {
		previous = put(t, k.of(st), k.id(0), previous, k.full(40-n))
		want = append(want, k.historic(previous))
	}
	put(t, k.of(st), k.id(1), nil, k.full(50))
	slices.Reverse(want)
	slice, err := k.of(st).History(t.Context(), k.id(0), revision.Page{})
	if err != nil {
		t.Fatalf("History: %v", err)
	}
	if d := diff(want, slice.Items); d != "" {
		t.Error(d)
	}
	if slice.Next != nil {
		t.Errorf("a history without a limit names a next page %+v", *slice.Next)
	}
}

func historyOfOnePages[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	id := k.id(0)
	if _, err := k.of(st).Import(t.Context(), k.numbered(k.full(120), id, 120), k.history(id, 1, 120)); err != nil {
		t.Fatalf("Import: %v", err)
	}
	for _, limit := range []int{7, 60, 119, 120, 121} {
		got := walk(t, limit, func(ctx context.Context, p revision.Page) (revision.Slice[*T], error) {
			return k.of(st).History(ctx, id, p)
		}, nil)
		var want []int
		for n := 120; n > 0; n-- {
			want = append(want, n)
		}
		if d := diff(want, k.numbers(got)); d != "" {
			t.Errorf("pages of %d: %s", limit, d)
		}
	}
}

func historyOfOneGaps[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	id := k.id(0)
	history := k.history(id, 1, 5)
	history = append(history[:1], history[2:]...) // 1, 3, 4, 5
	if _, err := k.of(st).Import(t.Context(), k.numbered(k.full(3), id, 3), history); err != nil {
		t.Fatalf("Import: %v", err)
	}
	slice, err := k.of(st).History(t.Context(), id, revision.Page{})
	if err != nil {
		t.Fatalf("History: %v", err)
	}
	if d := diff([]int{3, 1}, k.numbers(slice.Items)); d != "" {
		t.Error(d)
	}
}

func historyOfNone[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	put(t, k.of(st), k.id(0), nil, k.full(1))
	for _, id := range []string{k.id(1), revision.Key(k.id(0), 1)} {
		slice, err := k.of(st).History(t.Context(), id, revision.Page{Limit: 10})
		if err != nil || len(slice.Items) != 0 || slice.Next != nil {
			t.Errorf("History(%q) = %d rows, next %v, %v; want none", id, len(slice.Items), slice.Next, err)
		}
	}
}

func allHistory[T any](k kind[T], st store.Store) func(context.Context, revision.Page) (revision.Slice[*T], error) {
	return func(ctx context.Context, p revision.Page) (revision.Slice[*T], error) {
		return k.of(st).History(ctx, "", p)
	}
}

func historyOfAll[T any](t *testing.T, s suite, k kind[T], st store.Store) {
	first := put(t, k.of(st), k.id(0), nil, k.full(3))
	put(t, k.of(st), k.id(1), nil, k.full(2))
	put(t, k.of(st), k.id(0), first, k.full(4))
	want := []*T{
		k.historic(k.numbered(k.full(4), k.id(0), 2)),
		k.historic(k.numbered(k.full(3), k.id(0), 1)),
		k.historic(k.numbered(k.full(2), k.id(1), 1)),
	}
	s.eventually(t, func() string { return diff(want, walk(t, 0, allHistory(k, st), nil)) })
}

func historyOfAllPages[T any](t *testing.T, s suite, k kind[T], st store.Store) {
	var want []string
	for i := range 5 {
		var previous *T
		for n := 1; n <= 4; n++ {
			row := k.full(10*i + n)
			k.meta(row).ModifiedDate = moment(10 * (i / 2)).Add(time.Duration(n) * time.Second)
			previous = put(t, k.of(st), k.id(i), previous, row)
			want = append(want, revision.Key(k.id(i), n))
		}
	}
	slices.Sort(want)
	for _, limit := range []int{1, 3, 19, 20, 21} {
		s.eventually(t, func() string {
			rows := walk(t, limit, allHistory(k, st), nil)
			if !slices.IsSortedFunc(rows, func(a, b *T) int { return k.meta(b).ModifiedDate.Compare(k.meta(a).ModifiedDate) }) {
				return fmt.Sprintf("pages of %d are not newest first", limit)
			}
			var got []string
			for _, v := range rows {
				got = append(got, revision.Key(k.meta(v).ID, k.meta(v).Revision))
			}
			slices.Sort(got)
			return diff(want, got)
		})
	}
}
