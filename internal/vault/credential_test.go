package vault_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestCreateCredential_AnswersWhatAGetAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	made, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{
		Name: "db", Pairs: pairs(t, `{"User":"u","PASSWORD":1.0}`), Documentation: new("why"),
		Metadata: json.RawMessage(`{ "team": "x" }`), Enabled: true, Tags: []string{"B", "A"},
	})
	if err != nil {
		t.Fatal(err)
	}
	row := made.Row
	if !regexp.MustCompile(`^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$`).MatchString(row.ID) {
		t.Errorf("id %q is no UUID of version 4", row.ID)
	}
	if row.Revision != 1 || row.ModifiedBy != ann.Name || !row.LastRotation.Equal(row.ModifiedDate) ||
		row.ModifiedDate.Location() != time.UTC || row.ModifiedDate.Nanosecond()%1000 != 0 ||
		string(row.Metadata) != `{"team":"x"}` || !slices.Equal(row.Tags, []string{"B", "A"}) || *row.Documentation != "why" {
		t.Errorf("row %+v", row)
	}
	got, err := w.GetCredential(t.Context(), ann, row.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, view := range []vault.CredentialView{made, got} {
		if !slices.Equal(view.KeyNames, []string{"password", "user"}) || string(view.Pairs.Encode()) != `{"password":1.0,"user":"u"}` ||
			!equalPermissions(view.Permissions, allTrue("metadata", "get", "update")) || view.Historic || !view.NextRotation.IsZero() {
			t.Errorf("view %+v %s", view, view.Pairs.Encode())
		}
	}
	first, err := w.store.Credentials().Revision(t.Context(), row.ID, 1)
	if err != nil || !credential.Identical(first, row) {
		t.Errorf("revision 1 is %+v, %v", first, err)
	}
	if events := w.events.take(); events != nil {
		t.Errorf("creating is announced: %+v", events)
	}
}

func TestCreateCredential_OrderOfRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, EnforceDocumentation: true})
	taken, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{
		Name: "taken", Pairs: pairs(t, `{"k":"v"}`), Documentation: new("d"), Enabled: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(word string) error { return fault.New(fault.Invalid, word) }
	// Each step mends the fault of the one before.
	in := vault.NewCredential{
		Name: "", Metadata: json.RawMessage(`[]`), Enabled: true,
		Unread: vault.Unread{
			"": wrong("body"), "documentation": wrong("documentation"), "credential_pairs": wrong("pairs"),
			"name": wrong("name"), "enabled": wrong("enabled"), "tags": wrong("tags"),
		},
	}
	steps := []struct {
		want string
		mend func()
	}{
		{"body", func() { delete(in.Unread, "") }},
		{"documentation", func() { delete(in.Unread, "documentation") }},
		{"documentation is a required field", func() { in.Documentation = new("") }},
		{"documentation is a required field", func() { in.Documentation = new("d") }},
		{"metadata must be a dict", func() { in.Metadata = nil }},
		{"pairs", func() { delete(in.Unread, "credential_pairs") }},
		{"credential_pairs is a required field", func() { in.Pairs = pairs(t, `{"k":"v"}`) }},
		{"name", func() { delete(in.Unread, "name") }},
		{"name is a required field", func() { in.Name = "taken" }},
		{"enabled", func() { delete(in.Unread, "enabled") }},
		{"tags", func() { delete(in.Unread, "tags") }},
	}
	_, _, writes := w.marks()
	for _, step := range steps {
		_, err := w.CreateCredential(t.Context(), ann, in)
		wantFault(t, err, fault.Invalid, step.want)
		step.mend()
	}
	_, err = w.CreateCredential(t.Context(), ann, in)
	if f := wantFault(t, err, fault.Exists, "Name already exists. See id: "+taken.Row.ID); f.Reference != taken.Row.ID {
		t.Errorf("reference %q", f.Reference)
	}
	if _, _, now := w.marks(); now != writes {
		t.Errorf("%d writes of what was refused", now-writes)
	}
	in.Name = "free"
	if _, err := w.CreateCredential(t.Context(), ann, in); err != nil {
		t.Error(err)
	}
}

