package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

var mappingTests = []test{
	{"names the services that map a credential, sorted", mappingNames},
	{"counts up with every change and stands still without one", mappingVersions},
	{"follows a service that maps, unmaps and is deleted", mappingFollows},
	{"is kept for credentials and blind credentials alike", mappingBothNouns},
	{"is not changed by a refused write", mappingRefused},
	{"follows an imported service", mappingImported},
	{"goes with its credential", mappingGoesWithCredential},
	{"of a service that maps much changes at most so much at once", mappingLimit},
	{"and guards share the room of one write", mappingAndGuards},
	{"takes many services that map one credential at once", mappingContention},
	{"takes services that map and unmap at once", mappingChurn},
}

// mapping returns a mapping document; an absent one is empty, at version 0.
func mapping(t *testing.T, st store.Store, id string) (services []string, version int) {
	t.Helper()
	doc, err := st.Documents().Get(t.Context(), store.KindMapping, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0
	}
	if err != nil {
		t.Fatalf("reading the mapping of %q: %v", id, err)
	}
	var m store.Mapping
	if err := json.Unmarshal(doc.Body, &m); err != nil {
		t.Fatalf("the mapping of %q: %v", id, err)
	}
	if doc.Kind != store.KindMapping || doc.ID != id || doc.Version < 1 {
		t.Errorf("the mapping of %q is %+v, want its kind, id and a version", id, *doc)
	}
	return m.Services, doc.Version
}

func wantMapping(t *testing.T, st store.Store, want map[string][]string) {
	t.Helper()
	for id, services := range want {
		got, _ := mapping(t, st, id)
		if d := diff(services, got); d != "" {
			t.Errorf("the services that map %q: %s", id, d)
		}
	}
}

// mapped returns the n-th bare service with what it maps.
func mapped(n int, credentials, blinds []string) *service.Service {
	s := services().bare(n)
	s.Credentials, s.BlindCredentials = credentials, blinds
	return s
}

func mappingNames(t *testing.T, _ suite, st store.Store) {
	c1, c2 := hexID(0xc0, 1), hexID(0xc0, 2)
	for i, id := range []string{"zulu", "ärger", "Alpha", "b/c d"} {
		put(t, st.Services(), id, nil, mapped(i, []string{c1}, nil))
	}
	put(t, st.Services(), "other", nil, mapped(9, []string{c2}, nil))
	wantMapping(t, st, map[string][]string{c1: {"Alpha", "b/c d", "zulu", "ärger"}, c2: {"other"}, hexID(0xc0, 3): nil})
}

func mappingVersions(t *testing.T, _ suite, st store.Store) {
	c1 := hexID(0xc0, 1)
	r := st.Services()
	_, v0 := mapping(t, st, c1)
	one := put(t, r, "one", nil, mapped(1, []string{c1}, nil))
	_, v1 := mapping(t, st, c1)
	one = put(t, r, "one", one, mapped(2, []string{c1}, nil))
	_, same := mapping(t, st, c1)
	one = put(t, r, "one", one, mapped(3, nil, nil))
	_, v2 := mapping(t, st, c1)
	put(t, r, "one", one, mapped(4, []string{c1}, nil))
	_, v3 := mapping(t, st, c1)
	if v0 != 0 || v1 <= v0 || same != v1 || v2 <= v1 || v3 <= v2 {
		t.Errorf("versions: never mapped %d, mapped %d, unchanged %d, unmapped %d, mapped again %d; want each change to count up",
			v0, v1, same, v2, v3)
	}
}

