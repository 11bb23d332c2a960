package account_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

func TestAdd_MakesAnEnabledAccountWhosePasswordHolds(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	added, err := r.Add(t.Context(), operator(), account.NewAccount{Name: "Alice", Email: "alice@example.com", Password: secret("correct horse battery")})
	if err != nil {
		t.Fatal(err)
	}
	if added.Name != "Alice" || added.Email != "alice@example.com" || !added.Enabled || !added.HasPassword || added.Created.IsZero() {
		t.Errorf("Add = %+v", added)
	}
	got, err := r.VerifyPassword(t.Context(), "aLICE", "correct horse battery")
	if err != nil || got.Name != "Alice" {
		t.Errorf("VerifyPassword = %+v, %v; want Alice", got, err)
	}
	if body := r.documents.body("account", "alice"); strings.Contains(body, "horse") || !strings.Contains(body, "$argon2id$v=19$m=8,t=1,p=1$") {
		t.Errorf("stored: %s", body)
	}
}

func TestAdd_RefusesAndStoresNothing(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 129)
	good := secret("correct horse battery")
	for name, tt := range map[string]struct {
		in   account.NewAccount
		kind fault.Kind
	}{
		"name exists":             {account.NewAccount{Name: "alice", Password: good}, fault.Exists},
		"name in other case":      {account.NewAccount{Name: "ALICE", Password: good}, fault.Exists},
		"name empty":              {account.NewAccount{Password: good}, fault.Invalid},
		"name too long":           {account.NewAccount{Name: long, Password: good}, fault.Invalid},
		"name with a blank":       {account.NewAccount{Name: "a b", Password: good}, fault.Invalid},
		"name with a slash":       {account.NewAccount{Name: "a/b", Password: good}, fault.Invalid},
		"name beyond ASCII":       {account.NewAccount{Name: "älice", Password: good}, fault.Invalid},
		"password too short":      {account.NewAccount{Name: "bob", Password: secret("elevenchars")}, fault.Invalid},
		"password empty":          {account.NewAccount{Name: "bob", Password: secret("")}, fault.Invalid},
		"password too long":       {account.NewAccount{Name: "bob", Password: secret(strings.Repeat("x", 1025))}, fault.Invalid},
		"e-mail without at":       {account.NewAccount{Name: "bob", Email: "bob", Password: good}, fault.Invalid},
		"e-mail with a name":      {account.NewAccount{Name: "bob", Email: "Bob <bob@example.com>", Password: good}, fault.Invalid},
		"e-mail with a line feed": {account.NewAccount{Name: "bob", Email: "bob@example.com\n", Password: good}, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.mustAdd(t, "Alice")
			before := r.documents.all()
			_, err := r.Add(t.Context(), operator(), tt.in)
			wantKind(t, "Add", err, tt.kind)
			if after := r.documents.all(); !slices.Equal(after, before) {
				t.Errorf("documents: %v, want %v", after, before)
			}
		})
	}
}

func TestAdd_OfTwoAtOnceOneIsRefused(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	errs := make(chan error)
	for _, name := range []string{"alice", "ALICE"} {
		go func() {
			_, err := r.Add(t.Context(), operator(), account.NewAccount{Name: name, Password: secret("correct horse battery")})
			errs <- err
		}()
	}
	first, second := <-errs, <-errs
	if (first == nil) == (second == nil) {
		t.Fatalf("errors: %v, %v; want exactly one", first, second)
	}
	wantKind(t, "the other", errors.Join(first, second), fault.Exists)
}

func TestAdd_TellsAnOutageFromWhatIsKnown(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.documents.failing(func(operation, kind string) error {
		if operation == "put" && kind == "account" {
			return store.ErrUnavailable
		}
		return nil
	})
	_, err := r.Add(t.Context(), operator(), account.NewAccount{Name: "alice"})
	wantKind(t, "Add", err, fault.Unavailable)
	entries := r.recorded()
	if len(entries) != 2 || entries[0].Phase != audit.Attempt || entries[1].Phase != audit.Failed || entries[1].Of != 1 || entries[1].Success {
		t.Errorf("audit: %+v, want an attempt and that it failed", entries)
	}
}

func TestChange_ChangesWhatIsGiven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		before := r.mustAdd(t, "alice")
		time.Sleep(time.Minute)
		after, err := r.Change(t.Context(), operator(), "ALICE", account.Change{Email: ptr("a@example.com")})
		if err != nil {
			t.Fatal(err)
		}
		want := before
		want.Email, want.Modified = "a@example.com", time.Now().UTC()
		if after != want {
			t.Errorf("Change = %+v, want %+v", after, want)
		}
		if _, err := r.VerifyPassword(t.Context(), "alice", "correct horse battery"); err != nil {
			t.Errorf("the password no longer holds: %v", err)
		}
	})
}

