package httpapi

import (
	"context"
	"sync"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// watchedStore notes what is read, and counts what is written.
type watchedStore struct {
	store.Store
	mu     sync.Mutex
	reads  []string // noun or kind, what was asked, ids
	writes int
}

func (s *watchedStore) read(noun, asked string, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(ids) == 0 {
		ids = []string{"everything"}
	}
	for _, id := range ids {
		s.reads = append(s.reads, noun+" "+asked+" "+id)
	}
}

func (s *watchedStore) wrote() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
}

// written returns how many writes there were.
func (s *watchedStore) written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// taken returns what was read since the last call.
func (s *watchedStore) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	reads := s.reads
	s.reads = nil
	return reads
}

func (s *watchedStore) Credentials() store.Revisions[credential.Credential] {
	return watchedRows[credential.Credential]{s.Store.Credentials(), s, "credential"}
}

func (s *watchedStore) BlindCredentials() store.Revisions[blind.Credential] {
	return watchedRows[blind.Credential]{s.Store.BlindCredentials(), s, "blind_credential"}
}

func (s *watchedStore) Services() store.Revisions[service.Service] {
	return watchedRows[service.Service]{s.Store.Services(), s, "service"}
}

func (s *watchedStore) Documents() store.Documents { return watchedDocuments{s.Store.Documents(), s} }

func (s *watchedStore) Catalogue() store.Catalogue { return watchedCatalogue{s.Store.Catalogue(), s} }

type watchedRows[T any] struct {
	store.Revisions[T]
	s    *watchedStore
	noun string
}

func (r watchedRows[T]) Get(ctx context.Context, id string) (*T, error) {
	r.s.read(r.noun, "row", id)
	return r.Revisions.Get(ctx, id)
}

func (r watchedRows[T]) BatchGet(ctx context.Context, ids []string) ([]*T, error) {
	if len(ids) > 0 {
		r.s.read(r.noun, "row", ids...)
	}
	return r.Revisions.BatchGet(ctx, ids)
}

func (r watchedRows[T]) Revision(ctx context.Context, id string, n int) (*T, error) {
	r.s.read(r.noun, "revision", id)
	return r.Revisions.Revision(ctx, id, n)
}

func (r watchedRows[T]) List(ctx context.Context, page revision.Page) (revision.Slice[*T], error) {
	r.s.read(r.noun, "list")
	return r.Revisions.List(ctx, page)
}

func (r watchedRows[T]) History(ctx context.Context, id string, page revision.Page) (revision.Slice[*T], error) {
	r.s.read(r.noun, "history", id)
	return r.Revisions.History(ctx, id, page)
}

func (r watchedRows[T]) Append(ctx context.Context, w store.Write[T]) ([]*T, error) {
	r.s.wrote()
	return r.Revisions.Append(ctx, w)
}

func (r watchedRows[T]) Amend(ctx context.Context, id string, n int, change func(*T) bool) error {
	r.s.wrote()
	return r.Revisions.Amend(ctx, id, n, change)
}

func (r watchedRows[T]) Import(ctx context.Context, current *T, history []*T) (store.ImportReport, error) {
	r.s.wrote()
	return r.Revisions.Import(ctx, current, history)
}

func (r watchedRows[T]) ReplaceCurrent(ctx context.Context, expect int, row *T) error {
	r.s.wrote()
	return r.Revisions.ReplaceCurrent(ctx, expect, row)
}

func (r watchedRows[T]) Delete(ctx context.Context, id string, expect int, guards []store.Guard) error {
	r.s.wrote()
	return r.Revisions.Delete(ctx, id, expect, guards)
}

type watchedDocuments struct {
	store.Documents
	s *watchedStore
}

func (d watchedDocuments) Get(ctx context.Context, kind, id string) (*store.Document, error) {
	d.s.read(kind, "document", id)
	return d.Documents.Get(ctx, kind, id)
}

func (d watchedDocuments) List(ctx context.Context, kind string, page revision.Page) (revision.Slice[*store.Document], error) {
	d.s.read(kind, "list")
	return d.Documents.List(ctx, kind, page)
}

func (d watchedDocuments) Put(ctx context.Context, doc store.Document, expect int) (int, error) {
	d.s.wrote()
	return d.Documents.Put(ctx, doc, expect)
}

func (d watchedDocuments) Delete(ctx context.Context, kind, id string, expect int) error {
	d.s.wrote()
	return d.Documents.Delete(ctx, kind, id, expect)
}

func (d watchedDocuments) Purge(ctx context.Context, p store.Purge) (int, error) {
	d.s.wrote()
	return d.Documents.Purge(ctx, p)
}

type watchedCatalogue struct {
	store.Catalogue
	s *watchedStore
}

func (c watchedCatalogue) Find(ctx context.Context, q store.Query) (store.Found, error) {
	c.s.read("catalogue", "search")
	return c.Catalogue.Find(ctx, q)
}
