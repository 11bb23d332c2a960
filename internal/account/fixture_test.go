package account_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/audit/audittest"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// documents keeps documents in memory. Its list can be made to lag behind, as a
// store's index may.
type documents struct {
	mu     sync.Mutex
	rows   map[[2]string]store.Document
	listed map[[2]string]store.Document // what List shows while lagging; nil: rows
	gets   int
	lists  int
	fail   func(operation, kind string) error
}

func newDocuments() *documents { return &documents{rows: map[[2]string]store.Document{}} }

// lag freezes what List shows.
func (d *documents) lag() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listed = maps.Clone(d.rows)
}

func (d *documents) failing(f func(operation, kind string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

func (d *documents) counts() (gets, lists int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gets, d.lists
}

func (d *documents) failure(operation, kind string) error {
	if d.fail == nil {
		return nil
	}
	return d.fail(operation, kind)
}

func (d *documents) Get(_ context.Context, kind, id string) (*store.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gets++
	if err := d.failure("get", kind); err != nil {
		return nil, err
	}
	row, ok := d.rows[[2]string{kind, id}]
	if !ok {
		return nil, store.ErrNotFound
	}
	return &row, nil
}

func (d *documents) List(_ context.Context, kind string, _ revision.Page) (revision.Slice[*store.Document], error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lists++
	s := revision.Slice[*store.Document]{}
	if err := d.failure("list", kind); err != nil {
		return s, err
	}
	rows := d.rows
	if d.listed != nil {
		rows = d.listed
	}
	for key, row := range rows {
		if key[0] == kind {
			s.Items = append(s.Items, &row)
		}
	}
	return s, nil
}

func (d *documents) Put(_ context.Context, doc store.Document, expect int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.failure("put", doc.Kind); err != nil {
		return 0, err
	}
	key := [2]string{doc.Kind, doc.ID}
	if d.rows[key].Version != expect {
		return 0, &store.StaleError{Own: true, What: doc.ID}
	}
	doc.Version = expect + 1
	doc.Modified = time.Now()
	d.rows[key] = doc
	return doc.Version, nil
}

func (d *documents) Delete(_ context.Context, kind, id string, expect int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.failure("delete", kind); err != nil {
		return err
	}
	key := [2]string{kind, id}
	switch row, ok := d.rows[key]; {
	case !ok:
		return store.ErrNotFound
	case row.Version != expect:
		return &store.StaleError{Own: true, What: id}
	}
	delete(d.rows, key)
	return nil
}

// Purge ignores the batch.
func (d *documents) Purge(ctx context.Context, p store.Purge) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(ctx.Err(), d.failure("purge", p.Kind)); err != nil {
		return 0, err
	}
	n := 0
	for key, row := range d.rows {
		fits := (p.Kind == "" || row.Kind == p.Kind) &&
			(p.ExpiredBefore.IsZero() || !row.Expires.IsZero() && row.Expires.Before(p.ExpiredBefore)) &&
			(p.WrittenBefore.IsZero() || row.Modified.Before(p.WrittenBefore))
		if !fits {
			continue
		}
		if n++; !p.DryRun {
			delete(d.rows, key)
		}
	}
	return n, nil
}

// body returns a document's body, empty if there is none.
func (d *documents) body(kind, id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return string(d.rows[[2]string{kind, id}].Body)
}

// all returns the keys of all documents, sorted, as kind/id.
func (d *documents) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	keys := make([]string, 0, len(d.rows))
	for key := range d.rows {
		keys = append(keys, key[0]+"/"+key[1])
	}
	slices.Sort(keys)
	return keys
}

// services are current rows in memory; nothing else is asked of them.
type services struct {
	store.Reader[service.Service]
	rows map[string]*service.Service
}

func (s services) Get(_ context.Context, id string) (*service.Service, error) {
	if row, ok := s.rows[id]; ok {
		return row, nil
	}
	return nil, store.ErrNotFound
}

// cheap makes hashing fast enough for tests.
var cheap = account.Hash{Memory: 8, Passes: 1, Threads: 1}

// room is Accounts with what stands around them.
type room struct {
	*account.Accounts
	documents *documents
	audit     *audittest.Recorder
	options   account.Options
	seen      int // audit records that recorded returned
}

// newRoom returns a room over an empty store that holds the service "svc". Its
// clock is the real one, which a synctest bubble replaces.
func newRoom(t testing.TB, change ...func(*account.Options)) *room {
	t.Helper()
	engine, err := authz.NewEngine(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &room{documents: newDocuments(), audit: &audittest.Recorder{}}
	r.options = account.Options{
		Documents: r.documents,
		Services: services{rows: map[string]*service.Service{
			"svc": {Meta: revision.Meta{ID: "svc", Revision: 1}, Enabled: true, Credentials: []string{"c1"}},
		}},
		Policy:      engine,
		Audit:       r.audit,
		Log:         slog.New(slog.DiscardHandler),
		TokenSecret: []byte("0123456789abcdef0123456789abcdef"),
		Secrets:     keyringtest.NewMemory(),
		AdminUsers:  []string{"Chief@Example.com"},
		PollEvery:   5 * time.Second,
		Hash:        cheap,
	}
	for _, f := range change {
		f(&r.options)
	}
	r.Accounts = r.another(t)
	return r
}

// another returns Accounts of another process over the same store.
func (r *room) another(t testing.TB) *account.Accounts {
	t.Helper()
	a, err := account.New(r.options)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	if err := a.Refresh(t.Context()); err != nil {
		t.Fatalf("Refresh: %v", err)
	}
	return a
}

// recorded returns the audit records since the last call.
func (r *room) recorded() []audit.Entry {
	all := r.audit.Entries()
	entries := all[r.seen:]
	r.seen = len(all)
	return entries
}

func operator() authz.Caller {
	return authz.Caller{Principal: authz.Principal{Type: authz.Operator, Name: "cli:root", Method: "command"}, Door: "command"}
}

func person(name string) authz.Caller {
	return authz.Caller{Principal: authz.Principal{Type: authz.User, Name: name, Method: "header"}, Door: "v1"}
}

func administrator(name string) authz.Caller {
	c := person(name)
	c.Administrator = true
	return c
}

func secret(text string) *account.Secret {
	s := account.Secret(text)
	return &s
}

func ptr[T any](v T) *T { return &v }

// mustAdd adds an account with a password.
func (r *room) mustAdd(t testing.TB, name string) account.Account {
	t.Helper()
	a, err := r.Add(t.Context(), operator(), account.NewAccount{Name: name, Password: secret("correct horse battery")})
	if err != nil {
		t.Fatalf("Add(%q): %v", name, err)
	}
	return a
}

// mustToken makes a token of a year.
func (r *room) mustToken(t testing.TB, role account.Role, name string) string {
	t.Helper()
	token, err := r.CreateToken(t.Context(), operator(), account.NewToken{Role: role, Username: name, Realm: "API", Days: 365})
	if err != nil {
		t.Fatalf("CreateToken(%s, %q): %v", role, name, err)
	}
	return string(token.Text)
}

func wantKind(t testing.TB, what string, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("%s: %v, want a fault of kind %v", what, err, kind)
	}
}

// withServices puts services in place of "svc".
func withServices(names ...string) func(*account.Options) {
	return func(o *account.Options) {
		rows := map[string]*service.Service{}
		for _, name := range names {
			rows[name] = &service.Service{Meta: revision.Meta{ID: name, Revision: 1}, Enabled: true}
		}
		o.Services = services{rows: rows}
	}
}
