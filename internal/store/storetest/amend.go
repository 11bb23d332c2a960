package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/store"
)

func amendRules[T any]() []rule[T] {
	return []rule[T]{
		{"changes both copies of the current row", amendCurrent[T]},
		{"changes a historic row alone", amendHistoric[T]},
		{"a change that returns false changes nothing", amendNothing[T]},
		{"a revision that does not exist is not found", amendMissing[T]},
		{"the change works on a clone", amendClone[T]},
		{"a row beyond the limit is too large", amendTooLarge[T]},
		{"beside appends leaves both copies alike", amendBesideAppends[T]},
	}
}

func amend[T any](t *testing.T, r store.Revisions[T], id string, n int, change func(*T) bool) {
	t.Helper()
	if err := r.Amend(t.Context(), id, n, change); err != nil {
		t.Fatalf("Amend(%q, %d): %v", id, n, err)
	}
}

func amendCurrent[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	first := put(t, r, id, nil, k.full(1))
	put(t, r, id, first, k.full(2))
	amend(t, r, id, 2, func(v *T) bool { k.mention(v); return true })
	want := k.numbered(k.full(2), id, 2)
	k.mention(want)
	if d := diff(want, get(t, r, id)); d != "" {
		t.Errorf("Get: %s", d)
	}
	for n, want := range map[int]*T{2: k.historic(want), 1: k.historic(first)} {
		got, err := r.Revision(t.Context(), id, n)
		if err != nil {
			t.Fatalf("Revision %d: %v", n, err)
		}
		if d := diff(want, got); d != "" {
			t.Errorf("Revision %d: %s", n, d)
		}
	}
}

func amendHistoric[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	first := put(t, r, id, nil, k.full(1))
	second := put(t, r, id, first, k.full(2))
	amend(t, r, id, 1, func(v *T) bool { k.mention(v); return true })
	want := k.historic(first)
	k.mention(want)
	got, err := r.Revision(t.Context(), id, 1)
	if err != nil {
		t.Fatalf("Revision: %v", err)
	}
	if d := diff(want, got); d != "" {
		t.Errorf("Revision: %s", d)
	}
	if d := diff(second, get(t, r, id)); d != "" {
		t.Errorf("the current row changed with a historic one: %s", d)
	}
}

func amendNothing[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	first := put(t, r, id, nil, k.full(1))
	amend(t, r, id, 1, func(v *T) bool { k.mention(v); return false })
	if d := diff(first, get(t, r, id)); d != "" {
		t.Error(d)
	}
}

func amendMissing[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	put(t, r, k.id(0), nil, k.full(1))
	for _, ask := range []struct {
		id string
		n  int
	}{{k.id(0), 2}, {k.id(0), 0}, {k.id(1), 1}} {
		err := r.Amend(t.Context(), ask.id, ask.n, func(v *T) bool { k.mention(v); return true })
		wantError(t, fmt.Sprintf("Amend(%q, %d)", ask.id, ask.n), err, store.ErrNotFound)
	}
}

func amendClone[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	first := put(t, r, id, nil, k.full(1))
	want := k.clone(first)
	amend(t, r, id, 1, func(v *T) bool { k.mention(v); return true })
	if d := diff(want, first); d != "" {
		t.Errorf("a row that was handed out changed: %s", d)
	}
}

func amendTooLarge[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	first := put(t, r, id, nil, k.full(1))
	err := r.Amend(t.Context(), id, 1, func(v *T) bool { k.grow(v, store.MaxRowBytes); return true })
	wantError(t, "Amend beyond the limit", err, store.ErrTooLarge)
	if d := diff(first, get(t, r, id)); d != "" {
		t.Errorf("the refused change changed the row: %s", d)
	}
}

func amendBesideAppends[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r, id := k.of(st), k.id(0)
	put(t, r, id, nil, k.full(1))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				v, err := r.Get(t.Context(), id)
				if err == nil {
					err = r.Amend(t.Context(), id, k.meta(v).Revision, func(v *T) bool { k.mention(v); return true })
				}
				if err != nil {
					t.Errorf("Amend beside appends: %v", err)
				}
			}
		})
	}
	wg.Go(func() {
		for n := 2; n <= 6; {
			v, err := r.Get(t.Context(), id)
			if err == nil {
				_, err = r.Append(t.Context(), store.Write[T]{ID: id, Previous: v, Rows: []*T{k.full(n)}})
			}
			if err != nil && !errors.Is(err, store.ErrStale) {
				t.Errorf("Append beside amendments: %v", err)
				return
			}
			if err == nil {
				n++
			}
		}
	})
	wg.Wait()
	current := get(t, r, id)
	history, err := r.Revision(t.Context(), id, k.meta(current).Revision)
	if err != nil {
		t.Fatalf("Revision: %v", err)
	}
	if d := diff(k.historic(current), history); d != "" {
		t.Errorf("the current row and its copy in history differ: %s", d)
	}
}

