package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// begin stores a pending log-in as of now.
func (r *room) begin(t testing.TB, id string, life time.Duration) {
	t.Helper()
	d := store.Document{Kind: "challenge", ID: id, Body: []byte(`{"step": "saml"}`), Expires: time.Now().Add(life)}
	if _, err := r.documents.Put(t.Context(), d, 0); err != nil {
		t.Fatal(err)
	}
}

func TestCleanChallenges(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   func(now time.Time) account.ChallengeCleanup
		left []string
	}{
		"expired": {func(time.Time) account.ChallengeCleanup { return account.ChallengeCleanup{} }, []string{"long", "new"}},
		"by age": {func(now time.Time) account.ChallengeCleanup {
			return account.ChallengeCleanup{BegunBefore: now.Add(-15 * time.Minute)}
		}, []string{"new"}},
		"too young": {func(now time.Time) account.ChallengeCleanup {
			return account.ChallengeCleanup{BegunBefore: now.Add(-time.Hour)}
		}, []string{"expired", "long", "new"}},
		"all": {func(now time.Time) account.ChallengeCleanup {
			return account.ChallengeCleanup{BegunBefore: now, All: true}
		}, nil},
		"dry run":     {func(time.Time) account.ChallengeCleanup { return account.ChallengeCleanup{All: true, DryRun: true} }, []string{"expired", "long", "new"}},
		"dry expired": {func(time.Time) account.ChallengeCleanup { return account.ChallengeCleanup{DryRun: true} }, []string{"expired", "long", "new"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t)
				r.mustAdd(t, "ada")
				r.begin(t, "expired", 10*time.Minute)
				r.begin(t, "long", time.Hour)
				time.Sleep(20 * time.Minute)
				r.begin(t, "new", 10*time.Minute)
				r.recorded()
				in := tt.in(time.Now())
				want := 3 - len(tt.left)
				if in.DryRun {
					want = map[bool]int{true: 3, false: 1}[in.All]
				}
				if n, err := r.CleanChallenges(t.Context(), operator(), in); err != nil || n != want {
					t.Errorf("CleanChallenges = %d, %v, want %d", n, err, want)
				}
				var left []string
				for _, id := range []string{"expired", "long", "new"} {
					if r.documents.body("challenge", id) != "" {
						left = append(left, id)
					}
				}
				if !slices.Equal(left, tt.left) {
					t.Errorf("left: %v, want %v", left, tt.left)
				}
				if r.documents.body("account", "ada") == "" {
					t.Error("an account is gone")
				}
				action, phase := "update", audit.Attempt
				if in.DryRun {
					action, phase = "list", audit.Done
				}
				records := r.recorded()
				if len(records) != 1 || records[0].Action != action || records[0].Phase != phase || records[0].ResourceType != "cleanup" {
					t.Errorf("recorded %+v, want one %s of the clean-up", records, action)
				}
			})
		})
	}
}

func TestCleanChallenges_Refused(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.begin(t, "x", -time.Hour)
	for _, dry := range []bool{false, true} {
		_, err := r.CleanChallenges(t.Context(), person("ada@example.com"), account.ChallengeCleanup{All: true, DryRun: dry})
		wantKind(t, fmt.Sprintf("a user, dry run: %v", dry), err, fault.Denied)
		if records := r.recorded(); len(records) != 1 || records[0].Success {
			t.Errorf("recorded %+v, want one refusal", records)
		}
	}
	r.documents.failing(func(operation, _ string) error {
		if operation == "purge" {
			return store.ErrUnavailable
		}
		return nil
	})
	_, err := r.CleanChallenges(t.Context(), operator(), account.ChallengeCleanup{})
	wantKind(t, "without a store", err, fault.Unavailable)
	if records := r.recorded(); len(records) != 2 || records[0].Phase != audit.Attempt || records[1].Phase != audit.Failed {
		t.Errorf("recorded %+v, want an attempt that failed", records)
	}
	r.documents.failing(nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.CleanChallenges(ctx, operator(), account.ChallengeCleanup{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if r.documents.body("challenge", "x") == "" {
		t.Error("what was refused happened")
	}
}
