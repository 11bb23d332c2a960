package account_test

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
	"github.com/confidant-secrets/confidant/internal/store"
)

// rfcTOTP is a second factor whose seed is that of RFC 6238.
func rfcTOTP() account.TOTP {
	seed := base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))
	return account.TOTP{URI: account.Secret("otpauth://totp/Confidant:alice?issuer=Confidant&secret=" + seed)}
}

// codeAt is what an authenticator app shows at a moment.
func codeAt(t account.TOTP, at time.Time) account.Secret {
	u, err := url.Parse(string(t.URI))
	if err != nil {
		panic(err)
	}
	code, err := totp.GenerateCode(u.Query().Get("secret"), at)
	if err != nil {
		panic(err)
	}
	return account.Secret(code)
}

// mustEnrol gives an account a second factor.
func (r *room) mustEnrol(t testing.TB, name string) (account.TOTP, account.Account) {
	t.Helper()
	factor, err := r.NewTOTP(t.Context(), operator(), name)
	if err != nil {
		t.Fatalf("NewTOTP(%q): %v", name, err)
	}
	enrolled, err := r.EnrolTOTP(t.Context(), operator(), name, factor, codeAt(factor, time.Now()))
	if err != nil {
		t.Fatalf("EnrolTOTP(%q): %v", name, err)
	}
	return factor, enrolled
}

func TestNewTOTP_IsWhatAppsAndPeopleCanRead(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustAdd(t, "Alice@example.com")
	before := r.documents.body("account", "alice@example.com")
	factor, err := r.NewTOTP(t.Context(), operator(), "alice@EXAMPLE.com")
	if err != nil {
		t.Fatal(err)
	}
	uri := regexp.MustCompile(`^otpauth://totp/Confidant:Alice@example\.com\?.*secret=[A-Z2-7]{32}(&|$)`)
	if !uri.MatchString(string(factor.URI)) {
		t.Errorf("URI: %s", string(factor.URI))
	}
	for _, want := range []string{"issuer=Confidant", "algorithm=SHA1", "digits=6", "period=30"} {
		if !strings.Contains(string(factor.URI), want) {
			t.Errorf("URI %s lacks %s", string(factor.URI), want)
		}
	}
	seen := map[account.Secret]bool{}
	for _, code := range factor.RecoveryCodes {
		if !regexp.MustCompile(`^([a-z2-7]{4}-){3}[a-z2-7]{4}$`).MatchString(string(code)) || seen[code] {
			t.Errorf("recovery code %q, seen before: %v", string(code), seen[code])
		}
		seen[code] = true
	}
	if len(seen) != 10 {
		t.Errorf("%d recovery codes, want 10", len(seen))
	}
	if text := fmt.Sprintf("%v %+v %#v", factor, factor, factor); strings.Contains(text, "otpauth") || strings.Contains(text, string(factor.RecoveryCodes[0])) {
		t.Errorf("it shows in %s", text)
	}
	if after := r.documents.body("account", "alice@example.com"); after != before {
		t.Error("it is stored before anybody has confirmed it")
	}
}

func TestEnrolTOTP_AsksForCodesAndKeepsSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		before := r.mustAdd(t, "Alice")
		token := r.mustToken(t, account.RoleAdmin, "Alice")
		time.Sleep(time.Hour)
		factor, after := r.mustEnrol(t, "alice")
		if !after.TOTP || after.RecoveryCodes != 10 || after.Generation != before.Generation || !after.Modified.Equal(time.Now()) {
			t.Errorf("EnrolTOTP = %+v", after)
		}
		if _, err := r.VerifyToken(token); err != nil {
			t.Errorf("an API token: %v", err)
		}
		who, err := r.VerifyPassword(t.Context(), "alice", "correct horse battery")
		if err != nil || !who.TOTP {
			t.Errorf("VerifyPassword = %+v, %v; want that a code is needed", who, err)
		}
		body := r.documents.body("account", "alice")
		seed := regexp.MustCompile(`secret=([A-Z2-7]+)`).FindStringSubmatch(string(factor.URI))[1]
		raw, err := base32.StdEncoding.DecodeString(seed)
		if err != nil {
			t.Fatal(err)
		}
		for _, clear := range []string{seed, string(raw), string(factor.RecoveryCodes[0]), strings.ReplaceAll(string(factor.RecoveryCodes[0]), "-", "")} {
			if strings.Contains(body, clear) {
				t.Errorf("%q stands in clear in %s", clear, body)
			}
		}
		wraps := r.options.Secrets.(*keyringtest.Memory).Wraps()
		if len(wraps) != 1 || wraps[0]["purpose"] != "account" || wraps[0]["id"] != "alice" || len(wraps[0]) != 2 {
			t.Errorf("sealed under %v", wraps)
		}
	})
}

