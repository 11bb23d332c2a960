package vault

import (
	"cmp"
	"context"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
)

// CredentialDependents returns the current services that map a credential,
// ascending by id. Whether it is there does not matter.
func (v *Vault) CredentialDependents(ctx context.Context, c authz.Caller, id string) ([]Dependent, error) {
	k := v.begin(c, authz.Metadata, authz.Credential)
	return dependents(ctx, k, v.credentials(), id)
}

// BlindDependents returns the current services that map a blind credential,
// ascending by id. Whether it is there does not matter.
func (v *Vault) BlindDependents(ctx context.Context, c authz.Caller, id string) ([]Dependent, error) {
	k := v.begin(c, authz.Metadata, authz.BlindCredential)
	return dependents(ctx, k, v.blindCredentials(), id)
}

func dependents[T any](ctx context.Context, k *call, n noun[T], id string) ([]Dependent, error) {
	return perform(ctx, k, func() ([]Dependent, error) {
		p, m, err := locateMapped(ctx, k, n, id)
		if err != nil {
			return nil, err
		}
		what := "get dependencies for " + n.words.singular + " " + id
		if err := k.require(ctx, authz.Metadata, p.resource, what, id); err != nil {
			return nil, err
		}
		k.note("dependents", true)
		if p.taken {
			return []Dependent{}, nil
		}
		return k.dependents(ctx, id, m)
	})
}

// dependents returns the services of a mapping, ascending by id.
func (k *call) dependents(ctx context.Context, id string, m mapping) ([]Dependent, error) {
	services, err := k.v.store.Services().BatchGet(ctx, m.services)
	if err != nil {
		return nil, storeFault("reading the services that map "+id, err)
	}
	out := make([]Dependent, len(services))
	for i, s := range services {
		out[i] = Dependent{ID: s.ID, Enabled: s.Enabled}
	}
	slices.SortFunc(out, func(a, b Dependent) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// Hints says what the caller may do with each noun as such: "list" and
// "create". It is for pages that shape themselves by it, and leaves no record.
func (v *Vault) Hints(ctx context.Context, c authz.Caller) map[string]Permissions {
	k := v.begin(c, authz.List, authz.ServiceResource)
	hints := func(on authz.ResourceType) Permissions {
		return k.hints(ctx, authz.Resource{Type: on}, authz.List, authz.Create)
	}
	return map[string]Permissions{
		"credentials":       hints(authz.Credential),
		"blind_credentials": hints(authz.BlindCredential),
		"services":          hints(authz.ServiceResource),
	}
}
