package account_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/fault"
)

func TestVerifyPassword_SaysTheSameOfAllThatIsWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.mustAdd(t, "alice")
		r.mustAdd(t, "off")
		if _, err := r.Add(t.Context(), operator(), account.NewAccount{Name: "tokens-only"}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Change(t.Context(), operator(), "off", account.Change{Enabled: ptr(false)}); err != nil {
			t.Fatal(err)
		}
		texts := map[string]bool{}
		for name, tt := range map[string]struct{ user, password string }{
			"wrong password":   {"alice", "wrong horse battery"},
			"empty password":   {"alice", ""},
			"huge password":    {"alice", strings.Repeat("x", 2000)},
			"unknown name":     {"bob", "correct horse battery"},
			"no password set":  {"tokens-only", ""},
			"disabled account": {"off", "correct horse battery"},
		} {
			_, err := r.VerifyPassword(t.Context(), tt.user, account.Secret(tt.password))
			wantKind(t, name, err, fault.Unauthenticated)
			texts[fmt.Sprint(err)] = true
		}
		if len(texts) != 1 {
			t.Errorf("texts: %v, want one", texts)
		}
	})
}

func TestVerifyPassword_IsBoundedWhenManyLogIn(t *testing.T) {
	t.Parallel()
	r := newRoom(t, func(o *account.Options) { o.Hash = account.Hash{Memory: 8 << 10, Passes: 4, Threads: 1} })
	r.mustAdd(t, "alice")
	const many = 200
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		kinds = map[fault.Kind]int{}
	)
	start := make(chan struct{})
	for range many {
		wg.Go(func() {
			<-start
			_, err := r.VerifyPassword(t.Context(), "alice", "wrong horse battery")
			mu.Lock()
			defer mu.Unlock()
			kinds[fault.KindOf(err)]++
		})
	}
	close(start)
	wg.Wait()
	if kinds[fault.Unavailable] == 0 || kinds[fault.Unauthenticated] == 0 || len(kinds) != 2 {
		t.Errorf("answers: %v, want some refused at once and the others answered", kinds)
	}
	if _, err := r.VerifyPassword(t.Context(), "alice", "correct horse battery"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestVerifyPassword_BeforeTheFirstRefreshIsUnavailable(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	a, err := account.New(r.options)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.VerifyPassword(t.Context(), "alice", "correct horse battery")
	wantKind(t, "VerifyPassword", err, fault.Unavailable)
	_, err = a.VerifyToken(r.mustToken(t, account.RoleService, "svc"))
	wantKind(t, "VerifyToken", err, fault.Unavailable)
	if _, ok := a.Generation("alice"); ok {
		t.Error("Generation knows somebody")
	}
}

func TestSecret_DoesNotShow(t *testing.T) {
	t.Parallel()
	s := account.Secret("correct horse battery")
	encoded, err := json.Marshal(map[string]any{"p": s, "q": &s})
	if err != nil {
		t.Fatal(err)
	}
	logged := strings.Builder{}
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "password", s, "in", account.NewAccount{Password: &s})
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %q %x %s", s, s, s, s, s, s), fmt.Sprintf("%+v", account.Token{Text: s}),
		string(encoded), logged.String(), s.String(),
	} {
		if strings.Contains(text, "horse") || strings.Contains(text, "636f7272") {
			t.Errorf("it shows in %s", text)
		}
	}
	if string(s) != "correct horse battery" {
		t.Error("string(s) is not the text")
	}
}
