// Package blind is the noun for credentials that the server cannot open: the
// client seals the pairs per region and keeps the keys. It holds fields and
// rules and does no I/O.
package blind

import (
	"encoding/json"
	"slices"

	"github.com/confidant-secrets/confidant/internal/revision"
)

// Credential is one revision of a blind credential as it is stored. A row that
// a store returned is shared and must not be changed; change a Clone.
type Credential struct {
	revision.Meta
	Name          string
	Pairs         json.RawMessage // region -> ciphertext, opaque, kept byte for byte
	DataKey       json.RawMessage // region -> base64 of the wrapped key, opaque
	KeyNames      []string        // sorted, without duplicates; for conflict checks
	CipherType    string          // for example "fernet"
	CipherVersion int
	Enabled       bool
	Metadata      json.RawMessage // a JSON object; nil is an empty one
	Documentation *string         // nil: none

	// Memo may hold a derived form of the row; nil on rows that are not shared.
	Memo *revision.Memo
}

// Clone returns a copy that shares nothing with c and carries no memo.
func (c *Credential) Clone() *Credential {
	d := *c
	d.Memo = nil
	d.Pairs = slices.Clone(c.Pairs)
	d.DataKey = slices.Clone(c.DataKey)
	d.KeyNames = slices.Clone(c.KeyNames)
	d.Metadata = slices.Clone(c.Metadata)
	if c.Documentation != nil {
		text := *c.Documentation
		d.Documentation = &text
	}
	return &d
}
