package vault_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestPutService_AnswersWithoutValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	a, b := w.credential(t, "a", `{"a":"v"}`), w.credential(t, "b", `{"b":"v"}`)
	blind := w.blind(t, "x", "x")
	w.events.take()
	_, opened, _ := w.marks()
	records, _, _ := w.marks()
	view, err := w.PutService(t.Context(), ann, "foo-production", vault.ServiceChange{
		Credentials:      &[]string{b, a, b, "0123456789abcdef", a + "-1", blind},
		BlindCredentials: &[]string{blind, blind, a, "0123456789abcdef"},
	})
	if err != nil {
		t.Fatal(err)
	}
	row := view.Row
	if row.Revision != 1 || !row.Enabled || row.Account != "" || row.ModifiedBy != ann.Name ||
		!slices.Equal(row.Credentials, sorted(a, b)) || !slices.Equal(row.BlindCredentials, []string{blind}) {
		t.Errorf("row %+v", row)
	}
	if !slices.Equal(ids(view.Credentials), sorted(a, b)) || view.Credentials[0].Pairs != nil || len(view.Credentials[0].KeyNames) != 1 ||
		len(view.BlindCredentials) != 1 || view.BlindCredentials[0].Sealed ||
		!equalPermissions(view.Permissions, allTrue("create", "metadata", "get", "update")) {
		t.Errorf("view %+v", view)
	}
	if _, now, _ := w.marks(); now != opened {
		t.Errorf("%d values opened", now-opened)
	}
	if e := w.entries(records); len(e) != 1 || e[0].Action != "create" || e[0].Revision != 1 || e[0].ResourceID != "foo-production" {
		t.Errorf("audit entries %+v", e)
	}

	// Absent members keep what is there.
	view, err = w.PutService(t.Context(), ann, "foo-production", vault.ServiceChange{Credentials: &[]string{a}, Enabled: new(false)})
	if err != nil || view.Row.Enabled || !slices.Equal(view.Row.Credentials, []string{a}) || !slices.Equal(view.Row.BlindCredentials, []string{blind}) {
		t.Errorf("row %+v, %v", view.Row, err)
	}
	view, err = w.PutService(t.Context(), ann, "foo-production", vault.ServiceChange{BlindCredentials: &[]string{}})
	if err != nil || view.Row.Enabled || !slices.Equal(view.Row.Credentials, []string{a}) || len(view.Row.BlindCredentials) != 0 {
		t.Errorf("row %+v, %v", view.Row, err)
	}
	mapping := sorted(a, b)
	want := []event.Event{
		{
			Type: event.ServiceUpdate, Services: []string{"foo-production"}, Credentials: mapping,
			Text: fmt.Sprintf("Added credentials: ['%s', '%s']; Removed credentials []; Revision 1", mapping[0], mapping[1]),
		},
		{
			Type: event.ServiceUpdate, Services: []string{"foo-production"}, Credentials: []string{a},
			Text: fmt.Sprintf("Added credentials: []; Removed credentials ['%s']; Revision 2", b),
		},
		{
			Type: event.ServiceUpdate, Services: []string{"foo-production"}, Credentials: []string{a},
			Text: "Added credentials: []; Removed credentials []; Revision 3",
		},
	}
	if got := w.events.take(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events\n%+v, want\n%+v", got, want)
	}
}

