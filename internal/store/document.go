package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/confidant-secrets/confidant/internal/revision"
)

// Kinds of documents that the store keeps by itself. They are never listed, and
// Documents refuses to write or delete them.
const (
	KindCredentialName = "credential-name"       // id: NameID(name); body: Claim
	KindBlindName      = "blind-credential-name" // likewise
	KindMapping        = "mapping"               // id: a credential's or blind credential's id; body: Mapping
)

// Document is a thing without history.
type Document struct {
	Kind     string
	ID       string
	Version  int             // 1 and up, plus one with every write
	Body     json.RawMessage // a JSON value
	Modified time.Time       // set by the store
	Expires  time.Time       // zero: never. Past it the document is never returned, swept or not
}

// Claim is the body of a name claim.
type Claim struct {
	ID string `json:"id"` // who bears the name
}

// Mapping is the body of a mapping document.
type Mapping struct {
	Services []string `json:"services"` // sorted
}

// Documents keeps everything without history.
type Documents interface {
	// Get returns one document. ErrNotFound: there is none, or it has expired.
	Get(ctx context.Context, kind, id string) (*Document, error)

	// List pages through the documents of a kind, newest change first, those of
	// equal date in an order of the store's choosing. A document that is not
	// written meanwhile is visited exactly once.
	List(ctx context.Context, kind string, page revision.Page) (revision.Slice[*Document], error)

	// Put writes a document if the stored one is still at expect (0: must not
	// exist, or has expired) and returns the new version: one more than the
	// stored one's, so that a version from before its expiry does not come again
	// until it is swept. ErrStale otherwise.
	Put(ctx context.Context, d Document, expect int) (int, error)

	// Delete removes a document if it is still at expect. ErrNotFound: there was
	// nothing. ErrStale: it moved.
	Delete(ctx context.Context, kind, id string, expect int) error

	// Sweep removes documents whose expiry lies before now and says how many.
	Sweep(ctx context.Context, now time.Time) (int, error)
}
