package vault_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestCredentialJournal_SaysWhatEachRevisionChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"a":"1"}`)
	w.set(t, id, `{"a":"1","b":"1"}`)
	w.set(t, id, `{"a":"1","b":"1"}`) // sealed anew, with the same pairs
	for _, change := range []vault.CredentialChange{
		{Name: new("x"), Enabled: new(false)}, {Documentation: new(new("d"))}, {Tags: &[]string{"T"}},
	} {
		if _, err := w.UpdateCredential(t.Context(), ann, id, change); err != nil {
			t.Fatal(err)
		}
	}
	_, opened, _ := w.marks()
	got, err := w.CredentialJournal(t.Context(), ann, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, now, _ := w.marks(); now != opened {
		t.Error("values are opened")
	}
	if got.Revision != 6 || got.Name != "x" || got.Next != 0 || !equalPermissions(got.Permissions, allTrue("metadata", "get", "update", "revert")) {
		t.Errorf("%+v", got)
	}
	want := []string{"6 [tags] []", "5 [documentation] []", "4 [name enabled] []", "3 [] []", "2 [credential_pairs] [b]", "1 [] []"}
	for i, e := range got.Entries {
		if line := fmt.Sprint(e.Revision, e.Members, e.KeysAdded); line != want[i] || e.First != (i == 5) || e.Enabled != (i == 3 || i == 4) ||
			e.ModifiedBy != ann.Name || e.ModifiedDate.IsZero() {
			t.Errorf("%s, first %v: want %s", line, e.First, want[i])
		}
	}
	if len(got.Entries) != len(want) {
		t.Errorf("%d entries", len(got.Entries))
	}
}

func TestJournal_GoesOnWhereAPageEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	w.service(t, "foo-1", w.credential(t, "c", `{"a":"1"}`))
	for i := range 104 {
		if _, err := w.PutService(t.Context(), ann, "foo-1", vault.ServiceChange{Enabled: new(i%2 == 1)}); err != nil {
			t.Fatal(err)
		}
	}
	first, err := w.ServiceJournal(t.Context(), ann, "foo-1", 0)
	if err != nil || len(first.Entries) != 100 || first.Next != 6 || first.Entries[99].First || fmt.Sprint(first.Entries[99].Members) != "[enabled]" {
		t.Fatalf("%d entries, next %d, %v", len(first.Entries), first.Next, err)
	}
	second, err := w.ServiceJournal(t.Context(), ann, "foo-1", first.Next)
	if err != nil || len(second.Entries) != 5 || second.Entries[0].Revision != 5 || second.Next != 0 || !second.Entries[4].First {
		t.Errorf("%+v, %v", second, err)
	}
}

func TestJournal_OfTheOtherNouns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	s, err := w.ServiceJournal(t.Context(), ann, x.service, 0)
	if err != nil || len(s.Entries) != 2 || s.Entries[0].Mapped != 2 || s.Entries[0].Unmapped != 0 ||
		fmt.Sprint(s.Entries[0].Members) != "[credentials blind_credentials enabled]" {
		t.Errorf("%+v, %v", s, err)
	}
	b, err := w.BlindJournal(t.Context(), ann, x.blind, 0)
	if err != nil || len(b.Entries) != 2 || fmt.Sprint(b.Entries[0].Members) != "[enabled]" {
		t.Errorf("%+v, %v", b, err)
	}
	_, err = w.BlindJournal(t.Context(), ann, x.blind+"-1", 0)
	wantFault(t, err, fault.NotFound, "Blind credential not found.")
}

func TestCompareCredential_TellsLengthsToWhoMayGet(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{true, false} {
		w := newWorld(t, vault.Rules{StoreKeyNames: stored})
		id := w.credential(t, "db", `{"a":"é1","b":1.0,"c":"x"}`)
		w.set(t, id, `{"a":"é12","c":"x","d":true}`)
		got, err := w.CompareCredential(t.Context(), ann, id, 2, 1)
		if !equalPermissions(got.Permissions, allTrue("revert")) {
			t.Errorf("permissions %v", got.Permissions)
		}
		want := []credential.KeyFate{
			{Key: "a", Fate: credential.Changed, LengthBefore: 2, LengthAfter: 3},
			{Key: "b", Fate: credential.Removed, LengthBefore: 3},
			{Key: "c", Fate: credential.Same, LengthBefore: 1, LengthAfter: 1},
			{Key: "d", Fate: credential.Added, LengthAfter: 4},
		}
		if err != nil || !got.Lengths || got.Before.Revision != 1 || got.After.Revision != 2 || !reflect.DeepEqual(got.Pairs, want) {
			t.Errorf("%+v, %v", got, err)
		}
		w.policy.set(decide(func(r authz.Request) bool { return r.Action == authz.Metadata }))
		got, err = w.CompareCredential(t.Context(), ann, id, 1, 2)
		for i := range want {
			want[i].LengthBefore, want[i].LengthAfter = 0, 0
		}
		if err != nil || got.Lengths || got.Permissions["revert"] || !reflect.DeepEqual(got.Pairs, want) {
			t.Errorf("without get: %+v, %v", got, err)
		}
		_, err = w.CompareCredential(t.Context(), ann, id, 1, 3)
		wantFault(t, err, fault.NotFound, "Credential not found.")
	}
}

func TestCompareService_NamesWhatIsStillThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	a, b := w.credential(t, "a", `{"k":"1"}`), w.credential(t, "b", `{"l":"1"}`)
	w.service(t, "foo", a)
	w.service(t, "foo", b)
	if err := w.store.Credentials().Delete(t.Context(), a, 1, nil); err != nil {
		t.Fatal(err)
	}
	got, err := w.CompareService(t.Context(), ann, "foo", 2, 1)
	if err != nil || fmt.Sprint(got.Members) != "[credentials]" || got.Before.Revision != 1 ||
		len(got.Mapped) != 1 || got.Mapped[0].Name != "b" || len(got.Unmapped) != 1 || !got.Unmapped[0].Gone || got.Unmapped[0].ID != a {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCompareBlindCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.blind(t, "b", "k")
	in := newBlind("", "l")
	if _, err := w.UpdateBlindCredential(t.Context(), ann, id, vault.BlindChange{Sealed: &vault.BlindSealed{
		Pairs: []byte(`{"r":"other"}`), DataKey: in.DataKey, KeyNames: in.KeyNames, CipherType: "fernet", CipherVersion: 2,
	}}); err != nil {
		t.Fatal(err)
	}
	got, err := w.CompareBlindCredential(t.Context(), ann, id, 2, 1)
	if err != nil || !got.Sealed || fmt.Sprint(got.Members) != "[credential_pairs credential_keys]" ||
		fmt.Sprint(got.KeysAdded, got.KeysRemoved) != "[l] [k]" || got.Before.Revision != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
