package vault_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// spyEvents keeps what is published.
type spyEvents struct {
	mu   sync.Mutex
	list []event.Event
}

func (s *spyEvents) Publish(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, e)
}

func (s *spyEvents) take() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list
}

// spySealer counts what is opened and can be made to fail.
type spySealer struct {
	vault.Sealer
	opened  atomic.Int64
	failing atomic.Pointer[error]
}

func (s *spySealer) Open(ctx context.Context, id string, v sealed.Value) ([]byte, error) {
	s.opened.Add(1)
	if err := s.failing.Load(); err != nil {
		return nil, *err
	}
	return s.Sealer.Open(ctx, id, v)
}

func (s *spySealer) Seal(ctx context.Context, id string, plaintext []byte) (sealed.Value, error) {
	if err := s.failing.Load(); err != nil {
		return sealed.Value{}, *err
	}
	return s.Sealer.Seal(ctx, id, plaintext)
}

func (s *spySealer) fail(err error) { s.failing.Store(&err) }

// spyStore counts writes and can run something before each of them.
type spyStore struct {
	store.Store
	noArchive bool
	writes    atomic.Int64
	dead      atomic.Bool // nothing answers any more
	before    atomic.Pointer[func(what string) error]
}

func (s *spyStore) write(what string) error {
	if err := s.answers(); err != nil {
		return err
	}
	s.writes.Add(1)
	if do := s.before.Load(); do != nil {
		return (*do)(what)
	}
	return nil
}

// beforeWrite has do called before each write, named "append", "amend",
// "import", "replace" or "delete". An error of it is the write's.
func (s *spyStore) beforeWrite(do func(what string) error) {
	if do == nil {
		s.before.Store(nil)
		return
	}
	s.before.Store(&do)
}

// once has do called before the next write of a kind only.
func (s *spyStore) once(what string, do func()) {
	var done atomic.Bool
	s.beforeWrite(func(w string) error {
		if w == what && done.CompareAndSwap(false, true) {
			do()
		}
		return nil
	})
}

func (s *spyStore) Credentials() store.Revisions[credential.Credential] {
	return spyRows[credential.Credential]{s.Store.Credentials(), s}
}

func (s *spyStore) BlindCredentials() store.Revisions[blind.Credential] {
	return spyRows[blind.Credential]{s.Store.BlindCredentials(), s}
}

func (s *spyStore) Services() store.Revisions[service.Service] {
	return spyRows[service.Service]{s.Store.Services(), s}
}

func (s *spyStore) ArchivedCredentials() store.Revisions[credential.Credential] {
	if s.noArchive {
		return nil
	}
	return spyRows[credential.Credential]{s.Store.ArchivedCredentials(), s}
}

func (s *spyStore) Documents() store.Documents { return spyDocuments{s.Store.Documents(), s} }

func (s *spyStore) Catalogue() store.Catalogue { return spyCatalogue{s.Store.Catalogue(), s} }

// answers returns the error of a store that is gone.
func (s *spyStore) answers() error {
	if s.dead.Load() {
		return fmt.Errorf("reading: %w", store.ErrUnavailable)
	}
	return nil
}

type spyDocuments struct {
	store.Documents
	spy *spyStore
}

func (d spyDocuments) Get(ctx context.Context, kind, id string) (*store.Document, error) {
	if err := d.spy.answers(); err != nil {
		return nil, err
	}
	return d.Documents.Get(ctx, kind, id)
}

type spyCatalogue struct {
	store.Catalogue
	spy *spyStore
}

func (c spyCatalogue) Find(ctx context.Context, q store.Query) (store.Found, error) {
	if err := c.spy.answers(); err != nil {
		return store.Found{}, err
	}
	return c.Catalogue.Find(ctx, q)
}

func (c spyCatalogue) Summary(ctx context.Context, q store.SummaryQuery) (store.Summary, error) {
	if err := c.spy.answers(); err != nil {
		return store.Summary{}, err
	}
	return c.Catalogue.Summary(ctx, q)
}

type spyRows[T any] struct {
	store.Revisions[T]
	spy *spyStore
}

func (r spyRows[T]) Get(ctx context.Context, id string) (*T, error) {
	if err := r.spy.answers(); err != nil {
		return nil, err
	}
	return r.Revisions.Get(ctx, id)
}

func (r spyRows[T]) List(ctx context.Context, page revision.Page) (revision.Slice[*T], error) {
	if err := r.spy.answers(); err != nil {
		return revision.Slice[*T]{}, err
	}
	return r.Revisions.List(ctx, page)
}

func (r spyRows[T]) History(ctx context.Context, id string, page revision.Page) (revision.Slice[*T], error) {
	if err := r.spy.answers(); err != nil {
		return revision.Slice[*T]{}, err
	}
	return r.Revisions.History(ctx, id, page)
}

func (r spyRows[T]) Append(ctx context.Context, w store.Write[T]) ([]*T, error) {
	if err := r.spy.write("append"); err != nil {
		return nil, err
	}
	return r.Revisions.Append(ctx, w)
}

func (r spyRows[T]) Amend(ctx context.Context, id string, n int, change func(*T) bool) error {
	if err := r.spy.write("amend"); err != nil {
		return err
	}
	return r.Revisions.Amend(ctx, id, n, change)
}

func (r spyRows[T]) Import(ctx context.Context, current *T, history []*T) (store.ImportReport, error) {
	if err := r.spy.write("import"); err != nil {
		return store.ImportReport{}, err
	}
	return r.Revisions.Import(ctx, current, history)
}

func (r spyRows[T]) ReplaceCurrent(ctx context.Context, expect int, row *T) error {
	if err := r.spy.write("replace"); err != nil {
		return err
	}
	return r.Revisions.ReplaceCurrent(ctx, expect, row)
}

func (r spyRows[T]) DeleteOrphans(ctx context.Context, id string, numbers []int) error {
	if err := r.spy.write("delete"); err != nil {
		return err
	}
	return r.Revisions.DeleteOrphans(ctx, id, numbers)
}

func (r spyRows[T]) Delete(ctx context.Context, id string, expect int, guards []store.Guard) error {
	if err := r.spy.write("delete"); err != nil {
		return err
	}
	return r.Revisions.Delete(ctx, id, expect, guards)
}
