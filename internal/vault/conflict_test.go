package vault_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestUpdateCredential_ConflictsWithSiblings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	a, b, c := w.credential(t, "a", `{"a":"v"}`), w.credential(t, "b", `{"b":"v"}`), w.credential(t, "c", `{"b":"v"}`)
	blind := w.blind(t, "x", "x", "B")
	for id, ids := range map[string][]string{"s2": {a, b}, "s1": {a, c}, "s3": {a}} {
		change := mapped(ids...)
		change.BlindCredentials = &[]string{blind}
		if id == "s1" {
			change.Enabled = new(false)
		}
		if _, err := w.PutService(t.Context(), ann, id, change); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.UpdateCredential(t.Context(), ann, a, whole(t, `{"a":"v","B":"w","x":"w"}`))
	f := wantFault(t, err, fault.Invalid, "Conflicting key pairs in mapped service.")
	want := service.Conflicts{
		"b": {Services: []string{"s1", "s2"}, Credentials: sorted(b, c), BlindCredentials: []string{}},
		"x": {Services: []string{"s1", "s2", "s3"}, Credentials: []string{}, BlindCredentials: []string{blind}},
	}
	got, _ := json.Marshal(f.Details)
	if body, _ := json.Marshal(want); string(got) != string(body) {
		t.Errorf("got  %s\nwant %s", got, body)
	}
	if row, _ := w.store.Credentials().Get(t.Context(), a); row.Revision != 1 {
		t.Error("a refused change was stored")
	}
	sealed := vault.BlindSealed{Pairs: json.RawMessage(`{"r":"y"}`), DataKey: json.RawMessage(`{"r":"k"}`), CipherType: "fernet", CipherVersion: 2, KeyNames: []string{"a"}}
	_, err = w.UpdateBlindCredential(t.Context(), ann, blind, vault.BlindChange{Sealed: &sealed})
	f = wantFault(t, err, fault.Invalid, "Conflicting key pairs in mapped service.")
	if got := f.Details.(vault.Conflicts)["a"]; !slices.Equal(got.Credentials, []string{a}) || got.BlindCredentials == nil {
		t.Errorf("blind conflict %+v", got)
	}
	// Reverts are held to the same.
	w.set(t, b, `{"z":"v"}`)
	w.set(t, c, `{"z":"v"}`)
	w.set(t, a, `{"b":"v"}`)
	_, err = w.RevertCredential(t.Context(), ann, b, 1, 0)
	wantFault(t, err, fault.Invalid, "Conflicting key pairs in mapped service.")
}

func TestUpdateCredential_ReadsNoSiblingsWithoutANewKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{IgnoreConflicts: true})
	a, b := w.credential(t, "a", `{"k":"v"}`), w.credential(t, "b", `{"k":"v"}`)
	w.service(t, "foo", a, b)
	v, err := vault.New(w.dependencies(vault.Rules{}))
	if err != nil {
		t.Fatal(err)
	}
	// An old conflict does not stand in the way of a new value.
	_, opened, _ := w.marks()
	if _, err := v.UpdateCredential(t.Context(), ann, a, whole(t, `{"k":"w"}`)); err != nil {
		t.Error(err)
	}
	if _, now, _ := w.marks(); now-opened != 1 {
		t.Errorf("%d values opened, want the own one", now-opened)
	}
	_, err = v.UpdateCredential(t.Context(), ann, a, whole(t, `{"k":"w","l":"w"}`))
	wantFault(t, err, fault.Invalid, "Conflicting key pairs in mapped service.")
}

func TestConflicts_BeyondTheGuardsAreReportedAfterwards(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	log := &logged{}
	d := w.dependencies(defaults)
	d.Log = log.logger()
	v, err := vault.New(d)
	if err != nil {
		t.Fatal(err)
	}
	// One service of 120 credentials: an update cannot guard them all.
	all := w.credentials(t, 120)
	w.service(t, "big", all[:80]...)
	w.service(t, "big", all...)
	if _, err := v.UpdateCredential(t.Context(), ann, all[0], whole(t, `{"new":"v"}`)); err != nil {
		t.Fatal(err)
	}
	if log.has("concurrent changes") {
		t.Error("a conflict is reported where there is none")
	}
	w.store.once("append", func() { w.set(t, all[1], `{"newer":"v"}`) })
	if _, err := v.UpdateCredential(t.Context(), ann, all[0], whole(t, `{"newer":"v"}`)); err != nil {
		t.Fatal(err)
	}
	if !log.has("concurrent changes gave a service the same key more than once") {
		t.Errorf("the conflict is not reported: %s", log.text())
	}
}
