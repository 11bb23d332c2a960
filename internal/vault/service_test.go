package vault_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestGetService_HandsAServiceItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	records, _, _ := w.marks()
	view, err := w.GetService(t.Context(), asService(x.service), x.service, false)
	if err != nil {
		t.Fatal(err)
	}
	if view.Row.Revision != 2 || view.Historic || len(view.Credentials) != 1 || len(view.BlindCredentials) != 1 {
		t.Fatalf("%+v", view)
	}
	c, b := view.Credentials[0], view.BlindCredentials[0]
	if c.Row.ID != x.credential || string(c.Pairs.Encode()) != `{"k":"hunter2"}` || !slices.Equal(c.KeyNames, []string{"k"}) || c.Permissions != nil {
		t.Errorf("credential %+v", c)
	}
	if b.Row.ID != x.blind || !b.Sealed || b.Row.Enabled {
		t.Errorf("blind credential %+v", b)
	}
	if want := (vault.Permissions{"metadata": true, "get": true, "update": false}); !equalPermissions(view.Permissions, want) {
		t.Errorf("permissions %v, want %v", view.Permissions, want)
	}
	e := w.entries(records)[0]
	if e.Action != "get" || e.ResourceType != "service" || e.ResourceID != x.service || e.Revision != 2 || e.UserType != "service" ||
		fmt.Sprint(e.Info["credentials"]) != fmt.Sprint([]string{x.credential}) || e.Info["metadata_only"] != false {
		t.Errorf("audit entry %+v", e)
	}

	_, err = w.GetService(t.Context(), asService("other"), x.service, false)
	if f := wantFault(t, err, fault.Denied, "other does not have access to get service "+x.service); f.Reference != x.service {
		t.Errorf("reference %q", f.Reference)
	}
	_, err = w.GetService(t.Context(), asService("other"), "other", false)
	wantFault(t, err, fault.NotFound, "Service not found.")
}

func TestGetService_MetadataOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	_, opened, _ := w.marks()
	view, err := w.GetService(t.Context(), ann, x.service, true)
	if err != nil || view.Credentials[0].Pairs != nil || !slices.Equal(view.Credentials[0].KeyNames, []string{"k"}) || view.BlindCredentials[0].Sealed {
		t.Errorf("%+v, %v", view, err)
	}
	if !equalPermissions(view.Permissions, allTrue("metadata", "get", "update")) {
		t.Errorf("permissions %v", view.Permissions)
	}
	if _, now, _ := w.marks(); now != opened {
		t.Errorf("%d values opened", now-opened)
	}
}

func TestGetService_HistoryKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	view, err := w.GetService(t.Context(), ann, x.service+"-1", false)
	if err != nil || !view.Historic || view.Row.Revision != 1 || len(view.Credentials) != 0 {
		t.Errorf("%+v, %v", view, err)
	}
	view, err = w.GetService(t.Context(), ann, x.service+"-2", false)
	if err != nil || len(view.Credentials) != 1 || string(view.Credentials[0].Pairs.Encode()) != `{"k":"hunter2"}` {
		t.Errorf("%+v, %v", view, err)
	}
	// A service that is named like the key gets nothing by it.
	_, err = w.GetService(t.Context(), asService(x.service+"-2"), x.service+"-2", false)
	wantFault(t, err, fault.Denied, "")
	w.policy.set(decide(func(authz.Request) bool { return true }))
	_, err = w.GetService(t.Context(), asService(x.service+"-2"), x.service+"-2", false)
	wantFault(t, err, fault.NotFound, "Service not found.")
	for _, id := range []string{x.credential, x.credential + "-1", x.blind, "nothing", x.service + "-9"} {
		_, err := w.GetService(t.Context(), ann, id, false)
		wantFault(t, err, fault.NotFound, "Service not found.")
	}
}

