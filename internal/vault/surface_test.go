package vault_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// things are ids of what stands in a store, or of what does not.
type things struct {
	credential, idle, spare, archived, stranded, blind, service string
	otherBlind, otherService                                    string           // which nothing changes
	pairs                                                       credential.Pairs // for a new credential
}

// absent returns ids of nothing.
func absent(t testing.TB) things {
	return things{
		"0123456789abcdef", "123456789abcdef0", "23456789abcdef01", "3456789abcdef012", "56789abcdef01234",
		"456789abcdef0123", "nothing-here",
		"6789abcdef012345", "nothing-there",
		pairs(t, `{"n":"v"}`),
	}
}

// furnish puts two revisions of everything into a world: a credential and a
// blind one that a service maps, two disabled credentials that none maps, and
// an archived one, and another of which revisions stayed behind.
func furnish(t testing.TB, w *world) things {
	t.Helper()
	x := things{
		credential: w.credential(t, "mapped", `{"k":"hunter1"}`),
		idle:       w.credential(t, "idle", `{"i":"hunter1"}`),
		spare:      w.credential(t, "spare", `{"s":"hunter1"}`),
		archived:   w.archived(t, "archived"),
		stranded:   w.stranded(t, "stranded"),
		blind:      w.blind(t, "blind", "b"),
		service:    "foo-production",
		pairs:      pairs(t, `{"n":"v"}`),
	}
	ctx := t.Context()
	if _, err := w.PutService(ctx, ann, x.service, vault.ServiceChange{Enabled: new(false)}); err != nil {
		t.Fatal(err)
	}
	change := mapped(x.credential)
	change.BlindCredentials = &[]string{x.blind}
	change.Enabled = new(true)
	if _, err := w.PutService(ctx, ann, x.service, change); err != nil {
		t.Fatal(err)
	}
	w.set(t, x.credential, `{"k":"hunter2"}`)
	for _, id := range []string{x.idle, x.spare} {
		if _, err := w.UpdateCredential(ctx, ann, id, vault.CredentialChange{Enabled: new(false)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.UpdateBlindCredential(ctx, ann, x.blind, vault.BlindChange{Enabled: new(false)}); err != nil {
		t.Fatal(err)
	}
	return x
}

// furnishAll adds two revisions of what no use changes.
func furnishAll(t testing.TB, w *world) things {
	t.Helper()
	x := furnish(t, w)
	x.otherBlind, x.otherService = w.blind(t, "other blind", "o"), "bar-production"
	if _, err := w.UpdateBlindCredential(t.Context(), ann, x.otherBlind, vault.BlindChange{Enabled: new(false)}); err != nil {
		t.Fatal(err)
	}
	for _, enabled := range []bool{true, false} {
		if _, err := w.PutService(t.Context(), ann, x.otherService, vault.ServiceChange{Enabled: &enabled}); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

// use calls one method with sensible arguments.
type use struct {
	call   func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error)
	writes bool
}

// uses holds every method of Vault. A new one must be added here, or
// TestVault_EveryMethodIsWalked fails.
var uses = map[string]use{
	"ListCredentials": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.ListCredentials(ctx, c, revision.Page{})
	}},
	"GetCredential": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.GetCredential(ctx, c, x.credential, false)
	}},
	"CreateCredential": {writes: true, call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.CreateCredential(ctx, c, vault.NewCredential{Name: "new", Pairs: x.pairs, Enabled: true})
	}},
	"UpdateCredential": {writes: true, call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.UpdateCredential(ctx, c, x.credential, vault.CredentialChange{Name: new("renamed")})
	}},
	"RevertCredential": {writes: true, call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.RevertCredential(ctx, c, x.credential, 1, 0)
	}},
	"DiffCredential": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.DiffCredential(ctx, c, x.credential, 1, 2)
	}},
	"CredentialRevisions": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.CredentialRevisions(ctx, c, x.credential)
	}},
	"CredentialHistory": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.CredentialHistory(ctx, c, revision.Page{})
	}},
	"CredentialDependents": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.CredentialDependents(ctx, c, x.credential)
	}},
	"ArchiveCredential": {writes: true, call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.ArchiveCredential(ctx, c, x.spare, vault.ArchiveOptions{Force: true})
	}},
	"RestoreCredential": {writes: true, call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.RestoreCredential(ctx, c, x.archived, true)
	}},
	"RepairArchived": {writes: true, call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.RepairArchived(ctx, c, x.stranded, []int{1, 2}, true)
	}},
	"ListBlindCredentials": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.ListBlindCredentials(ctx, c, revision.Page{})
	}},
	"GetBlindCredential": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.GetBlindCredential(ctx, c, x.blind)
	}},
	"CreateBlindCredential": {writes: true, call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.CreateBlindCredential(ctx, c, newBlind("new", "k"))
	}},
	"UpdateBlindCredential": {writes: true, call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.UpdateBlindCredential(ctx, c, x.blind, vault.BlindChange{Name: new("renamed")})
	}},
	"RevertBlindCredential": {writes: true, call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.RevertBlindCredential(ctx, c, x.blind, 1, 0)
	}},
	"BlindRevisions": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.BlindRevisions(ctx, c, x.blind)
	}},
	"BlindHistory": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.BlindHistory(ctx, c, revision.Page{})
	}},
	"BlindDependents": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.BlindDependents(ctx, c, x.blind)
	}},
	"ListServices": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.ListServices(ctx, c, revision.Page{})
	}},
	"GetService": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.GetService(ctx, c, x.service, false)
	}},
	"PutService": {writes: true, call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.PutService(ctx, c, x.service, mapped(x.credential, x.idle))
	}},
	"RevertService": {writes: true, call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.RevertService(ctx, c, x.service, 1, 0)
	}},
	"DiffService": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.DiffService(ctx, c, x.service, 1, 2)
	}},
	"ServiceRevisions": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.ServiceRevisions(ctx, c, x.service)
	}},
	"ServiceHistory": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.ServiceHistory(ctx, c, revision.Page{})
	}},
	"Find": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.Find(ctx, c, store.Query{Text: "m", Limit: 10})
	}},
	"Summary": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.Summary(ctx, c)
	}},
	"ShowCredential": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.ShowCredential(ctx, c, x.credential)
	}},
	"ShowBlindCredential": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.ShowBlindCredential(ctx, c, x.blind)
	}},
	"ShowService": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.ShowService(ctx, c, x.service)
	}},
	"RevealPair": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.RevealPair(ctx, c, x.credential, "k")
	}},
	"PreviewCredential": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.PreviewCredential(ctx, c, x.credential, vault.CredentialChange{Pairs: credential.Whole(x.pairs)})
	}},
	"PreviewRevertCredential": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.PreviewRevertCredential(ctx, c, x.idle, 1, 0)
	}},
	"PreviewBlindCredential": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		name := "another"
		return v.PreviewBlindCredential(ctx, c, x.otherBlind, vault.BlindChange{Name: &name})
	}},
	"PreviewRevertBlindCredential": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.PreviewRevertBlindCredential(ctx, c, x.otherBlind, 1, 0)
	}},
	"PreviewService": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.PreviewService(ctx, c, x.service, mapped(x.credential, x.idle))
	}},
	"PreviewRevertService": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.PreviewRevertService(ctx, c, x.otherService, 1, 0)
	}},
	"CompareCredential": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.CompareCredential(ctx, c, x.credential, 1, 2)
	}},
	"CompareBlindCredential": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.CompareBlindCredential(ctx, c, x.blind, 1, 2)
	}},
	"CompareService": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.CompareService(ctx, c, x.service, 1, 2)
	}},
	"CredentialJournal": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.CredentialJournal(ctx, c, x.credential, 0)
	}},
	"BlindJournal": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.BlindJournal(ctx, c, x.blind, 0)
	}},
	"ServiceJournal": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.ServiceJournal(ctx, c, x.service, 0)
	}},
	"Candidates": {call: func(ctx context.Context, v *vault.Vault, c authz.Caller, x things) (any, error) {
		return v.Candidates(ctx, c, x.service, "m")
	}},
}

