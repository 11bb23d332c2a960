package storetest

import (
	"fmt"
	"testing"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

func deleteRules[T any]() []rule[T] {
	return []rule[T]{
		{"removes a thing and its history", deleteWhole[T]},
		{"leaves other things alone", deleteOthers[T]},
		{"a row that moved is stale and stays", deleteMoved[T]},
		{"a guard that moved makes it stale, and the row stays", deleteGuarded[T]},
		{"a thing that is not there is not found", deleteMissing[T]},
		{"what was deleted may be created again", deleteAndCreate[T]},
		{"history is no orphan where a current row stands", deleteNoOrphan[T]},
	}
}

func deleteWhole[T any](t *testing.T, s suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	first := put(t, r, id, nil, k.full(1))
	put(t, r, id, first, k.full(2))
	get(t, r, id) // so that a cache holds it
	if err := r.Delete(t.Context(), id, 2, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	_, err := r.Get(t.Context(), id)
	wantError(t, "Get", err, store.ErrNotFound)
	for n := 1; n <= 2; n++ {
		_, err := r.Revision(t.Context(), id, n)
		wantError(t, fmt.Sprintf("Revision %d", n), err, store.ErrNotFound)
	}
	if rows, err := r.BatchGet(t.Context(), []string{id}); err != nil || len(rows) != 0 {
		t.Errorf("BatchGet = %d rows, %v; want none", len(rows), err)
	}
	s.eventually(t, func() string {
		for what, list := range map[string]int{
			"List": len(walk(t, 0, r.List, nil)), "History": len(walk(t, 0, allHistory(k, st), nil)),
		} {
			if list != 0 {
				return fmt.Sprintf("%s holds %d rows, want none", what, list)
			}
		}
		return ""
	})
}

func deleteOthers[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	// Ids of which one is the beginning of the other, and one that is spelled
	// like a pattern.
	others := []string{"thing", "thing-x", "thing%", "THING-1x"}
	for i, id := range others {
		put(t, r, id, nil, k.full(i))
	}
	put(t, r, "thing-", nil, k.full(10))
	if err := r.Delete(t.Context(), "thing-", 1, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	for i, id := range others {
		if d := diff(k.numbered(k.full(i), id, 1), get(t, r, id)); d != "" {
			t.Errorf("Get(%q): %s", id, d)
		}
		if _, err := r.Revision(t.Context(), id, 1); err != nil {
			t.Errorf("Revision of %q: %v", id, err)
		}
	}
}

func deleteMoved[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	first := put(t, r, id, nil, k.full(1))
	second := put(t, r, id, first, k.full(2))
	for _, expect := range []int{0, 1, 3} {
		wantStale(t, fmt.Sprintf("Delete at %d", expect), r.Delete(t.Context(), id, expect, nil), true)
	}
	if d := diff(second, get(t, r, id)); d != "" {
		t.Errorf("Get: %s", d)
	}
}

func deleteGuarded[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	first := put(t, r, id, nil, k.full(1))
	put(t, r, k.id(1), nil, k.full(2))
	wantStale(t, "Delete under a guard that moved", r.Delete(t.Context(), id, 1, []store.Guard{store.RowGuard(k.id(1), 2)}), false)
	if d := diff(first, get(t, r, id)); d != "" {
		t.Errorf("Get: %s", d)
	}
	if err := r.Delete(t.Context(), id, 1, []store.Guard{store.RowGuard(k.id(1), 1), store.RowGuard(k.id(2), 0)}); err != nil {
		t.Errorf("Delete under guards that hold: %v", err)
	}
}

func deleteMissing[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	put(t, r, k.id(0), nil, k.full(1))
	wantError(t, "Delete of nothing", r.Delete(t.Context(), k.id(1), 1, nil), store.ErrNotFound)
	if err := r.Delete(t.Context(), revision.Key(k.id(0), 1), 1, nil); err == nil {
		t.Error("Delete of a history key: no error")
	}
	if err := r.Delete(t.Context(), k.id(0), 1, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantError(t, "second Delete", r.Delete(t.Context(), k.id(0), 1, nil), store.ErrNotFound)
}

func deleteAndCreate[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	first := put(t, r, id, nil, k.full(1))
	put(t, r, id, first, k.full(2))
	if err := r.Delete(t.Context(), id, 2, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	put(t, r, id, nil, k.full(3))
	if d := diff(k.numbered(k.full(3), id, 1), get(t, r, id)); d != "" {
		t.Errorf("Get: %s", d)
	}
	slice, err := r.History(t.Context(), id, revision.Page{})
	if err != nil {
		t.Fatalf("History: %v", err)
	}
	if d := diff([]int{1}, k.numbers(slice.Items)); d != "" {
		t.Errorf("History: %s", d)
	}
}

func deleteNoOrphan[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	first := put(t, r, id, nil, k.full(1))
	put(t, r, id, first, k.full(2))
	wantError(t, "DeleteOrphans", r.DeleteOrphans(t.Context(), id, []int{1, 2}), store.ErrStale)
	for n := 1; n <= 2; n++ {
		if _, err := r.Revision(t.Context(), id, n); err != nil {
			t.Errorf("Revision %d afterwards: %v", n, err)
		}
	}
	if err := r.DeleteOrphans(t.Context(), k.id(1), []int{1, 2}); err != nil {
		t.Errorf("of an id that nothing stands under: %v", err)
	}
}
