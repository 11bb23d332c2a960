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

func readRules[T any]() []rule[T] {
	return []rule[T]{
		{"a row comes back as it was appended", comesBack[T]},
		{"times are UTC and whole microseconds", keepsMicroseconds[T]},
		{"a stored row shares nothing with the caller's", sharesNothing[T]},
		{"a free key is not found", freeKey[T]},
		{"a history key is taken", historyKeyIsTaken[T]},
		{"ids differ in case and in composition", exactIDs[T]},
		{"a batch keeps the order asked and leaves out what is not there", batchKeepsOrder[T]},
		{"a batch takes more than a hundred ids", largeBatch[T]},
		{"the current revision stands in history too", currentIsInHistory[T]},
		{"a revision that does not exist is not found", noSuchRevision[T]},
		{"a cancelled context ends every call with its error", cancelled[T]},
	}
}

func comesBack[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	for i, row := range []*T{k.full(1), k.bare(2)} {
		id := k.id(i)
		want := k.numbered(row, id, 1)
		if d := diff(want, put(t, k.of(st), id, nil, row)); d != "" {
			t.Errorf("Append of row %d: %s", i, d)
		}
		if d := diff(want, get(t, k.of(st), id)); d != "" {
			t.Errorf("Get of row %d: %s", i, d)
		}
		again := get(t, k.of(st), id)
		if d := diff(want, again); d != "" {
			t.Errorf("second Get of row %d: %s", i, d)
		}
	}
}

func keepsMicroseconds[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	for i, date := range []time.Time{
		time.Date(2026, 5, 6, 7, 8, 9, 123_456_789, time.FixedZone("east", 5*3600+1800)),
		time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC),
		time.Date(2026, 5, 6, 7, 8, 9, 999_999_999, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(1970, 1, 1, 0, 0, 0, 1_000, time.UTC),
	} {
		row := k.bare(i)
		k.meta(row).ModifiedDate = date
		put(t, k.of(st), k.id(i), nil, row)
		got := k.meta(get(t, k.of(st), k.id(i))).ModifiedDate
		if want := revision.Instant(date); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("ModifiedDate %v comes back as %v, want %v", date, got, want)
		}
	}
}

func sharesNothing[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	id := k.id(0)
	row := k.full(1)
	want := k.numbered(row, id, 1)
	stored := put(t, k.of(st), id, nil, row)
	k.mention(row)
	k.meta(row).ModifiedBy = "eve"
	for what, got := range map[string]*T{"the row that Append returned": stored, "the row that Get returns": get(t, k.of(st), id)} {
		if d := diff(want, got); d != "" {
			t.Errorf("%s changed with the caller's row: %s", what, d)
		}
	}
}

func freeKey[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	for _, id := range []string{k.id(0), "no-such-thing", "ünknown/%_*"} {
		_, err := k.of(st).Get(t.Context(), id)
		wantError(t, fmt.Sprintf("Get(%q)", id), err, store.ErrNotFound)
	}
}

func historyKeyIsTaken[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	id := k.id(0)
	put(t, k.of(st), id, nil, k.full(1))
	_, err := k.of(st).Get(t.Context(), revision.Key(id, 1))
	wantTaken(t, "Get of a history key", err, store.TakenError{Key: revision.Key(id, 1), Noun: k.noun})
	_, err = k.of(st).Get(t.Context(), revision.Key(id, 2))
	wantError(t, "Get of the next history key", err, store.ErrNotFound)
}

func exactIDs[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	ids := []string{"abc", "ABC", "caf\u00e9", "cafe\u0301", "a b", "a%b", "a_b", "a'b\"c"}
	for i, id := range ids {
		put(t, k.of(st), id, nil, k.full(i))
	}
	for i, id := range ids {
		if d := diff(k.numbered(k.full(i), id, 1), get(t, k.of(st), id)); d != "" {
			t.Errorf("Get(%q): %s", id, d)
		}
	}
}

