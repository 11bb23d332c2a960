package storetest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

var guardTests = []test{
	{"on a document hold as long as its version stands", guardDocument},
	{"on a mapping close the race of mapping and changing", guardMapping},
	{"on a mapping close the race of mapping and deleting", guardMappingDelete},
	{"on a mapping hold for the service that changes it", guardOwnMapping},
	{"of two that guard each other at once not both go through", guardEachOther},
}

// guarded tries to create a credential under one guard.
func guarded(t *testing.T, st store.Store, id string, g store.Guard) error {
	t.Helper()
	row := credentials().bare(1)
	row.Name = id
	_, err := st.Credentials().Append(t.Context(), store.Write[credential.Credential]{
		ID: id, Rows: []*credential.Credential{row}, Guards: []store.Guard{g},
	})
	return err
}

func guardDocument(t *testing.T, _ suite, st store.Store) {
	d := store.Document{Kind: "policies", ID: "current", Body: json.RawMessage(`{}`)}
	for i, step := range []struct {
		what  string
		act   func() error
		guard int
		holds bool
	}{
		{"absent, guarded as absent", nil, 0, true},
		{"absent, guarded as present", nil, 1, false},
		{"created", func() error { _, err := st.Documents().Put(t.Context(), d, 0); return err }, 1, true},
		{"present, guarded as absent", nil, 0, false},
		{"changed", func() error { _, err := st.Documents().Put(t.Context(), d, 1); return err }, 1, false},
		{"at its new version", nil, 2, true},
		{"deleted", func() error { return st.Documents().Delete(t.Context(), "policies", "current", 2) }, 2, false},
		{"deleted, guarded as absent", nil, 0, true},
	} {
		if step.act != nil {
			if err := step.act(); err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
		}
		err := guarded(t, st, fmt.Sprintf("c%d", i), store.DocumentGuard("policies", "current", step.guard))
		if step.holds && err != nil {
			t.Errorf("a guard on a document that is %s: %v, want no error", step.what, err)
		}
		if !step.holds {
			wantStale(t, "a guard on a document that is "+step.what, err, false)
		}
	}
}

func guardMapping(t *testing.T, _ suite, st store.Store) {
	c1 := hexID(0xc0, 1)
	if err := guarded(t, st, "before", store.DocumentGuard(store.KindMapping, c1, 0)); err != nil {
		t.Errorf("a guard on a mapping that never was: %v", err)
	}
	one := put(t, st.Services(), "one", nil, mapped(1, []string{c1}, nil))
	_, version := mapping(t, st, c1)
	wantStale(t, "a guard on no mapping", guarded(t, st, "none", store.DocumentGuard(store.KindMapping, c1, 0)), false)
	if err := guarded(t, st, "now", store.DocumentGuard(store.KindMapping, c1, version)); err != nil {
		t.Errorf("a guard on the mapping as it is: %v", err)
	}
	put(t, st.Services(), "one", one, mapped(2, nil, nil))
	wantStale(t, "a guard on the mapping as it was", guarded(t, st, "then", store.DocumentGuard(store.KindMapping, c1, version)), false)
}

func guardMappingDelete(t *testing.T, _ suite, st store.Store) {
	c1 := hexID(0xc0, 1)
	first := put(t, st.Credentials(), c1, nil, credentials().full(1))
	put(t, st.Services(), "one", nil, mapped(1, []string{c1}, nil))
	err := st.Credentials().Delete(t.Context(), c1, 1, []store.Guard{store.DocumentGuard(store.KindMapping, c1, 0)})
	wantStale(t, "Delete under a guard on no mapping", err, false)
	if d := diff(first, get(t, st.Credentials(), c1)); d != "" {
		t.Errorf("Get: %s", d)
	}
}

// guardOwnMapping guards documents that the write itself changes.
func guardOwnMapping(t *testing.T, _ suite, st store.Store) {
	c1, c2 := hexID(0xc0, 1), hexID(0xc0, 2)
	put(t, st.Services(), "one", nil, mapped(1, []string{c1}, nil))
	_, version := mapping(t, st, c1)
	write := func(id string, guards ...store.Guard) error {
		_, err := st.Services().Append(t.Context(), store.Write[service.Service]{
			ID: id, Rows: []*service.Service{mapped(2, []string{c1, c2}, nil)}, Guards: guards,
		})
		return err
	}
	wantStale(t, "a guard on another version", write("two", store.DocumentGuard(store.KindMapping, c1, version+1)), false)
	wantStale(t, "a guard on none", write("two", store.DocumentGuard(store.KindMapping, c1, 0)), false)
	err := write("two", store.DocumentGuard(store.KindMapping, c1, version), store.DocumentGuard(store.KindMapping, c2, 0))
	if err != nil {
		t.Errorf("guards that hold: %v", err)
	}
	wantMapping(t, st, map[string][]string{c1: {"one", "two"}, c2: {"two"}})
}

// guardEachOther has pairs of writers, each of which must find the other as it
// was, as two mappings that would conflict do.
func guardEachOther(t *testing.T, _ suite, st store.Store) {
	r := st.Services()
	for i := range 10 {
		ids := [2]string{fmt.Sprintf("left%d", i), fmt.Sprintf("right%d", i)}
		rows := [2]*service.Service{}
		for j, id := range ids {
			rows[j] = put(t, r, id, nil, mapped(2*i+j, nil, nil))
		}
		errs := make(chan error, 2)
		for j, id := range ids {
			go func() {
				_, err := r.Append(t.Context(), store.Write[service.Service]{
					ID: id, Previous: rows[j], Rows: []*service.Service{mapped(100+2*i+j, nil, nil)},
					Guards: []store.Guard{store.RowGuard(ids[1-j], 1)},
				})
				errs <- err
			}()
		}
		first, second := <-errs, <-errs
		if (first == nil) == (second == nil) {
			t.Errorf("pair %d: errors %v and %v, want one writer to go through", i, first, second)
		}
		for _, err := range []error{first, second} {
			if err != nil {
				wantStale(t, "the other writer", err, false)
			}
		}
	}
}
