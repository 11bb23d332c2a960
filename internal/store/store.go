// Package store says what a store promises. It holds interfaces and sentinels
// only; package storetest turns every sentence here into a test that each
// implementation passes, and sub-packages implement it.
//
// # Key space
//
// Current rows and history share one key space, whatever their noun: the
// current row of x has the key "x", its revision n the key "x-n" (revision.Key).
// So a service named "x-1" and revision 1 of service "x" compete for one key.
// The key space is that of the older service's table; an embedded store keeps
// it too, so that one suite judges all stores and data can move between them.
//
// # Rows
//
// A row returned by a store is shared and immutable. The current revision
// stands in history too: Revision(id, current) gives the same content.
//
// # Claims and mappings
//
// The store itself keeps, in the same act as the row, two things that follow
// from it: the claim of a credential's (or blind credential's) name, and for
// each credential the list of services that map it. Nobody can forget them, and
// both are documents (KindCredentialName, KindBlindName, KindMapping).
package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
)

// Noun names a kind of thing with a history, spelled as the older service's
// data_type of current rows.
type Noun string

// The nouns. History rows have the data_type "archive-" + noun.
const (
	Credential      Noun = "credential"
	BlindCredential Noun = "blind-credential"
	Service         Noun = "service"
)

// Limits that hold on every store.
const (
	MaxRowBytes       = 380 << 10 // of a row as stored; beyond it: ErrTooLarge
	MaxRows           = 5         // rows of one Append; beyond it: ErrTooLarge
	MaxMappingChanges = 90        // credentials newly mapped or unmapped in one Append of a service; beyond it: ErrTooLarge
	MaxGuards         = 90        // guards of one write together with its mapping changes; beyond it: ErrTooLarge. What does not fit the caller must check before and after
)

// Sentinels. Compare with errors.Is; StaleError and TakenError say more.
var (
	ErrNotFound    = errors.New("no such row")
	ErrTaken       = errors.New("the key belongs to something else")
	ErrStale       = errors.New("the row moved since it was read")
	ErrTooLarge    = errors.New("the row is too large")
	ErrUnavailable = errors.New("the store does not answer")
)

// StaleError says what moved. It is ErrStale.
type StaleError struct {
	// Own is true when the row to be written moved, false when a guard did.
	Own bool
	// What names the row or document, for the log.
	What string
}

// Error names what moved.
func (e *StaleError) Error() string { return fmt.Sprintf("%v: %s", ErrStale, e.What) }

// Is makes the error ErrStale.
func (e *StaleError) Is(target error) bool { return target == ErrStale }

// TakenError says what holds a key or a name. It is ErrTaken.
type TakenError struct {
	Key    string // the key, or the name if Claim
	Claim  bool   // a name is claimed, not a key taken
	Holder string // id of the holder, if known
	Noun   Noun   // noun of the holder, if known
}

// Error names the key and its holder.
func (e *TakenError) Error() string { return fmt.Sprintf("%v: %q (%s)", ErrTaken, e.Key, e.Holder) }

// Is makes the error ErrTaken.
func (e *TakenError) Is(target error) bool { return target == ErrTaken }

// Store is everything that is kept. It is safe for concurrent use. Every error
// that means "the store did not answer", a full disk and an expired deadline of
// the store included, is or wraps ErrUnavailable; a cancelled context gives the
// context's error.
type Store interface {
	Credentials() Revisions[credential.Credential]
	BlindCredentials() Revisions[blind.Credential]
	Services() Revisions[service.Service]

	// ArchivedCredentials is the permanent archive: a key space of its own,
	// without claims and mappings. It is nil where none is configured.
	ArchivedCredentials() Revisions[credential.Credential]

	Documents() Documents
	Catalogue() Catalogue

	// Reindex rebuilds name claims and mappings from the current rows and
	// reports what differed. progress, if not nil, is called now and then with
	// the number of rows done and their total.
	Reindex(ctx context.Context, progress func(done, total int)) (ReindexReport, error)

	// RewrapDataKeys visits the wrapped data key of every row of credentials,
	// current and historic, here and in the archive, rows that no list shows
	// among them, and puts what change returns in its place; nil leaves it alone.
	// Nothing else of a row changes. A key is replaced only where the one that
	// change was given still stands; else, and where a write is tried again, the
	// row is visited again. change is not called twice at a time.
	//
	// It goes in batches. done is called after each, once it is on the disk, with
	// the number of rows visited and their total, 0 where that is not known. A
	// cancelled context ends it between two batches, and the report tells what was
	// done. It may be repeated.
	RewrapDataKeys(ctx context.Context, change func(WrappedKey) []byte, done func(visited, total int)) (RewrapReport, error)

	// Check reads what old data may hold although the store no longer allows
	// it: equal names, rows without their key, orphaned history.
	Check(ctx context.Context) (CheckReport, error)

	// Ping says whether the store answers. A store that can read but not write
	// (a full disk) answers with the reason.
	Ping(ctx context.Context) error
	Close() error
}