func TestEnrolTOTP_Refuses(t *testing.T) {
	t.Parallel()
	good := codeAt(rfcTOTP(), time.Now())
	bad := account.Secret("00000x")
	for name, tt := range map[string]struct {
		account string
		factor  account.TOTP
		code    account.Secret
		change  func(*account.Options)
		kind    fault.Kind
	}{
		"wrong code":       {"alice", rfcTOTP(), bad, nil, fault.BadProof},
		"no code":          {"alice", rfcTOTP(), "", nil, fault.BadProof},
		"code of long ago": {"alice", rfcTOTP(), codeAt(rfcTOTP(), time.Now().Add(-time.Hour)), nil, fault.BadProof},
		"unknown account":  {"bob", rfcTOTP(), good, nil, fault.NotFound},
		"no seed":          {"alice", account.TOTP{}, good, nil, fault.Internal},
		"no key":           {"alice", rfcTOTP(), good, func(o *account.Options) { o.Secrets = nil }, fault.Unavailable},
		"key away": {"alice", rfcTOTP(), good, func(o *account.Options) {
			away := keyringtest.NewMemory()
			away.Fail(keyring.ErrUnavailable)
			o.Secrets = away
		}, fault.Unavailable},
	} {
		r := newRoom(t, func(o *account.Options) {
			if tt.change != nil {
				tt.change(o)
			}
		})
		r.mustAdd(t, "alice")
		before := r.documents.body("account", "alice")
		_, err := r.EnrolTOTP(t.Context(), operator(), tt.account, tt.factor, tt.code)
		wantKind(t, name, err, tt.kind)
		if after := r.documents.body("account", "alice"); after != before {
			t.Errorf("%s: stored %s", name, after)
		}
	}
	_, err := newRoom(t, func(o *account.Options) { o.Secrets = nil }).NewTOTP(t.Context(), operator(), "alice")
	wantKind(t, "NewTOTP without a key", err, fault.Unavailable)
}

func TestVerifyCode_AcceptsNoCodeTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.mustAdd(t, "Alice")
		confirmed := time.Now()
		factor, enrolled := r.mustEnrol(t, "alice")
		verify := func(a *account.Accounts, code account.Secret) error {
			who, err := a.VerifyCode(t.Context(), "ALICE", enrolled.Generation, code)
			if err == nil && (who.Name != "Alice" || who.Generation != enrolled.Generation) {
				t.Errorf("VerifyCode = %+v", who)
			}
			return err
		}
		wantKind(t, "the code that confirmed", verify(r.Accounts, codeAt(factor, confirmed)), fault.Unauthenticated)
		time.Sleep(30 * time.Second)
		code := codeAt(factor, time.Now())
		if err := verify(r.Accounts, " "+code[:3]+" "+code[3:]+"\n"); err != nil {
			t.Errorf("a good code, typed with blanks: %v", err)
		}
		wantKind(t, "again", verify(r.Accounts, code), fault.Unauthenticated)
		wantKind(t, "again in another process", verify(r.another(t), code), fault.Unauthenticated)
		wantKind(t, "the one before", verify(r.Accounts, codeAt(factor, confirmed)), fault.Unauthenticated)
		if err := verify(r.Accounts, codeAt(factor, time.Now().Add(30*time.Second))); err != nil {
			t.Errorf("the next one, from a clock that is ahead: %v", err)
		}
		wantKind(t, "nonsense", verify(r.Accounts, "000000x"), fault.Unauthenticated)
		wantKind(t, "nothing", verify(r.Accounts, ""), fault.Unauthenticated)
	})
}

func TestVerifyCode_OfManyAtOnceOneWins(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustAdd(t, "alice")
	factor, enrolled := r.mustEnrol(t, "alice")
	for what, code := range map[string]account.Secret{
		"one-time code": codeAt(factor, time.Now().Add(30*time.Second)),
		"recovery code": factor.RecoveryCodes[3],
	} {
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() { _, errs[i] = r.VerifyCode(t.Context(), "alice", enrolled.Generation, code) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				wantKind(t, what, err, fault.Unauthenticated)
			}
		}
		if won != 1 {
			t.Errorf("%s: accepted %d times, want once", what, won)
		}
	}
}

func TestVerifyCode_ARecoveryCodeWorksOnceAndWithoutTheKey(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustAdd(t, "alice")
	r.mustAdd(t, "bob")
	factor, enrolled := r.mustEnrol(t, "alice")
	_, bob := r.mustEnrol(t, "bob")
	r.options.Secrets = nil
	keyless := r.another(t)
	first, second := factor.RecoveryCodes[0], factor.RecoveryCodes[9]
	_, err := r.VerifyCode(t.Context(), "bob", bob.Generation, first)
	wantKind(t, "of another account", err, fault.Unauthenticated)
	who, err := keyless.VerifyCode(t.Context(), "alice", enrolled.Generation, first)
	if err != nil || who.RecoveryCodes != 9 {
		t.Errorf("VerifyCode = %+v, %v; want nine codes left", who, err)
	}
	_, err = keyless.VerifyCode(t.Context(), "alice", enrolled.Generation, first)
	wantKind(t, "again", err, fault.Unauthenticated)
	typed := account.Secret(strings.ToUpper(strings.ReplaceAll(string(second), "-", " ")))
	if who, err := keyless.VerifyCode(t.Context(), "alice", enrolled.Generation, typed); err != nil || who.RecoveryCodes != 8 {
		t.Errorf("in capitals, with blanks: %+v, %v", who, err)
	}
	_, err = keyless.VerifyCode(t.Context(), "alice", enrolled.Generation, codeAt(factor, time.Now()))
	wantKind(t, "a one-time code without the key", err, fault.Unavailable)
	list, err := r.List(t.Context(), operator())
	if err != nil || list[0].RecoveryCodes != 8 {
		t.Errorf("List = %+v, %v", list, err)
	}
}