func TestChange_Refuses(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustAdd(t, "alice")
	for name, tt := range map[string]struct {
		name string
		in   account.Change
		kind fault.Kind
	}{
		"unknown":        {"bob", account.Change{Enabled: ptr(false)}, fault.NotFound},
		"nothing":        {"alice", account.Change{}, fault.Invalid},
		"short password": {"alice", account.Change{Password: secret("short")}, fault.Invalid},
		"bad e-mail":     {"alice", account.Change{Email: ptr("x")}, fault.Invalid},
	} {
		_, err := r.Change(t.Context(), operator(), tt.name, tt.in)
		wantKind(t, name, err, tt.kind)
	}
	if got := r.documents.all(); slices.Contains(got, "account/bob") {
		t.Errorf("documents: %v; an unknown account was made", got)
	}
}

func TestChange_IsTriedAgainWhenAnotherWroteBetween(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustAdd(t, "alice")
	other := r.another(t)
	done := false
	r.documents.failing(func(operation, kind string) error {
		if operation != "put" || kind != "account" || done {
			return nil
		}
		done = true
		return &store.StaleError{Own: true, What: "alice"}
	})
	if _, err := r.Change(t.Context(), operator(), "alice", account.Change{Email: ptr("a@example.com")}); err != nil {
		t.Fatal(err)
	}
	list, err := other.List(t.Context(), operator())
	if err != nil || len(list) != 1 || list[0].Email != "a@example.com" {
		t.Errorf("List = %+v, %v", list, err)
	}
}

func TestDelete_TheLastEnabledAccountNeedsForce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.mustAdd(t, "alice")
		r.mustAdd(t, "bob")
		if _, err := r.Change(t.Context(), operator(), "bob", account.Change{Enabled: ptr(false)}); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "unknown", r.Delete(t.Context(), operator(), "carol", true), fault.NotFound)
		wantKind(t, "last enabled", r.Delete(t.Context(), operator(), "alice", false), fault.Denied)
		if err := r.Delete(t.Context(), operator(), "bob", false); err != nil {
			t.Errorf("a disabled account: %v", err)
		}
		if err := r.Delete(t.Context(), operator(), "Alice", true); err != nil {
			t.Errorf("with force: %v", err)
		}
		if list, err := r.List(t.Context(), operator()); err != nil || len(list) != 0 {
			t.Errorf("List = %+v, %v; want none", list, err)
		}
	})
}

func TestGeneration_MovesWithPasswordDisablingAndANewAccountOfTheName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.mustAdd(t, "alice")
		generation, ok := r.Generation("Alice")
		if !ok {
			t.Fatal("no generation of a new account")
		}
		seen := map[int64]bool{generation: true}
		step := func(what string, do func() error, enabled bool) {
			t.Helper()
			time.Sleep(time.Second)
			if err := do(); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			g, ok := r.Generation("alice")
			if ok != enabled || ok && seen[g] {
				t.Errorf("%s: generation %d, %v (seen %v); want a new one, %v", what, g, ok, seen, enabled)
			}
			seen[g] = true
		}
		change := func(in account.Change) func() error {
			return func() error { _, err := r.Change(t.Context(), operator(), "alice", in); return err }
		}
		step("password", change(account.Change{Password: secret("another long password")}), true)
		step("disable", change(account.Change{Enabled: ptr(false)}), false)
		step("enable", change(account.Change{Enabled: ptr(true)}), true)
		step("delete", func() error { return r.Delete(t.Context(), operator(), "alice", true) }, false)
		step("add again", func() error { _, err := r.Add(t.Context(), operator(), account.NewAccount{Name: "alice"}); return err }, true)

		before, _ := r.Generation("alice")
		if err := change(account.Change{Email: ptr("a@example.com")})(); err != nil {
			t.Fatal(err)
		}
		if after, _ := r.Generation("alice"); after != before {
			t.Errorf("a new e-mail address moved the generation from %d to %d", before, after)
		}
	})
}

func TestList_IsSortedAndHoldsNoHash(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for _, name := range []string{"carol", "Alice", "bob"} {
		r.mustAdd(t, name)
	}
	list, err := r.List(t.Context(), administrator("alice"))
	if err != nil || len(list) != 3 || list[0].Name != "Alice" || list[1].Name != "bob" || list[2].Name != "carol" {
		t.Fatalf("List = %+v, %v", list, err)
	}
	if text := fmt.Sprintf("%+v", list); strings.Contains(text, "argon2") {
		t.Errorf("List shows a hash: %s", text)
	}
}

func TestListedAdministrator_DisregardsCase(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for email, want := range map[string]bool{"chief@example.com": true, "CHIEF@EXAMPLE.COM": true, "other@example.com": false, "": false} {
		if got := r.ListedAdministrator(email); got != want {
			t.Errorf("ListedAdministrator(%q) = %v, want %v", email, got, want)
		}
	}
}
