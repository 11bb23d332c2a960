package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// An older table has no claims and no mapping documents. Reindex builds them
// while the store serves; until the marker document says that they cover the
// whole table, the catalogue, which is read from the index, answers beside them.
// It only hints: who bears a name and what a service maps is read from the rows.

// markerID is the document that stands once claims and mappings cover the table.
const markerID = "indexed"

// markerInterval is how often a process looks whether another one has set the
// marker.
const markerInterval = 2 * time.Second

// Indexed reports whether claims and mappings cover the whole table; if not,
// Reindex has to run, while the store serves.
func (s *Store) Indexed() bool { return s.indexed.Load() }

func (s *Store) readMarker(ctx context.Context) error {
	s.looked.Store(s.now().UnixNano())
	_, err := s.documents.get(ctx, kindOwn, markerID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	s.indexed.Store(err == nil)
	return nil
}

func (s *Store) setMarker(ctx context.Context) error {
	if s.indexed.Load() {
		return nil
	}
	_, err := s.documents.put(ctx, store.Document{Kind: kindOwn, ID: markerID, Body: json.RawMessage(`{}`)}, 0)
	if err != nil && !errors.Is(err, store.ErrStale) {
		return err
	}
	s.indexed.Store(true)
	return nil
}

// covered is Indexed for a caller that can wait for a look at the marker.
func (s *Store) covered(ctx context.Context) (bool, error) {
	if !s.indexed.Load() && s.now().Sub(time.Unix(0, s.looked.Load())) >= markerInterval {
		if err := s.readMarker(ctx); err != nil {
			return false, err
		}
	}
	return s.indexed.Load(), nil
}

// nameIsFree makes sure that nobody without a claim bears the name to be
// claimed.
func (r *revisions[T]) nameIsFree(ctx context.Context, p *plan, id string) error {
	if p.claim == "" {
		return nil
	}
	if covered, err := r.store.covered(ctx); covered || err != nil {
		return err
	}
	bearer, err := r.bearer(ctx, store.NameID(p.claim), id)
	if err == nil && bearer != "" {
		err = r.noun.claimed(p.claim, bearer)
	}
	return err
}

// bearer returns who bears a name, as the catalogue hints and the row confirms;
// except does not count, and empty means nobody.
func (r *revisions[T]) bearer(ctx context.Context, nameID, except string) (string, error) {
	c := r.store.catalogue
	if err := c.freshen(ctx, r.store.now()); err != nil {
		return "", err
	}
	var ids []string
	c.mu.RLock()
	for id, e := range c.entries {
		if e.Noun == r.noun.name && id != except && store.NameID(e.Name) == nameID {
			ids = append(ids, id)
		}
	}
	c.mu.RUnlock()
	slices.Sort(ids)
	rows, err := r.store.batch(ctx, r.table, ids, attrID, attrDataType, attrName)
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		row := &reader{item: rows[id]}
		if r.noun.isCurrent(rows[id]) && store.NameID(row.text(attrName)) == nameID {
			return id, nil
		}
	}
	return "", nil
}

// uncoveredClaim answers for a claim that may not be built yet.
func (s *Store) uncoveredClaim(ctx context.Context, kind, nameID string) (*store.Document, error) {
	find := s.credentials.bearer
	if kind == store.KindBlindName {
		find = s.blinds.bearer
	}
	bearer, err := find(ctx, nameID, "")
	if err != nil {
		return nil, err
	}
	if bearer == "" {
		return nil, store.ErrNotFound
	}
	return &store.Document{Kind: kind, ID: nameID, Body: json.RawMessage(claimBody(bearer))}, nil
}

// uncoveredMapping answers for a mapping document that may not be complete yet.
// The version is that of the stored one, 0 if there is none, so that a guard on
// it means something: whoever changes the mapping moves it.
func (s *Store) uncoveredMapping(ctx context.Context, id string, stored *store.Document) (*store.Document, error) {
	c := s.catalogue
	if err := c.freshen(ctx, s.now()); err != nil {
		return nil, err
	}
	doc, ids := &store.Document{Kind: store.KindMapping, ID: id}, []string{}
	if stored != nil {
		var known store.Mapping
		if err := json.Unmarshal(stored.Body, &known); err != nil {
			return nil, err
		}
		doc.Version, ids = stored.Version, known.Services
	}
	c.mu.RLock()
	if c.uses[id] > 0 {
		for _, e := range c.entries {
			if slices.Contains(e.maps, id) && !slices.Contains(ids, e.ID) {
				ids = append(ids, e.ID)
			}
		}
	}
	c.mu.RUnlock()
	rows, err := s.batch(ctx, s.table, ids, append([]string{attrID, attrDataType}, s.services.noun.maps...)...)
	if err != nil {
		return nil, err
	}
	var services []string
	for _, serviceID := range ids {
		if slices.Contains(s.services.noun.mapsOf(rows[serviceID]), id) {
			services = append(services, serviceID)
		}
	}
	if stored == nil && len(services) == 0 {
		return nil, store.ErrNotFound
	}
	doc.Body = mappingBody(services)
	return doc, nil
}
