package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/confidant-secrets/confidant/internal/store"
)

// runClaims tests the names of a noun that claims them.
func runClaims[T any](t *testing.T, s suite, k kind[T]) {
	runRules(t, s, k, []rule[T]{
		{"a name is claimed by who bears it", nameClaimed[T]},
		{"a name that another bears is taken", nameTaken[T]},
		{"names differ in case, in composition and in spaces", exactNames[T]},
		{"a name is released when it is changed", nameReleasedByRename[T]},
		{"a name is released when its bearer is deleted", nameReleasedByDelete[T]},
		{"a name is kept by further revisions", nameKept[T]},
		{"only the last of several rows claims its name", lastNameClaimed[T]},
		{"a refused write neither claims nor releases", refusedClaimsNothing[T]},
		{"a name that is borne without a claim may be kept", unclaimedNameKept[T]},
		{"an import whose name is taken goes without the claim and says so", importNameTaken[T]},
		{"of 16 at once that want a name one gets it", nameContention[T]},
	})
}

// named returns the n-th full row with another name.
func (k kind[T]) named(n int, name string) *T {
	row := k.full(n)
	*k.name(row) = name
	return row
}

// holder returns who holds the claim of a name; empty: nobody.
func (k kind[T]) holder(t *testing.T, st store.Store, name string) string {
	t.Helper()
	doc, err := st.Documents().Get(t.Context(), k.claim, store.NameID(name))
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	if err != nil {
		t.Fatalf("reading the claim of %q: %v", name, err)
	}
	var claim store.Claim
	if err := json.Unmarshal(doc.Body, &claim); err != nil {
		t.Fatalf("the claim of %q: %v", name, err)
	}
	if doc.Kind != k.claim || doc.ID != store.NameID(name) || doc.Version < 1 {
		t.Errorf("the claim of %q is %+v, want its kind, id and a version", name, *doc)
	}
	return claim.ID
}

func (k kind[T]) wantHolders(t *testing.T, st store.Store, want map[string]string) {
	t.Helper()
	for name, id := range want {
		if got := k.holder(t, st, name); got != id {
			t.Errorf("the name %q is claimed by %q, want %q", name, got, id)
		}
	}
}

func nameClaimed[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	put(t, k.of(st), k.id(0), nil, k.named(1, "Zahlung ü/“x”"))
	k.wantHolders(t, st, map[string]string{"Zahlung ü/“x”": k.id(0), "other": ""})
}

func nameTaken[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	put(t, r, k.id(0), nil, k.named(1, "one"))
	second := put(t, r, k.id(1), nil, k.named(2, "two"))
	want := store.TakenError{Key: "one", Claim: true, Holder: k.id(0), Noun: k.noun}
	_, err := r.Append(t.Context(), store.Write[T]{ID: k.id(2), Rows: []*T{k.named(3, "one")}})
	wantTaken(t, "creating under a name that is borne", err, want)
	_, err = r.Append(t.Context(), store.Write[T]{ID: k.id(1), Previous: second, Rows: []*T{k.named(4, "one")}})
	wantTaken(t, "renaming to a name that is borne", err, want)
	if d := diff(second, get(t, r, k.id(1))); d != "" {
		t.Errorf("the refused rename changed the row: %s", d)
	}
}

func exactNames[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	want := map[string]string{}
	for i, name := range []string{"name", "Name", "name ", " name", "n\u00e4me", "na\u0308me", "name\t"} {
		put(t, k.of(st), k.id(i), nil, k.named(i, name))
		want[name] = k.id(i)
	}
	k.wantHolders(t, st, want)
}

func nameReleasedByRename[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	first := put(t, r, k.id(0), nil, k.named(1, "one"))
	second := put(t, r, k.id(0), first, k.named(2, "two"))
	k.wantHolders(t, st, map[string]string{"one": "", "two": k.id(0)})
	put(t, r, k.id(1), nil, k.named(3, "one"))
	_, err := r.Append(t.Context(), store.Write[T]{ID: k.id(0), Previous: second, Rows: []*T{k.named(4, "one")}})
	wantTaken(t, "going back to a name taken meanwhile", err, store.TakenError{Key: "one", Claim: true, Holder: k.id(1), Noun: k.noun})
	put(t, r, k.id(1), get(t, r, k.id(1)), k.named(5, "three"))
	put(t, r, k.id(0), second, k.named(6, "one"))
	k.wantHolders(t, st, map[string]string{"one": k.id(0), "two": "", "three": k.id(1)})
}

