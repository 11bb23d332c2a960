package account

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

func TestParseHash_AcceptsNoOtherForm(t *testing.T) {
	t.Parallel()
	p, err := newPasswords(Hash{Memory: 8, Passes: 1, Threads: 1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, err := p.hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseHash(good); err != nil {
		t.Fatalf("parseHash(%s): %v", good, err)
	}
	for name, text := range map[string]string{
		"empty":              "",
		"bcrypt":             "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"argon2i":            strings.Replace(good, "argon2id", "argon2i", 1),
		"older version":      strings.Replace(good, "v=19", "v=16", 1),
		"a gigabyte":         strings.Replace(good, "m=8", "m=1048576", 1),
		"a thousand passes":  strings.Replace(good, "t=1", "t=1000", 1),
		"no threads":         strings.Replace(good, "p=1", "p=0", 1),
		"threads overflow":   strings.Replace(good, "p=1", "p=257", 1),
		"negative memory":    strings.Replace(good, "m=8", "m=-8", 1),
		"parameters missing": strings.Replace(good, "m=8,t=1,p=1", "m=8", 1),
		"no key":             good[:strings.LastIndexByte(good, '$')+1],
		"key not base64":     good[:strings.LastIndexByte(good, '$')+1] + "!!!!",
		"one part more":      good + "$x",
	} {
		if h, err := parseHash(text); err == nil {
			t.Errorf("%s: parseHash(%s) = %+v, want an error", name, text, h)
		}
	}
}

func TestHash_SaltsEveryPassword(t *testing.T) {
	t.Parallel()
	p, err := newPasswords(Hash{Memory: 8, Passes: 1, Threads: 1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	first, err := p.hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.hash(t.Context(), "correct horse battery")
	if err != nil || first == second {
		t.Errorf("two hashes of one password: %s, %s, %v", first, second, err)
	}
	for _, stored := range []string{first, second} {
		if ok, err := p.matches(t.Context(), "correct horse battery", stored); err != nil || !ok {
			t.Errorf("matches(%s) = %v, %v", stored, ok, err)
		}
		if ok, err := p.matches(t.Context(), "correct horse batterY", stored); err != nil || ok {
			t.Errorf("another password matches(%s) = %v, %v", stored, ok, err)
		}
	}
}

// TestMatches_DoesTheWorkEvenWithoutAHash blocks all work and sees who waits
// for it: an answer without waiting would tell by its time that there is no
// such account, or none with a password.
func TestMatches_DoesTheWorkEvenWithoutAHash(t *testing.T) {
	t.Parallel()
	p, err := newPasswords(Hash{Memory: 8, Passes: 1, Threads: 1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := p.hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, hash := range map[string]string{"an account": stored, "none": ""} {
		if ok, err := p.matches(ctx, "correct horse battery", hash); ok || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, %v; want it to wait until the caller goes", name, ok, err)
		}
	}
	<-p.slots
	if ok, err := p.matches(t.Context(), "", ""); ok || err != nil {
		t.Errorf("no hash: %v, %v; want false", ok, err)
	}
}

// TestVerifyPassword_DoesTheWorkWhateverTheAccount has all work taken, so that
// whoever would answer without doing any shows.
func TestVerifyPassword_DoesTheWorkWhateverTheAccount(t *testing.T) {
	t.Parallel()
	p, err := newPasswords(Hash{Memory: 8, Passes: 1, Threads: 1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := p.hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	a := &Accounts{passwords: p}
	a.state.Store(&state{accounts: map[string]record{
		"alice":       {Account: Account{Name: "alice", Enabled: true}, hash: stored},
		"off":         {Account: Account{Name: "off"}, hash: stored},
		"tokens-only": {Account: Account{Name: "tokens-only", Enabled: true}},
	}})
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"alice", "off", "tokens-only", "nobody", "no name at all", ""} {
		if _, err := a.VerifyPassword(ctx, name, "correct horse battery"); !errors.Is(err, context.Canceled) {
			t.Errorf("%q: %v; want it to wait for its turn", name, err)
		}
	}
}
