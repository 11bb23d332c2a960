package store

import (
	"context"
	"errors"
)

// LegacyForm is how attributes were once written, in tables that are older than
// this program. Every read understands such rows; they are rewritten so that
// the older service's newer versions read them too.
type LegacyForm string

// The forms.
const (
	NumberForBoolean  LegacyForm = "boolean" // "enabled" as 0 or 1, in rows of every noun
	QuotedBlindSets   LegacyForm = "blind-cred-set"
	QuotedServiceSets LegacyForm = "service-set" // elements of sets as JSON strings
)

// Nouns returns whose rows were written so.
func (f LegacyForm) Nouns() []Noun {
	switch f {
	case QuotedBlindSets:
		return []Noun{BlindCredential}
	case QuotedServiceSets:
		return []Noun{Service}
	default:
		return []Noun{Credential, BlindCredential, Service}
	}
}

// ErrThrottled says that more is asked of the store than it gives at the moment.
var ErrThrottled = errors.New("the store is asked for too much at once")

// Legacy finds the rows of one table that stand in one form.
type Legacy interface {
	// Size is about how many rows the table has, in the form or not; 0 where that
	// is not known.
	Size(ctx context.Context) int

	// Page looks at the next rows after a cursor, at most so many of them if
	// limit is not 0. It is ErrUnavailable where throttling or an outage does
	// not end.
	Page(ctx context.Context, after LegacyCursor, limit int) (LegacyPage, error)
}

// LegacyCursor is where a page ended; empty before the first and after the last.
type LegacyCursor string

// LegacyPage is a part of a table.
type LegacyPage struct {
	Rows  []LegacyRow // in the form
	Seen  int         // rows that were looked at, in the form or not
	Units float64     // read units (4 KiB) that it cost
	Next  LegacyCursor
}

// LegacyRow is a current or historic row in an older form.
type LegacyRow struct {
	Table    string
	Key      string
	Noun     Noun
	Historic bool // a revision, not the current row
	// Problem, if not empty, says why the row has to be left as it is.
	Problem string
	// Rewrite writes the attributes anew, unless they changed since they were
	// read, which is ErrStale. It is tried once: ErrThrottled says that the row
	// is as it was.
	Rewrite func(context.Context) error
}
