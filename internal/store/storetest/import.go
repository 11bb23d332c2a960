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

func importRules[T any]() []rule[T] {
	return []rule[T]{
		{"puts back a resource under the caller's numbers", importWhole[T]},
		{"repeated, finds everything the same", importTwice[T]},
		{"cut short and repeated, ends complete", importCutShort[T]},
		{"reports rows of other content and leaves them alone", importDifferent[T]},
		{"a key that is taken writes nothing", importTaken[T]},
		{"takes a long history", importLong[T]},
		{"a newer row takes the place of an older current one", replaceCurrent[T]},
	}
}

// keys returns the keys of revisions of id.
func keys(id string, numbers ...int) []string {
	out := make([]string, len(numbers))
	for i, n := range numbers {
		out[i] = revision.Key(id, n)
	}
	return out
}

// sorted makes reports comparable: their order is the store's.
func sorted(r store.ImportReport) store.ImportReport {
	slices.Sort(r.Written)
	slices.Sort(r.Same)
	slices.Sort(r.Different)
	return r
}

func importing[T any](t *testing.T, r store.Revisions[T], current *T, history []*T) store.ImportReport {
	t.Helper()
	report, err := r.Import(t.Context(), current, history)
	if err != nil {
		t.Fatalf("Import: %v", err)
	}
	return sorted(report)
}

func wantReport(t *testing.T, got, want store.ImportReport) {
	t.Helper()
	if d := diff(sorted(want), got); d != "" {
		t.Errorf("import report: %s", d)
	}
}

func importWhole[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	history := []*T{
		k.historic(k.numbered(k.full(2), id, 2)), k.historic(k.numbered(k.bare(5), id, 5)), k.historic(k.numbered(k.full(7), id, 7)),
	}
	current := k.numbered(k.full(7), id, 7)
	wantReport(t, importing(t, r, current, history), store.ImportReport{Written: append(keys(id, 2, 5, 7), id)})
	if d := diff(current, get(t, r, id)); d != "" {
		t.Errorf("Get: %s", d)
	}
	slice, err := r.History(t.Context(), id, revision.Page{})
	if err != nil {
		t.Fatalf("History: %v", err)
	}
	slices.Reverse(history)
	if d := diff(history, slice.Items); d != "" {
		t.Errorf("History: %s", d)
	}
	if stored := put(t, r, id, get(t, r, id), k.full(8)); k.meta(stored).Revision != 8 {
		t.Errorf("the revision after an imported 7 is %d, want 8", k.meta(stored).Revision)
	}
}

func importTwice[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	current, history := k.numbered(k.full(3), id, 3), k.history(id, 1, 3)
	importing(t, r, current, history)
	wantReport(t, importing(t, r, current, history), store.ImportReport{Same: append(keys(id, 1, 2, 3), id)})
	if d := diff(current, get(t, r, id)); d != "" {
		t.Errorf("Get: %s", d)
	}
}

// importCutShort lets imports die at different points and then repeats them.
func importCutShort[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	current, history := k.numbered(k.full(150), id, 150), k.history(id, 1, 150)
	for i := range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*i)*300*time.Microsecond)
		_, err := r.Import(ctx, current, history)
		cancel()
		if err == nil {
			break
		}
		if _, err := r.Get(t.Context(), id); err == nil {
			// The current row comes last, so with it everything is there.
			wantReport(t, importing(t, r, current, history), store.ImportReport{Same: append(keys(id, k.numbers(history)...), id)})
		}
	}
	report := importing(t, r, current, history)
	if len(report.Different) > 0 || len(report.Written)+len(report.Same) != 151 {
		t.Errorf("the last import wrote %d, found %d the same and %q different; want 151 in all, none different",
			len(report.Written), len(report.Same), report.Different)
	}
	if d := diff(current, get(t, r, id)); d != "" {
		t.Errorf("Get: %s", d)
	}
	for _, want := range history {
		got, err := r.Revision(t.Context(), id, k.meta(want).Revision)
		if err != nil {
			t.Fatalf("Revision %d: %v", k.meta(want).Revision, err)
		}
		if d := diff(want, got); d != "" {
			t.Errorf("Revision %d: %s", k.meta(want).Revision, d)
		}
	}
}

