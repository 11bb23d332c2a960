package vault_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestShowCredential_AnswersAllThatItsPageShows(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{true, false} {
		w := newWorld(t, vault.Rules{StoreKeyNames: stored, Rotation: credential.Rotation{Maximum: 30}})
		id := w.credential(t, "db", `{"b":"1","a":"2"}`)
		w.service(t, "two", id)
		w.service(t, "one", id)
		got, err := w.ShowCredential(t.Context(), ann, id)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got.KeyNames) != "[a b]" || got.Pairs != nil || got.Row.Name != "db" || got.NextRotation.IsZero() ||
			fmt.Sprint(got.Dependents) != "[{one true} {two true}]" ||
			!equalPermissions(got.Permissions, allTrue("metadata", "get", "update", "revert", "archive")) {
			t.Errorf("key names stored: %v: %+v", stored, got)
		}
		if _, err := w.ShowCredential(t.Context(), ann, id+"-1"); !fault.Is(err, fault.NotFound) {
			t.Errorf("a revision: %v", err)
		}
	}
}

func TestShow_TellsWhatThePolicyWouldSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	w.policy.set(decide(func(r authz.Request) bool { return r.Action == authz.Metadata || r.Action == authz.Revert }))
	want := vault.Permissions{"metadata": true, "get": false, "update": false, "revert": true}
	blind, err := w.ShowBlindCredential(t.Context(), ann, x.blind)
	if err != nil || !equalPermissions(blind.Permissions, want) || fmt.Sprint(blind.Dependents) != "[{foo-production true}]" {
		t.Errorf("%+v, %v", blind, err)
	}
	s, err := w.ShowService(t.Context(), ann, x.service)
	if err != nil || !equalPermissions(s.Permissions, want) {
		t.Errorf("%+v, %v", s, err)
	}
	want["archive"] = false
	c, err := w.ShowCredential(t.Context(), ann, x.credential)
	if err != nil || !equalPermissions(c.Permissions, want) {
		t.Errorf("%+v, %v", c, err)
	}
	w.policy.set(decide(func(authz.Request) bool { return true }))
	w.store.noArchive = true
	if c, err = w.ShowCredential(t.Context(), ann, x.credential); err != nil || c.Permissions["archive"] {
		t.Errorf("without an archive: %+v, %v", c.Permissions, err)
	}
}

func TestShowService_TellsWhatItMapsAndReceives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, IgnoreConflicts: true})
	b, a := w.credential(t, "b", `{"k":"1","x":"1"}`), w.credential(t, "a", `{"k":"1"}`)
	c := w.blind(t, "c", "y")
	change := mapped(a, b)
	change.BlindCredentials = &[]string{c}
	if _, err := w.PutService(t.Context(), ann, "foo", change); err != nil {
		t.Fatal(err)
	}
	if err := w.store.Credentials().Delete(t.Context(), a, 1, nil); err != nil {
		t.Fatal(err)
	}
	got, err := w.ShowService(t.Context(), ann, "foo")
	if err != nil {
		t.Fatal(err)
	}
	refB, refC := vault.Ref{ID: b, Name: "b"}, vault.Ref{ID: c, Name: "c", Blind: true}
	wantMapped := []vault.Mapped{
		{Ref: refB, Enabled: true, KeyNames: []string{"k", "x"}},
		{Ref: refC, Enabled: true, KeyNames: []string{"y"}},
		{Ref: vault.Ref{ID: a}, Gone: true},
	}
	if !reflect.DeepEqual(got.Mapped, wantMapped) {
		t.Errorf("mapped: %+v", got.Mapped)
	}
	wantKeys := []vault.Receipt{{"k", []vault.Ref{refB}}, {"x", []vault.Ref{refB}}, {"y", []vault.Ref{refC}}}
	if !reflect.DeepEqual(got.Keys, wantKeys) {
		t.Errorf("keys: %+v", got.Keys)
	}

	d := w.credential(t, "0", `{"x":"1"}`)
	w.service(t, "foo", b, d)
	if got, err = w.ShowService(t.Context(), ann, "foo"); err != nil {
		t.Fatal(err)
	}
	if want := (vault.Receipt{"x", []vault.Ref{{ID: d, Name: "0"}, refB}}); !reflect.DeepEqual(got.Keys[1], want) {
		t.Errorf("a conflict: %+v, want %+v", got.Keys[1], want)
	}
}

func TestShowService_ScopedToAnotherAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{Accounts: []string{"prod"}})
	if _, err := w.PutService(t.Context(), ann, "foo", vault.ServiceChange{Account: "prod"}); err != nil {
		t.Fatal(err)
	}
	_, err := w.ShowService(t.Context(), asService("foo"), "foo")
	wantFault(t, err, fault.Unauthenticated, "Authenticated user is not authorized.")
}

