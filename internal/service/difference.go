package service

import (
	"slices"

	"github.com/confidant-secrets/confidant/internal/credential"
)

// Difference says what changed between two revisions of a service. Its JSON
// form is the body of the diff routes. The zero value, two times the same
// revision, is "{}".
type Difference struct {
	Credentials      *credential.Names                   `json:"credentials,omitempty"`
	BlindCredentials *credential.Names                   `json:"blind_credentials,omitempty"`
	Enabled          *credential.Values[bool]            `json:"enabled,omitempty"`
	Account          *credential.Values[*string]         `json:"account,omitempty"`
	ModifiedBy       *credential.Values[string]          `json:"modified_by,omitempty"`
	ModifiedDate     *credential.Values[credential.Date] `json:"modified_date,omitempty"`
}

// Diff compares two revisions of one service; which is given first does not
// matter.
func Diff(a, b *Service) Difference {
	if a.Revision == b.Revision {
		return Difference{}
	}
	if a.Revision > b.Revision {
		a, b = b, a
	}
	d := Difference{
		Credentials:      names(a.Credentials, b.Credentials),
		BlindCredentials: names(a.BlindCredentials, b.BlindCredentials),
		ModifiedBy:       &credential.Values[string]{Added: b.ModifiedBy, Removed: a.ModifiedBy},
		ModifiedDate: &credential.Values[credential.Date]{
			Added: credential.Date(b.ModifiedDate), Removed: credential.Date(a.ModifiedDate),
		},
	}
	if a.Enabled != b.Enabled {
		d.Enabled = &credential.Values[bool]{Added: b.Enabled, Removed: a.Enabled}
	}
	if a.Account != b.Account {
		d.Account = &credential.Values[*string]{Added: account(b), Removed: account(a)}
	}
	return d
}

func names(older, newer []string) *credential.Names {
	return credential.NewNames(credential.Missing(older, newer), credential.Missing(newer, older))
}

// account returns the account as the wire tells it: nil for none.
func account(s *Service) *string {
	if s.Account == "" {
		return nil
	}
	return &s.Account
}

// Equal reports whether two revisions hold the same, so that going back from
// one to the other would change nothing. Dates and author do not count.
func Equal(a, b *Service) bool {
	return a.Enabled == b.Enabled && a.Account == b.Account &&
		slices.Equal(a.Credentials, b.Credentials) &&
		slices.Equal(a.BlindCredentials, b.BlindCredentials)
}
