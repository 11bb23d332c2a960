package vault_test

import (
	"slices"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestLists_ShowNoSecretsAndFilterOnDemand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	_, opened, _ := w.marks()
	list, err := w.ListCredentials(t.Context(), ann, revision.Page{})
	if err != nil || !slices.Equal(sorted(ids(list.Items)...), sorted(x.credential, x.idle, x.spare)) {
		t.Fatalf("%v, %v", ids(list.Items), err)
	}
	history, err := w.CredentialHistory(t.Context(), ann, revision.Page{})
	if err != nil || len(history.Items) != 8 {
		t.Fatalf("%v, %v", ids(history.Items), err)
	}
	for _, view := range slices.Concat(list.Items, history.Items) {
		if view.KeyNames != nil || view.Pairs != nil || view.Permissions != nil {
			t.Errorf("%+v", view)
		}
	}
	if _, now, _ := w.marks(); now != opened {
		t.Error("listing opens values")
	}

	v, err := vault.New(w.dependencies(vault.Rules{ListFilter: true}))
	if err != nil {
		t.Fatal(err)
	}
	// The policy decides by the current row, also about history.
	w.policy.set(decide(func(r authz.Request) bool { return r.Action == authz.List || r.Resource.Enabled }))
	list, err = v.ListCredentials(t.Context(), ann, revision.Page{})
	if err != nil || !slices.Equal(ids(list.Items), []string{x.credential}) {
		t.Errorf("filtered list %v, %v", ids(list.Items), err)
	}
	history, err = v.CredentialHistory(t.Context(), ann, revision.Page{})
	if err != nil || !slices.Equal(ids(history.Items), []string{x.credential, x.credential}) {
		t.Errorf("filtered history %v, %v", ids(history.Items), err)
	}
}

func TestLists_AServiceSeesWhatIsMappedToIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	foo, other := asService(x.service), asService("other")
	_, err := w.ListCredentials(t.Context(), foo, revision.Page{})
	wantFault(t, err, fault.Denied, x.service+" does not have access to list credentials")

	w.policy.set(decide(func(authz.Request) bool { return true }))
	list, err := w.ListCredentials(t.Context(), foo, revision.Page{})
	if err != nil || !slices.Equal(ids(list.Items), []string{x.credential}) {
		t.Errorf("%v, %v", ids(list.Items), err)
	}
	history, err := w.CredentialHistory(t.Context(), foo, revision.Page{})
	if err != nil || !slices.Equal(ids(history.Items), []string{x.credential, x.credential}) {
		t.Errorf("%v, %v", ids(history.Items), err)
	}
	if blind, err := w.ListBlindCredentials(t.Context(), foo, revision.Page{}); err != nil || len(blind.Items) != 1 {
		t.Errorf("%v, %v", blind.Items, err)
	}
	if list, err := w.ListCredentials(t.Context(), other, revision.Page{}); err != nil || len(list.Items) != 0 {
		t.Errorf("a service without mapping sees %v, %v", ids(list.Items), err)
	}
	services, err := w.ListServices(t.Context(), foo, revision.Page{})
	if err != nil || len(services.Items) != 1 || services.Items[0].Row.ID != x.service {
		t.Errorf("%v, %v", services.Items, err)
	}
	if services, err := w.ListServices(t.Context(), other, revision.Page{}); err != nil || len(services.Items) != 0 {
		t.Errorf("a service that is not there sees %v, %v", services.Items, err)
	}
}
