package vault_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestUpdateCredential_KeepsWhatIsAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	before, _ := w.store.Credentials().Get(t.Context(), id)
	view, err := w.UpdateCredential(t.Context(), ann, id, vault.CredentialChange{Documentation: new(new("why"))})
	if err != nil {
		t.Fatal(err)
	}
	row := view.Row
	if row.Revision != 2 || row.Sealed.Ciphertext != before.Sealed.Ciphertext || !row.LastRotation.Equal(before.LastRotation) ||
		row.Name != "db" || !row.Enabled || *row.Documentation != "why" || !row.ModifiedDate.After(before.ModifiedDate) {
		t.Errorf("row %+v", row)
	}
	if string(view.Pairs.Encode()) != `{"k":"v"}` || !slices.Equal(view.KeyNames, []string{"k"}) {
		t.Errorf("view %+v", view)
	}
	view, err = w.UpdateCredential(t.Context(), ann, id, vault.CredentialChange{Documentation: new((*string)(nil))})
	if err != nil || view.Row.Documentation != nil {
		t.Errorf("clearing the documentation: %+v, %v", view.Row, err)
	}
}

func TestUpdateCredential_ShowsPairsOnlyWithGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	w.policy.set(decide(func(r authz.Request) bool { return r.Action == authz.Update }))
	for name, change := range map[string]vault.CredentialChange{
		"documentation": {Documentation: new(new("d"))}, "pairs": whole(t, `{"k":"w"}`),
	} {
		view, err := w.UpdateCredential(t.Context(), ann, id, change)
		if err != nil || view.Pairs != nil || !slices.Equal(view.KeyNames, []string{"k"}) ||
			!equalPermissions(view.Permissions, vault.Permissions{"metadata": true, "get": false, "update": true}) {
			t.Errorf("%s: %+v, %v", name, view, err)
		}
	}
}

func TestUpdateCredential_RotationFollowsThePairs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v","n":1.0}`)
	before, _ := w.store.Credentials().Get(t.Context(), id)
	w.set(t, id, `{"N":1.0,"K":"v"}`)
	same, _ := w.store.Credentials().Get(t.Context(), id)
	if same.Revision != 2 || !same.LastRotation.Equal(before.LastRotation) {
		t.Errorf("equal pairs: revision %d, rotated %v", same.Revision, same.LastRotation)
	}
	if same.Sealed.Ciphertext == before.Sealed.Ciphertext || string(same.Sealed.DataKey) == string(before.Sealed.DataKey) {
		t.Error("pairs that were sent are not sealed anew")
	}
	w.set(t, id, `{"k":"w","n":1.0}`)
	if changed, _ := w.store.Credentials().Get(t.Context(), id); !changed.LastRotation.Equal(changed.ModifiedDate) {
		t.Errorf("changed pairs: rotated %v, modified %v", changed.LastRotation, changed.ModifiedDate)
	}
}

func TestUpdateCredential_OrderOfRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, EnforceDocumentation: true})
	create := func(name, key string) string {
		view, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{
			Name: name, Pairs: pairs(t, `{"`+key+`":"v"}`), Documentation: new("d"), Enabled: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		return view.Row.ID
	}
	id, taken := create("db", "a"), create("taken", "b")
	w.service(t, "foo", id, taken)
	wrong := func(word string) error { return fault.New(fault.Invalid, word) }
	change := vault.CredentialChange{
		Name: new("taken"), Metadata: new(json.RawMessage(`null`)), Documentation: new(new("")), IfRevision: 7,
		Pairs: credential.Whole(credential.Pairs{}),
		Unread: vault.Unread{
			"": wrong("body"), "name": wrong("name"), "documentation": wrong("documentation"), "enabled": wrong("enabled"),
			"tags": wrong("tags"), "credential_pairs": wrong("pairs"),
		},
	}
	steps := []struct {
		kind fault.Kind
		want string
		mend func()
	}{
		{fault.Stale, id + " was changed concurrently, reload and try again", func() { change.IfRevision = 1 }},
		{fault.Invalid, "body", func() { delete(change.Unread, "") }},
		{fault.Invalid, "metadata must be a dict", func() { change.Metadata = nil }},
		{fault.Invalid, "name", func() { delete(change.Unread, "name") }},
		{fault.Exists, "Name already exists. See id: " + taken, func() { change.Name = new("") }},
		{fault.Invalid, "name is a required field", func() { change.Name = new("db") }},
		{fault.Invalid, "documentation", func() { delete(change.Unread, "documentation") }},
		{fault.Invalid, "documentation is a required field", func() { change.SkipDocumentation = true }},
		{fault.Invalid, "enabled", func() { delete(change.Unread, "enabled") }},
		{fault.Invalid, "tags", func() { delete(change.Unread, "tags") }},
		{fault.Invalid, "pairs", func() { delete(change.Unread, "credential_pairs") }},
		{fault.Invalid, "Credential Pairs cannot be empty.", func() { change.Pairs = whole(t, `{"a":"v","b":"w"}`).Pairs }},
		{fault.Invalid, "Conflicting key pairs in mapped service.", func() { change.Pairs = whole(t, `{"a":"w"}`).Pairs }},
	}
	for _, id := range []string{"0123456789abcdef"} {
		_, err := w.UpdateCredential(t.Context(), ann, id, change)
		wantFault(t, err, fault.NotFound, "Credential not found.")
	}
	for _, other := range []string{id + "-1", "foo", "foo-1"} {
		_, err := w.UpdateCredential(t.Context(), ann, other, change)
		wantFault(t, err, fault.Invalid, "id provided is not a credential.")
	}
	_, _, writes := w.marks()
	for _, step := range steps {
		_, err := w.UpdateCredential(t.Context(), ann, id, change)
		wantFault(t, err, step.kind, step.want)
		step.mend()
	}
	if _, _, now := w.marks(); now != writes {
		t.Errorf("%d writes of what was refused", now-writes)
	}
	view, err := w.UpdateCredential(t.Context(), ann, id, change)
	if err != nil || view.Row.Revision != 2 || *view.Row.Documentation != "" {
		t.Errorf("%+v, %v", view.Row, err)
	}
	// Going back to a revision without documentation is not held to the rule,
	// nor is an update that says it restores.
	if _, err := w.RevertCredential(t.Context(), ann, id, 1, 0); err != nil {
		t.Error(err)
	}
	if _, err := w.RevertCredential(t.Context(), ann, id, 2, 0); err != nil {
		t.Error(err)
	}
}