// unrecorded are the methods that leave no audit record, for they tell only
// what the policy would say.
var unrecorded = map[string]bool{"Hints": true}

func TestVault_EveryMethodIsWalked(t *testing.T) {
	t.Parallel()
	methods := reflect.TypeFor[*vault.Vault]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		if _, walked := uses[name]; !walked && !unrecorded[name] {
			t.Errorf("%s is not in the table of uses", name)
		}
	}
	if got := methods.NumMethod(); got != len(uses)+len(unrecorded) {
		t.Errorf("Vault has %d methods, %d are known", got, len(uses)+len(unrecorded))
	}
}

func TestVault_StrangerIsDeniedAndRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, SaveLastDecrypted: true})
	present, absent := furnishAll(t, w), absent(t)
	w.policy.set(decide(nobody))
	mallory := caller(authz.User, "mallory")
	for name, use := range uses {
		var words []string
		for _, x := range []things{present, absent} {
			records, opened, writes := w.marks()
			got, err := use.call(t.Context(), w.Vault, mallory, x)
			f := wantFault(t, err, fault.Denied, "")
			words = append(words, strings.NewReplacer(
				x.credential, "ID", x.idle, "ID", x.spare, "ID", x.archived, "ID", x.stranded, "ID", x.blind, "ID", x.service, "ID", x.otherBlind, "ID", x.otherService, "ID").Replace(f.Message+"|"+f.Reference))
			if !strings.HasPrefix(f.Message, "mallory does not have access to ") || f.By != "test" {
				t.Errorf("%s: refused with %q by %q", name, f.Message, f.By)
			}
			if got != nil && !reflect.ValueOf(got).IsZero() {
				t.Errorf("%s: a refusal comes with %+v", name, got)
			}
			e := w.entries(records)
			if len(e) != 1 || e[0].Phase != audit.Done || e[0].Success || e[0].User != "mallory" ||
				e[0].UserType != "user" || e[0].Client != "192.0.2.1" || e[0].RequestID != "r1" || e[0].Door != "v1" ||
				e[0].Action == "" || e[0].ResourceType == "" || len(e[0].Policies) != 1 {
				t.Errorf("%s: audit entries %+v, want one of the refusal", name, e)
			}
			if _, openedNow, writesNow := w.marks(); openedNow != opened || writesNow != writes {
				t.Errorf("%s: %d values opened, %d writes", name, openedNow-opened, writesNow-writes)
			}
		}
		// A put says whether it would have created the service: clients know the
		// two refusals apart.
		if words[0] != words[1] && name != "PutService" && name != "PreviewService" {
			t.Errorf("%s: what is there is refused with %q, what is not with %q", name, words[0], words[1])
		}
	}
	for noun, p := range w.Hints(t.Context(), mallory) {
		if p["list"] || p["create"] || len(p) != 2 {
			t.Errorf("hints for %s: %v", noun, p)
		}
	}
}

