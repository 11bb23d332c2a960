package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

var archiveTests = []test{
	{"is a key space of its own, without claims", archiveApart},
	{"a move killed after any step is finished by repeating it", archiveMoveKilled},
	{"a move whose credential is mapped meanwhile stops before the deletion", archiveMoveMapped},
	{"a restored credential stands as it did, with its name", archiveRestore},
	{"takes a credential again that was restored and changed", archiveAgain},
}

func archiveApart(t *testing.T, s suite, st store.Store) {
	k, id := credentials(), hexID(0xc0, 1)
	row := k.numbered(k.named(1, "one"), id, 1)
	importing(t, st.ArchivedCredentials(), row, []*credential.Credential{k.historic(row)})
	k.wantHolders(t, st, map[string]string{"one": ""})
	_, err := st.Credentials().Get(t.Context(), id)
	wantError(t, "Get of an archived credential among the current ones", err, store.ErrNotFound)
	other := put(t, st.Credentials(), id, nil, k.named(2, "one"))
	if d := diff(row, get(t, st.ArchivedCredentials(), id)); d != "" {
		t.Errorf("the archived row changed with a current one: %s", d)
	}
	if d := diff(other, get(t, st.Credentials(), id)); d != "" {
		t.Errorf("the current row: %s", d)
	}
	twin := k.numbered(k.named(3, "one"), hexID(0xc0, 2), 1)
	wantReport(t, importing(t, st.ArchivedCredentials(), twin, []*credential.Credential{k.historic(twin)}), store.ImportReport{
		Written: append(keys(twin.ID, 1), twin.ID),
	})
	s.wantFound(t, st, "what is archived is in no catalogue", store.Query{}, id)
}

// errKilled stands for the end of a process between two steps.
var errKilled = errors.New("killed")

// move archives a credential as the maintenance commands do, and may be killed
// after each of its steps.
func move(t *testing.T, from, to store.Revisions[credential.Credential], id string, killAfter int) error {
	t.Helper()
	k, ctx := credentials(), t.Context()
	kill := func(step int) error {
		if step == killAfter {
			return errKilled
		}
		return nil
	}
	current, err := from.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		_, err := to.Get(ctx, id) // moved before
		return err
	}
	if err != nil {
		return err
	}
	history, err := from.History(ctx, id, revision.Page{})
	if err != nil {
		return err
	}
	if err := kill(1); err != nil {
		return err
	}
	// A process that dies within Import leaves some history.
	if killAfter == 2 {
		if _, err := to.Import(ctx, history.Items[len(history.Items)-1], history.Items[len(history.Items)-1:]); err != nil {
			return err
		}
		return errKilled
	}
	report, err := to.Import(ctx, current, history.Items)
	if err != nil {
		return err
	}
	for _, key := range report.Different {
		if key != id {
			return fmt.Errorf("%s is archived with other content", key)
		}
		stored, err := to.Get(ctx, id)
		if err != nil {
			return err
		}
		if err := to.ReplaceCurrent(ctx, stored.Revision, current); err != nil {
			return err
		}
	}
	if err := kill(3); err != nil {
		return err
	}
	for _, want := range history.Items {
		got, err := to.Revision(ctx, id, want.Revision)
		if err != nil {
			return err
		}
		if d := diff(want, got); d != "" {
			return fmt.Errorf("revision %d reads back otherwise: %s", want.Revision, d)
		}
	}
	got, err := to.Get(ctx, id)
	if err != nil {
		return err
	}
	if d := diff(k.clone(current), got); d != "" {
		return fmt.Errorf("the current row reads back otherwise: %s", d)
	}
	if err := from.Delete(ctx, id, current.Revision, []store.Guard{store.DocumentGuard(store.KindMapping, id, 0)}); err != nil {
		return err
	}
	return kill(4)
}

