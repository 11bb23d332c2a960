package vault

import (
	"context"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/service"
)

// GetService returns a service with the credentials mapped to it that exist,
// as they are now, and with their values unless only metadata is asked for. It
// is how a service fetches what is its own. Disabled services and credentials
// are served like others.
//
// The id may be the key "<id>-<n>" of an earlier revision, for its mapping, but
// not when a service asks: a service that is named like the key of another
// one's revision must not read that.
func (v *Vault) GetService(ctx context.Context, c authz.Caller, id string, metadataOnly bool) (ServiceView, error) {
	action := authz.Get
	if metadataOnly {
		action = authz.Metadata
	}
	k := v.begin(c, action, authz.ServiceResource)
	defer v.metrics.Time("get_service_by_id", k.began)
	return perform(ctx, k, func() (none ServiceView, _ error) {
		n := v.services()
		p, err := locate(ctx, k, n, id)
		v.metrics.Time("get_service_by_id.db_get_service", k.began)
		if err != nil {
			return none, err
		}
		began := v.now()
		err = k.require(ctx, action, p.resource, "get service "+id, id)
		v.metrics.Time("get_service_by_id.acl_check_get_service", began)
		if err != nil {
			return none, err
		}
		row := p.row()
		if row == nil || p.taken && c.Type == authz.Service {
			return none, n.words.missing()
		}
		k.entry.Revision = row.Revision
		if err := k.inAccount(row); err != nil {
			return none, err
		}

		began = v.now()
		mapped, err := k.contents(ctx, row.Credentials, row.BlindCredentials)
		v.metrics.Time("get_service_by_id.db_get_credentials", began)
		v.metrics.Time("get_service_by_id.db_get_blind_credentials", began)
		if err != nil {
			return none, err
		}
		defer v.metrics.Time("get_service_by_id.build_response", v.now())
		view, err := k.serviceView(ctx, row, mapped, !metadataOnly)
		if err != nil {
			return none, err
		}
		view.Historic = p.taken
		view.Permissions = k.serviceHints(ctx, p.resource, action)
		k.note("metadata_only", metadataOnly)
		k.note("credentials", idsOf(mapped.credentials))
		k.note("blind_credentials", blindIDsOf(mapped.blind))
		return view, nil
	})
}

// inAccount refuses a service that asks from another account than the one it is
// scoped to.
func (k *call) inAccount(row *service.Service) error {
	if k.caller.Type == authz.Service && row.Account != "" && row.Account != k.caller.Account {
		return fault.New(fault.Unauthenticated, "Authenticated user is not authorized.")
	}
	return nil
}

// serviceView shows a service with what is mapped to it.
func (k *call) serviceView(ctx context.Context, row *service.Service, mapped content, values bool) (ServiceView, error) {
	credentials, err := k.views(ctx, mapped.credentials, values)
	if err != nil {
		return ServiceView{}, err
	}
	view := ServiceView{Row: row, Credentials: credentials, BlindCredentials: make([]BlindView, len(mapped.blind))}
	for i, b := range mapped.blind {
		view.BlindCredentials[i] = BlindView{Row: b, Sealed: values}
	}
	return view, nil
}

// serviceHints are the permissions shown with a service. The action granted is
// one that the policy has allowed already; none is "". Whether a change would
// be allowed is of no interest to a service.
func (k *call) serviceHints(ctx context.Context, r authz.Resource, granted authz.Action) Permissions {
	p := make(Permissions, 3)
	for _, action := range []authz.Action{authz.Metadata, authz.Get, authz.Update} {
		switch {
		case action == granted:
			p[string(action)] = true
		case action == authz.Update && k.caller.Type == authz.Service:
			p[string(action)] = false
		case action == authz.Update:
			defer k.v.metrics.Time("get_service_by_id.acl_check_update_service", k.v.now())
			p[string(action)] = k.may(ctx, action, r).Allowed
		default:
			p[string(action)] = k.may(ctx, action, r).Allowed
		}
	}
	return p
}

func idsOf(rows []*credential.Credential) []string {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}

func blindIDsOf(rows []*blind.Credential) []string {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}

// ServiceRevisions returns all revisions of a service in ascending order,
// without what is mapped to them.
func (v *Vault) ServiceRevisions(ctx context.Context, c authz.Caller, id string) ([]ServiceView, error) {
	k := v.begin(c, authz.Metadata, authz.ServiceResource)
	return revisions(ctx, k, v.services(), id, historicService)
}

// DiffService says what changed between two revisions of a service, whichever
// of them is given first.
func (v *Vault) DiffService(ctx context.Context, c authz.Caller, id string, a, b int) (service.Difference, error) {
	k := v.begin(c, authz.Metadata, authz.ServiceResource)
	return diff(ctx, k, v.services(), id, a, b, func(a, b *service.Service, _ authz.Resource) (service.Difference, error) {
		return service.Diff(a, b), nil
	})
}
