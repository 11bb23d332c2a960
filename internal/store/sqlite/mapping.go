package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/confidant-secrets/confidant/internal/store"
)

// setMapping notes that a service maps an id, or no longer does.
func (t *transaction) setMapping(id, service string, mapped bool) error {
	step, query := 1, "INSERT INTO mapping (credential, service) VALUES (?, ?) ON CONFLICT DO NOTHING"
	if !mapped {
		step, query = -1, "DELETE FROM mapping WHERE credential = ? AND service = ?"
	}
	changed, err := t.count(query, id, service)
	if err != nil || changed == 0 {
		return err
	}
	t.touch(cacheKey{mappingDocument, id}, nil, 0)
	err = t.exec(`INSERT INTO mapping_version (credential, version, services, modified) VALUES (?, 1, ?, ?)
		ON CONFLICT (credential) DO UPDATE SET version = version + 1, services = services + excluded.services, modified = excluded.modified`,
		id, step, micros(t.now()))
	if err != nil {
		return err
	}
	return t.exec("UPDATE current SET mapped = 1 - mapped WHERE id = ? AND mapped <> EXISTS (SELECT 1 FROM mapping WHERE credential = current.id)", id)
}

// forgetMapping removes the mapping document of an id.
func (t *transaction) forgetMapping(id string) error {
	t.touch(cacheKey{mappingDocument, id}, nil, 0)
	if err := t.exec("DELETE FROM mapping WHERE credential = ?", id); err != nil {
		return err
	}
	return t.exec("DELETE FROM mapping_version WHERE credential = ?", id)
}

// mapping returns a mapping document, which every change of a credential asks
// for.
func (s *Store) mapping(ctx context.Context, id string) (*store.Document, error) {
	if known, ok := s.cache.get(mappingDocument, id); ok {
		if known == nil {
			return nil, store.ErrNotFound
		}
		d := *known.(*store.Document)
		return &d, nil
	}
	generation := s.cache.now()
	d, err := s.readMapping(ctx, id)
	switch {
	case err == nil:
		held := *d
		s.cache.fill(generation, cacheKey{mappingDocument, id}, &held, len(id)+len(d.Body))
	case errors.Is(err, store.ErrNotFound):
		s.cache.fill(generation, cacheKey{mappingDocument, id}, nil, len(id))
	}
	return d, err
}

// readMapping reads a mapping document from the file: its version and, in one
// text, its services.
func (s *Store) readMapping(ctx context.Context, id string) (*store.Document, error) {
	var d *store.Document
	err := s.query(ctx, `SELECT version, modified, (SELECT json_group_array(service) FROM
			(SELECT service FROM mapping WHERE credential = v.credential ORDER BY service))
		FROM mapping_version v WHERE credential = ?`,
		func(rows *sql.Rows) error {
			var (
				modified int64
				services string
			)
			d = &store.Document{Kind: store.KindMapping, ID: id}
			err := rows.Scan(&d.Version, &modified, &services)
			d.Modified = moment(modified)
			d.Body = json.RawMessage(`{"services":` + services + `}`)
			return err
		}, id)
	return found(d, err)
}

// claim reads the document of a name's claim. It moves with the row that holds
// it and has no version of its own.
func (s *Store) claim(ctx context.Context, kind, nameID string) (*store.Document, error) {
	var d *store.Document
	n, sum := claimKey(kind, nameID)
	err := s.query(ctx, "SELECT id, modified FROM current WHERE noun = ? AND claim = ?", func(rows *sql.Rows) error {
		var (
			holder   store.Claim
			modified int64
		)
		if err := rows.Scan(&holder.ID, &modified); err != nil {
			return err
		}
		body, err := json.Marshal(holder)
		d = &store.Document{Kind: kind, ID: nameID, Version: 1, Body: body, Modified: moment(modified)}
		return err
	}, string(n), sum)
	return found(d, err)
}

// found turns a document that a query did not find into ErrNotFound.
func found(d *store.Document, err error) (*store.Document, error) {
	if err == nil && d == nil {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}