func archiveMoveKilled(t *testing.T, _ suite, st store.Store) {
	k := credentials()
	for step := 1; step <= 4; step++ {
		id := hexID(0xc0, step)
		first := put(t, st.Credentials(), id, nil, k.full(10*step))
		put(t, st.Credentials(), id, first, k.full(10*step+1), k.full(10*step+2))
		want := get(t, st.Credentials(), id)
		if err := move(t, st.Credentials(), st.ArchivedCredentials(), id, step); !errors.Is(err, errKilled) {
			t.Fatalf("move, to be killed after step %d: %v", step, err)
		}
		// Never in neither place.
		_, errHere := st.Credentials().Get(t.Context(), id)
		_, errThere := st.ArchivedCredentials().Get(t.Context(), id)
		if errHere != nil && errThere != nil {
			t.Fatalf("after step %d the credential is nowhere: %v, %v", step, errHere, errThere)
		}
		for round := range 2 {
			if err := move(t, st.Credentials(), st.ArchivedCredentials(), id, 0); err != nil {
				t.Fatalf("move again after step %d, round %d: %v", step, round, err)
			}
		}
		_, err := st.Credentials().Get(t.Context(), id)
		wantError(t, fmt.Sprintf("Get after the move killed at step %d", step), err, store.ErrNotFound)
		if d := diff(want, get(t, st.ArchivedCredentials(), id)); d != "" {
			t.Errorf("the archived row after the move killed at step %d: %s", step, d)
		}
		slice, err := st.ArchivedCredentials().History(t.Context(), id, revision.Page{})
		if err != nil {
			t.Fatalf("History: %v", err)
		}
		if d := diff([]int{3, 2, 1}, k.numbers(slice.Items)); d != "" {
			t.Errorf("the archived history after the move killed at step %d: %s", step, d)
		}
	}
}

func archiveMoveMapped(t *testing.T, _ suite, st store.Store) {
	k, id := credentials(), hexID(0xc0, 1)
	row := put(t, st.Credentials(), id, nil, k.full(1))
	if err := move(t, st.Credentials(), st.ArchivedCredentials(), id, 3); !errors.Is(err, errKilled) {
		t.Fatalf("move: %v", err)
	}
	put(t, st.Services(), "one", nil, mapped(1, []string{id}, nil))
	wantStale(t, "the move of a credential mapped meanwhile", move(t, st.Credentials(), st.ArchivedCredentials(), id, 0), false)
	if d := diff(row, get(t, st.Credentials(), id)); d != "" {
		t.Errorf("Get: %s", d)
	}
}

func archiveRestore(t *testing.T, _ suite, st store.Store) {
	k, id := credentials(), hexID(0xc0, 1)
	first := put(t, st.Credentials(), id, nil, k.named(1, "one"))
	want := put(t, st.Credentials(), id, first, k.named(2, "one"))
	if err := move(t, st.Credentials(), st.ArchivedCredentials(), id, 0); err != nil {
		t.Fatalf("move: %v", err)
	}
	k.wantHolders(t, st, map[string]string{"one": ""})
	history, err := st.ArchivedCredentials().History(t.Context(), id, revision.Page{})
	if err != nil {
		t.Fatalf("History: %v", err)
	}
	archived := get(t, st.ArchivedCredentials(), id)
	importing(t, st.Credentials(), archived, history.Items)
	if err := st.ArchivedCredentials().Delete(t.Context(), id, 2, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if d := diff(want, get(t, st.Credentials(), id)); d != "" {
		t.Errorf("Get: %s", d)
	}
	k.wantHolders(t, st, map[string]string{"one": id})
	put(t, st.Credentials(), id, get(t, st.Credentials(), id), k.named(3, "two"))
}

func archiveAgain(t *testing.T, _ suite, st store.Store) {
	k, id := credentials(), hexID(0xc0, 1)
	put(t, st.Credentials(), id, nil, k.full(1))
	if err := move(t, st.Credentials(), st.ArchivedCredentials(), id, 0); err != nil {
		t.Fatalf("move: %v", err)
	}
	archived := get(t, st.ArchivedCredentials(), id)
	importing(t, st.Credentials(), archived, []*credential.Credential{k.historic(archived)})
	want := put(t, st.Credentials(), id, get(t, st.Credentials(), id), k.full(2))
	if err := move(t, st.Credentials(), st.ArchivedCredentials(), id, 0); err != nil {
		t.Fatalf("second move: %v", err)
	}
	if d := diff(want, get(t, st.ArchivedCredentials(), id)); d != "" {
		t.Errorf("Get: %s", d)
	}
}
