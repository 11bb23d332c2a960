package vault_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// all runs n calls at the same time and returns their errors.
func all(n int, call func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = call(i) })
	}
	wg.Wait()
	return errs
}

func succeeded(errs []error) (n int) {
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}

func TestUpdateCredential_ConcurrentChangesLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	errs := all(20, func(i int) error {
		_, err := w.UpdateCredential(t.Context(), ann, id, whole(t, fmt.Sprintf(`{"k":"v%d"}`, i)))
		return err
	})
	for _, err := range errs {
		if err != nil {
			wantFault(t, err, fault.Stale, id+" was changed concurrently, reload and try again")
		}
	}
	n := succeeded(errs)
	views, err := w.CredentialRevisions(t.Context(), ann, id)
	if err != nil || len(views) != n+1 || n == 0 {
		t.Fatalf("%d revisions after %d changes, %v", len(views), n, err)
	}
	sealed := map[string]bool{}
	for i, view := range views {
		if view.Row.Revision != i+1 || sealed[view.Row.Sealed.Ciphertext] {
			t.Errorf("revision %d is %d, or equals another", i+1, view.Row.Revision)
		}
		sealed[view.Row.Sealed.Ciphertext] = true
	}
	current, _ := w.store.Credentials().Get(t.Context(), id)
	if !credential.Identical(current, views[n].Row) {
		t.Errorf("current is %+v, the last revision %+v", current, views[n].Row)
	}
	attempts, failures := 0, 0
	for _, e := range w.audit.Entries() {
		switch e.Phase {
		case audit.Attempt:
			attempts++
		case audit.Failed:
			failures++
		}
	}
	if attempts-failures != n+1 {
		t.Errorf("%d attempts and %d failures on record, %d changes made", attempts, failures, n+1)
	}
}

func TestUpdateCredential_AbsentMembersKeepTheNewerValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	w.store.once("append", func() { w.set(t, id, `{"k":"newer"}`) })
	view, err := w.UpdateCredential(t.Context(), ann, id, vault.CredentialChange{Documentation: new(new("d"))})
	if err != nil || view.Row.Revision != 3 || string(view.Pairs.Encode()) != `{"k":"newer"}` {
		t.Errorf("%+v, %v", view, err)
	}

	// Who named the revision he saw is told instead.
	w.store.once("append", func() { w.set(t, id, `{"k":"newest"}`) })
	records, _, _ := w.marks()
	_, err = w.UpdateCredential(t.Context(), ann, id, vault.CredentialChange{Enabled: new(false), IfRevision: 3})
	f := wantFault(t, err, fault.Stale, id+" was changed concurrently, reload and try again")
	if f.Reference != id {
		t.Errorf("reference %q", f.Reference)
	}
	e := w.entries(records)
	last := e[len(e)-1]
	if last.Phase != audit.Failed || last.Of != uint64(records+1) || last.Info["error"] != "stale" {
		t.Errorf("audit entries %+v", e)
	}
}

func TestUpdateCredential_GivesUpWhenTheRowKeepsMoving(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	var inside atomic.Bool
	tries := 0
	w.store.beforeWrite(func(string) error {
		if inside.CompareAndSwap(false, true) {
			tries++
			w.set(t, id, `{"k":"w"}`)
			inside.Store(false)
		}
		return nil
	})
	_, err := w.UpdateCredential(t.Context(), ann, id, vault.CredentialChange{Enabled: new(false)})
	wantFault(t, err, fault.Stale, "")
	if tries != 4 {
		t.Errorf("%d tries, want one and three more", tries)
	}
}

