package vault_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestCreateBlindCredential_KeepsCiphertextByteForByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	in := newBlind("b", "z", "a", "z")
	made, err := w.CreateBlindCredential(t.Context(), ann, in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.GetBlindCredential(t.Context(), ann, made.Row.ID)
	if err != nil {
		t.Fatal(err)
	}
	old, err := w.GetBlindCredential(t.Context(), ann, made.Row.ID+"-1")
	if err != nil || !old.Historic {
		t.Fatal(err)
	}
	for _, view := range []vault.BlindView{made, got, old} {
		row := view.Row
		if !view.Sealed || string(row.Pairs) != string(in.Pairs) || string(row.DataKey) != string(in.DataKey) ||
			!slices.Equal(row.KeyNames, []string{"a", "z"}) || row.CipherVersion != 2 || row.Revision != 1 || row.ModifiedBy != ann.Name {
			t.Errorf("%+v", view)
		}
	}
	for _, id := range []string{"0123456789abcdef", made.Row.ID + "-2", w.credential(t, "c", `{"k":"v"}`)} {
		_, err := w.GetBlindCredential(t.Context(), ann, id)
		wantFault(t, err, fault.NotFound, "Blind credential not found.")
	}
}

func TestCreateBlindCredential_OrderOfRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{EnforceDocumentation: true})
	wrong := func(word string) error { return fault.New(fault.Invalid, word) }
	in := vault.NewBlind{
		Pairs: json.RawMessage(`{}`), DataKey: json.RawMessage(`""`), Metadata: json.RawMessage(`1`),
		Unread: vault.Unread{
			"": wrong("body"), "cipher_version": wrong("version"), "credential_keys": wrong("keys"),
			"name": wrong("name"), "enabled": wrong("enabled"),
		},
	}
	for _, step := range []struct {
		want string
		mend func()
	}{
		{"body", func() { delete(in.Unread, "") }},
		{"The following fields are required: ['cipher_type', 'credential_pairs', 'data_key', 'documentation']", func() { delete(in.Unread, "cipher_version") }},
		{"The following fields are required: ['cipher_version', 'cipher_type', 'credential_pairs', 'data_key', 'documentation']", func() {
			in.CipherVersion, in.CipherType, in.Pairs, in.DataKey = 2, "fernet", json.RawMessage(`"x"`), json.RawMessage(`"x"`)
		}},
		{"The following fields are required: ['documentation']", func() { in.Documentation = new("d") }},
		{"data_key must be a dict with a region/key mapping.", func() { in.DataKey = json.RawMessage(`{"r":"k"}`) }},
		{"keys", func() { delete(in.Unread, "credential_keys") }},
		{"metadata must be a dict", func() { in.Metadata = nil }},
		{"name", func() { delete(in.Unread, "name") }},
		{"name is a required field", func() { in.Name = "n" }},
		{"enabled", func() { delete(in.Unread, "enabled") }},
	} {
		_, err := w.CreateBlindCredential(t.Context(), ann, in)
		wantFault(t, err, fault.Invalid, step.want)
		step.mend()
	}
	made, err := w.CreateBlindCredential(t.Context(), ann, in)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.CreateBlindCredential(t.Context(), ann, in)
	if f := wantFault(t, err, fault.Exists, "Name already exists. See id: "+made.Row.ID); f.Reference != made.Row.ID {
		t.Errorf("reference %q", f.Reference)
	}
}

