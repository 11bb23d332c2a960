package account_test

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

func (r *room) mustLink(t testing.TB) account.Secret {
	t.Helper()
	token, err := r.SetupLink(t.Context())
	if err != nil || len(token) != 43 {
		t.Fatalf("SetupLink = %d characters, %v", len(token), err)
	}
	return token
}

func first(name string) account.NewAccount {
	return account.NewAccount{Name: name, Password: secret("correct horse battery")}
}

// browser is nobody, as who has the link still is.
func browser() authz.Caller {
	return authz.Caller{Client: netip.MustParseAddr("192.0.2.7"), Door: "page", RequestID: "r1"}
}

func TestSetUp_MakesTheFirstAccountOnce(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	token := r.mustLink(t)
	if keys := strings.Join(r.documents.all(), " "); strings.Contains(keys, string(token)) {
		t.Errorf("the token stands in %s", keys)
	}
	if err := r.CheckSetup(t.Context(), token); err != nil {
		t.Errorf("CheckSetup: %v", err)
	}
	made, err := r.SetUp(t.Context(), browser(), token, first("Alice"))
	if err != nil || made.Name != "Alice" || !made.Enabled || made.Generation == 0 {
		t.Fatalf("SetUp = %+v, %v", made, err)
	}
	if _, err := r.VerifyPassword(t.Context(), "alice", "correct horse battery"); err != nil {
		t.Errorf("its password: %v", err)
	}
	entries := r.recorded()
	if len(entries) != 1 {
		t.Fatalf("audit: %+v, want one record", entries)
	}
	e := entries[0]
	if summary(e) != "attempt update account alice" || e.User != "setup" || e.Client != "192.0.2.7" || e.RequestID != "r1" || e.Door != "page" || e.Info["operation"] != "setup" {
		t.Errorf("record: %+v", e)
	}
	_, err = r.SetUp(t.Context(), browser(), token, first("mallory"))
	wantKind(t, "again", err, fault.Unauthenticated)
	if link, err := r.SetupLink(t.Context()); err != nil || link != "" {
		t.Errorf("SetupLink with an account = %v, %v; want none", link, err)
	}
	if err := r.Delete(t.Context(), operator(), "alice", true); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "after the account is deleted", r.CheckSetup(t.Context(), token), fault.Unauthenticated)
}

func TestSetUp_TheLinkIsRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]func(ctx context.Context, t *testing.T, r *room, good account.Secret) account.Secret{
		"no token": func(context.Context, *testing.T, *room, account.Secret) account.Secret { return "" },
		"wrong token": func(_ context.Context, _ *testing.T, _ *room, good account.Secret) account.Secret {
			return "A" + good[1:] + ""
		},
		"too long": func(_ context.Context, _ *testing.T, _ *room, good account.Secret) account.Secret { return good + "x" },
		"after 15 min": func(_ context.Context, _ *testing.T, _ *room, good account.Secret) account.Secret {
			time.Sleep(15 * time.Minute)
			return good
		},
		"account added": func(_ context.Context, t *testing.T, r *room, good account.Secret) account.Secret {
			r.mustAdd(t, "bob")
			return good
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t)
				good := r.mustLink(t)
				if good[0] == 'A' {
					good = r.mustLink(t)
				}
				token := tt(t.Context(), t, r, good)
				wantKind(t, "CheckSetup", r.CheckSetup(t.Context(), token), fault.Unauthenticated)
				_, err := r.SetUp(t.Context(), browser(), token, first("alice"))
				wantKind(t, "SetUp", err, fault.Unauthenticated)
				if r.documents.body("account", "alice") != "" {
					t.Error("the account was made")
				}
			})
		})
	}
}

func TestSetUp_WhatBreaksARuleCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	token := r.mustLink(t)
	for name, in := range map[string]account.NewAccount{
		"bad name":       first("no blanks"),
		"short password": {Name: "alice", Password: secret("short")},
		"no password":    {Name: "alice"},
	} {
		_, err := r.SetUp(t.Context(), browser(), token, in)
		wantKind(t, name, err, fault.Invalid)
	}
	if _, err := r.SetUp(t.Context(), browser(), token, first("alice")); err != nil {
		t.Errorf("then a good one: %v", err)
	}
}

// Two processes print links of their own; whoever uses them, one account is made.
func TestSetUp_OfRivalsOneWins(t *testing.T) {
	t.Parallel()
	for range 20 {
		r := newRoom(t)
		other := r.another(t)
		one, two := r.mustLink(t), r.mustLink(t)
		r.documents.lag() // the list shows neither account
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i, name := range []string{"alice", "bob", "carol", "dave"} {
			process, token := r.Accounts, one
			if i%2 == 1 {
				process, token = other, two
			}
			wg.Go(func() { _, errs[i] = process.SetUp(t.Context(), browser(), token, first(name)) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !fault.Is(err, fault.Stale) && !fault.Is(err, fault.Unauthenticated):
				t.Errorf("a rival: %v", err)
			}
		}
		accounts := 0
		for _, key := range r.documents.all() {
			if strings.HasPrefix(key, "account/") {
				accounts++
			}
		}
		if won != 1 || accounts != 1 {
			t.Fatalf("%d won, %d accounts; want one", won, accounts)
		}
	}
}

// A process that dies between its claim and the account keeps nobody away for
// long.
func TestSetUp_AClaimThatCameToNothingEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		token := r.mustLink(t)
		r.documents.failing(onAccounts("put"))
		_, err := r.SetUp(t.Context(), browser(), token, first("alice"))
		wantKind(t, "the store goes away", err, fault.Unavailable)
		r.documents.failing(nil)
		_, err = r.SetUp(t.Context(), browser(), token, first("bob"))
		wantKind(t, "at once", err, fault.Stale)
		time.Sleep(time.Minute)
		if _, err := r.SetUp(t.Context(), browser(), token, first("bob")); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

func TestSetup_TellsAnOutage(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	token := r.mustLink(t)
	r.documents.failing(func(string, string) error { return store.ErrUnavailable })
	wantKind(t, "CheckSetup", r.CheckSetup(t.Context(), token), fault.Unavailable)
	_, err := r.SetUp(t.Context(), browser(), token, first("alice"))
	wantKind(t, "SetUp", err, fault.Unavailable)
	_, err = r.SetupLink(t.Context())
	wantKind(t, "SetupLink", err, fault.Unavailable)
	unread, err := account.New(r.options)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "before the first Refresh", unread.CheckSetup(t.Context(), token), fault.Unavailable)
	if unread.Empty() {
		t.Error("before the first Refresh it is said that there is no account")
	}
}
