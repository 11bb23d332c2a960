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

// quietly checks that a preview leaves nothing but one record that says so.
func (w *world) quietly(t testing.TB, preview func() error) {
	t.Helper()
	w.events.take()
	records, _, writes := w.marks()
	if err := preview(); err != nil {
		t.Fatal(err)
	}
	if _, _, now := w.marks(); now != writes {
		t.Errorf("a preview writes %d times", now-writes)
	}
	if events := w.events.take(); len(events) > 0 {
		t.Errorf("a preview is announced: %+v", events)
	}
	if e := w.entries(records); len(e) != 1 || e[0].Info["preview"] != true || !e[0].Success {
		t.Errorf("audit entries %+v", e)
	}
}

func TestPreviewCredential_SaysWhatTheUpdateWouldDo(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{true, false} {
		w := newWorld(t, vault.Rules{StoreKeyNames: stored})
		id := w.credential(t, "db", `{"changed":"1","gone":"2","old":"3","same":"4"}`)
		other := w.credential(t, "other", `{"o":"1","taken":"1"}`)
		blind := w.blind(t, "blind", "taken")
		w.service(t, "one", id, other)
		change := mapped(id)
		change.BlindCredentials, change.Enabled = &[]string{blind}, new(false)
		if _, err := w.PutService(t.Context(), ann, "two", change); err != nil {
			t.Fatal(err)
		}
		var got vault.CredentialPreview
		w.quietly(t, func() (err error) {
			got, err = w.PreviewCredential(t.Context(), ann, id, vault.CredentialChange{
				Name: new("db2"), Tags: &[]string{"T"}, Enabled: new(false), IfRevision: 1,
				Pairs: credential.Patch(pairs(t, `{"changed":"9","taken":"5"}`), []string{"gone"}, map[string]string{"old": "new"}),
			})
			return err
		})
		c := got.Comparison
		if want := "[name enabled credential_pairs tags]"; fmt.Sprint(c.Members) != want || fmt.Sprint(c.TagsAdded) != "[T]" ||
			c.Before.Name != "db" || c.After.Name != "db2" {
			t.Errorf("%+v", c)
		}
		wantPairs := []credential.KeyFate{
			{Key: "changed", Fate: credential.Changed},
			{Key: "gone", Fate: credential.Removed},
			{Key: "new", Fate: credential.Same, Was: "old"},
			{Key: "same", Fate: credential.Same},
			{Key: "taken", Fate: credential.Added},
		}
		if !reflect.DeepEqual(c.Pairs, wantPairs) {
			t.Errorf("pairs: %+v", c.Pairs)
		}
		wantEffects := []vault.Effect{
			{
				Dependent: vault.Dependent{ID: "one", Enabled: true}, Keys: []string{"changed", "new", "o", "same", "taken"},
				Added: []string{"new"}, Removed: []string{"gone", "old"},
			},
			{
				Dependent: vault.Dependent{ID: "two"}, Keys: []string{"changed", "new", "same", "taken"},
				Added: []string{"new"}, Removed: []string{"gone", "old"},
			},
		}
		if !reflect.DeepEqual(got.Effects, wantEffects) {
			t.Errorf("effects: %+v", got.Effects)
		}
		wantCollisions := []vault.Collision{
			{"one", "taken", []vault.Ref{{ID: other, Name: "other"}}},
			{"two", "taken", []vault.Ref{{ID: blind, Name: "blind", Blind: true}}},
		}
		if !reflect.DeepEqual(got.Collisions, wantCollisions) {
			t.Errorf("collisions: %+v", got.Collisions)
		}
	}
}

func TestPreviewCredential_RefusesWhatTheUpdateRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, EnforceDocumentation: true})
	create := func(name string) string {
		view, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{Name: name, Pairs: pairs(t, `{"k":"v"}`), Documentation: new("d")})
		if err != nil {
			t.Fatal(err)
		}
		return view.Row.ID
	}
	id := create("db")
	create("taken")
	for name, change := range map[string]vault.CredentialChange{
		"a name that is taken":      {Name: new("taken")},
		"no name":                   {Name: new("")},
		"no documentation":          {Documentation: new((*string)(nil))},
		"no pairs":                  whole(t, `{}`),
		"a key that is not there":   {Pairs: credential.Patch(credential.Pairs{}, nil, map[string]string{"x": "y"})},
		"another revision":          {IfRevision: 7},
		"something unread":          {Unread: vault.Unread{"tags": fault.New(fault.Invalid, "tags")}},
		"two mistakes in one":       {Name: new(""), IfRevision: 7},
		"a name and no pairs at it": {Name: new("taken"), Pairs: credential.Whole(credential.Pairs{})},
	} {
		_, got := w.PreviewCredential(t.Context(), ann, id, change)
		_, want := w.UpdateCredential(t.Context(), ann, id, change)
		if got == nil || want == nil || got.Error() != want.Error() || fault.KindOf(got) != fault.KindOf(want) {
			t.Errorf("%s: the preview says %v, the update %v", name, got, want)
		}
	}
}

