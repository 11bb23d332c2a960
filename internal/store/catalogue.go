package store

import (
	"context"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
)

// Catalogue finds and counts current rows of all nouns by what is public about
// them. It holds no ciphertext and opens nothing.
type Catalogue interface {
	// Find returns one page of what matches, in the order asked, ties by id in
	// the same direction. A page may hold fewer entries than asked for, even
	// none, although more follow: Found.Next alone tells. An After that is not
	// Found.Next of the same order is revision.ErrCursor.
	Find(ctx context.Context, q Query) (Found, error)

	// Summary counts, all at one moment, what needs attention. Each count is
	// that of what Find would find by the query named at it.
	Summary(ctx context.Context, q SummaryQuery) (Summary, error)
}

// Sort is an order of a Query.
type Sort string

// The orders.
const (
	SortName     Sort = "name" // in lower case; the default
	SortModified Sort = "modified"
	SortRotation Sort = "rotation" // last rotation; rows without one count as the oldest
)

// Query says what is looked for. All members that are set must match.
type Query struct {
	Text          string // part of the name, a key name or a tag, in lower case; or the whole id
	Nouns         []Noun // none: all
	Key           string // exact key name
	Tag           string // exact tag
	MappedBy      string // service that maps it
	Mapped        *bool  // whether any service maps it; a service matches neither
	ModifiedBy    string
	ModifiedSince time.Time // changed then or later
	Enabled       *bool
	// NeverRotated finds credentials whose pairs are as they were created, as far
	// as a current row tells: it is the first revision, or its last rotation is
	// unknown.
	NeverRotated bool
	// Due finds credentials that are to be rotated by Rules at the moment At, or
	// were before. Entry.NextRotation goes by the same two.
	Due   bool
	Rules credential.Rotation
	At    time.Time

	Sort       Sort
	Descending bool
	Limit      int    // brought into 1 to 1000
	After      string // Found.Next of the page before
}

// Entry is what the catalogue knows of a current row. A service's name is its
// id.
type Entry struct {
	Noun          Noun
	ID            string
	Name          string
	KeyNames      []string
	Tags          []string
	Enabled       bool
	Revision      int
	ModifiedDate  time.Time
	ModifiedBy    string
	LastRotation  time.Time
	LastDecrypted time.Time
	NextRotation  time.Time // zero where no rule of the query applies
	Services      int       // how many services map it
}

// Rotates returns when a credential is to be rotated next by the rules of a
// query; the zero time where none applies.
func (q *Query) Rotates(e *Entry) time.Time {
	if e.Noun != Credential {
		return time.Time{}
	}
	return q.Rules.Next(&credential.Credential{Tags: e.Tags, LastRotation: e.LastRotation, LastDecrypted: e.LastDecrypted}, q.At)
}

// Found is one page. Next is empty when nothing follows. AsOf is the moment
// whose state it shows.
type Found struct {
	Entries []Entry
	Next    string
	AsOf    time.Time
}

// SummaryQuery says what is counted.
type SummaryQuery struct {
	Nouns []Noun              // none: all; the counts of others are zero
	Rules credential.Rotation // by which rotation is due
	At    time.Time           // now
	Ages  []int               // bounds of the ages of pairs, in days, ascending
	Days  int                 // how many UTC days of changes, the last being that of At
}

// Summary holds counts of current rows.
type Summary struct {
	Credentials      int
	BlindCredentials int
	Services         int

	Due            int // Due
	NeverRotated   int // NeverRotated
	Unmapped       int // Enabled, not Mapped: credentials and blind credentials that nobody receives
	DisabledMapped int // not Enabled, Mapped
	Changed        int // ModifiedSince 24 hours before At

	// Ages counts credentials by the age of their last rotation: member i those
	// younger than bound i and not younger than the bound before; one more at the
	// end those not younger than any. AgeUnknown counts the others.
	Ages       []int
	AgeUnknown int

	// Days counts things by the day of their latest change, oldest day first. A
	// thing that changed on several days counts on the last of them alone.
	Days []int

	AsOf time.Time // the moment whose state it shows
}