func TestPutService_AsksForWhatIsAdded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	a, b, blind := w.credential(t, "a", `{"a":"v"}`), w.credential(t, "b", `{"b":"v"}`), w.blind(t, "x", "x")
	var asked []authz.Request
	w.policy.set(decide(func(r authz.Request) bool {
		asked = append(asked, r)
		return true
	}))
	w.service(t, "foo", a)
	if _, err := w.PutService(t.Context(), ann, "foo", vault.ServiceChange{Credentials: &[]string{a, b}, BlindCredentials: &[]string{blind}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.PutService(t.Context(), ann, "foo", vault.ServiceChange{Credentials: &[]string{a}, BlindCredentials: &[]string{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RevertService(t.Context(), ann, "foo", 2, 0); err != nil {
		t.Fatal(err)
	}
	plain := sorted(a, b)
	want := []struct {
		action     authz.Action
		all, added []string
	}{
		{authz.Create, nil, nil},
		{authz.Update, []string{a}, []string{a}},
		{authz.Update, []string{plain[0], plain[1], blind}, []string{b, blind}},
		{authz.Update, []string{a}, nil},
		{authz.Revert, []string{plain[0], plain[1], blind}, []string{b, blind}},
	}
	for i, want := range want {
		r := asked[i]
		if r.Action != want.action || r.Resource.ID != "foo" || !slices.Equal(r.Resource.CredentialIDs, want.all) || !slices.Equal(r.Resource.AddedCredentialIDs, want.added) {
			t.Errorf("question %d: %s %+v, want %+v", i, r.Action, r.Resource, want)
		}
	}
	w.policy.set(decide(func(r authz.Request) bool { return r.Action == authz.Create }))
	_, err := w.PutService(t.Context(), ann, "bar", mapped(a))
	wantFault(t, err, fault.Denied, ann.Name+" does not have access to map the credentials because they do not own the credentials being added")
	w.policy.set(decide(func(r authz.Request) bool { return r.Action == authz.Update }))
	_, err = w.PutService(t.Context(), ann, "bar", mapped(a))
	wantFault(t, err, fault.Denied, ann.Name+" does not have access to create service bar")
}

func TestPutService_Ids(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	const notA = "id provided is not a service."
	for _, id := range []string{x.service + "-1", x.credential, x.credential + "-1", x.blind, x.service + "-17"} {
		_, err := w.PutService(t.Context(), ann, id, mapped())
		wantFault(t, err, fault.Invalid, notA)
	}
	for _, id := range []string{"", "a b", "a/b", "a\x00", strings.Repeat("x", 256)} {
		_, err := w.PutService(t.Context(), ann, id, mapped())
		wantFault(t, err, fault.Invalid, "id must be 1 to 255 printable characters without slashes and white space")
	}
	// A service that looks like a revision is left alone and its number skipped.
	w.service(t, "bar-1")
	w.service(t, "bar")
	if view, err := w.GetService(t.Context(), ann, "bar-1", false); err != nil || view.Historic {
		t.Errorf("bar-1: %+v, %v", view, err)
	}
	if view, err := w.GetService(t.Context(), ann, "bar", false); err != nil || view.Row.Revision != 2 {
		t.Errorf("bar: %+v, %v", view.Row, err)
	}
}

func TestPutService_OrderOfRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	a, b := w.credential(t, "a", `{"k":"v"}`), w.credential(t, "b", `{"k":"v","l":"v"}`)
	blind := w.blind(t, "x", "l")
	wrong := func(word string) error { return fault.New(fault.Invalid, word) }
	change := vault.ServiceChange{
		Credentials: &[]string{a, b}, BlindCredentials: &[]string{blind}, Account: "nowhere", IfRevision: 3,
		Unread: vault.Unread{
			"": wrong("body"), "credentials": wrong("credentials"), "blind_credentials": wrong("blind"),
			"enabled": wrong("enabled"), "account": wrong("account"),
		},
	}
	for _, step := range []struct {
		kind fault.Kind
		want string
		mend func()
	}{
		{fault.Stale, "foo was changed concurrently, reload and try again", func() { change.IfRevision = 0 }},
		{fault.Invalid, "body", func() { delete(change.Unread, "") }},
		{fault.Invalid, "credentials", func() { delete(change.Unread, "credentials") }},
		{fault.Invalid, "blind", func() { delete(change.Unread, "blind_credentials") }},
		{fault.Invalid, "enabled", func() { delete(change.Unread, "enabled") }},
		{fault.Invalid, "Conflicting key pairs in mapped service.", func() { change.Credentials = &[]string{a} }},
		{fault.Invalid, "account", func() { delete(change.Unread, "account") }},
		{fault.Invalid, "nowhere is not a valid account.", func() { change.Account = "" }},
	} {
		_, err := w.PutService(t.Context(), ann, "foo", change)
		f := wantFault(t, err, step.kind, step.want)
		if step.want == "Conflicting key pairs in mapped service." {
			body, _ := json.Marshal(f.Details)
			plain := sorted(a, b)
			want := fmt.Sprintf(`{"k":{"credentials":["%s","%s"],"blind_credentials":[]},"l":{"credentials":["%s"],"blind_credentials":["%s"]}}`,
				plain[0], plain[1], b, blind)
			if string(body) != want {
				t.Errorf("conflicts %s, want %s", body, want)
			}
		}
		step.mend()
	}
	if _, err := w.GetService(t.Context(), ann, "foo", false); !fault.Is(err, fault.NotFound) {
		t.Errorf("a refused put left something: %v", err)
	}
	if _, err := w.PutService(t.Context(), ann, "foo", change); err != nil {
		t.Error(err)
	}

	ignoring, err := vault.New(w.dependencies(vault.Rules{StoreKeyNames: true, IgnoreConflicts: true}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ignoring.PutService(t.Context(), ann, "foo", mapped(a, b)); err != nil {
		t.Errorf("with conflicts ignored: %v", err)
	}
	// What conflicts already may still be disabled.
	if _, err := w.PutService(t.Context(), ann, "foo", vault.ServiceChange{Enabled: new(false)}); err != nil {
		t.Errorf("disabling a service with a conflict: %v", err)
	}
}

func TestPutService_NewNeverOverwrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	var made, refused atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := w.PutService(t.Context(), ann, "foo", vault.ServiceChange{New: true})
			switch {
			case err == nil:
				made.Add(1)
			case fault.Is(err, fault.Exists):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if made.Load() != 1 || refused.Load() != 7 {
		t.Errorf("%d were made and %d refused, want 1 and 7", made.Load(), refused.Load())
	}
	_, err := w.PreviewService(t.Context(), ann, "foo", vault.ServiceChange{New: true})
	wantFault(t, err, fault.Exists, "There is a service of this name already.")
	if got, err := w.GetService(t.Context(), ann, "foo", true); err != nil || got.Row.Revision != 1 {
		t.Errorf("revision %d, %v", got.Row.Revision, err)
	}
}

func TestPutService_LimitsMappingChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	all := w.credentials(t, store.MaxMappingChanges+1)
	const words = "At most 90 credentials can be mapped or unmapped at once, this would be 91."
	_, err := w.PutService(t.Context(), ann, "foo", mapped(all...))
	wantFault(t, err, fault.Invalid, words)
	w.service(t, "foo", all[:90]...)
	w.service(t, "foo", all...)
	_, err = w.PutService(t.Context(), ann, "foo", mapped())
	wantFault(t, err, fault.Invalid, words)
	_, err = w.RevertService(t.Context(), ann, "foo", 1, 0)
	if err != nil {
		t.Error(err)
	}
}

func TestRevertService_RestoresWhatStillExists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, Accounts: []string{"sandbox"}})
	a := w.credential(t, "a", `{"a":"v"}`)
	gone := w.credential(t, "gone", `{"g":"v"}`)
	first := mapped(a, gone)
	first.Account, first.Enabled = "sandbox", new(false)
	for _, change := range []vault.ServiceChange{first, mapped()} {
		change.Enabled = first.Enabled
		if _, err := w.PutService(t.Context(), ann, "foo", change); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.UpdateCredential(t.Context(), ann, gone, vault.CredentialChange{Enabled: new(false)}); err != nil {
		t.Fatal(err)
	}
	if err := w.archive(t, gone); err != nil {
		t.Fatal(err)
	}
	view, err := w.RevertService(t.Context(), ann, "foo", 1, 0)
	if err != nil || view.Row.Revision != 3 || !slices.Equal(view.Row.Credentials, []string{a}) || view.Row.Account != "sandbox" || view.Row.Enabled {
		t.Errorf("%+v, %v", view.Row, err)
	}
	if !slices.Equal(ids(view.Credentials), []string{a}) || view.Credentials[0].Pairs != nil || view.Credentials[0].KeyNames == nil ||
		!equalPermissions(view.Permissions, allTrue("metadata", "get", "update")) {
		t.Errorf("view %+v", view)
	}
	_, err = w.RevertService(t.Context(), ann, "foo", 1, 0)
	wantFault(t, err, fault.Invalid, "No difference between old and new service.")
	_, err = w.RevertService(t.Context(), ann, "foo", 4, 0)
	wantFault(t, err, fault.NotFound, "Service not found.")
	_, err = w.RevertService(t.Context(), ann, "nothing", 1, 0)
	wantFault(t, err, fault.NotFound, "Service not found.")
	_, err = w.RevertService(t.Context(), ann, "foo-1", 1, 0)
	wantFault(t, err, fault.Invalid, "id provided is not a service.")
	_, err = w.RevertService(t.Context(), ann, "foo", 2, 1)
	wantFault(t, err, fault.Stale, "foo was changed concurrently, reload and try again")

	// Revisions that differ only in being enabled can be gone back to.
	if _, err := w.PutService(t.Context(), ann, "foo", vault.ServiceChange{Enabled: new(true), Account: "sandbox"}); err != nil {
		t.Fatal(err)
	}
	if view, err := w.RevertService(t.Context(), ann, "foo", 3, 0); err != nil || view.Row.Enabled {
		t.Errorf("%+v, %v", view.Row, err)
	}
}