func TestPreviewCredential_ConfirmsNoGuess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"hunter"}`)
	fate := func() credential.Fate {
		got, err := w.PreviewCredential(t.Context(), ann, id, whole(t, `{"k":"hunter"}`))
		if err != nil {
			t.Fatal(err)
		}
		return got.Comparison.Pairs[0].Fate
	}
	if got := fate(); got != credential.Same {
		t.Errorf("to who may get: %s", got)
	}
	w.policy.set(decide(func(r authz.Request) bool { return r.Action == authz.Update }))
	if got := fate(); got != credential.Changed {
		t.Errorf("to who may not: %s", got)
	}
}

func TestPreviewCredential_OpensNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	_, opened, _ := w.marks()
	got, err := w.PreviewCredential(t.Context(), ann, id, vault.CredentialChange{Name: new("x")})
	if _, now, _ := w.marks(); err != nil || now != opened {
		t.Errorf("%d opened, %v", now-opened, err)
	}
	if want := []credential.KeyFate{{Key: "k", Fate: credential.Same}}; !reflect.DeepEqual(got.Comparison.Pairs, want) {
		t.Errorf("%+v", got.Comparison.Pairs)
	}
}

func TestPreviewRevertCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"a":"1","b":"1"}`)
	other := w.credential(t, "other", `{"b":"1"}`)
	w.set(t, id, `{"a":"2"}`)
	w.service(t, "foo", id, other)
	var got vault.CredentialPreview
	w.quietly(t, func() (err error) {
		got, err = w.PreviewRevertCredential(t.Context(), ann, id, 1, 2)
		return err
	})
	want := []credential.KeyFate{{Key: "a", Fate: credential.Changed}, {Key: "b", Fate: credential.Added}}
	if !reflect.DeepEqual(got.Comparison.Pairs, want) || len(got.Effects) != 1 || len(got.Collisions) != 1 || got.Collisions[0].Key != "b" {
		t.Errorf("%+v", got)
	}
	for _, tt := range []struct{ to, seen int }{{2, 0}, {3, 0}, {1, 1}} {
		_, got := w.PreviewRevertCredential(t.Context(), ann, id, tt.to, tt.seen)
		_, want := w.RevertCredential(t.Context(), ann, id, tt.to, tt.seen)
		if got == nil || want == nil || got.Error() != want.Error() {
			t.Errorf("%+v: the preview says %v, the revert %v", tt, got, want)
		}
	}
}

func TestPreviewBlindCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.blind(t, "b", "l")
	other := w.credential(t, "other", `{"k":"1"}`)
	change := mapped(other)
	change.BlindCredentials = &[]string{id}
	if _, err := w.PutService(t.Context(), ann, "foo", change); err != nil {
		t.Fatal(err)
	}
	in := newBlind("", "k")
	sealed := &vault.BlindSealed{Pairs: in.Pairs, DataKey: in.DataKey, KeyNames: in.KeyNames, CipherType: "x", CipherVersion: 3}
	var got vault.BlindPreview
	w.quietly(t, func() (err error) {
		got, err = w.PreviewBlindCredential(t.Context(), ann, id, vault.BlindChange{Sealed: sealed})
		return err
	})
	if fmt.Sprint(got.Effects) != "[{{foo true} [k] [] [l]}]" ||
		!reflect.DeepEqual(got.Collisions, []vault.Collision{{"foo", "k", []vault.Ref{{ID: other, Name: "other"}}}}) {
		t.Errorf("%+v", got)
	}
	// It refuses what the update refuses, but for the conflict that it has told.
	empty, taken := "", "c"
	w.blind(t, taken, "z")
	for _, change := range []vault.BlindChange{
		{Name: &empty}, {Name: &taken}, {IfRevision: 7}, {Sealed: &vault.BlindSealed{KeyNames: []string{"m"}}},
	} {
		_, got := w.PreviewBlindCredential(t.Context(), ann, id, change)
		_, want := w.UpdateBlindCredential(t.Context(), ann, id, change)
		if got == nil || want == nil || got.Error() != want.Error() {
			t.Errorf("%+v: the preview says %v, the update %v", change, got, want)
		}
	}
}

func TestPreviewRevertBlindCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.blind(t, "b", "k")
	in := newBlind("", "l")
	if _, err := w.UpdateBlindCredential(t.Context(), ann, id, vault.BlindChange{Sealed: &vault.BlindSealed{
		Pairs: in.Pairs, DataKey: in.DataKey, KeyNames: in.KeyNames, CipherType: "x", CipherVersion: 3,
	}}); err != nil {
		t.Fatal(err)
	}
	other := w.credential(t, "other", `{"k":"1"}`)
	change := mapped(other)
	change.BlindCredentials = &[]string{id}
	if _, err := w.PutService(t.Context(), ann, "foo", change); err != nil {
		t.Fatal(err)
	}
	var got vault.BlindPreview
	w.quietly(t, func() (err error) {
		got, err = w.PreviewRevertBlindCredential(t.Context(), ann, id, 1, 0)
		return err
	})
	if fmt.Sprint(got.Comparison.Members) != "[credential_keys cipher_type cipher_version]" || got.Comparison.Sealed ||
		fmt.Sprint(got.Comparison.KeysAdded, got.Comparison.KeysRemoved) != "[k] [l]" ||
		fmt.Sprint(got.Effects) != "[{{foo true} [k] [] [l]}]" ||
		!reflect.DeepEqual(got.Collisions, []vault.Collision{{"foo", "k", []vault.Ref{{ID: other, Name: "other"}}}}) {
		t.Errorf("%+v", got)
	}
	_, err := w.PreviewRevertBlindCredential(t.Context(), ann, id, 2, 0)
	wantFault(t, err, fault.Invalid, "No difference between old and new blind credential.")
}

func TestPreviewService_CreateAndUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	a, b, c := w.credential(t, "a", `{"k":"1"}`), w.credential(t, "b", `{"k":"1","l":"1"}`), w.credential(t, "c", `{"m":"1"}`)
	refA, refB := vault.Ref{ID: a, Name: "a"}, vault.Ref{ID: b, Name: "b"}
	preview := func(change vault.ServiceChange) (got vault.ServicePreview) {
		t.Helper()
		w.quietly(t, func() (err error) {
			got, err = w.PreviewService(t.Context(), ann, "foo", change)
			return err
		})
		return got
	}
	got := preview(mapped(a, b, "nothing"))
	if !got.New || fmt.Sprint(got.Gone) != "[nothing]" || fmt.Sprint(got.Added, got.Removed) != "[k l] []" ||
		!reflect.DeepEqual(got.Keys, []vault.Receipt{{"k", []vault.Ref{refA, refB}}, {"l", []vault.Ref{refB}}}) ||
		!reflect.DeepEqual(got.Collisions, []vault.Collision{{"foo", "k", []vault.Ref{refA, refB}}}) {
		t.Errorf("a new one: %+v", got)
	}
	w.service(t, "foo", a, c)
	got = preview(mapped(b, c))
	if got.New || fmt.Sprint(got.Added, got.Removed) != "[l] []" || len(got.Collisions) != 0 ||
		len(got.Comparison.Mapped) != 1 || got.Comparison.Mapped[0].Ref != refB ||
		len(got.Comparison.Unmapped) != 1 || got.Comparison.Unmapped[0].Ref != refA {
		t.Errorf("one for another: %+v", got)
	}
	for name, change := range map[string]vault.ServiceChange{
		"an unknown account": {Account: "x"},
		"another revision":   {IfRevision: 9},
		"something unread":   {Unread: vault.Unread{"account": fault.New(fault.Invalid, "account")}},
	} {
		_, got := w.PreviewService(t.Context(), ann, "foo", change)
		_, want := w.PutService(t.Context(), ann, "foo", change)
		if got == nil || want == nil || got.Error() != want.Error() {
			t.Errorf("%s: the preview says %v, the put %v", name, got, want)
		}
	}
}

func TestPreviewRevertService(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	a, b := w.credential(t, "a", `{"k":"1"}`), w.credential(t, "b", `{"l":"1"}`)
	w.service(t, "foo", a)
	w.service(t, "foo", b)
	w.set(t, a, `{"l":"1","n":"1"}`)
	var got vault.ServicePreview
	w.quietly(t, func() (err error) {
		got, err = w.PreviewRevertService(t.Context(), ann, "foo", 1, 2)
		return err
	})
	if fmt.Sprint(got.Added, got.Removed) != "[n] []" || fmt.Sprint(got.Comparison.Members) != "[credentials]" {
		t.Errorf("%+v", got)
	}
	_, err := w.PreviewRevertService(t.Context(), ann, "foo", 2, 0)
	wantFault(t, err, fault.Invalid, "No difference between old and new service.")
	_, err = w.PreviewRevertService(t.Context(), ann, "foo", 1, 1)
	wantFault(t, err, fault.Stale, "")
}
