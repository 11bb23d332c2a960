package store

import (
	"context"
	"encoding/json"
	"errors"
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

	// Purge removes documents and says how many; one that expired counts although
	// it is never returned. Each is judged as it stands when it is removed: what
	// was written anew meanwhile, so that it no longer fits, stays. A context that
	// is cancelled ends the work between two batches. With an error, at least so
	// many as it says are gone, and a second call goes on.
	Purge(ctx context.Context, p Purge) (int, error)
}

// Purge says which documents Documents.Purge removes: those that fit everything
// that is set. A kind or an expiry must be.
type Purge struct {
	Kind          string    // empty: of every kind
	ExpiredBefore time.Time // whose expiry lies before this; zero: whatever their expiry, if they have one
	WrittenBefore time.Time // last written before this; zero: whenever that was
	Batch         int       // how many go at once before others have their turn; 0: PurgeBatch
	DryRun        bool      // count those that fit, and remove none

	// Progress, if not nil, is called after each batch with the number so far.
	Progress func(removed int)
}

// PurgeBatch is the batch of a Purge that says nothing of it.
const PurgeBatch = 1000

// Check refuses a purge that would remove what nobody meant, and says what the
// batch is.
func (p Purge) Check() (batch int, err error) {
	switch {
	case p.Kind == "" && p.ExpiredBefore.IsZero():
		return 0, errors.New("a purge of every kind is one of what expired")
	case p.Batch < 0:
		return 0, errors.New("the batch of a purge is negative")
	case p.Batch == 0:
		return PurgeBatch, nil
	}
	return p.Batch, nil
}
