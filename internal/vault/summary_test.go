package vault_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func entryIDs(entries []store.Entry) []string {
	out := []string{}
	for _, e := range entries {
		out = append(out, e.ID)
	}
	return out
}

func TestSummary_CountsAndTellsWhatChangedLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, SaveLastDecrypted: true, Rotation: credential.Rotation{Maximum: 30}})
	x := furnish(t, w)
	if _, err := w.GetCredential(t.Context(), ann, x.idle, false); err != nil { // which makes it due
		t.Fatal(err)
	}
	records, _, _ := w.marks()
	got, err := w.Summary(t.Context(), ann)
	if err != nil || got.Counts == nil {
		t.Fatalf("Summary: %+v, %v", got, err)
	}
	counts := *got.Counts
	if counts.Credentials != 3 || counts.BlindCredentials != 1 || counts.Services != 1 || counts.Due != 1 || counts.NeverRotated != 0 ||
		counts.Unmapped != 0 || counts.DisabledMapped != 1 || counts.Changed != 5 {
		t.Errorf("counts %+v", counts)
	}
	if !slices.Equal(got.Ages, []int{30, 90, 180, 365}) || !slices.Equal(counts.Ages, []int{3, 0, 0, 0, 0}) {
		t.Errorf("ages %v of bounds %v", counts.Ages, got.Ages)
	}
	if len(counts.Days) != 30 || counts.Days[29] != 5 {
		t.Errorf("days %v", counts.Days)
	}
	if want := []string{x.blind, x.spare, x.idle, x.credential, x.service}; !slices.Equal(entryIDs(got.Latest), want) {
		t.Errorf("latest %v, want %v", entryIDs(got.Latest), want)
	}
	e := w.entries(records)
	if len(e) != 1 || e[0].Action != "list" || e[0].ResourceType != "" || !e[0].Success || fmt.Sprint(e[0].Info["nouns"]) != fmt.Sprint(got.Nouns) {
		t.Errorf("audit entries %+v", e)
	}
	for i := range 10 {
		w.credential(t, fmt.Sprint("more", i), `{"k":"v"}`)
	}
	if got, err = w.Summary(t.Context(), ann); err != nil || len(got.Latest) != 10 || got.Latest[0].Name != "more9" || got.Counts.Unmapped != 10 {
		t.Errorf("with ten more: %+v, %v", got, err)
	}
}

func TestSummary_TellsNothingOfWhatTheCallerMayNotList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	w.policy.set(decide(func(r authz.Request) bool {
		return r.Action == authz.List && r.Resource.Type == authz.Credential || r.Action == authz.Metadata && r.Resource.ID == x.credential
	}))
	records, _, _ := w.marks()
	got, err := w.Summary(t.Context(), ann)
	if err != nil || got.Counts == nil || got.Counts.Credentials != 3 || got.Counts.BlindCredentials+got.Counts.Services+got.Counts.DisabledMapped != 0 ||
		!slices.Equal(got.Nouns, []store.Noun{store.Credential}) || !slices.Equal(entryIDs(got.Latest), []string{x.spare, x.idle, x.credential}) {
		t.Errorf("of credentials alone: %+v, %v", got, err)
	}
	if e := w.entries(records); len(e) != 1 || e[0].ResourceType != string(authz.Credential) || !e[0].Success {
		t.Errorf("audit entries %+v", e)
	}
	v, err := vault.New(w.dependencies(vault.Rules{ListFilter: true}))
	if err != nil {
		t.Fatal(err)
	}
	if got, err = v.Summary(t.Context(), ann); err != nil || got.Counts != nil || !slices.Equal(entryIDs(got.Latest), []string{x.credential}) {
		t.Errorf("filtered: %+v, %v", got, err)
	}
	if got, err = w.Summary(t.Context(), asService(x.service)); err != nil || got.Counts != nil || !slices.Equal(entryIDs(got.Latest), []string{x.credential}) {
		t.Errorf("of a service: %+v, %v", got, err)
	}
	if got, err = w.Summary(t.Context(), asService("other")); err != nil || got.Counts != nil || len(got.Latest) != 0 {
		t.Errorf("of another service: %+v, %v", got, err)
	}
}

func TestFind_GoesByTheRotationRulesOfTheVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, SaveLastDecrypted: true, Rotation: credential.Rotation{Maximum: 30}})
	x := furnish(t, w)
	if _, err := w.GetCredential(t.Context(), ann, x.idle, false); err != nil {
		t.Fatal(err)
	}
	theirs := store.Query{Limit: 10, Rules: credential.Rotation{Maximum: 1}, At: time.Now().AddDate(9, 0, 0)}
	found, err := w.Find(t.Context(), ann, theirs)
	if err != nil || len(found.Entries) != 5 {
		t.Fatalf("Find: %+v, %v", found, err)
	}
	for _, e := range found.Entries {
		var want time.Time
		switch {
		case e.ID == x.idle:
			want = e.LastDecrypted
		case e.Noun == store.Credential:
			want = e.LastRotation.AddDate(0, 0, 30)
		}
		if !e.NextRotation.Equal(want) {
			t.Errorf("%s is to be rotated at %v, want %v", e.Name, e.NextRotation, want)
		}
	}
	theirs.Due = true
	if found, err = w.Find(t.Context(), ann, theirs); err != nil || !slices.Equal(entryIDs(found.Entries), []string{x.idle}) {
		t.Errorf("due: %+v, %v", found, err)
	}
}
