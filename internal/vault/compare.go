package vault

import (
	"context"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/service"
)

// CredentialComparison says how two revisions of a credential differ. Its
// Permissions are those for revert.
type CredentialComparison struct {
	credential.Comparison
	Permissions Permissions
}

// BlindComparison says how two states of a blind credential differ, for a person.
// Rows are shared and must not be changed.
type BlindComparison struct {
	Before, After *blind.Credential
	// Members that differ, by their names on the wire, as blind.Changes has them.
	Members []string
	// Sealed says that another ciphertext or data key stands there; whether the
	// values differ nobody here can tell.
	Sealed                 bool
	KeysAdded, KeysRemoved []string // ascending
	Metadata               []credential.KeyFate
	// Permissions are those for revert; nil in a preview.
	Permissions Permissions
}

// ServiceComparison says how two states of a service differ, for a person. Rows
// are shared and must not be changed.
type ServiceComparison struct {
	Before, After *service.Service
	// Members that differ, by their names on the wire, as service.Changes has them.
	Members []string
	// Credentials of both kinds, by name; those that are no more come last and are
	// Gone.
	Mapped, Unmapped []Mapped
	// Permissions are those for revert; nil in a preview.
	Permissions Permissions
}

// CompareCredential says for a person what changed between two revisions of a
// credential, the lower being the earlier one whichever is given first. How long
// values are is told to whoever may see them.
func (v *Vault) CompareCredential(ctx context.Context, c authz.Caller, id string, a, b int) (CredentialComparison, error) {
	k := v.begin(c, authz.Metadata, authz.Credential)
	return diff(ctx, k, v.credentials(), id, min(a, b), max(a, b), func(before, after *credential.Credential, r authz.Resource) (none CredentialComparison, _ error) {
		was, is, err := v.openBoth(ctx, before, after)
		if err != nil {
			return none, err
		}
		return CredentialComparison{
			credential.Compare(before, after, was, is, k.may(ctx, authz.Get, r).Allowed), k.hints(ctx, r, authz.Revert),
		}, nil
	})
}

// CompareBlindCredential says for a person what changed between two revisions of
// a blind credential, the lower being the earlier one.
func (v *Vault) CompareBlindCredential(ctx context.Context, c authz.Caller, id string, a, b int) (BlindComparison, error) {
	k := v.begin(c, authz.Metadata, authz.BlindCredential)
	return diff(ctx, k, v.blindCredentials(), id, min(a, b), max(a, b), func(before, after *blind.Credential, r authz.Resource) (BlindComparison, error) {
		out := compareBlind(before, after)
		out.Permissions = k.hints(ctx, r, authz.Revert)
		return out, nil
	})
}

// CompareService says for a person what changed between two revisions of a
// service, the lower being the earlier one.
func (v *Vault) CompareService(ctx context.Context, c authz.Caller, id string, a, b int) (ServiceComparison, error) {
	k := v.begin(c, authz.Metadata, authz.ServiceResource)
	return diff(ctx, k, v.services(), id, min(a, b), max(a, b), func(before, after *service.Service, r authz.Resource) (none ServiceComparison, _ error) {
		added, addedBlind := gains(before, after)
		lost, lostBlind := gains(after, before)
		named, err := k.contents(ctx, slices.Concat(added, lost), slices.Concat(addedBlind, lostBlind))
		if err != nil {
			return none, err
		}
		out := compareServices(before, after, named)
		out.Permissions = k.hints(ctx, r, authz.Revert)
		return out, nil
	})
}

// compareBlind compares two states of a blind credential.
func compareBlind(before, after *blind.Credential) BlindComparison {
	was, is := blind.Names(before.KeyNames), blind.Names(after.KeyNames)
	members := blind.Changes(before, after)
	return BlindComparison{
		Before: before, After: after, Members: members,
		Sealed:      slices.Contains(members, "credential_pairs"),
		KeysAdded:   credential.Missing(was, is),
		KeysRemoved: credential.Missing(is, was),
		Metadata:    credential.MetadataFates(before.Metadata, after.Metadata),
	}
}

// compareServices compares two states of a service, of which named holds the
// credentials in which they differ, as far as these are still there.
func compareServices(before, after *service.Service, named content) ServiceComparison {
	difference := func(from, to *service.Service) []Mapped {
		plain, blinds := gains(from, to)
		gained := &service.Service{Credentials: plain, BlindCredentials: blinds}
		return mappedOf(gained, named.only(plain, blinds), nil)
	}
	return ServiceComparison{
		Before: before, After: after, Members: service.Changes(before, after),
		Mapped: difference(before, after), Unmapped: difference(after, before),
	}
}
