// Package authz decides who may do what. It holds the vocabulary of a decision
// (principal, action, resource, context) and the policy engine. It reads
// nothing: whoever asks passes what the policy may look at.
package authz

import (
	"context"
	"net/netip"
	"time"
)

// PrincipalType says what kind of caller a principal is.
type PrincipalType string

// The principal types.
const (
	User     PrincipalType = "user"     // a person, or a program acting as one
	Service  PrincipalType = "service"  // a consumer of credentials
	Operator PrincipalType = "operator" // the command line
)

// Principal is who a caller proved to be.
type Principal struct {
	Type          PrincipalType
	Name          string
	Account       string // for services: the account their proof is scoped to; empty: none
	Method        string // name of the authenticator, for example "api-token"
	Administrator bool
	// MetadataOnly marks a proof that may list and read metadata but never
	// values, whatever the policies say (API tokens of role "read").
	MetadataOnly bool
	// CleanupOnly marks a proof that is good for cleaning up and for nothing
	// else, whatever the policies say (API tokens of role "cleanup").
	CleanupOnly bool
	// Ambient says that a browser sends the proof by itself, so that changes
	// need a CSRF token too.
	Ambient bool
}

// Caller is a principal together with where the call came from. Every method
// of a use-case room takes one.
type Caller struct {
	Principal
	Client    netip.Addr // zero for the command line
	Door      string     // "v1", "page", "secrets-manager", "cleanup", "command"
	RequestID string
}

// ResourceType is the kind of thing an action is about.
type ResourceType string

// The resource types.
const (
	Credential      ResourceType = "credential"
	BlindCredential ResourceType = "blind_credential"
	ServiceResource ResourceType = "service"
	CA              ResourceType = "ca"
	Certificate     ResourceType = "certificate"
	JWT             ResourceType = "jwt"
	PolicyResource  ResourceType = "policy"
	Account         ResourceType = "account"
	Token           ResourceType = "token"
	AccessKey       ResourceType = "access_key"
	Audit           ResourceType = "audit"
	Cleanup         ResourceType = "cleanup"
)

// Action is what is to be done with a resource.
type Action string

// The actions.
const (
	List     Action = "list"
	Get      Action = "get"
	Metadata Action = "metadata"
	Create   Action = "create"
	Update   Action = "update"
	Revert   Action = "revert"
	Archive  Action = "archive"
)

// Resource is what the caller wants to act on. Attributes come from the
// current row and are public; an absent row has empty ones.
type Resource struct {
	Type     ResourceType
	ID       string // base id; empty for lists and for creating a credential
	Revision int    // when a historic row is asked for, else 0
	Name     string
	Tags     []string
	Enabled  bool
	Account  string

	// For services: all ids that the service maps, or will map after the
	// change, credentials first; and those among them that the change adds.
	CredentialIDs      []string
	AddedCredentialIDs []string

	// For credentials and blind credentials asked for by a service: the
	// services that map it. The built-in rule needs it.
	MappedBy []string

	CA   string   // for certificates
	SANs []string // for certificates
	// NamesYield holds, for certificates, the service names that the common
	// name and the SANs stand for under the authority's rule, each once, and ""
	// if one of them stands for none. Nothing in it: nobody's certificate.
	NamesYield []string

	Subject     string // for JWTs, tokens and access keys: the name they bear
	Environment string // for JWTs
	Role        string // for tokens: "admin", "service", "cleanup", "read"; for access keys: "user", "service"
}

// Request is one question to the policy.
type Request struct {
	Caller
	Action   Action
	Resource Resource
	Now      time.Time
}

// Decision is the answer. By names the policies that decided, for log and audit
// record; it never reaches the caller. A denial because nothing permits has no
// name.
type Decision struct {
	Allowed bool
	By      []string
}

// Policy decides. It does no I/O and is safe for concurrent use; an error in a
// policy denies.
type Policy interface {
	Decide(ctx context.Context, r Request) Decision
}