func mappingFollows(t *testing.T, _ suite, st store.Store) {
	c1, c2, c3 := hexID(0xc0, 1), hexID(0xc0, 2), hexID(0xc0, 3)
	r := st.Services()
	one := put(t, r, "one", nil, mapped(1, []string{c1, c2}, nil))
	two := put(t, r, "two", nil, mapped(2, []string{c2}, nil))
	one = put(t, r, "one", one, mapped(3, []string{c2, c3}, nil))
	wantMapping(t, st, map[string][]string{c1: nil, c2: {"one", "two"}, c3: {"one"}})
	// Between several rows of one write only the last decides.
	one = put(t, r, "one", one, mapped(4, []string{c1}, nil), mapped(5, []string{c3}, nil))
	wantMapping(t, st, map[string][]string{c1: nil, c2: {"two"}, c3: {"one"}})
	if err := r.Delete(t.Context(), "two", two.Revision, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if err := r.Delete(t.Context(), "one", one.Revision, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantMapping(t, st, map[string][]string{c1: nil, c2: nil, c3: nil})
}

func mappingBothNouns(t *testing.T, _ suite, st store.Store) {
	c1, b1 := hexID(0xc0, 1), hexID(0xb0, 1)
	one := put(t, st.Services(), "one", nil, mapped(1, []string{c1}, []string{b1}))
	wantMapping(t, st, map[string][]string{c1: {"one"}, b1: {"one"}})
	put(t, st.Services(), "one", one, mapped(2, []string{c1}, nil))
	wantMapping(t, st, map[string][]string{c1: {"one"}, b1: nil})
}

func mappingRefused(t *testing.T, _ suite, st store.Store) {
	c1, c2 := hexID(0xc0, 1), hexID(0xc0, 2)
	r := st.Services()
	one := put(t, r, "one", nil, mapped(1, []string{c1}, nil))
	_, before := mapping(t, st, c1)
	_, err := r.Append(t.Context(), store.Write[service.Service]{
		ID: "one", Previous: one, Rows: []*service.Service{mapped(2, []string{c2}, nil)}, Guards: []store.Guard{store.RowGuard("gone", 1)},
	})
	wantStale(t, "Append", err, false)
	wantMapping(t, st, map[string][]string{c1: {"one"}, c2: nil})
	if _, after := mapping(t, st, c1); after != before {
		t.Errorf("the version moved from %d to %d", before, after)
	}
}

func mappingImported(t *testing.T, _ suite, st store.Store) {
	k := services()
	ids := make([]string, 120) // more than one write of a service may change
	want := map[string][]string{}
	for i := range ids {
		ids[i] = hexID(0xc0, i)
		want[ids[i]] = []string{"one"}
	}
	row := k.numbered(mapped(1, ids, nil), "one", 1)
	importing(t, st.Services(), row, []*service.Service{row})
	wantMapping(t, st, want)
}

func mappingGoesWithCredential(t *testing.T, _ suite, st store.Store) {
	c1 := hexID(0xc0, 1)
	put(t, st.Credentials(), c1, nil, credentials().full(1))
	one := put(t, st.Services(), "one", nil, mapped(1, []string{c1}, nil))
	put(t, st.Services(), "one", one, mapped(2, nil, nil))
	_, version := mapping(t, st, c1)
	if err := st.Credentials().Delete(t.Context(), c1, 1, []store.Guard{store.DocumentGuard(store.KindMapping, c1, version)}); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if _, err := st.Documents().Get(t.Context(), store.KindMapping, c1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the mapping of a deleted credential: %v, want %v", err, store.ErrNotFound)
	}
}

func mappingLimit(t *testing.T, _ suite, st store.Store) {
	r := st.Services()
	ids := make([]string, store.MaxMappingChanges+1)
	for i := range ids {
		ids[i] = hexID(0xc0, i)
	}
	half := len(ids) / 2
	blinds := slices.Clone(ids[half:])
	_, err := r.Append(t.Context(), store.Write[service.Service]{ID: "one", Rows: []*service.Service{mapped(1, ids[:half], blinds)}})
	wantError(t, "mapping too much at once", err, store.ErrTooLarge)
	_, err = r.Get(t.Context(), "one")
	wantError(t, "Get", err, store.ErrNotFound)
	one := put(t, r, "one", nil, mapped(1, ids[1:], nil))
	// A service may map more than that, in steps.
	one = put(t, r, "one", one, mapped(2, ids, nil))
	_, err = r.Append(t.Context(), store.Write[service.Service]{ID: "one", Previous: one, Rows: []*service.Service{mapped(3, nil, nil)}})
	wantError(t, "unmapping too much at once", err, store.ErrTooLarge)
	put(t, r, "one", one, mapped(4, ids[:1], nil))
}

func mappingAndGuards(t *testing.T, _ suite, st store.Store) {
	var (
		ids    []string
		guards []store.Guard
	)
	for i := range store.MaxGuards / 2 {
		ids = append(ids, hexID(0xc0, i))
		guards = append(guards, store.RowGuard(hexID(0xc1, i), 0))
	}
	write := store.Write[service.Service]{
		ID: "one", Rows: []*service.Service{mapped(1, ids, nil)}, Guards: append(guards, store.RowGuard("two", 0)),
	}
	_, err := st.Services().Append(t.Context(), write)
	wantError(t, "one guard too many beside mapping changes", err, store.ErrTooLarge)
	write.Guards = guards
	if _, err := st.Services().Append(t.Context(), write); err != nil {
		t.Errorf("guards and mapping changes that fit together: %v", err)
	}
}

func mappingContention(t *testing.T, _ suite, st store.Store) {
	const writers = 16
	c1, c2 := hexID(0xc0, 1), hexID(0xc0, 2)
	var (
		want []string
		wg   sync.WaitGroup
	)
	for i := range writers {
		id := fmt.Sprintf("service%02d", i)
		want = append(want, id)
		wg.Go(func() {
			_, err := st.Services().Append(t.Context(), store.Write[service.Service]{ID: id, Rows: []*service.Service{mapped(i, []string{c1, c2}, nil)}})
			if err != nil {
				t.Errorf("Append(%q): %v", id, err)
			}
		})
	}
	wg.Wait()
	wantMapping(t, st, map[string][]string{c1: want, c2: want})
}

func mappingChurn(t *testing.T, _ suite, st store.Store) {
	const writers, rounds = 8, 6
	c1 := hexID(0xc0, 1)
	var (
		want []string
		wg   sync.WaitGroup
	)
	for i := range writers {
		id := fmt.Sprintf("service%02d", i)
		if i%2 == 0 {
			want = append(want, id)
		}
		wg.Go(func() {
			var previous *service.Service
			for n := range rounds {
				row := mapped(100*i+n, nil, nil)
				if (i+n)%2 == 1 { // an even service ends mapped, an odd one not
					row.Credentials = []string{c1}
				}
				stored, err := st.Services().Append(t.Context(), store.Write[service.Service]{ID: id, Previous: previous, Rows: []*service.Service{row}})
				if err != nil {
					t.Errorf("Append(%q): %v", id, err)
					return
				}
				previous = stored[0]
			}
		})
	}
	wg.Wait()
	wantMapping(t, st, map[string][]string{c1: want})
}