func TestVault_MaintenanceModeRefusesChangesBeforeThePolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, SaveLastDecrypted: true})
	x := furnishAll(t, w)
	w.readOnly.Store(true)
	for name, use := range uses {
		records, opened, writes := w.marks()
		_, err := use.call(t.Context(), w.Vault, ann, x)
		if _, _, now := w.marks(); now != writes {
			t.Errorf("%s: %d writes in maintenance mode", name, now-writes)
		}
		if !use.writes {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantFault(t, err, fault.ReadOnly, "Server in maintenance mode.")
		if e := w.entries(records); len(e) != 1 || e[0].Success || e[0].Phase != audit.Done || e[0].Policies != nil {
			t.Errorf("%s: audit entries %+v, want one of the refusal", name, e)
		}
		if _, now, _ := w.marks(); now != opened {
			t.Errorf("%s: %d values opened", name, now-opened)
		}
	}
	for name, use := range uses {
		if _, err := use.call(t.Context(), w.Vault, operator, x); err != nil {
			t.Errorf("%s: an operator is refused in maintenance mode: %v", name, err)
		}
	}
}

func TestVault_WithoutAuditNothingLeavesAndNothingChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, SaveLastDecrypted: true})
	x := furnishAll(t, w)
	w.audit.Fail(errDown)
	for name, use := range uses {
		_, _, writes := w.marks()
		got, err := use.call(t.Context(), w.Vault, ann, x)
		wantFault(t, err, fault.Unavailable, "The audit log does not take records.")
		if got != nil && !reflect.ValueOf(got).IsZero() {
			t.Errorf("%s: answers %+v without a record", name, got)
		}
		if _, _, now := w.marks(); now != writes {
			t.Errorf("%s: %d writes without a record", name, now-writes)
		}
	}
}

// archived creates a credential, archives it and returns its id.
func (w *world) archived(t testing.TB, name string) string {
	t.Helper()
	id := w.credential(t, name, `{"a":"v"}`)
	if _, err := w.UpdateCredential(t.Context(), ann, id, vault.CredentialChange{Enabled: new(false)}); err != nil {
		t.Fatal(err)
	}
	if err := w.archive(t, id); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestVault_AuditFailOpenGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true, AuditFailOpen: true})
	x := furnishAll(t, w)
	w.audit.Fail(errDown)
	for name, use := range uses {
		if _, err := use.call(t.Context(), w.Vault, ann, x); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVault_EachCallIsOneRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true})
	x := furnishAll(t, w)
	for name, use := range uses {
		records, _, _ := w.marks()
		if _, err := use.call(t.Context(), w.Vault, ann, x); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := audit.Done
		if use.writes {
			want = audit.Attempt
		}
		if e := w.entries(records); len(e) != 1 || e[0].Phase != want || !e[0].Success {
			t.Errorf("%s: audit entries %+v, want one %s", name, e, want)
		}
	}
}

func TestVault_DeadStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vault.Rules{StoreKeyNames: true})
	x := furnishAll(t, w)
	w.store.dead.Store(true)
	for name, use := range uses {
		records, _, _ := w.marks()
		_, err := use.call(t.Context(), w.Vault, ann, x)
		wantFault(t, err, fault.Unavailable, "The store does not answer.")
		e := w.entries(records)
		if len(e) == 0 || e[len(e)-1].Success {
			t.Errorf("%s: audit entries %+v, want the failure", name, e)
		}
	}
}