// Reader reads one noun.
type Reader[T any] interface {
	// Get returns the current row. ErrNotFound: the key is free. ErrTaken (a
	// TakenError): the key belongs to another noun or is a history key.
	Get(ctx context.Context, id string) (*T, error)

	// BatchGet returns current rows in the order asked, for any number of ids.
	// Missing ids, ids of other nouns and repeated ids are left out.
	BatchGet(ctx context.Context, ids []string) ([]*T, error)

	// Revision returns one historic row; Meta.ID is the base id. ErrNotFound: there
	// is none (n is 0 or less, too) or it belongs to another noun.
	Revision(ctx context.Context, id string, n int) (*T, error)

	// List pages through current rows, newest change first, those of equal date
	// in an order of the store's choosing. A row that is not written meanwhile is
	// visited exactly once. Sealed values may be left out of listed rows (Sealed,
	// and Pairs and DataKey of blind credentials, are zero then).
	List(ctx context.Context, page revision.Page) (revision.Slice[*T], error)

	// History pages through historic rows: those of one id, highest revision
	// first (current..1, as far as they exist; none if the noun has no current
	// row of that id), or with an empty id those of all things of the noun, as
	// List does. Unlike List it always carries the sealed values.
	History(ctx context.Context, id string, page revision.Page) (revision.Slice[*T], error)
}

// Revisions reads and writes one noun. It is the one history mechanism.
type Revisions[T any] interface {
	Reader[T]

	// Append adds one or more revisions in order, the last becoming current, or
	// does nothing at all. It returns the rows as stored, numbered: each number
	// is the one before plus one, skipping numbers whose key is taken by
	// something else. The caller sets everything but ID and Revision; the Head
	// of the last row is the new current row's.
	//
	// ErrStale: the current row or a guard is not what the caller read (StaleError
	// tells which). ErrTaken: the id is a key of something else (also
	// "x-<digits>" while x is a current service and a service is to be created),
	// or the last row's name is claimed by another id (TakenError.Claim). A row
	// keeps a name it already had, claimed or not. ErrTooLarge: see the limits.
	Append(ctx context.Context, w Write[T]) ([]*T, error)

	// Amend rewrites a stored row in place without a revision. change gets a
	// clone and returns false to leave the row alone; it may run more than
	// once. If n is current, both copies change together or not at all, but for
	// the Head, which only the current row has. Identity, name, mapping and
	// revision must not be changed. ErrNotFound: there is no such revision.
	Amend(ctx context.Context, id string, n int, change func(*T) bool) error

	// Import puts back a whole resource: history rows first, the current row
	// last. Existing rows stay and are reported. It may be repeated, also after
	// it was cut short. A name claim that is not free is reported, and the row
	// is imported without it. Row numbers are the caller's. ErrTaken: the id or
	// a history key belongs to something else, and nothing was written.
	Import(ctx context.Context, current *T, history []*T) (ImportReport, error)

	// ReplaceCurrent puts row in place of an imported current row of a lower
	// revision. Only the archive needs it, when a credential was restored,
	// changed and is archived again. ErrStale: the current row is not at expect.
	ReplaceCurrent(ctx context.Context, expect int, row *T) error

	// Delete removes the history of id and then, last, the current row if it is
	// still at expect, together with its claim, its mapping document and what it
	// maps. Interrupted, it leaves the current row and may be repeated. ErrStale: the
	// row or a guard moved; the current row is still there. ErrNotFound: there
	// is no current row.
	Delete(ctx context.Context, id string, expect int, guards []Guard) error

	// DeleteOrphans removes the given revisions of an id under which no current
	// row stands, of whatever noun; those that are not there do not matter. Only
	// a deletion that the older service did not finish leaves such rows. ErrStale:
	// a current row stands there. Interrupted, it may be repeated.
	DeleteOrphans(ctx context.Context, id string, numbers []int) error
}

// Write is the input of Append.
type Write[T any] struct {
	ID string
	// Previous is the current row as the caller read it, unchanged; nil: there
	// must be none. The write is stale if the current row is at another
	// revision, or if its Head differs. From it the store also knows, without
	// reading again, which name and which mappings change.
	Previous *T
	Rows     []*T    // 1 to MaxRows
	Guards   []Guard // at most MaxGuards
}

// Guard is a row or document that must still be at the version the caller's
// decision was based on.
type Guard struct {
	Kind    string // empty: a current row, of any noun; else the kind of a document
	ID      string
	Version int // revision of the row or version of the document; 0: must not exist
}

// RowGuard guards a current row.
func RowGuard(id string, n int) Guard { return Guard{ID: id, Version: n} }

// DocumentGuard guards a document.
func DocumentGuard(kind, id string, version int) Guard {
	return Guard{Kind: kind, ID: id, Version: version}
}

// ImportReport says what Import found. Keys are those of the shared key space.
type ImportReport struct {
	Written   []string
	Same      []string // existed with equal content; LastDecrypted, KeyNames of credentials and Head do not count
	Different []string // existed with other content; left alone
	NameTaken string   // id that holds the name; empty: the name was free
}

// ReindexReport counts what Reindex found and changed.
type ReindexReport struct {
	Credentials, BlindCredentials, Services int
	Claims, Mappings                        int      // documents that stand now
	Changed                                 []string // "credential-name <name>: …", one line each
}

// WrappedKey is the wrapped data key of one row of a credential.
type WrappedKey struct {
	ID       string // of the credential
	Key      string // of the row, see the key space
	Archived bool   // it stands in the archive
	Wrapped  []byte // not empty
}

// RewrapReport counts rows.
type RewrapReport struct {
	Visited int // rows with a data key
	Changed int // those that got another one
}

// CheckReport lists what old data holds against the rules.
type CheckReport struct {
	EqualNames []EqualNames
	Orphans    []string // history keys above or without a current row
	Unmapped   []string // ids that services map although there is no such credential, as "<service> <id>"
}

// EqualNames is a name that several current things of one noun bear.
type EqualNames struct {
	Noun Noun
	Name string
	IDs  []string
}
