package vault_test

import (
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestFind_LooksWhereTheCallerMayList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	all := store.Query{Limit: 100}
	found, err := w.Find(t.Context(), ann, all)
	if err != nil || len(found.Entries) < 3 {
		t.Errorf("%+v, %v", found, err)
	}
	w.policy.set(decide(func(r authz.Request) bool {
		return r.Action == authz.List && r.Resource.Type == authz.Credential || r.Action == authz.Metadata && r.Resource.Enabled
	}))
	found, err = w.Find(t.Context(), ann, all)
	if err != nil || len(found.Entries) != 3 || found.Entries[0].Noun != store.Credential {
		t.Errorf("%+v, %v", found, err)
	}
	_, err = w.Find(t.Context(), ann, store.Query{Limit: 1, Nouns: []store.Noun{store.Credential, store.Service}})
	wantFault(t, err, fault.Denied, ann.Name+" does not have access to list services")

	found, err = w.Find(t.Context(), asService(x.service), all)
	if err != nil || len(found.Entries) != 1 || found.Entries[0].ID != x.credential {
		t.Errorf("a service finds %+v, %v", found, err)
	}
	if found, err = w.Find(t.Context(), asService("other"), store.Query{Limit: 100, MappedBy: x.service}); err != nil || len(found.Entries) != 0 {
		t.Errorf("another service finds %+v, %v", found, err)
	}
	v, err := vault.New(w.dependencies(vault.Rules{ListFilter: true}))
	if err != nil {
		t.Fatal(err)
	}
	if found, err = v.Find(t.Context(), ann, all); err != nil || len(found.Entries) != 1 || found.Entries[0].ID != x.credential {
		t.Errorf("filtered: %+v, %v", found, err)
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	records, _, _ := w.marks()
	for noun, p := range w.Hints(t.Context(), ann) {
		if !equalPermissions(p, allTrue("list", "create")) {
			t.Errorf("%s: %v", noun, p)
		}
	}
	p := w.Hints(t.Context(), asService("foo"))
	if p["credentials"]["list"] || p["services"]["create"] || !p["blind_credentials"]["list"] || p["blind_credentials"]["create"] || len(p) != 3 {
		t.Errorf("for a service: %v", p)
	}
	if e := w.entries(records); len(e) != 0 {
		t.Errorf("hints are recorded: %+v", e)
	}
}