func TestUpdateCredential_RenamingMovesTheName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "old", `{"k":"v"}`)
	if _, err := w.UpdateCredential(t.Context(), ann, id, vault.CredentialChange{Name: new("new")}); err != nil {
		t.Fatal(err)
	}
	other := w.credential(t, "old", `{"k":"v"}`)
	_, err := w.RevertCredential(t.Context(), ann, id, 1, 0)
	wantFault(t, err, fault.Exists, "Name already exists. See id: "+other)
	w.blind(t, "new", "k") // names of blind credentials are a space of their own
}

func TestUpdateCredential_PatchKeepsUntouchedPairs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"a":1.0,"b":"x"}`)
	view, err := w.UpdateCredential(t.Context(), ann, id, vault.CredentialChange{
		Pairs: credential.Patch(pairs(t, `{"b":"y"}`), nil, map[string]string{"a": "z"}),
	})
	if err != nil || string(view.Pairs.Encode()) != `{"b":"y","z":1.0}` {
		t.Errorf("%s, %v", view.Pairs.Encode(), err)
	}
}

func TestUpdateCredential_AnnouncesOnceAfterTheCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	w.set(t, id, `{"k":"w"}`)
	if got := w.events.take(); got != nil {
		t.Errorf("an unmapped credential is announced: %+v", got)
	}
	w.service(t, "b-service", id)
	w.service(t, "a-service", id)
	w.events.take()
	for n, change := range []func(){
		func() { w.set(t, id, `{"k":"x"}`) },
		func() {
			if _, err := w.RevertCredential(t.Context(), ann, id, 1, 0); err != nil {
				t.Error(err)
			}
		},
	} {
		w.store.beforeWrite(func(string) error {
			if got := w.events.take(); got != nil {
				t.Errorf("announced before the commit: %+v", got)
			}
			return nil
		})
		change()
		want := []event.Event{{
			Type: event.CredentialUpdate, Services: []string{"a-service", "b-service"}, Credentials: []string{id},
			Text: fmt.Sprintf(`Updated credential "db" (%s); Revision %d`, id, n+3),
		}}
		if got := w.events.take(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	w.store.beforeWrite(func(string) error { return errDown })
	_, err := w.UpdateCredential(t.Context(), ann, id, whole(t, `{"k":"y"}`))
	wantFault(t, err, fault.Internal, "Failed to add credential to archive.")
	if got := w.events.take(); got != nil {
		t.Errorf("a failed change is announced: %+v", got)
	}
}

func TestRevertCredential_CopiesTheSealedValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, Rotation: credential.Rotation{Maximum: 1}})
	id := w.credential(t, "db", `{"k":"v"}`)
	w.set(t, id, `{"l":"w"}`)
	first, _ := w.store.Credentials().Revision(t.Context(), id, 1)

	_, err := w.RevertCredential(t.Context(), ann, id, 2, 0)
	wantFault(t, err, fault.Invalid, "No difference between old and new credential.")
	for _, to := range []int{-1, 0, 3, 999} {
		_, err := w.RevertCredential(t.Context(), ann, id, to, 0)
		wantFault(t, err, fault.NotFound, "Credential not found.")
	}
	_, err = w.RevertCredential(t.Context(), ann, "0123456789abcdef", 1, 0)
	wantFault(t, err, fault.NotFound, "Credential not found.")
	_, err = w.RevertCredential(t.Context(), ann, id+"-1", 1, 0)
	wantFault(t, err, fault.Invalid, "id provided is not a credential.")
	_, err = w.RevertCredential(t.Context(), ann, id, 1, 1)
	wantFault(t, err, fault.Stale, id+" was changed concurrently, reload and try again")

	view, err := w.RevertCredential(t.Context(), caller(authz.User, "bob"), id, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	row := view.Row
	if row.Revision != 3 || row.ModifiedBy != "bob" || row.Sealed.Ciphertext != first.Sealed.Ciphertext ||
		!row.LastRotation.Equal(first.LastRotation) || !row.ModifiedDate.After(first.ModifiedDate) {
		t.Errorf("row %+v", row)
	}
	if view.Pairs != nil || !slices.Equal(view.KeyNames, []string{"k"}) ||
		!equalPermissions(view.Permissions, allTrue("metadata", "get", "update")) {
		t.Errorf("view %+v", view)
	}
	_, err = w.RevertCredential(t.Context(), ann, id, 1, 0)
	wantFault(t, err, fault.Invalid, "No difference between old and new credential.")
}