func TestUpdateCredential_GivesUpWhenNeighboursKeepMoving(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	tries := 0
	w.store.beforeWrite(func(string) error {
		tries++
		return &store.StaleError{What: "a neighbour"}
	})
	records, _, _ := w.marks()
	_, err := w.UpdateCredential(t.Context(), ann, id, whole(t, `{"l":"v"}`))
	f := wantFault(t, err, fault.Unavailable, "Too many concurrent changes, try again later.")
	if tries < 4 || f.RetryIn <= 0 {
		t.Errorf("%d tries, retry in %v", tries, f.RetryIn)
	}
	if e := w.entries(records); len(e) != 2*tries || e[len(e)-1].Phase != audit.Failed {
		t.Errorf("%d audit entries for %d tries", len(e), tries)
	}
}

func TestGetCredential_NotingTheDecryptionLosesNoChange(t *testing.T) {
	t.Parallel()
	rules := defaults
	rules.SaveLastDecrypted = true
	w := newWorld(t, rules)
	id := w.credential(t, "db", `{"k":"v"}`)
	w.store.once("amend", func() { w.set(t, id, `{"k":"newer"}`) })
	if _, err := w.GetCredential(t.Context(), ann, id, false); err != nil {
		t.Fatal(err)
	}
	row, _ := w.store.Credentials().Get(t.Context(), id)
	if view, err := w.GetCredential(t.Context(), ann, id, false); err != nil || row.Revision != 2 || string(view.Pairs.Encode()) != `{"k":"newer"}` {
		t.Errorf("revision %d, %+v, %v", row.Revision, view, err)
	}
}

func TestNames_TwoEqualOnesCannotBothPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	for _, create := range []func() error{
		func() error {
			_, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{Name: "n", Pairs: pairs(t, `{"k":"v"}`)})
			return err
		},
		func() error { _, err := w.CreateBlindCredential(t.Context(), ann, newBlind("n", "k")); return err },
	} {
		errs := all(8, func(int) error { return create() })
		for _, err := range errs {
			if err != nil {
				if f := wantFault(t, err, fault.Exists, ""); f.Reference == "" {
					t.Errorf("the holder is not named: %v", err)
				}
			}
		}
		if n := succeeded(errs); n != 1 {
			t.Errorf("%d got the name", n)
		}
	}
}

func TestMappings_TwoThatConflictTogetherCannotBothPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := w.credential(t, "x", `{"x":"v"}`)
	for i := range 20 {
		a, b := w.credential(t, fmt.Sprint("a", i), `{"k":"v"}`), w.credential(t, fmt.Sprint("b", i), `{"l":"v"}`)
		id := fmt.Sprint("service-", i)
		w.service(t, id, x)
		steps := []func() error{
			func() error { _, err := w.PutService(t.Context(), ann, id, mapped(x, a, b)); return err },
			func() error {
				_, err := w.UpdateCredential(t.Context(), ann, b, whole(t, `{"k":"v","l":"v"}`))
				return err
			},
			func() error {
				_, err := w.UpdateCredential(t.Context(), ann, a, whole(t, `{"l":"v","k":"v"}`))
				return err
			},
			func() error { _, err := w.PutService(t.Context(), ann, id+"-too", mapped(a, b)); return err },
		}
		for _, err := range all(len(steps), func(i int) error { return steps[i]() }) {
			if err != nil {
				wantFault(t, err, fault.Invalid, "Conflicting key pairs in mapped service.")
			}
		}
		for _, s := range []string{id, id + "-too"} {
			w.wantNoConflict(t, s)
		}
	}
}

// wantNoConflict checks that no two credentials of a service have a key in
// common, by what they hold and not by what their rows say.
func (w *world) wantNoConflict(t testing.TB, id string) {
	t.Helper()
	view, err := w.GetService(t.Context(), ann, id, false)
	if fault.Is(err, fault.NotFound) {
		return
	}
	if err != nil {
		t.Error(err)
		return
	}
	var holders []service.Holder
	for _, c := range view.Credentials {
		holders = append(holders, service.Holder{ID: c.Row.ID, KeyNames: c.Pairs.Keys()})
	}
	for _, b := range view.BlindCredentials {
		holders = append(holders, service.Holder{ID: b.Row.ID, Blind: true, KeyNames: b.Row.KeyNames})
	}
	if conflicts := service.ConflictsAmong(holders); conflicts != nil {
		t.Errorf("service %s: %v", id, conflicts)
	}
}

