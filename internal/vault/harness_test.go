package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/audit/audittest"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/envelope"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// world is a vault over a real store, with everything around it in view.
type world struct {
	*vault.Vault
	path     string // of the database
	store    *spyStore
	sealer   *spySealer
	audit    *audittest.Recorder
	events   *spyEvents
	policy   *switchPolicy
	readOnly atomic.Bool
	clock    *clock
}

// newWorld returns a vault on an empty store, under the shipped policies.
func newWorld(t testing.TB, rules vault.Rules) *world {
	t.Helper()
	keys := keyringtest.NewMemory()
	sealer, err := envelope.New(envelope.Options{Keyring: keys, CacheSize: 4096, CacheTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := authz.NewEngine(nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "confidant.db")
	w := &world{
		path:   path,
		store:  &spyStore{Store: openStore(t, path)},
		sealer: &spySealer{Sealer: sealer},
		audit:  &audittest.Recorder{},
		events: &spyEvents{},
		policy: &switchPolicy{},
		clock:  &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.FixedZone("", 3600))},
	}
	w.policy.set(engine)
	w.Vault, err = vault.New(w.dependencies(rules))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// dependencies are those of the world's vault, for another one in it.
func (w *world) dependencies(rules vault.Rules) vault.Dependencies {
	return vault.Dependencies{
		Store: w.store, Sealer: w.sealer, Policy: w.policy, Audit: w.audit, Events: w.events,
		ReadOnly: w.readOnly.Load, Log: slog.New(slog.DiscardHandler), Now: w.clock.Now, Rules: rules,
	}
}

// defaults are rules without any that a setting brings.
var defaults = vault.Rules{StoreKeyNames: true}

func allTrue(actions ...string) vault.Permissions {
	p := vault.Permissions{}
	for _, a := range actions {
		p[a] = true
	}
	return p
}

func equalPermissions(a, b vault.Permissions) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// Callers that the shipped policies know.
var (
	ann      = caller(authz.User, "ann@example.com")
	operator = caller(authz.Operator, "root")
)

func caller(kind authz.PrincipalType, name string) authz.Caller {
	return authz.Caller{
		Principal: authz.Principal{Type: kind, Name: name, Method: "test"},
		Client:    netip.MustParseAddr("192.0.2.1"), Door: "v1", RequestID: "r1",
	}
}

func asService(name string) authz.Caller { return caller(authz.Service, name) }

// clock moves by a second with each look at it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	return c.now
}

// switchPolicy is a policy that tests can change.
type switchPolicy struct{ p atomic.Pointer[authz.Policy] }

func (s *switchPolicy) set(p authz.Policy) { s.p.Store(&p) }

func (s *switchPolicy) Decide(ctx context.Context, r authz.Request) authz.Decision {
	return (*s.p.Load()).Decide(ctx, r)
}

// decide is a policy that is a function.
type decide func(authz.Request) bool

func (d decide) Decide(_ context.Context, r authz.Request) authz.Decision {
	return authz.Decision{Allowed: d(r), By: []string{"test"}}
}

func nobody(authz.Request) bool { return false }

// pairs reads pairs as a caller would send them.
func pairs(t testing.TB, text string) credential.Pairs {
	t.Helper()
	p, err := credential.ParsePairs([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// credential creates one and returns its id.
func (w *world) credential(t testing.TB, name, text string) string {
	t.Helper()
	view, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{Name: name, Pairs: pairs(t, text), Enabled: true})
	if err != nil {
		t.Fatalf("creating credential %s: %v", name, err)
	}
	return view.Row.ID
}

// credentials creates n of them side by side, number i with key k<i> and value
// v<i>, and returns their ids.
func (w *world) credentials(t testing.TB, n int) []string {
	t.Helper()
	ids := make([]string, n)
	errs := all(n, func(i int) error {
		view, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{
			Name: fmt.Sprint(i), Pairs: pairs(t, fmt.Sprintf(`{"k%d":"v%d"}`, i, i)), Enabled: true,
		})
		if err == nil {
			ids[i] = view.Row.ID
		}
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return ids
}

// blind creates a blind credential with key names and returns its id.
func (w *world) blind(t testing.TB, name string, keys ...string) string {
	t.Helper()
	view, err := w.CreateBlindCredential(t.Context(), ann, newBlind(name, keys...))
	if err != nil {
		t.Fatalf("creating blind credential %s: %v", name, err)
	}
	return view.Row.ID
}

func newBlind(name string, keys ...string) vault.NewBlind {
	return vault.NewBlind{
		Name: name, Pairs: json.RawMessage(`{"r": "cipher"}`), DataKey: json.RawMessage(`{"r": "a2V5"}`),
		KeyNames: keys, CipherType: "fernet", CipherVersion: 2, Enabled: true,
	}
}

// service maps ids to a service.
func (w *world) service(t testing.TB, id string, credentials ...string) {
	t.Helper()
	if _, err := w.PutService(t.Context(), ann, id, mapped(credentials...)); err != nil {
		t.Fatalf("mapping %v to %s: %v", credentials, id, err)
	}
}

func mapped(credentials ...string) vault.ServiceChange {
	if credentials == nil {
		credentials = []string{}
	}
	return vault.ServiceChange{Credentials: &credentials}
}

// set changes all pairs of a credential.
func (w *world) set(t testing.TB, id, text string) {
	t.Helper()
	if _, err := w.UpdateCredential(t.Context(), ann, id, whole(t, text)); err != nil {
		t.Fatalf("changing %s: %v", id, err)
	}
}

func whole(t testing.TB, text string) vault.CredentialChange {
	return vault.CredentialChange{Pairs: credential.Whole(pairs(t, text))}
}

// wantFault checks what a call was refused with. An empty message is not
// compared.
func wantFault(t testing.TB, err error, kind fault.Kind, message string) *fault.Error {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Kind != kind || message != "" && f.Message != message {
		t.Errorf("got %v (%v), want %v %q", err, fault.KindOf(err), kind, message)
		return &fault.Error{}
	}
	return f
}

// entries returns the audit records made since there were as many as given.
func (w *world) entries(since int) []audit.Entry { return w.audit.Entries()[since:] }

// marks says how many audit records, opened values and writes there were so far.
func (w *world) marks() (records int, opened, writes int64) {
	return len(w.audit.Entries()), w.sealer.opened.Load(), w.store.writes.Load()
}

var errDown = errors.New("down")

func ids(views []vault.CredentialView) []string {
	out := make([]string, len(views))
	for i, v := range views {
		out[i] = v.Row.ID
	}
	return out
}

func sorted(list ...string) []string { return slices.Sorted(slices.Values(list)) }

func openStore(t testing.TB, path string) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// logged keeps what is logged.
type logged struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) has(words string) bool { return strings.Contains(l.text(), words) }