func nameReleasedByDelete[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	put(t, k.of(st), k.id(0), nil, k.named(1, "one"))
	if err := k.of(st).Delete(t.Context(), k.id(0), 1, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	k.wantHolders(t, st, map[string]string{"one": ""})
	put(t, k.of(st), k.id(1), nil, k.named(1, "one"))
	k.wantHolders(t, st, map[string]string{"one": k.id(1)})
}

func nameKept[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	first := put(t, k.of(st), k.id(0), nil, k.named(1, "one"))
	put(t, k.of(st), k.id(0), first, k.named(2, "one"))
	amend(t, k.of(st), k.id(0), 2, func(v *T) bool { k.mention(v); return true })
	k.wantHolders(t, st, map[string]string{"one": k.id(0)})
}

func lastNameClaimed[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	put(t, k.of(st), k.id(0), nil, k.named(1, "one"))
	put(t, k.of(st), k.id(1), nil, k.named(2, "one"), k.named(3, "two"))
	k.wantHolders(t, st, map[string]string{"one": k.id(0), "two": k.id(1)})
}

func refusedClaimsNothing[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	first := put(t, r, k.id(0), nil, k.named(1, "one"))
	gone := []store.Guard{store.RowGuard("gone", 1)}
	_, err := r.Append(t.Context(), store.Write[T]{ID: k.id(0), Previous: first, Rows: []*T{k.named(2, "two")}, Guards: gone})
	wantStale(t, "a rename under a guard that does not hold", err, false)
	_, err = r.Append(t.Context(), store.Write[T]{ID: k.id(1), Rows: []*T{k.named(3, "three")}, Guards: gone})
	wantStale(t, "a creation under a guard that does not hold", err, false)
	wantStale(t, "a deletion under a guard that does not hold", r.Delete(t.Context(), k.id(0), 1, gone), false)
	k.wantHolders(t, st, map[string]string{"one": k.id(0), "two": "", "three": ""})
}

// unclaimedNameKept has two things bear one name, as older data does.
func unclaimedNameKept[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	put(t, r, k.id(0), nil, k.named(1, "one"))
	row := k.numbered(k.named(2, "one"), k.id(1), 1)
	importing(t, r, row, []*T{k.historic(row)})
	second := put(t, r, k.id(1), get(t, r, k.id(1)), k.named(3, "one"))
	k.wantHolders(t, st, map[string]string{"one": k.id(0)})
	third := put(t, r, k.id(1), second, k.named(4, "two"))
	k.wantHolders(t, st, map[string]string{"one": k.id(0), "two": k.id(1)})
	_, err := r.Append(t.Context(), store.Write[T]{ID: k.id(1), Previous: third, Rows: []*T{k.named(5, "one")}})
	wantTaken(t, "going back to the name", err, store.TakenError{Key: "one", Claim: true, Holder: k.id(0), Noun: k.noun})
	if err := r.Delete(t.Context(), k.id(1), 3, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	k.wantHolders(t, st, map[string]string{"one": k.id(0), "two": ""})
}

func importNameTaken[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	r := k.of(st)
	first := put(t, r, k.id(0), nil, k.named(1, "one"))
	row := k.numbered(k.named(2, "one"), k.id(1), 1)
	wantReport(t, importing(t, r, row, []*T{k.historic(row)}), store.ImportReport{
		Written: append(keys(k.id(1), 1), k.id(1)), NameTaken: k.id(0),
	})
	if d := diff(row, get(t, r, k.id(1))); d != "" {
		t.Errorf("Get: %s", d)
	}
	k.wantHolders(t, st, map[string]string{"one": k.id(0)})
	// Whoever does not hold a claim does not release it.
	if err := r.Delete(t.Context(), k.id(1), 1, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	k.wantHolders(t, st, map[string]string{"one": k.id(0)})
	put(t, r, k.id(0), first, k.named(3, "two"))
	wantReport(t, importing(t, r, row, []*T{k.historic(row)}), store.ImportReport{Written: append(keys(k.id(1), 1), k.id(1))})
	k.wantHolders(t, st, map[string]string{"one": k.id(1), "two": k.id(0)})
}

func nameContention[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	const writers = 16
	r := k.of(st)
	previous := make([]*T, writers)
	for i := range writers / 2 {
		previous[i] = put(t, r, k.id(i), nil, k.named(i, fmt.Sprintf("own %d", i)))
	}
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			_, errs[i] = r.Append(t.Context(), store.Write[T]{ID: k.id(i), Previous: previous[i], Rows: []*T{k.named(i, "wanted")}})
		})
	}
	wg.Wait()
	winners := 0
	for i, err := range errs {
		if err == nil {
			winners++
			k.wantHolders(t, st, map[string]string{"wanted": k.id(i)})
			continue
		}
		wantError(t, fmt.Sprintf("writer %d", i), err, store.ErrTaken)
		if i < writers/2 {
			k.wantHolders(t, st, map[string]string{fmt.Sprintf("own %d", i): k.id(i)})
		}
	}
	if winners != 1 {
		t.Errorf("%d writers got the name, want one", winners)
	}
}