var headTests = []test{
	{"comes with the last row and stands outside history", headOutsideHistory},
	{"is amended alone", headAmended},
	{"that moved makes a write stale", headMoved},
	{"amendments at once are all kept", headContention},
	{"and other amended parts are no other content to an import", importAmended},
}

func headOutsideHistory(t *testing.T, _ suite, st store.Store) {
	k, r := credentials(), st.Credentials()
	first := put(t, r, k.id(0), nil, k.full(1), k.full(2))
	if d := diff(k.full(2).Head, first.Head); d != "" {
		t.Errorf("the head after Append: %s", d)
	}
	for n := 1; n <= 2; n++ {
		got, err := r.Revision(t.Context(), k.id(0), n)
		if err != nil {
			t.Fatalf("Revision %d: %v", n, err)
		}
		if d := diff(credential.Head{}, got.Head); d != "" {
			t.Errorf("revision %d has a head: %s", n, d)
		}
	}
	second := put(t, r, k.id(0), first, k.bare(3))
	if d := diff(credential.Head{}, second.Head); d != "" {
		t.Errorf("the head after a row without one: %s", d)
	}
	if d := diff(credential.Head{}, get(t, r, k.id(0)).Head); d != "" {
		t.Errorf("the head read after a row without one: %s", d)
	}
}

func headAmended(t *testing.T, _ suite, st store.Store) {
	k, r := credentials(), st.Credentials()
	put(t, r, k.id(0), nil, k.full(1))
	want := k.numbered(k.full(1), k.id(0), 1)
	change := func(c *credential.Credential) bool {
		c.Head = credential.Head{Stages: map[string]string{"AWSPENDING": "x"}}
		return true
	}
	change(want)
	amend(t, r, k.id(0), 1, change)
	if d := diff(want, get(t, r, k.id(0))); d != "" {
		t.Errorf("Get: %s", d)
	}
	got, err := r.Revision(t.Context(), k.id(0), 1)
	if err != nil {
		t.Fatalf("Revision: %v", err)
	}
	if d := diff(k.historic(want), got); d != "" {
		t.Errorf("Revision: %s", d)
	}
}

func headMoved(t *testing.T, _ suite, st store.Store) {
	k, r := credentials(), st.Credentials()
	first := put(t, r, k.id(0), nil, k.full(1))
	amend(t, r, k.id(0), 1, func(c *credential.Credential) bool { c.Head.Stages["AWSPENDING"] = "x"; return true })
	_, err := r.Append(t.Context(), store.Write[credential.Credential]{ID: k.id(0), Previous: first, Rows: []*credential.Credential{k.full(2)}})
	wantStale(t, "Append after the head moved", err, true)
	put(t, r, k.id(0), get(t, r, k.id(0)), k.full(2))
}

func headContention(t *testing.T, _ suite, st store.Store) {
	k, r := credentials(), st.Credentials()
	put(t, r, k.id(0), nil, k.bare(1))
	want := map[string]string{}
	var wg sync.WaitGroup
	for i := range 16 {
		label := fmt.Sprintf("label-%d", i)
		want[label] = "v"
		wg.Go(func() {
			err := r.Amend(t.Context(), k.id(0), 1, func(c *credential.Credential) bool {
				// The historic copy has no head, whatever is put into it.
				if c.Head.Stages == nil {
					c.Head.Stages = map[string]string{}
				}
				c.Head.Stages[label] = "v"
				return true
			})
			if err != nil {
				t.Errorf("Amend: %v", err)
			}
		})
	}
	wg.Wait()
	if d := diff(want, get(t, r, k.id(0)).Head.Stages); d != "" {
		t.Errorf("labels set at once: %s", d)
	}
}

func importAmended(t *testing.T, _ suite, st store.Store) {
	k, r := credentials(), st.Credentials()
	id := k.id(0)
	current, history := k.numbered(k.full(2), id, 2), k.history(id, 1, 2)
	history[0].KeyNames = nil
	importing(t, r, current, history)
	for n := 1; n <= 2; n++ {
		amend(t, r, id, n, func(c *credential.Credential) bool {
			c.LastDecrypted = moment(5000)
			c.KeyNames = []string{"filled", "later"}
			c.Head.LastAccessed = moment(6000)
			return true
		})
	}
	wantReport(t, importing(t, r, current, history), store.ImportReport{Same: append(keys(id, 1, 2), id)})
	if got := get(t, r, id).LastDecrypted; !got.Equal(moment(5000)) {
		t.Errorf("the import put the last decryption back to %v", got)
	}
}