func TestUpdateBlindCredential_OrderOfRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true})
	id, taken := w.blind(t, "b", "k"), w.blind(t, "taken", "l")
	both := vault.ServiceChange{BlindCredentials: &[]string{id, taken}}
	if _, err := w.PutService(t.Context(), ann, "foo", both); err != nil {
		t.Fatal(err)
	}
	v, err := vault.New(w.dependencies(vault.Rules{EnforceDocumentation: true}))
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(word string) error { return fault.New(fault.Invalid, word) }
	s := vault.BlindSealed{Pairs: json.RawMessage(`{"r":"y"}`), KeyNames: []string{"k", "l"}}
	change := vault.BlindChange{
		Name: new("taken"), Sealed: &s, Metadata: new(json.RawMessage(`[]`)), IfRevision: 3,
		Unread: vault.Unread{
			"": wrong("body"), "enabled": wrong("enabled"), "cipher_version": wrong("version"),
			"credential_keys": wrong("keys"), "documentation": wrong("documentation"), "name": wrong("name"),
		},
	}
	for _, step := range []struct {
		kind fault.Kind
		want string
		mend func()
	}{
		{fault.Stale, id + " was changed concurrently, reload and try again", func() { change.IfRevision = 0 }},
		{fault.Invalid, "body", func() { delete(change.Unread, "") }},
		{fault.Invalid, "enabled", func() { delete(change.Unread, "enabled") }},
		{fault.Invalid, "metadata must be a dict", func() { change.Metadata = nil }},
		{fault.Invalid, "data_key required when updating credential_pairs.", func() { s.DataKey = json.RawMessage(`[]`) }},
		{fault.Invalid, "cipher_type required when updating credential_pairs.", func() { s.CipherType = "fernet" }},
		{fault.Invalid, "version", func() { delete(change.Unread, "cipher_version") }},
		{fault.Invalid, "cipher_version required when updating credential_pairs.", func() { s.CipherVersion = 2 }},
		{fault.Invalid, "keys", func() { delete(change.Unread, "credential_keys") }},
		{fault.Invalid, "Conflicting key pairs in mapped service.", func() { s.KeyNames = []string{"m"} }},
		{fault.Invalid, "data_key must be a dict with a region/key mapping.", func() { s.DataKey = json.RawMessage(`{"r":"l"}`) }},
		{fault.Invalid, "documentation", func() { delete(change.Unread, "documentation") }},
		{fault.Invalid, "documentation is a required field", func() { change.SkipDocumentation = true }},
		{fault.Invalid, "name", func() { delete(change.Unread, "name") }},
		{fault.Exists, "Name already exists. See id: " + taken, func() { change.Name = new("") }},
		{fault.Invalid, "name is a required field", func() { change.Name = new("b2") }},
	} {
		_, err := v.UpdateBlindCredential(t.Context(), ann, id, change)
		wantFault(t, err, step.kind, step.want)
		step.mend()
	}
	w.events.take()
	view, err := v.UpdateBlindCredential(t.Context(), ann, id, change)
	if err != nil || view.Row.Revision != 2 || view.Row.Name != "b2" || !view.Sealed || string(view.Row.Pairs) != `{"r":"y"}` {
		t.Errorf("%+v, %v", view, err)
	}
	want := []event.Event{{
		Type: event.BlindCredentialUpdate, Services: []string{"foo"}, Credentials: []string{id},
		Text: fmt.Sprintf(`Updated credential "b2" (%s); Revision 2`, id),
	}}
	if got := w.events.take(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events %+v, want %+v", got, want)
	}
	_, err = v.UpdateBlindCredential(t.Context(), ann, "0123456789abcdef", change)
	wantFault(t, err, fault.NotFound, "Blind credential not found.")
	_, err = v.UpdateBlindCredential(t.Context(), ann, "foo", change)
	wantFault(t, err, fault.Invalid, "id provided is not a blind-credential.")
}

func TestUpdateBlindCredential_KeepsWhatIsAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.blind(t, "b", "k")
	view, err := w.UpdateBlindCredential(t.Context(), ann, id, vault.BlindChange{
		Enabled: new(false), Documentation: new(new("d")), Metadata: new(json.RawMessage(`{"a":1}`)),
	})
	row := view.Row
	if err != nil || row.Enabled || *row.Documentation != "d" || string(row.Metadata) != `{"a":1}` || row.Name != "b" ||
		string(row.Pairs) != `{"r": "cipher"}` || !slices.Equal(row.KeyNames, []string{"k"}) || row.CipherType != "fernet" {
		t.Errorf("%+v, %v", row, err)
	}
}

func TestRevertBlindCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.blind(t, "b", "k")
	if _, err := w.UpdateBlindCredential(t.Context(), ann, id, vault.BlindChange{Name: new("c")}); err != nil {
		t.Fatal(err)
	}
	_, err := w.RevertBlindCredential(t.Context(), ann, id, 2, 0)
	wantFault(t, err, fault.Invalid, "No difference between old and new blind credential.")
	_, err = w.RevertBlindCredential(t.Context(), ann, id, 0, 0)
	wantFault(t, err, fault.NotFound, "Blind credential not found.")
	_, err = w.RevertBlindCredential(t.Context(), ann, id, 1, 1)
	wantFault(t, err, fault.Stale, "")
	other := w.blind(t, "b", "k")
	_, err = w.RevertBlindCredential(t.Context(), ann, id, 1, 0)
	wantFault(t, err, fault.Exists, "Name already exists. See id: "+other)
	if _, err := w.UpdateBlindCredential(t.Context(), ann, other, vault.BlindChange{Name: new("d")}); err != nil {
		t.Fatal(err)
	}
	view, err := w.RevertBlindCredential(t.Context(), ann, id, 1, 2)
	if err != nil || view.Row.Revision != 3 || view.Row.Name != "b" || !view.Sealed {
		t.Errorf("%+v, %v", view.Row, err)
	}

	views, err := w.BlindRevisions(t.Context(), ann, id)
	if err != nil || len(views) != 3 {
		t.Fatalf("%+v, %v", views, err)
	}
	for i, want := range []string{"b", "c", "b"} {
		if v := views[i]; v.Row.Revision != 3-i || v.Row.Name != want || !v.Sealed || !v.Historic || v.Row.Pairs == nil {
			t.Errorf("revision %d: %+v", 3-i, v)
		}
	}
	history, err := w.BlindHistory(t.Context(), ann, revision.Page{})
	if err != nil || len(history.Items) != 5 || !history.Items[0].Sealed || history.Items[0].Row.DataKey == nil {
		t.Errorf("%+v, %v", history, err)
	}
	list, err := w.ListBlindCredentials(t.Context(), ann, revision.Page{})
	if err != nil || len(list.Items) != 2 || list.Items[0].Sealed {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestBlindCredentials_ServicesReadButDoNotWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.blind(t, "b", "k")
	foo := asService("foo")
	if _, err := w.GetBlindCredential(t.Context(), foo, id); err != nil {
		t.Error(err)
	}
	_, err := w.CreateBlindCredential(t.Context(), foo, newBlind("n", "k"))
	wantFault(t, err, fault.Denied, "foo does not have access to create blind credentials")
	_, err = w.UpdateBlindCredential(t.Context(), foo, id, vault.BlindChange{})
	wantFault(t, err, fault.Denied, "foo does not have access to update blind credential "+id)
	_, err = w.RevertBlindCredential(t.Context(), foo, id, 1, 0)
	wantFault(t, err, fault.Denied, "foo does not have access to revert blind credential "+id)
	if got, err := w.BlindDependents(t.Context(), foo, id); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestGetCredential_AServiceGetsOnlyWhatIsMappedToIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	// A permit that opens the credential routes to services leaves the built-in
	// rule in force, which needs to know what is mapped.
	engine, err := authz.NewEngine([]authz.Entry{{
		Name: "open", Active: true, Cedar: `permit (principal is Service, action, resource is credential);`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.policy.set(engine)
	own, err := w.GetCredential(t.Context(), asService(x.service), x.credential, false)
	if err != nil || own.Pairs == nil {
		t.Errorf("%+v, %v", own, err)
	}
	other, err := w.GetCredential(t.Context(), asService("other"), x.credential, false)
	if err != nil || other.Pairs != nil || other.Permissions["get"] {
		t.Errorf("%+v, %v", other, err)
	}
	updated, err := w.UpdateCredential(t.Context(), asService("other"), x.credential, vault.CredentialChange{Enabled: new(true)})
	if err != nil || updated.Pairs != nil {
		t.Errorf("%+v, %v", updated, err)
	}
}