func TestGetCredential_ShowsWhatThePolicyAllows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	only := func(actions ...authz.Action) decide {
		return func(r authz.Request) bool { return slices.Contains(actions, r.Action) }
	}
	tests := []struct {
		name         string
		policy       decide
		metadataOnly bool
		pairs        bool
		action       string
		permissions  vault.Permissions
	}{
		{"all", only("metadata", "get", "update"), false, true, "get", vault.Permissions{"metadata": true, "get": true, "update": true}},
		{"metadata asked for", only("metadata", "get"), true, false, "metadata", vault.Permissions{"metadata": true, "get": true, "update": false}},
		{"metadata allowed", only("metadata"), false, false, "metadata", vault.Permissions{"metadata": true, "get": false, "update": false}},
	}
	for _, tt := range tests {
		w.policy.set(tt.policy)
		records, opened, _ := w.marks()
		view, err := w.GetCredential(t.Context(), ann, x.credential, tt.metadataOnly)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if (view.Pairs != nil) != tt.pairs || !slices.Equal(view.KeyNames, []string{"k"}) || !equalPermissions(view.Permissions, tt.permissions) {
			t.Errorf("%s: %+v", tt.name, view)
		}
		e := w.entries(records)[0]
		if e.Action != tt.action || e.ResourceID != x.credential || e.ResourceName != "mapped" || e.Revision != 2 || e.ResourceType != "credential" {
			t.Errorf("%s: audit entry %+v", tt.name, e)
		}
		if _, now, _ := w.marks(); (now-opened == 1) != tt.pairs {
			t.Errorf("%s: %d values opened", tt.name, now-opened)
		}
	}
}

func TestGetCredential_OnlyCurrentCredentialsAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	for _, id := range []string{"0123456789abcdef", x.credential + "-1", x.blind, x.service, x.service + "-1"} {
		records, _, _ := w.marks()
		_, err := w.GetCredential(t.Context(), ann, id, false)
		wantFault(t, err, fault.NotFound, "Credential not found.")
		if e := w.entries(records); len(e) != 1 || e[0].Success || e[0].Info["error"] != "Credential not found." {
			t.Errorf("%s: audit entries %+v", id, e)
		}
	}
}

func TestPolicy_JudgesAHistoryKeyByItsBase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	var seen []authz.Resource
	w.policy.set(decide(func(r authz.Request) bool {
		seen = append(seen, r.Resource)
		return false
	}))
	_, err := w.GetCredential(t.Context(), ann, x.credential+"-1", false)
	wantFault(t, err, fault.Denied, "")
	_, err = w.GetBlindCredential(t.Context(), ann, x.blind+"-1")
	wantFault(t, err, fault.Denied, "")
	_, err = w.GetService(t.Context(), ann, x.service+"-1", true)
	wantFault(t, err, fault.Denied, "")
	_, err = w.PutService(t.Context(), ann, x.service+"-1", mapped())
	wantFault(t, err, fault.Denied, "")
	for i, base := range []string{x.credential, x.blind, x.service, x.service} {
		if r := seen[i]; r.ID != base || r.Revision != 1 || r.Name == "" {
			t.Errorf("judged %+v, want by %s", r, base)
		}
	}
	if seen[0].Name != "mapped" || !seen[0].Enabled || seen[1].Enabled {
		t.Errorf("attributes are not those of the current rows: %+v", seen[:2])
	}
}