func batchKeepsOrder[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	for i := range 4 {
		put(t, k.of(st), k.id(i), nil, k.full(i))
	}
	asked := []string{k.id(2), "missing", k.id(0), k.id(2), revision.Key(k.id(1), 1), k.id(3), k.id(0), k.id(1)}
	want := []*T{
		k.numbered(k.full(2), k.id(2), 1), k.numbered(k.full(0), k.id(0), 1),
		k.numbered(k.full(3), k.id(3), 1), k.numbered(k.full(1), k.id(1), 1),
	}
	for round := range 2 {
		got, err := k.of(st).BatchGet(t.Context(), asked)
		if err != nil {
			t.Fatalf("BatchGet: %v", err)
		}
		if d := diff(want, got); d != "" {
			t.Errorf("BatchGet, round %d: %s", round, d)
		}
	}
	for _, none := range [][]string{nil, {}, {"missing"}} {
		got, err := k.of(st).BatchGet(t.Context(), none)
		if err != nil || len(got) != 0 {
			t.Errorf("BatchGet(%q) = %d rows, %v; want none", none, len(got), err)
		}
	}
}

func largeBatch[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	const n = 230
	ids := make([]string, n)
	for i := range ids {
		ids[i] = k.id(i)
		put(t, k.of(st), ids[i], nil, k.bare(i))
	}
	slices.Reverse(ids)
	got, err := k.of(st).BatchGet(t.Context(), ids)
	if err != nil {
		t.Fatalf("BatchGet: %v", err)
	}
	if d := diff(ids, k.ids(got)); d != "" {
		t.Errorf("BatchGet of %d ids: %s", n, d)
	}
}

func currentIsInHistory[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	id := k.id(0)
	var previous *T
	for n := 1; n <= 3; n++ {
		previous = put(t, k.of(st), id, previous, k.full(n))
		if d := diff(k.numbered(k.full(n), id, n), get(t, k.of(st), id)); d != "" {
			t.Errorf("Get after revision %d: %s", n, d)
		}
		for _, want := range k.history(id, 1, n) {
			got, err := k.of(st).Revision(t.Context(), id, k.meta(want).Revision)
			if err != nil {
				t.Fatalf("Revision %d: %v", k.meta(want).Revision, err)
			}
			if d := diff(want, got); d != "" {
				t.Errorf("Revision %d of %d: %s", k.meta(want).Revision, n, d)
			}
		}
	}
}

func noSuchRevision[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	put(t, k.of(st), k.id(0), nil, k.full(1))
	for _, ask := range []struct {
		id string
		n  int
	}{{k.id(0), 0}, {k.id(0), -1}, {k.id(0), 2}, {k.id(1), 1}, {revision.Key(k.id(0), 1), 1}} {
		_, err := k.of(st).Revision(t.Context(), ask.id, ask.n)
		wantError(t, fmt.Sprintf("Revision(%q, %d)", ask.id, ask.n), err, store.ErrNotFound)
	}
}

func cancelled[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	row := put(t, r, k.id(0), nil, k.full(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, call := range map[string]func() error{
		"Get":      func() error { _, err := r.Get(ctx, k.id(0)); return err },
		"BatchGet": func() error { _, err := r.BatchGet(ctx, []string{k.id(0)}); return err },
		"Revision": func() error { _, err := r.Revision(ctx, k.id(0), 1); return err },
		"List":     func() error { _, err := r.List(ctx, revision.Page{}); return err },
		"History":  func() error { _, err := r.History(ctx, "", revision.Page{}); return err },
		"Append": func() error {
			_, err := r.Append(ctx, store.Write[T]{ID: k.id(0), Previous: row, Rows: []*T{k.full(2)}})
			return err
		},
		"Amend": func() error { return r.Amend(ctx, k.id(0), 1, func(v *T) bool { k.mention(v); return true }) },
		"Import": func() error {
			_, err := r.Import(ctx, k.numbered(k.full(1), k.id(1), 1), k.history(k.id(1), 1, 1))
			return err
		},
		"ReplaceCurrent": func() error { return r.ReplaceCurrent(ctx, 1, k.numbered(k.full(2), k.id(0), 2)) },
		"Delete":         func() error { return r.Delete(ctx, k.id(0), 1, nil) },
	} {
		wantError(t, what, call(), context.Canceled)
	}
	if d := diff(row, get(t, r, k.id(0))); d != "" {
		t.Errorf("calls with a cancelled context changed the row: %s", d)
	}
}