func TestGetService_AccountBindsServicesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, Accounts: []string{"sandbox"}})
	change := mapped()
	change.Account = "sandbox"
	if _, err := w.PutService(t.Context(), ann, "foo", change); err != nil {
		t.Fatal(err)
	}
	foo := asService("foo")
	for account, allowed := range map[string]bool{"": false, "production": false, "sandbox": true} {
		foo.Account = account
		if _, err := w.GetService(t.Context(), foo, "foo", false); allowed {
			if err != nil {
				t.Error(err)
			}
		} else {
			wantFault(t, err, fault.Unauthenticated, "Authenticated user is not authorized.")
		}
	}
	if _, err := w.GetService(t.Context(), ann, "foo", false); err != nil {
		t.Error(err)
	}
	change.Account = "elsewhere"
	_, err := w.PutService(t.Context(), ann, "foo", change)
	wantFault(t, err, fault.Invalid, "elsewhere is not a valid account.")
	w.service(t, "foo") // without an account
	if view, _ := w.GetService(t.Context(), ann, "foo", false); view.Row.Account != "" {
		t.Errorf("account %q is kept", view.Row.Account)
	}
}

func TestGetService_DisabledIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	if _, err := w.UpdateCredential(t.Context(), ann, id, vault.CredentialChange{Enabled: new(false)}); err != nil {
		t.Fatal(err)
	}
	change := mapped(id)
	change.Enabled = new(false)
	if _, err := w.PutService(t.Context(), ann, "foo", change); err != nil {
		t.Fatal(err)
	}
	view, err := w.GetService(t.Context(), asService("foo"), "foo", false)
	if err != nil || view.Row.Enabled || string(view.Credentials[0].Pairs.Encode()) != `{"k":"v"}` {
		t.Errorf("%+v, %v", view, err)
	}
}

func TestServiceHistoryAndDiff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	views, err := w.ServiceRevisions(t.Context(), ann, x.service)
	if err != nil || len(views) != 2 || views[0].Row.Revision != 1 || !views[1].Historic || views[1].Credentials != nil {
		t.Errorf("%+v, %v", views, err)
	}
	history, err := w.ServiceHistory(t.Context(), ann, revision.Page{})
	if err != nil || len(history.Items) != 2 || !history.Items[0].Historic {
		t.Errorf("%+v, %v", history, err)
	}
	d, err := w.DiffService(t.Context(), ann, x.service, 2, 1)
	if err != nil || !slices.Equal(d.Credentials.Added, []string{x.credential}) || !d.Enabled.Added {
		t.Errorf("%+v, %v", d, err)
	}
	_, err = w.DiffService(t.Context(), ann, x.service, 1, 3)
	wantFault(t, err, fault.NotFound, "Service not found.")
}

// slowSealer takes its time, as one that asks a key service does.
type slowSealer struct {
	vault.Sealer
	now, most atomic.Int64
}

func (s *slowSealer) Open(ctx context.Context, id string, v sealed.Value) ([]byte, error) {
	now := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	time.Sleep(5 * time.Millisecond)
	return s.Sealer.Open(ctx, id, v)
}

func TestGetService_OpensSideBySideWhereKeysAreFar(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	all := w.credentials(t, 40)
	w.service(t, "foo", all...)
	slow := &slowSealer{Sealer: w.sealer}
	d := w.dependencies(defaults)
	d.Sealer = slow
	v, err := vault.New(d)
	if err != nil {
		t.Fatal(err)
	}
	view, err := v.GetService(t.Context(), asService("foo"), "foo", false)
	if err != nil || len(view.Credentials) != len(all) {
		t.Fatal(err)
	}
	if most := slow.most.Load(); most < 2 || most > 16 {
		t.Errorf("%d opened at the same time", most)
	}
	for _, c := range view.Credentials {
		i := slices.Index(all, c.Row.ID)
		if got, want := string(c.Pairs.Encode()), fmt.Sprintf(`{"k%d":"v%d"}`, i, i); got != want {
			t.Errorf("%s holds %s, want %s", c.Row.ID, got, want)
		}
	}
	if !slices.Equal(ids(view.Credentials), sorted(all...)) {
		t.Errorf("order %v", ids(view.Credentials))
	}
}