func TestGetCredential_RecordsTheDecryption(t *testing.T) {
	t.Parallel()
	rules := defaults
	rules.SaveLastDecrypted = true
	rules.Rotation = credential.Rotation{Maximum: 30}
	w := newWorld(t, rules)
	id := w.credential(t, "db", `{"k":"v"}`)
	before, err := w.GetCredential(t.Context(), ann, id, true)
	if err != nil || !before.NextRotation.Equal(before.Row.LastRotation.AddDate(0, 0, 30)) {
		t.Fatalf("next rotation %v, %v", before.NextRotation, err)
	}
	seen, err := w.GetCredential(t.Context(), ann, id, false)
	if err != nil || !seen.NextRotation.After(before.Row.LastRotation) || seen.NextRotation.After(w.clock.Now()) {
		t.Errorf("next rotation %v, %v, want now", seen.NextRotation, err)
	}
	for what, get := range map[string]func() (*credential.Credential, error){
		"current": func() (*credential.Credential, error) { return w.store.Credentials().Get(t.Context(), id) },
		"history": func() (*credential.Credential, error) { return w.store.Credentials().Revision(t.Context(), id, 1) },
	} {
		if row, err := get(); err != nil || !row.LastDecrypted.Equal(seen.NextRotation) || row.Revision != 1 {
			t.Errorf("%s row: last decrypted %v, %v, want %v", what, row.LastDecrypted, err, seen.NextRotation)
		}
	}

	// It never fails the read, and a service's fetch is none.
	w.store.beforeWrite(func(string) error { return errDown })
	if _, err := w.GetCredential(t.Context(), ann, id, false); err != nil {
		t.Errorf("a read fails because the date is not kept: %v", err)
	}
	w.store.beforeWrite(nil)
	w.service(t, "foo", id)
	_, _, writes := w.marks()
	if _, err := w.GetService(t.Context(), asService("foo"), "foo", false); err != nil {
		t.Fatal(err)
	}
	w.readOnly.Store(true)
	if _, err := w.GetCredential(t.Context(), ann, id, false); err != nil {
		t.Fatal(err)
	}
	if _, _, now := w.marks(); now != writes {
		t.Errorf("%d writes by a service's fetch or in maintenance mode", now-writes)
	}

	// Unchanged pairs keep the date, changed ones clear it.
	w.readOnly.Store(false)
	w.set(t, id, `{"K":"v"}`)
	if row, _ := w.store.Credentials().Get(t.Context(), id); row.LastDecrypted.IsZero() {
		t.Error("unchanged pairs lose the date of their decryption")
	}
	w.set(t, id, `{"k":"w"}`)
	if row, _ := w.store.Credentials().Get(t.Context(), id); !row.LastDecrypted.IsZero() {
		t.Error("changed pairs keep the date of their decryption")
	}
}

func TestDiffCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"hunter1"}`)
	w.set(t, id, `{"k":"hunter2"}`)
	forward, err := w.DiffCredential(t.Context(), ann, id, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	backward, _ := w.DiffCredential(t.Context(), ann, id, 2, 1)
	a, _ := json.Marshal(forward)
	b, _ := json.Marshal(backward)
	if string(a) != string(b) || strings.Contains(string(a), "hunter") ||
		!strings.Contains(string(a), `"credential_pairs":{"added":["k"],"removed":["k"]}`) {
		t.Errorf("1..2 %s, 2..1 %s", a, b)
	}
	same, err := w.DiffCredential(t.Context(), ann, id, 1, 1)
	if body, _ := json.Marshal(same); err != nil || string(body) != "{}" {
		t.Errorf("1..1 %s, %v", body, err)
	}
	for _, n := range [][2]int{{0, 1}, {1, 3}, {-1, 1}} {
		_, err := w.DiffCredential(t.Context(), ann, id, n[0], n[1])
		wantFault(t, err, fault.NotFound, "Credential not found.")
	}
	for _, other := range []string{id + "-1", "0123456789abcdef"} {
		_, err := w.DiffCredential(t.Context(), ann, other, 1, 2)
		wantFault(t, err, fault.NotFound, "Credential not found.")
	}
}

func TestCredentialRevisions_Ascend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	for range 11 {
		w.set(t, id, `{"k":"v"}`)
	}
	views, err := w.CredentialRevisions(t.Context(), ann, id)
	if err != nil || len(views) != 12 {
		t.Fatalf("%d revisions, %v", len(views), err)
	}
	for i, view := range views {
		if view.Row.Revision != i+1 || !view.Historic || view.KeyNames != nil || view.Pairs != nil || view.Permissions != nil {
			t.Errorf("revision %d: %+v", i+1, view)
		}
	}
	if views, err := w.CredentialRevisions(t.Context(), ann, id+"-1"); err != nil || views == nil || len(views) != 0 {
		t.Errorf("of a history key: %v, %v", views, err)
	}
	for _, other := range []string{"0123456789abcdef", w.blind(t, "b", "k")} {
		_, err := w.CredentialRevisions(t.Context(), ann, other)
		wantFault(t, err, fault.NotFound, "Credential not found.")
	}
}

func TestCredentialDependents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	w.service(t, "b", id)
	change := mapped(id)
	change.Enabled = new(false)
	if _, err := w.PutService(t.Context(), ann, "a", change); err != nil {
		t.Fatal(err)
	}
	got, err := w.CredentialDependents(t.Context(), ann, id)
	if err != nil || fmt.Sprint(got) != "[{a false} {b true}]" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := w.CredentialDependents(t.Context(), ann, "0123456789abcdef"); err != nil || got == nil || len(got) != 0 {
		t.Errorf("of nothing: %v, %v", got, err)
	}
}

func TestRowsWithoutKeyNames_AreOpenedAndThenTell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{})
	id := w.credential(t, "db", `{"k":"v"}`)
	if row, _ := w.store.Credentials().Get(t.Context(), id); row.KeyNames != nil {
		t.Fatalf("key names %q are kept although they should not be", row.KeyNames)
	}
	view, err := w.GetCredential(t.Context(), ann, id, true)
	if err != nil || view.Pairs != nil || !slices.Equal(view.KeyNames, []string{"k"}) {
		t.Errorf("%+v, %v", view, err)
	}

	keeping, err := vault.New(w.dependencies(vault.Rules{StoreKeyNames: true}))
	if err != nil {
		t.Fatal(err)
	}
	w.readOnly.Store(true)
	if _, err := keeping.GetCredential(t.Context(), ann, id, true); err != nil {
		t.Fatal(err)
	}
	if row, _ := w.store.Credentials().Get(t.Context(), id); row.KeyNames != nil {
		t.Error("key names are written in maintenance mode")
	}
	w.readOnly.Store(false)
	if _, err := keeping.GetCredential(t.Context(), ann, id, true); err != nil {
		t.Fatal(err)
	}
	row, _ := w.store.Credentials().Get(t.Context(), id)
	if !slices.Equal(row.KeyNames, []string{"k"}) || row.Revision != 1 {
		t.Errorf("key names %q, revision %d", row.KeyNames, row.Revision)
	}
	_, opened, _ := w.marks()
	if _, err := keeping.GetCredential(t.Context(), ann, id, true); err != nil {
		t.Fatal(err)
	}
	if _, now, _ := w.marks(); now != opened {
		t.Error("the row is opened again for its names")
	}
}

func TestOpening_FailsAsAWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	calls := map[string]func() error{
		"get credential": func() error { _, err := w.GetCredential(t.Context(), ann, x.credential, false); return err },
		"get service":    func() error { _, err := w.GetService(t.Context(), ann, x.service, false); return err },
		"diff":           func() error { _, err := w.DiffCredential(t.Context(), ann, x.credential, 1, 2); return err },
		"update": func() error {
			_, err := w.UpdateCredential(t.Context(), ann, x.credential, whole(t, `{"k":"x"}`))
			return err
		},
		"revert": func() error { _, err := w.RevertCredential(t.Context(), ann, x.credential, 1, 0); return err },
	}
	for _, tt := range []struct {
		cause error
		kind  fault.Kind
		words string
	}{
		{fmt.Errorf("unwrapping: %w", keyring.ErrRefused), fault.Internal, "Decryption error."},
		{fmt.Errorf("unwrapping: %w", keyring.ErrUnavailable), fault.Unavailable, "The key service does not answer."},
	} {
		w.sealer.fail(tt.cause)
		for name, call := range calls {
			records, _, writes := w.marks()
			err := call()
			wantFault(t, err, tt.kind, tt.words)
			if e := w.entries(records); len(e) != 1 || e[0].Success || e[0].Phase != audit.Done {
				t.Errorf("%s: audit entries %+v", name, e)
			}
			if _, _, now := w.marks(); now != writes {
				t.Errorf("%s: %d writes", name, now-writes)
			}
		}
	}
	_, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{Name: "n", Pairs: pairs(t, `{"k":"v"}`)})
	wantFault(t, err, fault.Unavailable, "The key service does not answer.")
}
