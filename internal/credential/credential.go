// Package credential is the noun in the middle of the product: named, sealed
// pairs with a history. It holds fields and rules and does no I/O; it never
// sees a key.
package credential

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
)

// Credential is one revision as it is stored. A row that a store returned is
// shared and must not be changed; change a Clone.
type Credential struct {
	revision.Meta
	Name          string
	Sealed        sealed.Value
	KeyNames      []string // sorted, in clear; nil means that the row does not tell and must be opened
	Enabled       bool
	Metadata      json.RawMessage // a JSON object; nil is an empty one
	Documentation *string         // nil: none
	Tags          []string        // in the caller's order; nil is empty
	LastDecrypted time.Time       // when a person last saw the pairs; zero: never
	LastRotation  time.Time       // when the pairs last changed; zero: unknown (older rows)
	Head          Head            // only on current rows

	// Memo may hold a derived form of the row; nil on rows that are not shared.
	Memo *revision.Memo
}

// Head is the part of a current row that stands outside history: it is amended
// alone, without a new revision, and a revert never copies it.
type Head struct {
	Stages       map[string]string // staging label -> version id, of the AWS-compatible door
	LastAccessed time.Time         // day of the last machine read; zero: never
}

// Clone returns a copy that shares nothing with c and carries no memo.
func (c *Credential) Clone() *Credential {
	d := *c
	d.Memo = nil
	d.Sealed.DataKey = slices.Clone(c.Sealed.DataKey)
	d.KeyNames = slices.Clone(c.KeyNames)
	d.Metadata = slices.Clone(c.Metadata)
	d.Tags = slices.Clone(c.Tags)
	if c.Documentation != nil {
		text := *c.Documentation
		d.Documentation = &text
	}
	if c.Head.Stages != nil {
		d.Head.Stages = make(map[string]string, len(c.Head.Stages))
		for k, v := range c.Head.Stages {
			d.Head.Stages[k] = v
		}
	}
	return &d
}

// Equal reports whether two heads say the same.
func (h Head) Equal(other Head) bool {
	return maps.Equal(h.Stages, other.Stages) && h.LastAccessed.Equal(other.LastAccessed)
}
