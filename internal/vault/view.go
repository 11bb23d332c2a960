package vault

import (
	"encoding/json"
	"time"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/service"
)

// CredentialView is a credential as one caller may see it. Row is shared and
// must not be changed.
type CredentialView struct {
	Row *credential.Credential
	// Historic views are shown under the key "<id>-<revision>".
	Historic bool
	// KeyNames is nil where the view does not tell them (lists, history).
	KeyNames []string
	// Pairs is nil where the caller does not get them.
	Pairs *credential.Pairs
	// NextRotation is zero where no rule applies.
	NextRotation time.Time
	// Permissions holds what was asked of the policy; nil in lists and nested.
	Permissions Permissions
}

// BlindView is a blind credential as one caller may see it.
type BlindView struct {
	Row      *blind.Credential
	Historic bool
	// Sealed says that pairs and data keys are shown.
	Sealed bool
}

// ServiceView is a service as one caller may see it, with what is mapped to it
// and still exists, ascending by id.
type ServiceView struct {
	Row              *service.Service
	Historic         bool
	Credentials      []CredentialView
	BlindCredentials []BlindView
	Permissions      Permissions
}

// Permissions says which actions the policy allows, by the action's name, for
// the page that shows the thing.
type Permissions map[string]bool

// Dependent is a service that maps a credential.
type Dependent struct {
	ID      string
	Enabled bool
}

// Conflicts is the Details of the fault that refuses a write because of key
// names that a service would get twice.
type Conflicts = service.Conflicts

// Unread holds what a transport found wrong with the members of a request that
// the input's fields cannot hold, such as one of another type: the error of
// each by the member's name on the wire ("enabled", "credential_pairs", …), or
// under "" one about the request as a whole. The use case returns it where the
// rule about that member stands in the order of checks, which is after the
// policy has spoken and the row has been looked up; so the first error in that
// order wins, and a stranger learns nothing. The field stays at its zero value.
type Unread map[string]error

// NewCredential is the input of CreateCredential.
type NewCredential struct {
	Name          string
	Pairs         credential.Pairs
	Documentation *string
	Metadata      json.RawMessage // a JSON object; nil is an empty one
	Enabled       bool
	Tags          []string
	Unread        Unread
}

// CredentialChange is the input of UpdateCredential. A nil member keeps what is
// stored.
type CredentialChange struct {
	Name          *string
	Pairs         *credential.Change
	Documentation **string // pointer to nil clears it
	Metadata      *json.RawMessage
	Enabled       *bool
	Tags          *[]string
	// SkipDocumentation lifts enforcement: the older API's way to say that an
	// old state is being restored.
	SkipDocumentation bool
	// IfRevision, if not 0, is the revision the caller last saw; another one is
	// a Stale fault instead of a retry.
	IfRevision int
	Unread     Unread
}

// NewBlind is the input of CreateBlindCredential.
type NewBlind struct {
	Name          string
	Pairs         json.RawMessage
	DataKey       json.RawMessage
	KeyNames      []string
	CipherType    string
	CipherVersion int
	Documentation *string
	Metadata      json.RawMessage
	Enabled       bool
	Unread        Unread
}

// BlindChange is the input of UpdateBlindCredential. A nil member keeps what is
// stored; Sealed replaces pairs, keys and cipher together.
type BlindChange struct {
	Name          *string
	Sealed        *BlindSealed
	Documentation **string
	Metadata      *json.RawMessage
	Enabled       *bool
	// SkipDocumentation and IfRevision are as in CredentialChange.
	SkipDocumentation bool
	IfRevision        int
	Unread            Unread
}

// BlindSealed is what a client sealed.
type BlindSealed struct {
	Pairs         json.RawMessage
	DataKey       json.RawMessage
	KeyNames      []string
	CipherType    string
	CipherVersion int
}

// ServiceChange is the input of PutService. A nil member keeps what is stored,
// and on a new service stands for its default: nothing mapped, enabled.
type ServiceChange struct {
	Credentials      *[]string
	BlindCredentials *[]string
	Enabled          *bool
	Account          string // empty: none. Always set, as the older API replaces it
	// New says that there must be no such service yet; one is an Exists fault.
	New        bool
	IfRevision int
	Unread     Unread
}
