package storetest

import (
	"fmt"
	"testing"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

var keySpaceTests = []test{
	{"an id belongs to one noun", oneNounPerID},
	{"a service is not created on the revisions to come of another", noServiceOnRevisions},
	{"a service that sits on a revision's key has its number skipped", serviceOnNumber},
	{"an import does not overwrite another noun", importOtherNoun},
	{"a row guard looks at any noun", guardAnyNoun},
	{"the lists of the nouns are apart", listsApart},
}

// oneNounPerID asks for what one noun holds by way of the others.
func oneNounPerID(t *testing.T, _ suite, st store.Store) {
	c, b, s := credentials(), blindCredentials(), services()
	put(t, st.Credentials(), "credential", nil, c.full(1))
	put(t, st.BlindCredentials(), "blind", nil, b.full(2))
	put(t, st.Services(), "service", nil, s.full(3))
	holders := map[string]store.Noun{"credential": store.Credential, "blind": store.BlindCredential, "service": store.Service}
	for id, holder := range holders {
		if holder != store.Credential {
			wantForeign(t, st, c, id, holder)
		}
		if holder != store.BlindCredential {
			wantForeign(t, st, b, id, holder)
		}
		if holder != store.Service {
			wantForeign(t, st, s, id, holder)
		}
	}
}

// wantForeign checks that a noun neither reads nor overwrites what another
// holds.
func wantForeign[T any](t *testing.T, st store.Store, k kind[T], id string, holder store.Noun) {
	t.Helper()
	r, what := k.of(st), fmt.Sprintf("%s by way of the %ss", id, k.noun)
	want := store.TakenError{Key: id, Holder: id, Noun: holder}
	_, err := r.Get(t.Context(), id)
	wantTaken(t, "Get of "+what, err, want)
	_, err = r.Get(t.Context(), revision.Key(id, 1))
	wantTaken(t, "Get of the revision of "+what, err, store.TakenError{Key: revision.Key(id, 1), Noun: holder})
	_, err = r.Revision(t.Context(), id, 1)
	wantError(t, "Revision of "+what, err, store.ErrNotFound)
	rows, err := r.BatchGet(t.Context(), []string{id})
	if err != nil || len(rows) != 0 {
		t.Errorf("BatchGet of %s = %d rows, %v; want none", what, len(rows), err)
	}
	slice, err := r.History(t.Context(), id, revision.Page{})
	if err != nil || len(slice.Items) != 0 {
		t.Errorf("History of %s = %d rows, %v; want none", what, len(slice.Items), err)
	}
	row := k.full(50)
	_, err = r.Append(t.Context(), store.Write[T]{ID: id, Rows: []*T{row}})
	wantTaken(t, "Append to "+what, err, want)
	_, err = r.Append(t.Context(), store.Write[T]{ID: id, Previous: k.numbered(row, id, 1), Rows: []*T{row}})
	wantTaken(t, "Append behind a row of "+what, err, want)
	wantError(t, "Amend of "+what, r.Amend(t.Context(), id, 1, func(*T) bool { return true }), store.ErrNotFound)
	if err := r.Delete(t.Context(), id, 1, nil); err == nil {
		t.Errorf("Delete of %s: no error", what)
	}
}

func noServiceOnRevisions(t *testing.T, _ suite, st store.Store) {
	k, r := services(), st.Services()
	put(t, r, "foo", nil, k.full(1))
	put(t, st.Credentials(), "bar", nil, credentials().full(2))
	for id, want := range map[string]store.TakenError{
		"foo-1": {}, // a history key already
		"foo-2": {Holder: "foo", Noun: store.Service},
		"foo-7": {Holder: "foo", Noun: store.Service},
	} {
		want.Key = id
		_, err := r.Append(t.Context(), store.Write[service.Service]{ID: id, Rows: []*service.Service{k.full(3)}})
		wantTaken(t, fmt.Sprintf("creating %q beside foo", id), err, want)
	}
	for i, id := range []string{"foo-x", "foo-", "foo-2x", "bar-7"} {
		put(t, r, id, nil, k.full(10+i))
	}
	if _, err := r.Get(t.Context(), "foo-7"); err == nil {
		t.Error("the refused service stands")
	}
}

func serviceOnNumber(t *testing.T, _ suite, st store.Store) {
	k, r := services(), st.Services()
	put(t, r, "foo-1", nil, k.full(1))
	put(t, r, "foo-3", nil, k.full(2))
	stored, err := r.Append(t.Context(), store.Write[service.Service]{ID: "foo", Rows: []*service.Service{k.full(3), k.full(4)}})
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	if d := diff([]int{2, 4}, k.numbers(stored)); d != "" {
		t.Errorf("numbers beside the services foo-1 and foo-3: %s", d)
	}
	slice, err := r.History(t.Context(), "foo", revision.Page{})
	if err != nil {
		t.Fatalf("History: %v", err)
	}
	if d := diff([]int{4, 2}, k.numbers(slice.Items)); d != "" {
		t.Errorf("History: %s", d)
	}
	for n, want := range map[int]error{1: store.ErrNotFound, 3: store.ErrNotFound} {
		_, err := r.Revision(t.Context(), "foo", n)
		wantError(t, fmt.Sprintf("Revision %d", n), err, want)
	}
	// What sits on foo's numbers goes on as the service it is.
	put(t, r, "foo-1", get(t, r, "foo-1"), k.full(5))
	if err := r.Delete(t.Context(), "foo", 4, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if d := diff(k.numbered(k.full(5), "foo-1", 2), get(t, r, "foo-1")); d != "" {
		t.Errorf("foo-1 after Delete of foo: %s", d)
	}
}

func importOtherNoun(t *testing.T, _ suite, st store.Store) {
	c, b, s := credentials(), blindCredentials(), services()
	put(t, st.Credentials(), "credential", nil, c.full(1))
	put(t, st.Services(), "thing-2", nil, s.full(2))
	row := b.numbered(b.full(1), "credential", 1)
	_, err := st.BlindCredentials().Import(t.Context(), row, []*blind.Credential{row})
	wantError(t, "Import of a blind credential over a credential", err, store.ErrTaken)
	_, err = st.Credentials().Import(t.Context(), c.numbered(c.full(5), "thing", 3), c.history("thing", 3, 3))
	wantTaken(t, "Import whose history meets a service", err, store.TakenError{Key: "thing-2"})
	_, err = st.Credentials().Revision(t.Context(), "thing", 1)
	wantError(t, "Revision after the refused import", err, store.ErrNotFound)
}

func guardAnyNoun(t *testing.T, _ suite, st store.Store) {
	put(t, st.Credentials(), "credential", nil, credentials().full(1))
	put(t, st.BlindCredentials(), "blind", nil, blindCredentials().full(2))
	put(t, st.Services(), "service", nil, services().full(3))
	r, row := st.Credentials(), credentials().full(4)
	_, err := r.Append(t.Context(), store.Write[credential.Credential]{ID: "guarded", Rows: []*credential.Credential{row}, Guards: []store.Guard{
		store.RowGuard("blind", 1), store.RowGuard("service", 2),
	}})
	wantStale(t, "a guard on a service", err, false)
	_, err = r.Append(t.Context(), store.Write[credential.Credential]{ID: "guarded", Rows: []*credential.Credential{row}, Guards: []store.Guard{
		store.RowGuard("blind", 1), store.RowGuard("service", 1), store.RowGuard("credential", 1),
	}})
	if err != nil {
		t.Errorf("guards on three nouns: %v", err)
	}
}

func listsApart(t *testing.T, s suite, st store.Store) {
	put(t, st.Credentials(), "credential", nil, credentials().full(1))
	put(t, st.BlindCredentials(), "blind", nil, blindCredentials().full(2))
	put(t, st.Services(), "service", nil, services().full(3))
	if _, err := st.Documents().Put(t.Context(), store.Document{Kind: "test", ID: "document", Body: []byte(`{}`)}, 0); err != nil {
		t.Fatalf("Put: %v", err)
	}
	s.eventually(t, func() string {
		return firstOf(
			diff([]string{"credential"}, credentials().ids(walk(t, 0, st.Credentials().List, nil))),
			diff([]string{"blind"}, blindCredentials().ids(walk(t, 0, st.BlindCredentials().List, nil))),
			diff([]string{"service"}, services().ids(walk(t, 0, st.Services().List, nil))),
			diff([]string{"credential"}, credentials().ids(walk(t, 0, allHistory(credentials(), st), nil))),
			diff([]string{"service"}, services().ids(walk(t, 0, allHistory(services(), st), nil))),
		)
	})
}

// firstOf returns the first difference.
func firstOf(differences ...string) string {
	for _, d := range differences {
		if d != "" {
			return d
		}
	}
	return ""
}