func TestArchiving_RacesMapping(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	for i := range 20 {
		id := w.idle(t, fmt.Sprint("c", i))
		name := fmt.Sprint("service-", i)
		errs := all(2, func(i int) error {
			if i == 0 {
				return w.archive(t, id)
			}
			_, err := w.PutService(t.Context(), ann, name, mapped(id))
			return err
		})
		if errs[1] != nil {
			t.Fatal(errs[1])
		}
		_, err := w.GetCredential(t.Context(), ann, id, true)
		view, viewErr := w.GetService(t.Context(), ann, name, true)
		if viewErr != nil {
			t.Fatal(viewErr)
		}
		switch {
		case errs[0] == nil && (!fault.Is(err, fault.NotFound) || len(view.Row.Credentials) != 0):
			t.Errorf("archived, but %v, and the service maps %v", err, view.Row.Credentials)
		case errs[0] != nil && (err != nil || len(view.Credentials) != 1):
			t.Errorf("not archived (%v), but %v, and the service maps %v", errs[0], err, view.Row.Credentials)
		}
	}
}

// TestInvariants_HoldUnderRandomChanges lets several callers do as they like
// and then looks at what is left: no service gets a key twice, mapping
// documents say what services map, histories have no gap.
func TestInvariants_HoldUnderRandomChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	const keys = 4
	var credentials, services []string
	for i := range 6 {
		credentials = append(credentials, w.credential(t, fmt.Sprint("c", i), `{"own":"v"}`))
	}
	blind := w.blind(t, "b", "k0")
	for i := range 3 {
		services = append(services, fmt.Sprint("service-", i))
	}
	pick := func(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }
	errs := all(6, func(i int) error {
		r := rand.New(rand.NewPCG(uint64(i), 7))
		for range 40 {
			var err error
			id := pick(r, credentials)
			switch r.IntN(6) {
			case 0, 1:
				_, err = w.UpdateCredential(t.Context(), ann, id, whole(t, fmt.Sprintf(`{"k%d":"v","k%d-%s":"v"}`, r.IntN(keys), i, id)))
			case 2, 3:
				_, err = w.PutService(t.Context(), ann, pick(r, services), vault.ServiceChange{
					Credentials: &[]string{id, pick(r, credentials)}, BlindCredentials: &[]string{blind},
				})
			case 4:
				_, err = w.RevertCredential(t.Context(), ann, id, 1+r.IntN(3), 0)
			case 5:
				_, err = w.RevertService(t.Context(), ann, pick(r, services), 1+r.IntN(3), 0)
			}
			switch fault.KindOf(err) {
			case fault.Invalid, fault.NotFound, fault.Stale, fault.Unavailable:
			default:
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	for _, id := range services {
		w.wantNoConflict(t, id)
	}
	for _, id := range append(credentials, blind) {
		var want []string
		for _, s := range services {
			if row, err := w.store.Services().Get(t.Context(), s); err == nil && slices.Contains(slices.Concat(row.Credentials, row.BlindCredentials), id) {
				want = append(want, s)
			}
		}
		var got []string
		dependents, err := w.CredentialDependents(t.Context(), ann, id)
		if id == blind {
			dependents, err = w.BlindDependents(t.Context(), ann, id)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dependents {
			got = append(got, d.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: dependents %v, mapped by %v", id, got, want)
		}
	}
	for _, id := range credentials {
		views, err := w.CredentialRevisions(t.Context(), ann, id)
		if err != nil {
			t.Fatal(err)
		}
		for i, view := range views {
			if view.Row.Revision != i+1 {
				t.Errorf("%s: revision %d stands at %d", id, view.Row.Revision, i+1)
			}
		}
	}
}
