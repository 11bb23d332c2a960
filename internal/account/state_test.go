package account_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/store"
)

func knows(a *account.Accounts, name string) bool {
	_, ok := a.Generation(name)
	return ok
}

// TestRun_NoticesWhatAnotherProcessChanged also with a store whose lists lag
// behind what is written.
func TestRun_NoticesWhatAnotherProcessChanged(t *testing.T) {
	t.Parallel()
	for _, lagging := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRoom(t)
			r.mustAdd(t, "old")
			server := r.another(t)
			ctx, cancel := context.WithCancel(t.Context())
			go server.Run(ctx)
			if lagging {
				r.documents.lag()
			}
			r.mustAdd(t, "alice")
			token := r.mustToken(t, account.RoleService, "svc")
			if knows(server, "alice") {
				t.Error("known before a poll")
			}
			if err := r.Settled(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !knows(server, "alice") {
				t.Errorf("lagging %v: the new account is not known", lagging)
			}
			if err := r.Delete(t.Context(), operator(), "old", false); err != nil {
				t.Fatal(err)
			}
			if _, err := r.RevokeBefore(t.Context(), operator(), account.Revocation{}); err != nil {
				t.Fatal(err)
			}
			if _, err := server.VerifyToken(token); err != nil {
				t.Errorf("refused before a poll: %v", err)
			}
			if err := r.Settled(t.Context()); err != nil {
				t.Fatal(err)
			}
			if knows(server, "old") {
				t.Errorf("lagging %v: the deleted account is still known", lagging)
			}
			if _, err := server.VerifyToken(token); err == nil {
				t.Errorf("lagging %v: the revocation is not known", lagging)
			}
			cancel()
			synctest.Wait()
		})
	}
}

// TestRun_FollowsTheVersionDocument also when the process itself moved it last,
// and until it could.
func TestRun_FollowsTheVersionDocument(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		var failing atomic.Bool
		r := newRoom(t, func(o *account.Options) {
			o.Follow = func(context.Context) error {
				calls.Add(1)
				if failing.Load() {
					return errors.New("broken")
				}
				return nil
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		go r.Run(ctx)
		want := func(what string, n int64) {
			t.Helper()
			if got := calls.Load(); got != n {
				t.Errorf("%s: followed %d times, want %d", what, got, n)
			}
		}
		time.Sleep(20*time.Second + time.Millisecond)
		want("nothing happened", 0)
		if err := r.Announce(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.mustAdd(t, "alice")
		want("before a poll", 0)
		if err := r.Settled(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("announced", 1)
		failing.Store(true)
		if err := r.Announce(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		want("failing", 3)
		failing.Store(false)
		time.Sleep(15 * time.Second)
		want("once it succeeded", 4)
		time.Sleep(time.Minute)
		want("a minute later", 5)
		cancel()
		synctest.Wait()
	})
}

func TestRun_ReadsOneDocumentWhileNothingHappens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.mustAdd(t, "alice")
		ctx, cancel := context.WithCancel(t.Context())
		go r.Run(ctx)
		gets, lists := r.documents.counts()
		time.Sleep(50*time.Second + time.Millisecond)
		moreGets, moreLists := r.documents.counts()
		if moreGets-gets != 10 || moreLists != lists {
			t.Errorf("10 polls: %d reads, %d lists; want 10, 0", moreGets-gets, moreLists-lists)
		}
		cancel()
		synctest.Wait()
	})
}

func TestRun_FindsWithinAMinuteWhatWasNeverAnnounced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		server := r.another(t)
		ctx, cancel := context.WithCancel(t.Context())
		go server.Run(ctx)
		r.documents.failing(func(operation, kind string) error {
			if operation == "put" && kind == "version" {
				return store.ErrUnavailable
			}
			return nil
		})
		if _, err := r.Add(t.Context(), operator(), account.NewAccount{Name: "alice"}); err == nil || !strings.Contains(err.Error(), "is stored") {
			t.Errorf("Add = %v, want it to say that the account is stored", err)
		}
		time.Sleep(time.Minute + 5*time.Second)
		if !knows(server, "alice") {
			t.Error("not known after a minute")
		}
		cancel()
		synctest.Wait()
	})
}

func TestRun_KeepsWhatItKnowsWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lines := &strings.Builder{}
		r := newRoom(t, func(o *account.Options) { o.Log = slog.New(slog.NewTextHandler(lines, nil)) })
		r.mustAdd(t, "alice")
		token := r.mustToken(t, account.RoleAdmin, "alice")
		ctx, cancel := context.WithCancel(t.Context())
		go r.Run(ctx)
		r.documents.failing(func(string, string) error { return store.ErrUnavailable })
		time.Sleep(10 * time.Minute)
		if _, err := r.VerifyToken(token); err != nil {
			t.Errorf("VerifyToken: %v", err)
		}
		r.documents.failing(nil)
		time.Sleep(time.Minute)
		cancel()
		synctest.Wait()
		if n := strings.Count(lines.String(), "level=ERROR"); n != 1 || strings.Count(lines.String(), "again") != 1 {
			t.Errorf("logged:\n%s\nwant the outage once and its end once", lines)
		}
	})
}

func TestAnnounce_NamesTheLastChangedAccounts(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for i := range 20 {
		r.mustAdd(t, "user"+string(rune('a'+i)))
	}
	r.mustAdd(t, "Last")
	if _, err := r.Change(t.Context(), operator(), "USERT", account.Change{Email: ptr("t@example.com")}); err != nil {
		t.Fatal(err)
	}
	body := r.documents.body("version", "access")
	if !strings.HasPrefix(body, `{"accounts":["usert","last","users",`) || strings.Count(body, ",") != 15 {
		t.Errorf("version document: %s", body)
	}
	if got, want := r.documents.all(), []string{"version/access"}; !slices.Equal(got[len(got)-1:], want) {
		t.Errorf("documents: %v", got)
	}
}

func TestSettled_WaitsLongerThanAPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for every, want := range map[time.Duration]time.Duration{
			50 * time.Millisecond: 100 * time.Millisecond,
			5 * time.Second:       6 * time.Second,
		} {
			r := newRoom(t, func(o *account.Options) { o.PollEvery = every })
			begin := time.Now()
			if err := r.Settled(t.Context()); err != nil || time.Since(begin) != want {
				t.Errorf("polls each %v: waited %v, %v; want %v", every, time.Since(begin), err, want)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := r.Settled(ctx); err == nil {
				t.Error("a cancelled wait has no error")
			}
		}
	})
}
