package storetest

import (
	"testing"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

func appendRules[T any]() []rule[T] {
	return []rule[T]{
		{"revisions count up from one", countsUp[T]},
		{"several rows are appended in order, the last becoming current", severalRows[T]},
		{"numbers that are taken are skipped", skipsTaken[T]},
		{"a row that moved is stale", movedIsStale[T]},
		{"a row must not exist without a previous one", existingIsStale[T]},
		{"a row that is gone is stale", goneIsStale[T]},
		{"a history key is no id", historyKeyIsNoID[T]},
		{"a row beyond the limit is too large", rowTooLarge[T]},
		{"more rows than the limit are too many, none are refused", rowCount[T]},
		{"guards that hold let the write through", guardsHold[T]},
		{"a guard that moved makes the write stale", guardMoved[T]},
		{"more guards than the limit are too many", tooManyGuards[T]},
		{"a refused write leaves nothing behind", refusedLeavesNothing[T]},
	}
}

func countsUp[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	var previous *T
	for n := 1; n <= 12; n++ {
		previous = put(t, k.of(st), k.id(0), previous, k.full(n))
		if got := k.meta(previous).Revision; got != n {
			t.Fatalf("append %d is numbered %d, want %d", n, got, n)
		}
	}
}

func severalRows[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	id := k.id(0)
	rows := []*T{k.full(1), k.full(2), k.full(3)}
	stored, err := k.of(st).Append(t.Context(), store.Write[T]{ID: id, Rows: rows})
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	want := []*T{k.historic(k.numbered(rows[0], id, 1)), k.historic(k.numbered(rows[1], id, 2)), k.numbered(rows[2], id, 3)}
	if d := diff(want, stored); d != "" {
		t.Errorf("Append: %s", d)
	}
	if d := diff(want[2], get(t, k.of(st), id)); d != "" {
		t.Errorf("Get: %s", d)
	}
	for n := 1; n <= 3; n++ {
		got, err := k.of(st).Revision(t.Context(), id, n)
		if err != nil {
			t.Fatalf("Revision %d: %v", n, err)
		}
		if d := diff(k.historic(k.numbered(rows[n-1], id, n)), got); d != "" {
			t.Errorf("Revision %d: %s", n, d)
		}
	}
}

// skipsTaken leaves history above the current row, as an older writer does that
// dies between its two puts.
func skipsTaken[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	id := k.id(0)
	history := k.history(id, 1, 4)
	history = append(history[:1], history[2:]...) // 1, 3, 4
	if _, err := k.of(st).Import(t.Context(), k.numbered(k.full(1), id, 1), history); err != nil {
		t.Fatalf("Import: %v", err)
	}
	stored, err := k.of(st).Append(t.Context(), store.Write[T]{
		ID: id, Previous: get(t, k.of(st), id), Rows: []*T{k.full(11), k.full(12), k.full(13)},
	})
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	if d := diff([]int{2, 5, 6}, k.numbers(stored)); d != "" {
		t.Errorf("numbers beside history 1, 3 and 4: %s", d)
	}
	if d := diff(k.numbered(k.full(13), id, 6), get(t, k.of(st), id)); d != "" {
		t.Errorf("Get: %s", d)
	}
	third, err := k.of(st).Revision(t.Context(), id, 3)
	if err != nil {
		t.Fatalf("Revision 3: %v", err)
	}
	if d := diff(k.historic(k.numbered(k.full(3), id, 3)), third); d != "" {
		t.Errorf("the row whose number was skipped changed: %s", d)
	}
}

func movedIsStale[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	id := k.id(0)
	first := put(t, k.of(st), id, nil, k.full(1))
	second := put(t, k.of(st), id, first, k.full(2))
	_, err := k.of(st).Append(t.Context(), store.Write[T]{ID: id, Previous: first, Rows: []*T{k.full(3)}})
	wantStale(t, "Append behind revision 1 of 2", err, true)
	if d := diff(second, get(t, k.of(st), id)); d != "" {
		t.Errorf("the stale write changed the row: %s", d)
	}
}

func existingIsStale[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	id := k.id(0)
	first := put(t, k.of(st), id, nil, k.full(1))
	_, err := k.of(st).Append(t.Context(), store.Write[T]{ID: id, Rows: []*T{k.full(2)}})
	wantStale(t, "Append of a new row on an existing one", err, true)
	if d := diff(first, get(t, k.of(st), id)); d != "" {
		t.Errorf("the stale write changed the row: %s", d)
	}
}

func goneIsStale[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	id := k.id(0)
	first := put(t, k.of(st), id, nil, k.full(1))
	if err := k.of(st).Delete(t.Context(), id, 1, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	_, err := k.of(st).Append(t.Context(), store.Write[T]{ID: id, Previous: first, Rows: []*T{k.full(2)}})
	wantStale(t, "Append behind a deleted row", err, true)
	_, err = k.of(st).Get(t.Context(), id)
	wantError(t, "Get after the stale write", err, store.ErrNotFound)
}

func historyKeyIsNoID[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	put(t, k.of(st), k.id(0), nil, k.full(1))
	id := revision.Key(k.id(0), 1)
	_, err := k.of(st).Append(t.Context(), store.Write[T]{ID: id, Rows: []*T{k.full(2)}})
	wantError(t, "Append under a history key", err, store.ErrTaken)
}

func rowTooLarge[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	_, err := r.Append(t.Context(), store.Write[T]{ID: k.id(0), Rows: []*T{k.grown(9, store.MaxRowBytes)}})
	wantError(t, "Append of a row beyond the limit", err, store.ErrTooLarge)
	_, err = r.Get(t.Context(), k.id(0))
	wantError(t, "Get of the refused row", err, store.ErrNotFound)

	row := k.grown(8, store.MaxRowBytes-8<<10)
	put(t, r, k.id(1), nil, row)
	if d := diff(k.numbered(row, k.id(1), 1), get(t, r, k.id(1))); d != "" {
		t.Error("a row just below the limit does not come back as it was")
	}
}

func rowCount[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	rows := make([]*T, store.MaxRows+1)
	for i := range rows {
		rows[i] = k.full(i)
	}
	_, err := k.of(st).Append(t.Context(), store.Write[T]{ID: k.id(0), Rows: rows})
	wantError(t, "Append of too many rows", err, store.ErrTooLarge)
	if _, err = k.of(st).Append(t.Context(), store.Write[T]{ID: k.id(0)}); err == nil {
		t.Error("Append without rows: no error")
	}
	put(t, k.of(st), k.id(0), nil, rows[1:]...)
}

func guardsHold[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	// Those that stand are of the archive too when k is: a guard looks into the
	// key space of the row it guards.
	var guards []store.Guard
	for i := range 3 {
		put(t, k.of(st), k.id(i), nil, k.full(i))
		guards = append(guards, store.RowGuard(k.id(i), 1))
	}
	guards = append(guards, store.RowGuard(k.id(100), 0))
	_, err := k.of(st).Append(t.Context(), store.Write[T]{ID: k.id(50), Rows: []*T{k.full(50)}, Guards: guards})
	if err != nil {
		t.Errorf("Append under guards that hold: %v", err)
	}
}

func guardMoved[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	other := put(t, r, k.id(0), nil, k.full(0))
	put(t, r, k.id(0), other, k.full(1))
	put(t, r, k.id(1), nil, k.full(2))
	first := put(t, r, k.id(2), nil, k.full(3))
	for what, guard := range map[string]store.Guard{
		"moved":                    store.RowGuard(k.id(0), 1),
		"at a revision to come":    store.RowGuard(k.id(1), 2),
		"gone":                     store.RowGuard(k.id(100), 1),
		"there that should not be": store.RowGuard(k.id(1), 0),
	} {
		guards := []store.Guard{store.RowGuard(k.id(100), 0), guard}
		_, err := r.Append(t.Context(), store.Write[T]{ID: k.id(2), Previous: first, Rows: []*T{k.full(4)}, Guards: guards})
		wantStale(t, "a guard on a row that is "+what, err, false)
	}
	if d := diff(first, get(t, r, k.id(2))); d != "" {
		t.Errorf("stale writes changed the row: %s", d)
	}
}

func tooManyGuards[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	var guards []store.Guard
	for i := range store.MaxGuards + 1 {
		guards = append(guards, store.RowGuard(k.id(1000+i), 0))
	}
	row := k.bare(1)
	_, err := k.of(st).Append(t.Context(), store.Write[T]{ID: k.id(0), Rows: []*T{row}, Guards: guards})
	wantError(t, "Append under too many guards", err, store.ErrTooLarge)
	_, err = k.of(st).Append(t.Context(), store.Write[T]{ID: k.id(0), Rows: []*T{row}, Guards: guards[1:]})
	if err != nil {
		t.Errorf("Append under as many guards as allowed: %v", err)
	}
}

func refusedLeavesNothing[T any](t *testing.T, s suite, k kind[T], st store.Store) {
	r := k.of(st)
	rows := []*T{k.full(1), k.full(2)}
	_, err := r.Append(t.Context(), store.Write[T]{ID: k.id(0), Rows: rows, Guards: []store.Guard{store.RowGuard("gone", 1)}})
	wantStale(t, "Append under a guard that does not hold", err, false)
	_, err = r.Append(t.Context(), store.Write[T]{ID: k.id(0), Rows: []*T{k.full(1), k.grown(9, store.MaxRowBytes)}})
	wantError(t, "Append whose last row is too large", err, store.ErrTooLarge)
	_, err = r.Append(t.Context(), store.Write[T]{ID: k.id(0), Rows: []*T{k.grown(9, store.MaxRowBytes), k.full(1)}})
	wantError(t, "Append whose first row is too large", err, store.ErrTooLarge)
	_, err = r.Get(t.Context(), k.id(0))
	wantError(t, "Get", err, store.ErrNotFound)
	_, err = r.Revision(t.Context(), k.id(0), 1)
	wantError(t, "Revision", err, store.ErrNotFound)
	if stored := put(t, r, k.id(0), nil, rows...); k.meta(stored).Revision != 2 {
		t.Errorf("two rows after refused writes end at revision %d, want 2", k.meta(stored).Revision)
	}
}
