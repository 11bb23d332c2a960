package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Attributes of documents beside id, data_type and modified_date.
const (
	attrVersion = "version"
	attrBody    = "body"
	attrExpires = "expires" // microseconds since the epoch
)

// kindOwn is the kind of what this package notes for itself.
const kindOwn = "dynamo"

const documentPrefix = "doc/"

func documentKey(kind, id string) string { return documentPrefix + kind + "/" + id }

// cutDocument is the reverse of documentKey.
func cutDocument(key string) (kind, id string, ok bool) {
	rest, ok := strings.CutPrefix(key, documentPrefix)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "/")
}

// documentType keeps documents apart from the older service's data types.
func documentType(kind string) string { return "doc-" + kind }

// documents keeps things without history in the main table.
type documents struct {
	store *Store
	// expiring holds the kinds that this process knows to be noted as expiring.
	expiring sync.Map
}

// Get returns one document.
func (d *documents) Get(ctx context.Context, kind, id string) (*store.Document, error) {
	doc, err := d.get(ctx, kind, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) || !derivedKind(kind) {
		return doc, err
	}
	covered, markerErr := d.store.covered(ctx)
	switch {
	case markerErr != nil:
		return nil, markerErr
	case covered:
		return doc, err
	case kind == store.KindMapping:
		return d.store.uncoveredMapping(ctx, id, doc)
	case err == nil:
		return doc, nil
	default:
		return d.store.uncoveredClaim(ctx, kind, id)
	}
}

func (d *documents) get(ctx context.Context, kind, id string) (*store.Document, error) {
	it, err := d.store.item(ctx, d.store.table, documentKey(kind, id))
	if err != nil {
		return nil, err
	}
	doc, err := readDocument(it)
	if err != nil {
		return nil, err
	}
	if expired(doc, d.store.now()) {
		return nil, store.ErrNotFound
	}
	return doc, nil
}

func expired(doc *store.Document, now time.Time) bool {
	return !doc.Expires.IsZero() && !doc.Expires.After(now)
}

func readDocument(it item) (*store.Document, error) {
	r := &reader{item: it}
	kind, id, ok := cutDocument(r.text(attrID))
	if !ok {
		r.fail(attrID, "is no key of a document")
	}
	doc := &store.Document{
		Kind: kind, ID: id, Version: r.integer(attrVersion, 0),
		Body: r.json(attrBody), Modified: r.time(attrModifiedDate), Expires: r.moment(attrExpires),
	}
	if kind == store.KindMapping {
		doc.Body = mappingBody(r.set(attrServices))
	}
	return doc, r.err
}

// derivedKind reports whether documents of a kind follow from rows.
func derivedKind(kind string) bool {
	return kind == store.KindCredentialName || kind == store.KindBlindName || kind == store.KindMapping
}

// checkKind refuses what the store alone may write.
func checkKind(kind string) error {
	if derivedKind(kind) || kind == kindOwn {
		return fmt.Errorf("dynamo: documents of kind %q are written by the store alone", kind)
	}
	return nil
}

// List pages through the documents of a kind. Those that the store keeps by
// itself are in no index.
func (d *documents) List(ctx context.Context, kind string, page revision.Page) (revision.Slice[*store.Document], error) {
	now := d.store.now()
	return list(ctx, d.store, d.store.table, documentType(kind), nil, page, func(it item) (*store.Document, error) {
		doc, err := readDocument(it)
		if err == nil && expired(doc, now) {
			return nil, nil
		}
		return doc, err
	})
}

// Put writes a document under a condition on its version.
func (d *documents) Put(ctx context.Context, doc store.Document, expect int) (int, error) {
	if err := checkKind(doc.Kind); err != nil {
		return 0, err
	}
	if !doc.Expires.IsZero() {
		if err := d.noteExpiring(ctx, doc.Kind); err != nil {
			return 0, err
		}
	}
	return d.put(ctx, doc, expect)
}

func (d *documents) put(ctx context.Context, doc store.Document, expect int) (int, error) {
	if !json.Valid(doc.Body) || !validKey(documentKey(doc.Kind, doc.ID)) {
		return 0, fmt.Errorf("dynamo: document %s/%s cannot be kept: its body is no JSON, or its id is too long", doc.Kind, doc.ID)
	}
	now := d.store.now()
	it := item{}
	it.setText(attrID, documentKey(doc.Kind, doc.ID))
	it.setText(attrDataType, documentType(doc.Kind))
	it.setText(attrBody, string(doc.Body))
	if doc.Kind != kindOwn {
		it.setTime(attrModifiedDate, now)
	}
	if !doc.Expires.IsZero() {
		it[attrExpires] = micros(doc.Expires)
	}
	if err := fits(it); err != nil {
		return 0, err
	}
	// A document that has expired counts as absent, but its version goes on.
	for stored := expect; ; {
		it.setNumber(attrVersion, stored+1)
		a := putItem(d.store.table, it)
		a.told = true
		var when string
		switch {
		case stored == 0:
			when = a.is(attrID, nil)
		case expect > 0:
			when = guarded(&a.expression, store.DocumentGuard(doc.Kind, doc.ID, expect), now)
		default:
			when = all(a.is(attrVersion, number(stored)), a.compare(attrExpires, "<=", micros(now)))
		}
		var old item
		a.only(when, func(stands item) error {
			old = stands
			return &store.StaleError{Own: true, What: a.key}
		})
		err := d.store.transact(ctx, "writing a document", []*action{a})
		if err == nil {
			return stored + 1, nil
		}
		dead, ok := deadVersion(old, now)
		if expect > 0 || !ok || dead == stored {
			return 0, err
		}
		stored = dead
	}
}

// deadVersion returns the version of an expired document.
func deadVersion(it item, now time.Time) (int, bool) {
	r := &reader{item: it}
	expires := r.moment(attrExpires)
	return r.integer(attrVersion, 0), !expires.IsZero() && !expires.After(now)
}

// Delete removes a document at a version.
func (d *documents) Delete(ctx context.Context, kind, id string, expect int) error {
	if err := checkKind(kind); err != nil {
		return err
	}
	doc, err := d.get(ctx, kind, id)
	if err != nil {
		return err
	}
	key := documentKey(kind, id)
	stale := &store.StaleError{Own: true, What: key}
	if doc.Version != expect {
		return stale
	}
	a := removeItem(d.store.table, key)
	a.only(a.is(attrVersion, number(expect)), func(item) error { return stale })
	return d.store.transact(ctx, "deleting a document", []*action{a})
}
