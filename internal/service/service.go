// Package service is the noun for a consumer of credentials: a name (by
// convention that of an IAM role) and the credentials mapped to it. It holds
// fields and rules and does no I/O. It is never a layer of this program.
package service

import (
	"slices"

	"github.com/confidant-secrets/confidant/internal/revision"
)

// Service is one revision as it is stored. A row that a store returned is
// shared and must not be changed; change a Clone.
type Service struct {
	revision.Meta
	Credentials      []string // ids of mapped credentials, sorted, without duplicates
	BlindCredentials []string // ids of mapped blind credentials, likewise
	Enabled          bool
	Account          string // empty: none

	// Memo may hold a derived form of the row; nil on rows that are not shared.
	Memo *revision.Memo
}

// Clone returns a copy that shares nothing with s and carries no memo.
func (s *Service) Clone() *Service {
	d := *s
	d.Memo = nil
	d.Credentials = slices.Clone(s.Credentials)
	d.BlindCredentials = slices.Clone(s.BlindCredentials)
	return &d
}
