package vault

import (
	"context"
	"errors"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// ListCredentials returns one page of current credentials, newest change first,
// without key names and pairs.
func (v *Vault) ListCredentials(ctx context.Context, c authz.Caller, page revision.Page) (revision.Slice[CredentialView], error) {
	k := v.begin(c, authz.List, authz.Credential)
	defer v.metrics.Time("list_credentials", k.began)
	return list(ctx, k, v.credentials(), page, false, k.view)
}

// CredentialHistory returns one page of the revisions of all credentials,
// newest first, without key names and pairs.
func (v *Vault) CredentialHistory(ctx context.Context, c authz.Caller, page revision.Page) (revision.Slice[CredentialView], error) {
	k := v.begin(c, authz.List, authz.Credential)
	return list(ctx, k, v.credentials(), page, true, k.historicView)
}

// ListBlindCredentials returns one page of current blind credentials, newest
// change first, without what is sealed.
func (v *Vault) ListBlindCredentials(ctx context.Context, c authz.Caller, page revision.Page) (revision.Slice[BlindView], error) {
	k := v.begin(c, authz.List, authz.BlindCredential)
	return list(ctx, k, v.blindCredentials(), page, false, func(row *blind.Credential) BlindView {
		return BlindView{Row: row}
	})
}

// BlindHistory returns one page of the revisions of all blind credentials,
// newest first, with what is sealed.
func (v *Vault) BlindHistory(ctx context.Context, c authz.Caller, page revision.Page) (revision.Slice[BlindView], error) {
	k := v.begin(c, authz.List, authz.BlindCredential)
	return list(ctx, k, v.blindCredentials(), page, true, historicBlind)
}

// ListServices returns one page of current services, newest change first,
// without what is mapped to them.
func (v *Vault) ListServices(ctx context.Context, c authz.Caller, page revision.Page) (revision.Slice[ServiceView], error) {
	k := v.begin(c, authz.List, authz.ServiceResource)
	defer v.metrics.Time("list_services", k.began)
	return list(ctx, k, v.services(), page, false, func(row *service.Service) ServiceView {
		return ServiceView{Row: row}
	})
}

// ServiceHistory returns one page of the revisions of all services, newest
// first, without what is mapped to them.
func (v *Vault) ServiceHistory(ctx context.Context, c authz.Caller, page revision.Page) (revision.Slice[ServiceView], error) {
	k := v.begin(c, authz.List, authz.ServiceResource)
	return list(ctx, k, v.services(), page, true, historicService)
}

func (k *call) historicView(row *credential.Credential) CredentialView {
	view := k.view(row)
	view.Historic = true
	return view
}

func historicBlind(row *blind.Credential) BlindView {
	return BlindView{Row: row, Historic: true, Sealed: true}
}

func historicService(row *service.Service) ServiceView { return ServiceView{Row: row, Historic: true} }

// list is one page of a noun's current rows or of its history, as the caller
// may see it. What he may not see is left out, so that a page may be shorter
// than asked for although more follows.
func list[T, V any](ctx context.Context, k *call, n noun[T], page revision.Page, history bool, show func(*T) V) (revision.Slice[V], error) {
	return perform(ctx, k, func() (out revision.Slice[V], err error) {
		read := n.rows.List
		if history {
			k.note("history", true)
			read = func(ctx context.Context, page revision.Page) (revision.Slice[*T], error) {
				return n.rows.History(ctx, "", page)
			}
		}
		err = k.require(ctx, authz.List, authz.Resource{Type: n.kind}, "list "+n.words.plural, "")
		if err != nil {
			return out, err
		}
		rows, err := read(ctx, page)
		if err != nil {
			return out, storeFault("listing "+n.words.plural, err)
		}
		visible, err := sieve(ctx, k, n, rows.Items, history)
		if err != nil {
			return out, err
		}
		out.Next = rows.Next
		out.Items = make([]V, 0, len(rows.Items))
		for _, row := range rows.Items {
			if visible(row) {
				out.Items = append(out.Items, show(row))
			}
		}
		k.note("count", len(out.Items))
		return out, nil
	})
}

// sieve says which of the rows the caller sees. A service sees what is mapped
// to it, and itself. With ListFilter everybody sees what the policy lets him
// see the metadata of, which it decides by the current row.
func sieve[T any](ctx context.Context, k *call, n noun[T], rows []*T, history bool) (func(*T) bool, error) {
	own, restricted, err := k.ownIDs(ctx, n.kind)
	if err != nil {
		return nil, err
	}
	if !k.v.rules.ListFilter {
		return func(row *T) bool { return !restricted || own[n.meta(row).ID] }, nil
	}
	current := make(map[string]*T, len(rows))
	if history {
		ids := make([]string, len(rows))
		for i, row := range rows {
			ids[i] = n.meta(row).ID
		}
		rows, err = n.rows.BatchGet(ctx, ids)
		if err != nil {
			return nil, storeFault("reading what is listed", err)
		}
	}
	for _, row := range rows {
		current[n.meta(row).ID] = row
	}
	return func(row *T) bool {
		meta := n.meta(row)
		if restricted && !own[meta.ID] {
			return false
		}
		r := n.resource(meta.ID, current[meta.ID])
		if history {
			r.Revision = meta.Revision
		}
		if restricted {
			r.MappedBy = []string{k.caller.Name}
		}
		return k.may(ctx, authz.Metadata, r).Allowed
	}, nil
}

// ownIDs returns the ids of a kind that belong to a calling service, and
// whether the caller is one and therefore sees nothing else.
func (k *call) ownIDs(ctx context.Context, kind authz.ResourceType) (own map[string]bool, restricted bool, err error) {
	if k.caller.Type != authz.Service {
		return nil, false, nil
	}
	own = map[string]bool{}
	if kind == authz.ServiceResource {
		own[k.caller.Name] = true
		return own, true, nil
	}
	row, err := k.v.store.Services().Get(ctx, k.caller.Name)
	switch {
	case err == nil:
		for _, id := range slices.Concat(row.Credentials, row.BlindCredentials) {
			own[id] = true
		}
	case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrTaken):
		return nil, true, storeFault("reading "+k.caller.Name, err)
	}
	return own, true, nil
}
