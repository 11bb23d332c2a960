package account_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/fault"
)

func TestRevokeBefore_RefusesTokensOfTheSameSecondButNotTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		time.Sleep(300 * time.Millisecond)
		token := r.mustToken(t, account.RoleService, "svc")
		begin := time.Now()
		got, err := r.RevokeBefore(t.Context(), operator(), account.Revocation{})
		if err != nil {
			t.Fatal(err)
		}
		if want := begin.Truncate(time.Second).Add(time.Second); !got.Before.Equal(want) || time.Now().Before(want) {
			t.Errorf("in force: %v, returned at %v; want both at %v", got.Before, time.Now(), want)
		}
		_, err = r.VerifyToken(token)
		wantKind(t, "token of the same second", err, fault.Unauthenticated)
		if _, err := r.VerifyToken(r.mustToken(t, account.RoleService, "svc")); err != nil {
			t.Errorf("token made next: %v", err)
		}
	})
}

func TestRevokeBefore_AtTheVeryBeginningOfASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t) // the bubble's clock starts at a whole second
		token := r.mustToken(t, account.RoleService, "svc")
		if _, err := r.RevokeBefore(t.Context(), operator(), account.Revocation{}); err != nil {
			t.Fatal(err)
		}
		_, err := r.VerifyToken(token)
		wantKind(t, "token of the same moment", err, fault.Unauthenticated)
	})
}

func TestRevokeBefore_ConcernsNameAndRole(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		revoke account.Revocation
		dead   []string
	}{
		"all":                    {account.Revocation{}, []string{"admin alice", "read alice", "service svc", "service alice", "admin bob", "cleanup janitor"}},
		"a role":                 {account.Revocation{Role: account.RoleService}, []string{"service svc", "service alice"}},
		"a name":                 {account.Revocation{Username: "alice"}, []string{"admin alice", "read alice", "service alice"}},
		"a name in other case":   {account.Revocation{Username: "ALICE"}, []string{"admin alice", "read alice"}},
		"a name and a role":      {account.Revocation{Username: "Alice", Role: account.RoleRead}, []string{"read alice"}},
		"a name without tokens":  {account.Revocation{Username: "nobody"}, nil},
		"a name without account": {account.Revocation{Username: "Janitor"}, []string{"cleanup janitor"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t, withServices("svc", "alice"))
				r.mustAdd(t, "alice")
				r.mustAdd(t, "bob")
				tokens := map[string]string{}
				for _, of := range []string{"admin alice", "read alice", "service svc", "service alice", "admin bob", "cleanup janitor"} {
					role, who, _ := strings.Cut(of, " ")
					tokens[of] = r.mustToken(t, account.Role(role), who)
				}
				if _, err := r.RevokeBefore(t.Context(), operator(), tt.revoke); err != nil {
					t.Fatal(err)
				}
				for of, token := range tokens {
					if _, err := r.VerifyToken(token); (err != nil) != slices.Contains(tt.dead, of) {
						t.Errorf("%s: %v", of, err)
					}
				}
			})
		})
	}
}

func TestRevokeBefore_TakesAMomentButNoneToCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		early := r.mustToken(t, account.RoleService, "svc")
		time.Sleep(time.Hour)
		late := r.mustToken(t, account.RoleService, "svc")
		moment := time.Now().Add(-30*time.Minute + 300*time.Millisecond)
		got, err := r.RevokeBefore(t.Context(), operator(), account.Revocation{Before: moment})
		if err != nil || !got.Before.Equal(moment.Truncate(time.Second).Add(time.Second)) {
			t.Errorf("RevokeBefore = %+v, %v; want %v rounded up", got, err, moment)
		}
		if _, err := r.VerifyToken(early); err == nil {
			t.Error("the early token is accepted")
		}
		if _, err := r.VerifyToken(late); err != nil {
			t.Errorf("the late token: %v", err)
		}
		again, err := r.RevokeBefore(t.Context(), operator(), account.Revocation{Before: moment.Add(-time.Minute)})
		if err != nil || !again.Before.Equal(got.Before) {
			t.Errorf("an earlier moment: %+v, %v; want the later one to stay", again, err)
		}
		_, err = r.RevokeBefore(t.Context(), operator(), account.Revocation{Before: time.Now().Add(time.Millisecond)})
		wantKind(t, "a moment to come", err, fault.Invalid)
		_, err = r.RevokeBefore(t.Context(), operator(), account.Revocation{Role: "root"})
		wantKind(t, "an unknown role", err, fault.Invalid)
	})
}

func TestRevokeBefore_ForgetsWhatNoTokenCanBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		if _, err := r.RevokeBefore(t.Context(), operator(), account.Revocation{Username: "old"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3652 * 24 * time.Hour)
		if _, err := r.RevokeBefore(t.Context(), operator(), account.Revocation{Username: "new"}); err != nil {
			t.Fatal(err)
		}
		if body := r.documents.body("revocations", "current"); strings.Contains(body, "old") || !strings.Contains(body, "new") {
			t.Errorf("stored: %s", body)
		}
	})
}

// TestAccounts_ChangesThatRefuseOlderTokens: a new password, disabling and
// deleting refuse what was issued before, not what is issued next, and not the
// tokens of a service that bears the same name.
func TestAccounts_ChangesThatRefuseOlderTokens(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(*testing.T, *room) error{
		"new password": func(t *testing.T, r *room) error {
			_, err := r.Change(t.Context(), operator(), "alice", account.Change{Password: secret("another long password")})
			return err
		},
		"disabled and enabled": func(t *testing.T, r *room) error {
			if _, err := r.Change(t.Context(), operator(), "alice", account.Change{Enabled: ptr(false)}); err != nil {
				return err
			}
			_, err := r.Change(t.Context(), operator(), "alice", account.Change{Enabled: ptr(true)})
			return err
		},
		"deleted and added": func(t *testing.T, r *room) error {
			if err := r.Delete(t.Context(), operator(), "alice", true); err != nil {
				return err
			}
			_, err := r.Add(t.Context(), operator(), account.NewAccount{Name: "alice"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t, withServices("alice"))
				r.mustAdd(t, "alice")
				old := map[account.Role]string{}
				for _, role := range []account.Role{account.RoleAdmin, account.RoleRead, account.RoleCleanup, account.RoleService} {
					old[role] = r.mustToken(t, role, "alice")
				}
				if err := do(t, r); err != nil {
					t.Fatal(err)
				}
				for role, token := range old {
					if _, err := r.VerifyToken(token); (err == nil) != (role == account.RoleService) {
						t.Errorf("older %s token: %v", role, err)
					}
					if _, err := r.VerifyToken(r.mustToken(t, role, "alice")); err != nil {
						t.Errorf("new %s token: %v", role, err)
					}
				}
			})
		})
	}
}
