package storetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

var dataKeyTests = []test{
	{"of every row of credentials are replaced, and nothing else", rewrapAll},
	{"are left alone where the change returns none", rewrapNone},
	{"of many rows are replaced in batches", rewrapMany},
	{"are replaced up to the batch in hand when the context ends", rewrapCancelled},
}

// again is the change of these tests: it turns a key round.
func again(k store.WrappedKey) []byte {
	wrapped := bytes.Clone(k.Wrapped)
	slices.Reverse(wrapped)
	return wrapped
}

func rewrapAll(t *testing.T, s suite, st store.Store) {
	k, b, r := credentials(), blindCredentials(), st.Credentials()
	id, twin := k.id(0), k.id(1)
	first := put(t, r, id, nil, k.full(1))
	second := put(t, r, id, first, k.full(2))
	unsealed := k.bare(3)
	unsealed.Sealed.DataKey = nil
	unsealed = put(t, r, twin, nil, unsealed)
	blind := put(t, st.BlindCredentials(), b.id(0), nil, b.full(1))
	get(t, r, id) // it may be in memory now
	want := map[string]int{revision.Key(id, 1): 0, revision.Key(id, 2): 0}
	archive := st.ArchivedCredentials()
	archived := k.numbered(k.full(4), k.id(2), 1)
	if archive != nil {
		importing(t, archive, archived, []*credential.Credential{k.historic(archived)})
		want[revision.Key(archived.ID, 1)] = 0
	}

	told := 0
	report, err := st.RewrapDataKeys(t.Context(), func(w store.WrappedKey) []byte {
		base, _, historic := revision.Split(w.Key)
		if historic {
			want[w.Key]++
		} else {
			base = w.Key
		}
		if base != w.ID || w.Archived != (w.ID == archived.ID) {
			t.Errorf("visited %+v", w)
		}
		return again(w)
	}, func(visited, _ int) { told = visited })
	if err != nil {
		t.Fatal(err)
	}
	for key, n := range want {
		if n != 1 {
			t.Errorf("%s was visited %d times, want once: %v", key, n, want)
		}
	}
	if report.Visited != told || report.Changed != report.Visited || told < len(want) {
		t.Errorf("%+v, told of %d; want %d or more, all of them changed", report, told, len(want))
	}
	turned := func(c *credential.Credential) *credential.Credential {
		c = k.clone(c)
		slices.Reverse(c.Sealed.DataKey)
		return c
	}
	if d := diff(turned(second), get(t, r, id)); d != "" {
		t.Errorf("the current row: %s", d)
	}
	for n, row := range []*credential.Credential{first, second} {
		got, err := r.Revision(t.Context(), id, n+1)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(k.historic(turned(row)), got); d != "" {
			t.Errorf("revision %d: %s", n+1, d)
		}
	}
	if d := diff(unsealed, get(t, r, twin)); d != "" {
		t.Errorf("a row without a data key: %s", d)
	}
	if d := diff(blind, get(t, st.BlindCredentials(), b.id(0))); d != "" {
		t.Errorf("a blind credential: %s", d)
	}
	if archive != nil {
		if d := diff(turned(archived), get(t, archive, archived.ID)); d != "" {
			t.Errorf("an archived row: %s", d)
		}
	}
	put(t, r, id, get(t, r, id), k.full(5)) // nothing is stale
}

func rewrapNone(t *testing.T, _ suite, st store.Store) {
	k := credentials()
	row := put(t, st.Credentials(), k.id(0), nil, k.full(1))
	report, err := st.RewrapDataKeys(t.Context(), func(store.WrappedKey) []byte { return nil }, func(int, int) {})
	if err != nil || report.Changed != 0 || report.Visited == 0 {
		t.Errorf("%+v, %v; want rows visited and none changed", report, err)
	}
	if d := diff(row, get(t, st.Credentials(), k.id(0))); d != "" {
		t.Error(d)
	}
}

// seedMany imports a credential of n revisions.
func seedMany(t *testing.T, st store.Store, n int) string {
	t.Helper()
	k, id := credentials(), hexID(0xc0, 7)
	history := k.history(id, 1, n)
	for _, row := range history {
		row.Name = "the same"
	}
	current := k.clone(history[n-1])
	importing(t, st.Credentials(), current, history)
	return id
}

func rewrapMany(t *testing.T, _ suite, st store.Store) {
	const manyRows = 620 // more than one batch of any store
	id := seedMany(t, st, manyRows)
	wanted, err := st.Credentials().History(t.Context(), id, revision.Page{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.RewrapDataKeys(t.Context(), again, func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	got, err := st.Credentials().History(t.Context(), id, revision.Page{})
	if err != nil || len(got.Items) != manyRows {
		t.Fatalf("%d revisions, %v; want %d", len(got.Items), err, manyRows)
	}
	for i, row := range got.Items {
		key := again(store.WrappedKey{Wrapped: wanted.Items[i].Sealed.DataKey})
		if !bytes.Equal(row.Sealed.DataKey, key) {
			t.Errorf("revision %d has the data key %q, want %q", row.Revision, row.Sealed.DataKey, key)
		}
	}
}

func rewrapCancelled(t *testing.T, _ suite, st store.Store) {
	seedMany(t, st, 120)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changed := map[string]bool{}
	report, err := st.RewrapDataKeys(ctx, func(w store.WrappedKey) []byte {
		changed[w.Key] = true
		cancel()
		return again(w)
	}, func(int, int) {})
	// A store may take everything in one batch and see the end only after it.
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if report.Changed != len(changed) {
		t.Errorf("%+v, but %d keys were changed", report, len(changed))
	}
}
