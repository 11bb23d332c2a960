package store

import (
	"context"
	"time"
)

// Catalogue finds current rows of all nouns by what is public about them. It
// holds no ciphertext and opens nothing.
type Catalogue interface {
	// Find returns one page of what matches, in the order asked, ties by id in
	// the same direction. A page may hold fewer entries than asked for, even
	// none, although more follow: Found.Next alone tells. An After that is not
	// Found.Next of the same order is revision.ErrCursor.
	Find(ctx context.Context, q Query) (Found, error)
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
	Text       string // part of the name, a key name or a tag, in lower case; or the whole id
	Nouns      []Noun // none: all
	Key        string // exact key name
	Tag        string // exact tag
	MappedBy   string // service that maps it
	ModifiedBy string
	Enabled    *bool
	Sort       Sort
	Descending bool
	Limit      int    // brought into 1 to 1000
	After      string // Found.Next of the page before
}

// Entry is what the catalogue knows of a current row. A service's name is its
// id.
type Entry struct {
	Noun         Noun
	ID           string
	Name         string
	KeyNames     []string
	Tags         []string
	Enabled      bool
	Revision     int
	ModifiedDate time.Time
	ModifiedBy   string
	LastRotation time.Time
	Services     int // how many services map it
}

// Found is one page. Next is empty when nothing follows. AsOf is the moment
// whose state it shows.
type Found struct {
	Entries []Entry
	Next    string
	AsOf    time.Time
}