func importDifferent[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	importing(t, r, k.numbered(k.full(2), id, 2), k.history(id, 1, 2))
	stored := get(t, r, id)
	other := k.history(id, 1, 4)
	other[1] = k.historic(k.numbered(k.full(20), id, 2))
	wantReport(t, importing(t, r, k.numbered(k.full(4), id, 4), other), store.ImportReport{
		Written: keys(id, 3, 4), Same: keys(id, 1), Different: append(keys(id, 2), id),
	})
	if d := diff(stored, get(t, r, id)); d != "" {
		t.Errorf("Get: %s", d)
	}
	second, err := r.Revision(t.Context(), id, 2)
	if err != nil {
		t.Fatalf("Revision: %v", err)
	}
	if d := diff(k.historic(stored), second); d != "" {
		t.Errorf("Revision 2: %s", d)
	}
}

func importTaken[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	// A thing of the same noun whose id is the key of revision 2 of the one to
	// come, and one whose history holds that one's id.
	taken := revision.Key("thing", 2)
	put(t, r, taken, nil, k.full(50))
	_, err := r.Import(t.Context(), k.numbered(k.full(3), "thing", 3), k.history("thing", 1, 3))
	wantTaken(t, "Import over a key of history that is an id", err, store.TakenError{Key: taken})
	_, err = r.Import(t.Context(), k.numbered(k.full(3), revision.Key(taken, 1), 1), k.history(revision.Key(taken, 1), 3, 1))
	wantTaken(t, "Import of an id that is a key of history", err, store.TakenError{Key: revision.Key(taken, 1)})
	for n := 1; n <= 3; n++ {
		_, err := r.Revision(t.Context(), "thing", n)
		wantError(t, fmt.Sprintf("Revision %d after a refused import", n), err, store.ErrNotFound)
	}
	_, err = r.Get(t.Context(), "thing")
	wantError(t, "Get after a refused import", err, store.ErrNotFound)
}

func importLong[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	report := importing(t, r, k.numbered(k.full(230), id, 230), k.history(id, 1, 230))
	if len(report.Written) != 231 {
		t.Errorf("%d rows were written, want 231", len(report.Written))
	}
	if err := r.Delete(t.Context(), id, 230, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	for _, n := range []int{1, 99, 100, 101, 229, 230} {
		_, err := r.Revision(t.Context(), id, n)
		wantError(t, fmt.Sprintf("Revision %d after Delete", n), err, store.ErrNotFound)
	}
}

func replaceCurrent[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	importing(t, r, k.numbered(k.full(2), id, 2), k.history(id, 1, 2))
	row := k.numbered(k.full(4), id, 4)
	importing(t, r, row, k.history(id, 1, 4))
	for _, expect := range []int{1, 3, 4} {
		wantStale(t, fmt.Sprintf("ReplaceCurrent at %d", expect), r.ReplaceCurrent(t.Context(), expect, row), true)
	}
	if err := r.ReplaceCurrent(t.Context(), 2, row); err != nil {
		t.Fatalf("ReplaceCurrent: %v", err)
	}
	if d := diff(row, get(t, r, id)); d != "" {
		t.Errorf("Get: %s", d)
	}
	slice, err := r.History(t.Context(), id, revision.Page{})
	if err != nil {
		t.Fatalf("History: %v", err)
	}
	if d := diff([]int{4, 3, 2, 1}, k.numbers(slice.Items)); d != "" {
		t.Errorf("History: %s", d)
	}
	wantReport(t, importing(t, r, row, k.history(id, 1, 4)), store.ImportReport{Same: append(keys(id, 1, 2, 3, 4), id)})
}
