package vault

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// nearby is how soon a store answers that needs no other machine for it.
const nearby = 100 * time.Microsecond

// place is what stands at an id, seen from one noun.
type place[T any] struct {
	// base is the id that the policy judges by: that of the row which the id,
	// or the history key that was given for one, belongs to.
	base    string
	current *T // the noun's current row of base, nil if there is none

	// If the id given was a history key of this noun, the revision it names.
	number   int
	historic *T

	// taken says that the id given is the key of something else than a current
	// row of this noun: a history key, or another noun's.
	taken bool

	// resource is what the policy may look at.
	resource authz.Resource
}

// row returns the row that the id stands for, historic or current, or nil.
func (p place[T]) row() *T {
	if p.taken {
		return p.historic
	}
	return p.current
}

// changeable returns the current row that the id stands for, or the fault of a
// write that is about none.
func (p place[T]) changeable(w words) (*T, error) {
	switch {
	case p.taken:
		return nil, w.mistaken()
	case p.current == nil:
		return nil, w.missing()
	default:
		return p.current, nil
	}
}

// locate looks an id up, together with what the policy may look at. Nothing of
// it may be told before the policy has spoken.
func locate[T any](ctx context.Context, k *call, n noun[T], id string) (place[T], error) {
	p, err := find(ctx, n.rows, id)
	if err != nil {
		return p, storeFault("reading "+id, err)
	}
	p.resource = n.resource(p.base, p.current)
	p.resource.Revision = p.number
	return p, k.mappedBy(ctx, &p.resource)
}

// find looks an id up.
func find[T any](ctx context.Context, rows store.Reader[T], id string) (place[T], error) {
	p := place[T]{base: id}
	row, err := rows.Get(ctx, id)
	switch {
	case err == nil:
		p.current = row
		return p, nil
	case errors.Is(err, store.ErrNotFound):
		return p, nil
	case !errors.Is(err, store.ErrTaken):
		return p, err
	}
	p.taken = true
	base, number, ok := revision.Split(id)
	if !ok {
		return p, nil
	}
	historic, err := rows.Revision(ctx, base, number)
	if errors.Is(err, store.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	p.base, p.number, p.historic = base, number, historic
	row, err = rows.Get(ctx, base)
	switch {
	case err == nil:
		p.current = row
	case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrTaken):
		return p, err
	}
	return p, nil
}

// mapping is which services map a credential, and the version of the document
// that says so; 0 means that there is no document.
type mapping struct {
	services []string
	version  int
}

// mappingOf reads which services map a credential, blind or not.
func (v *Vault) mappingOf(ctx context.Context, id string) (mapping, error) {
	var m store.Mapping
	version, err := v.document(ctx, store.KindMapping, id, &m)
	return mapping{m.Services, version}, err
}

// locateMapped is locate together with which services map the thing, in one
// round trip.
func locateMapped[T any](ctx context.Context, k *call, n noun[T], id string) (p place[T], m mapping, _ error) {
	err := k.v.sideBySide(ctx, func(ctx context.Context) (err error) {
		if p, err = find(ctx, n.rows, id); err != nil {
			return storeFault("reading "+id, err)
		}
		return nil
	}, func(ctx context.Context) (err error) {
		m, err = k.v.mappingOf(ctx, id)
		return err
	})
	if err == nil && p.base != id {
		m, err = k.v.mappingOf(ctx, p.base)
	}
	p.resource = n.resource(p.base, p.current)
	p.resource.Revision = p.number
	if k.caller.Type == authz.Service {
		p.resource.MappedBy = m.services
	}
	return p, m, err
}

// subject is the thing that a call is about to change.
type subject[T any] struct {
	row      *T // its current row
	mapping  mapping
	resource authz.Resource
}

// changing looks up what is to be changed by an action, and refuses whoever may
// not do it, ids of nothing that can be changed, and who has not seen the
// current revision.
func changing[T any](ctx context.Context, k *call, n noun[T], id string, action authz.Action, seen int) (none subject[T], _ error) {
	p, m, err := locateMapped(ctx, k, n, id)
	if err != nil {
		return none, err
	}
	what := string(action) + " " + n.words.singular + " " + id
	if err := k.require(ctx, action, p.resource, what, id); err != nil {
		return none, err
	}
	row, err := p.changeable(n.words)
	if err != nil {
		return none, err
	}
	if err := pinned(id, n.meta(row).Revision, seen); err != nil {
		return none, err
	}
	return subject[T]{row, m, p.resource}, nil
}

// sideBySide runs what is one round trip each at the same time, and returns the
// first error. Where answers come sooner than another goroutine would begin, out
// of memory or a local file, they are fetched one after the other.
func (v *Vault) sideBySide(ctx context.Context, first, second func(context.Context) error) error {
	if v.near.Load() {
		if err := v.timed(ctx, first); err != nil {
			return err
		}
		return second(ctx)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return v.timed(ctx, first) })
	g.Go(func() error { return second(ctx) })
	return g.Wait()
}

// timed runs a round trip and notes whether the store is near.
func (v *Vault) timed(ctx context.Context, fetch func(context.Context) error) error {
	began := time.Now()
	err := fetch(ctx)
	if near := time.Since(began) < nearby; near != v.near.Load() {
		v.near.Store(near)
	}
	return err
}
