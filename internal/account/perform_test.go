package account_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// calls are all methods that a caller gives orders with, and the record of each.
var calls = map[string]struct {
	do     func(context.Context, *room, authz.Caller) error
	record string // phase, action, type and id
}{
	"List": {func(ctx context.Context, r *room, c authz.Caller) error {
		_, err := r.List(ctx, c)
		return err
	}, "done list account "},
	"Add": {func(ctx context.Context, r *room, c authz.Caller) error {
		_, err := r.Add(ctx, c, account.NewAccount{Name: "Bob"})
		return err
	}, "attempt update account bob"},
	"Change": {func(ctx context.Context, r *room, c authz.Caller) error {
		_, err := r.Change(ctx, c, "Alice", account.Change{Password: secret("another long password")})
		return err
	}, "attempt update account alice"},
	"Change without codes": {func(ctx context.Context, r *room, c authz.Caller) error {
		_, err := r.Change(ctx, c, "Alice", account.Change{NoTOTP: true})
		return err
	}, "attempt update account alice"},
	"NewTOTP": {func(ctx context.Context, r *room, c authz.Caller) error {
		_, err := r.NewTOTP(ctx, c, "Alice")
		return err
	}, "attempt update account alice"},
	"EnrolTOTP": {func(ctx context.Context, r *room, c authz.Caller) error {
		_, err := r.EnrolTOTP(ctx, c, "Alice", rfcTOTP(), codeAt(rfcTOTP(), time.Now()))
		return err
	}, "attempt update account alice"},
	"Delete": {func(ctx context.Context, r *room, c authz.Caller) error {
		return r.Delete(ctx, c, "Alice", true)
	}, "attempt update account alice"},
	"CreateToken": {func(ctx context.Context, r *room, c authz.Caller) error {
		_, err := r.CreateToken(ctx, c, account.NewToken{Role: account.RoleRead, Username: "Alice", Days: 1})
		return err
	}, "attempt update token Alice"},
	"CheckToken": {func(ctx context.Context, r *room, c authz.Caller) error {
		_, err := r.CheckToken(ctx, c, "no token")
		return err
	}, "done list token "},
	"RevokeBefore": {func(ctx context.Context, r *room, c authz.Caller) error {
		_, err := r.RevokeBefore(ctx, c, account.Revocation{Username: "Alice"})
		return err
	}, "attempt update token Alice"},
}

func summary(e audit.Entry) string {
	return strings.Join([]string{string(e.Phase), e.Action, e.ResourceType, e.ResourceID}, " ")
}

func TestAccounts_EveryCallIsRecordedOnce(t *testing.T) {
	t.Parallel()
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t)
				r.mustAdd(t, "Alice")
				r.recorded()
				c := administrator("root")
				c.Client, c.RequestID = netip.MustParseAddr("192.0.2.7"), "r1"
				if err := call.do(t.Context(), r, c); err != nil {
					t.Fatal(err)
				}
				entries := r.recorded()
				if len(entries) != 1 {
					t.Fatalf("audit: %+v, want one record", entries)
				}
				e := entries[0]
				if summary(e) != call.record || !e.Success || e.User != "root" || e.UserType != "user" || !e.Administrator ||
					e.Client != "192.0.2.7" || e.RequestID != "r1" || e.Door != "v1" || !slices.Equal(e.Policies, []string{"default-administrators"}) {
					t.Errorf("record: %+v, want %s", e, call.record)
				}
			})
		})
	}
}

func TestAccounts_AStrangerIsDeniedAndRecordedAndChangesNothing(t *testing.T) {
	t.Parallel()
	service := authz.Caller{Principal: authz.Principal{Type: authz.Service, Name: "svc"}, Door: "v1"}
	for name, call := range calls {
		for _, c := range []authz.Caller{person("mallory"), service, {}} {
			t.Run(name+" by "+c.Name, func(t *testing.T) {
				t.Parallel()
				r := newRoom(t)
				r.mustAdd(t, "Alice")
				r.recorded()
				before, account := r.documents.all(), r.documents.body("account", "alice")
				wantKind(t, name, call.do(t.Context(), r, c), fault.Denied)
				entries := r.recorded()
				if len(entries) != 1 || entries[0].Phase != audit.Done || entries[0].Success || entries[0].User != c.Name {
					t.Errorf("audit: %+v, want one refusal", entries)
				}
				if after := r.documents.all(); !slices.Equal(after, before) || r.documents.body("account", "alice") != account {
					t.Errorf("documents: %v, want %v unchanged", after, before)
				}
			})
		}
	}
}

func TestAccounts_WithoutARecordNothingHappens(t *testing.T) {
	t.Parallel()
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.mustAdd(t, "Alice")
			before, account := r.documents.all(), r.documents.body("account", "alice")
			r.audit.Fail(errors.New("the disk is full"))
			wantKind(t, name, call.do(t.Context(), r, operator()), fault.Unavailable)
			if after := r.documents.all(); !slices.Equal(after, before) || r.documents.body("account", "alice") != account {
				t.Errorf("documents: %v, want %v unchanged", after, before)
			}
		})
	}
}

func TestAccounts_AnAttemptThatDoesNotReachTheDiskIsNoSuccess(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.audit.FailFlush(errors.New("the disk is full"))
	_, err := r.Add(t.Context(), operator(), account.NewAccount{Name: "alice"})
	wantKind(t, "Add", err, fault.Unavailable)
	if !knows(r.Accounts, "alice") {
		t.Error("this process does not know what it stored")
	}
}

func TestAccounts_MayBeToldToGoOnWithoutARecord(t *testing.T) {
	t.Parallel()
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t, func(o *account.Options) { o.AuditFailOpen = true })
				r.mustAdd(t, "Alice")
				r.audit.Fail(errors.New("the disk is full"))
				if err := call.do(t.Context(), r, operator()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAccounts_WhatTheRulesRefuseIsRecorded(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustAdd(t, "alice")
	r.recorded()
	_, err := r.Add(t.Context(), operator(), account.NewAccount{Name: "alice"})
	wantKind(t, "Add", err, fault.Exists)
	if entries := r.recorded(); len(entries) != 1 || entries[0].Phase != audit.Done || entries[0].Success {
		t.Errorf("audit: %+v, want one refusal", entries)
	}
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*account.Options){
		"no documents":     func(o *account.Options) { o.Documents = nil },
		"no services":      func(o *account.Options) { o.Services = nil },
		"no policy":        func(o *account.Options) { o.Policy = nil },
		"no audit log":     func(o *account.Options) { o.Audit = nil },
		"no log":           func(o *account.Options) { o.Log = nil },
		"no interval":      func(o *account.Options) { o.PollEvery = 0 },
		"short secret":     func(o *account.Options) { o.TokenSecret = make([]byte, 31) },
		"empty secret":     func(o *account.Options) { o.TokenSecret = []byte{} },
		"impossible hash":  func(o *account.Options) { o.Hash = account.Hash{Memory: 1 << 30, Passes: 1, Threads: 1} },
		"hash of no cost ": func(o *account.Options) { o.Hash = account.Hash{Memory: 8} },
	} {
		options := newRoom(t).options
		change(&options)
		if _, err := account.New(options); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