func TestRevealPair_RecordsKeyAndRevisionAndNotesTheSight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, SaveLastDecrypted: true})
	id := w.credential(t, "db", `{"n":1.0,"k":"hun\"ter"}`)
	w.readOnly.Store(true)
	for key, want := range map[string]string{"K": `hun"ter`, "n": "1.0"} {
		records, _, _ := w.marks()
		got, err := w.RevealPair(t.Context(), ann, id, key)
		if err != nil || got.Text() != want || got.Key != strings.ToLower(key) || got.Revision != 1 {
			t.Errorf("%s: %q, %v", key, got.Text(), err)
		}
		e := w.entries(records)
		if len(e) != 1 || e[0].Action != "get" || e[0].ResourceID != id || e[0].Revision != 1 || e[0].Info["key"] != strings.ToLower(key) {
			t.Errorf("%s: %+v", key, e)
		}
	}
	seen := func() time.Time {
		row, err := w.store.Credentials().Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return row.LastDecrypted
	}
	if !seen().IsZero() {
		t.Error("a sight is noted in maintenance mode")
	}
	w.readOnly.Store(false)
	if _, err := w.RevealPair(t.Context(), ann, id, "k"); err != nil || seen().IsZero() {
		t.Errorf("a sight is not noted: %v", err)
	}
	_, opened, _ := w.marks()
	_, err := w.RevealPair(t.Context(), ann, id, "unknown")
	wantFault(t, err, fault.NotFound, "The credential has no such key.")
	if _, now, _ := w.marks(); now != opened {
		t.Error("a value is opened for a key that is not there")
	}
	w.policy.set(decide(func(r authz.Request) bool { return r.Action != authz.Get }))
	_, err = w.RevealPair(t.Context(), ann, id, "k")
	wantFault(t, err, fault.Denied, "")
}

func TestPairValue_IsRedacted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{})
	value, err := w.RevealPair(t.Context(), ann, w.credential(t, "db", `{"k":"hunter"}`), "k")
	if err != nil || value.Text() != "hunter" {
		t.Fatal(err)
	}
	body, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var log logged
	log.logger().Info("x", slog.Any("value", value))
	for _, text := range []string{string(body), fmt.Sprintf("%v %+v %#v %s", value, value, value, &value), log.text()} {
		if strings.Contains(text, "hunter") {
			t.Errorf("%q holds the value", text)
		}
	}
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	one := w.credential(t, "db one", `{"k":"v"}`)
	two := w.credential(t, "db two", `{"k":"v","z":"v"}`)
	byKey := w.credential(t, "x", `{"db_key":"v"}`)
	blind := w.blind(t, "db blind", "b")
	off := w.credential(t, "db off", `{"o":"v"}`)
	w.credential(t, "other", `{"o":"v"}`)
	if _, err := w.UpdateCredential(t.Context(), ann, off, vault.CredentialChange{Enabled: new(false)}); err != nil {
		t.Fatal(err)
	}
	w.service(t, "foo", one)
	want := []vault.Candidate{
		{Ref: vault.Ref{ID: blind, Name: "db blind", Blind: true}, KeyNames: []string{"b"}},
		{Ref: vault.Ref{ID: one, Name: "db one"}, KeyNames: []string{"k"}, Mapped: true},
		{Ref: vault.Ref{ID: two, Name: "db two"}, KeyNames: []string{"k", "z"}, Conflicts: []vault.Receipt{
			{Key: "k", From: []vault.Ref{{ID: one, Name: "db one"}}},
		}},
		{Ref: vault.Ref{ID: byKey, Name: "x"}, KeyNames: []string{"db_key"}},
	}
	_, opened, _ := w.marks()
	if got, err := w.Candidates(t.Context(), ann, "foo", "DB"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if _, now, _ := w.marks(); now != opened {
		t.Error("values are opened")
	}
	got, err := w.Candidates(t.Context(), ann, "new-service", "db")
	if err != nil || len(got) != 4 || got[1].Mapped || got[2].Conflicts != nil {
		t.Errorf("for a new service: %+v, %v", got, err)
	}
	w.credentials(t, 30)
	if got, err = w.Candidates(t.Context(), ann, "foo", ""); err != nil || len(got) != 20 {
		t.Errorf("%d candidates, %v", len(got), err)
	}
	for _, action := range []authz.Action{authz.List, authz.Metadata} {
		w.policy.set(decide(func(r authz.Request) bool { return r.Action != action }))
		_, err = w.Candidates(t.Context(), ann, "foo", "db")
		wantFault(t, err, fault.Denied, "")
	}
}

func TestCandidates_OnlyWhatTheCallerMaySee(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, ListFilter: true})
	ids := w.credentials(t, 50)
	w.policy.set(decide(func(r authz.Request) bool {
		return r.Action == authz.List || r.Resource.Type == authz.ServiceResource || r.Resource.ID == ids[42]
	}))
	got, err := w.Candidates(t.Context(), ann, "foo", "")
	if err != nil || len(got) != 1 || got[0].ID != ids[42] {
		t.Errorf("%+v, %v", got, err)
	}
}
