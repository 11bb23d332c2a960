package policy_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/audit/audittest"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/policy"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

// room is Policies of one process with what stands around them.
type room struct {
	*policy.Policies
	engine    *authz.Engine
	store     store.Store
	audit     *audittest.Recorder
	announced int
	seen      int // audit records that recorded returned
}

// newRoom returns a room over an empty store.
func newRoom(t testing.TB) *room {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "confidant.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return over(t, s)
}

// over returns the room of another process over a store.
func over(t testing.TB, s store.Store) *room {
	t.Helper()
	engine, err := authz.NewEngine(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &room{engine: engine, store: s, audit: &audittest.Recorder{}}
	r.Policies, err = policy.New(policy.Options{
		Store: s, Engine: engine, Policy: engine, Audit: r.audit, Log: slog.New(slog.DiscardHandler),
		Administrator: func(name string) bool { return name == "root@example.com" },
		Announce: func(context.Context) error {
			r.announced++
			return nil
		},
		Now: func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }, // a Tuesday
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// recorded returns the audit records since the last call.
func (r *room) recorded() []audit.Entry {
	all := r.audit.Entries()
	entries := all[r.seen:]
	r.seen = len(all)
	return entries
}

// mustCreate makes an active policy.
func (r *room) mustCreate(t testing.TB, name, cedar string) {
	t.Helper()
	if _, err := r.Create(t.Context(), operator, authz.Entry{Name: name, Active: true, Cedar: cedar}, false); err != nil {
		t.Fatalf("Create(%q): %v", name, err)
	}
}

// names returns the names of all entries that did not come with the program.
func (r *room) names(t testing.TB) []string {
	t.Helper()
	list, err := r.List(t.Context(), operator)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		if len(e.Name) < 8 || e.Name[:8] != "default-" {
			names = append(names, e.Name)
		}
	}
	return names
}

// allowed asks whether a user may get a credential of no attributes.
func (r *room) allowed(t testing.TB, user string) bool {
	t.Helper()
	d, err := r.Explain(t.Context(), operator, policy.Question{User: user, Action: authz.Get, Type: authz.Credential, Attributes: &policy.Attributes{}})
	if err != nil {
		t.Fatal(err)
	}
	return d.Allowed
}

// row stores a credential, mapped by a service of the name "svc".
func (r *room) row(t testing.TB, c credential.Credential) {
	t.Helper()
	c.ModifiedDate, c.ModifiedBy, c.Enabled = time.Now(), "test", true
	if _, err := r.store.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: c.ID, Rows: []*credential.Credential{&c}}); err != nil {
		t.Fatal(err)
	}
	s := service.Service{Meta: revision.Meta{ID: "svc", ModifiedDate: time.Now(), ModifiedBy: "test"}, Enabled: true, Credentials: []string{c.ID}}
	if _, err := r.store.Services().Append(t.Context(), store.Write[service.Service]{ID: "svc", Rows: []*service.Service{&s}}); err != nil {
		t.Fatal(err)
	}
}

var (
	operator = authz.Caller{Principal: authz.Principal{Type: authz.Operator, Name: "cli:root", Method: "command", Administrator: true}, Door: "command"}
	user     = authz.Caller{Principal: authz.Principal{Type: authz.User, Name: "ada@example.com"}, Door: "page"}
	admin    = authz.Caller{Principal: authz.Principal{Type: authz.User, Name: "root@example.com", Administrator: true}, Door: "page"}
)

const (
	permitAll  = "permit (principal, action, resource);"
	forbidUser = "forbid (principal is User, action, resource);"
)

func wantKind(t testing.TB, what string, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("%s: %v, want a fault of kind %v", what, err, kind)
	}
}

// failing is a store whose documents cannot be written.
type failing struct{ store.Store }

func (f failing) Documents() store.Documents { return failingDocuments{f.Store.Documents()} }

type failingDocuments struct{ store.Documents }

func (failingDocuments) Put(context.Context, store.Document, int) (int, error) {
	return 0, errors.Join(store.ErrUnavailable, errors.New("disk"))
}

// rival is a store in which somebody else changes the policies between a read
// and the write that follows it.
type rival struct {
	store.Store
	act *func()
}

func (r rival) Documents() store.Documents { return rivalDocuments{r.Store.Documents(), r.act} }

type rivalDocuments struct {
	store.Documents
	act *func()
}

func (r rivalDocuments) Put(ctx context.Context, d store.Document, expect int) (int, error) {
	if act := *r.act; act != nil {
		*r.act = nil
		act()
	}
	return r.Documents.Put(ctx, d, expect)
}

// compress returns the body of a document that holds the entries.
func compress(t testing.TB, entries []authz.Entry) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string][]byte{"gzip": compressed.Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	return body
}