func TestVerifyCode_IsForTheAccountAsItWasAtThePassword(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(context.Context, *room) error{
		"new password": func(ctx context.Context, r *room) error {
			_, err := r.Change(ctx, operator(), "alice", account.Change{Password: secret("another long password")})
			return err
		},
		"disabled": func(ctx context.Context, r *room) error {
			_, err := r.Change(ctx, operator(), "alice", account.Change{Enabled: ptr(false)})
			return err
		},
		"no codes any more": func(ctx context.Context, r *room) error {
			_, err := r.Change(ctx, operator(), "alice", account.Change{NoTOTP: true})
			return err
		},
		"deleted": func(ctx context.Context, r *room) error { return r.Delete(ctx, operator(), "alice", true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t)
				r.mustAdd(t, "alice")
				factor, enrolled := r.mustEnrol(t, "alice")
				if err := change(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				_, err := r.VerifyCode(t.Context(), "alice", enrolled.Generation, codeAt(factor, time.Now()))
				wantKind(t, "VerifyCode", err, fault.Stale)
			})
		})
	}
}

func TestVerifyCode_TellsAnOutageFromAWrongCode(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*room){
		"store away when read":    func(r *room) { r.documents.failing(onAccounts("get")) },
		"store away when written": func(r *room) { r.documents.failing(onAccounts("put")) },
		"key away":                func(r *room) { r.options.Secrets.(*keyringtest.Memory).Fail(keyring.ErrUnavailable) },
	} {
		r := newRoom(t)
		r.mustAdd(t, "alice")
		factor, enrolled := r.mustEnrol(t, "alice")
		fail(r)
		_, err := r.VerifyCode(t.Context(), "alice", enrolled.Generation, codeAt(factor, time.Now().Add(30*time.Second)))
		wantKind(t, name, err, fault.Unavailable)
	}
	r := newRoom(t)
	r.mustAdd(t, "alice")
	factor, enrolled := r.mustEnrol(t, "alice")
	r.options.Secrets = keyringtest.NewMemory() // another key
	_, err := r.another(t).VerifyCode(t.Context(), "alice", enrolled.Generation, codeAt(factor, time.Now().Add(30*time.Second)))
	if !errors.Is(err, keyring.ErrRefused) {
		t.Errorf("under another key: %v", err)
	}
	wantKind(t, "under another key", err, fault.Internal)
}

func onAccounts(wanted string) func(operation, kind string) error {
	return func(operation, kind string) error {
		if operation == wanted && kind == "account" {
			return store.ErrUnavailable
		}
		return nil
	}
}

func TestChange_RemovingCodesEndsSessionsAndNoTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.mustAdd(t, "alice")
		_, enrolled := r.mustEnrol(t, "alice")
		token := r.mustToken(t, account.RoleAdmin, "alice")
		after, err := r.Change(t.Context(), operator(), "alice", account.Change{NoTOTP: true})
		if err != nil || after.TOTP || after.RecoveryCodes != 0 || after.Generation <= enrolled.Generation {
			t.Errorf("Change = %+v, %v", after, err)
		}
		if _, err := r.VerifyToken(token); err != nil {
			t.Errorf("an API token: %v", err)
		}
		if body := r.documents.body("account", "alice"); strings.Contains(body, "totp") {
			t.Errorf("stored: %s", body)
		}
		again, err := r.Change(t.Context(), operator(), "alice", account.Change{NoTOTP: true})
		if err != nil || again.Generation != after.Generation {
			t.Errorf("once more: %+v, %v; want sessions to go on", again, err)
		}
		entries := r.recorded()
		if last := entries[len(entries)-1]; !slices.Equal(last.Info["members"].([]string), []string{"totp"}) {
			t.Errorf("record: %+v", last)
		}
	})
}

func TestSpelling_IsTheAccounts(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustAdd(t, "Alice")
	for name, want := range map[string]string{"aLiCe": "Alice", "bob": "", "": ""} {
		if got := r.Spelling(name); got != want {
			t.Errorf("Spelling(%q) = %q, want %q", name, got, want)
		}
	}
}
