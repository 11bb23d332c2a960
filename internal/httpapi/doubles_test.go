package httpapi

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// tokens are API tokens that are the names of their bearers. "ada" is a user,
// "svc-…" a service, "sandboxed" a service of the account sandbox, "reader" a
// token that reads metadata only, "gone" one that is refused.
type tokens struct{}

func (tokens) VerifyToken(text string) (authz.Principal, error) {
	p := authz.Principal{Type: authz.User, Name: text + "@example.com", Method: "api-token"}
	switch {
	case text == "gone":
		return authz.Principal{}, fault.New(fault.Unauthenticated, "The API token is refused.")
	case text == "broken":
		return authz.Principal{}, fault.New(fault.BadProof, "Access denied. Authentication failed.")
	case text == "sandboxed":
		p = authz.Principal{Type: authz.Service, Name: text, Account: "sandbox", Method: "api-token"}
	case text == "reader":
		p.MetadataOnly = true
	case strings.HasPrefix(text, "svc-"):
		p.Type, p.Name = authz.Service, text
	}
	return p, nil
}

type loopback struct{}

func (loopback) Contains(a netip.Addr) bool { return a.IsLoopback() }

type noAccounts struct{}

func (noAccounts) Generation(string) (int64, bool) { return 0, false }

func (noAccounts) ListedAdministrator(string) bool { return false }

type noEvents struct{}

func (noEvents) Publish(event.Event) {}

// auditLog keeps the entries, unless it is told to fail.
type auditLog struct {
	mu      sync.Mutex
	entries []audit.Entry
	failing bool
}

func (l *auditLog) Append(_ context.Context, e audit.Entry) (audit.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing {
		return nil, audit.ErrUnavailable
	}
	l.entries = append(l.entries, e)
	return receipt(len(l.entries)), nil
}

func (l *auditLog) fail(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = on
}

// since returns the entries after the first n.
func (l *auditLog) since(n int) []audit.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]audit.Entry(nil), l.entries[n:]...)
}

func (l *auditLog) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

type receipt uint64

func (r receipt) Number() uint64 { return uint64(r) }

func (r receipt) Wait(context.Context) error { return nil }

// countingSealer counts what is opened and sealed, and fails where it is told.
type countingSealer struct {
	vault.Sealer
	mu             sync.Mutex
	opened, closed int
	failure        error
}

func (s *countingSealer) Open(ctx context.Context, id string, v sealed.Value) ([]byte, error) {
	s.mu.Lock()
	s.opened++
	err := s.failure
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.Sealer.Open(ctx, id, v)
}

func (s *countingSealer) Seal(ctx context.Context, id string, plaintext []byte) (sealed.Value, error) {
	s.mu.Lock()
	s.closed++
	s.mu.Unlock()
	return s.Sealer.Seal(ctx, id, plaintext)
}

func (s *countingSealer) counts() (opened, closed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened, s.closed
}

func (s *countingSealer) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
}

// clock moves one second with every request, so that dates differ and are known.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// counter yields bytes that differ and are known.
type counter struct {
	mu sync.Mutex
	n  uint64
}

func (c *counter) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range b {
		c.n = c.n*6364136223846793005 + 1442695040888963407
		b[i] = byte(c.n >> 56)
	}
	return len(b), nil
}

// logText keeps what was logged.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var errDown = errors.New("it is down")
