package vault

import (
	"cmp"
	"context"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/service"
)

// The use cases here answer all that a page about one thing shows, in one call
// and with one record. They know current things only, and tell no value.

// CredentialDetail is a current credential without its pairs. Its Permissions
// are those for metadata, get, update, revert and archive; without an archive
// nothing may be archived.
type CredentialDetail struct {
	CredentialView
	Dependents []Dependent // ascending by id
}

// BlindDetail is a current blind credential, of which a page shows nothing that
// is sealed. Its permissions are those for metadata, get, update and revert.
type BlindDetail struct {
	Row         *blind.Credential
	Dependents  []Dependent // ascending by id
	Permissions Permissions
}

// ServiceDetail is a current service with what it maps and what it receives by
// that. Its permissions are those for metadata, get, update and revert.
type ServiceDetail struct {
	Row         *service.Service
	Mapped      []Mapped  // by name; ids of nothing last
	Keys        []Receipt // ascending by key
	Permissions Permissions
}

// Ref names a credential, blind or not.
type Ref struct {
	ID    string
	Name  string
	Blind bool
}

// Mapped is a credential that a service maps. Gone says that the mapping holds
// an id of nothing, of which nothing else is known but its kind.
type Mapped struct {
	Ref
	Enabled  bool
	KeyNames []string // ascending
	Gone     bool
}

// Receipt is a key name that a service receives, and from whom, by name. More
// than one is a conflict.
type Receipt struct {
	Key  string
	From []Ref
}

// ShowCredential returns what a page shows of a credential.
func (v *Vault) ShowCredential(ctx context.Context, c authz.Caller, id string) (CredentialDetail, error) {
	k := v.begin(c, authz.Metadata, authz.Credential)
	return perform(ctx, k, func() (none CredentialDetail, _ error) {
		s, err := showing(ctx, k, v.credentials(), id)
		if err != nil {
			return none, err
		}
		views, err := k.views(ctx, []*credential.Credential{s.row}, false)
		if err != nil {
			return none, err
		}
		view := views[0]
		view.Permissions = k.pageHints(ctx, s.resource)
		view.Permissions[string(authz.Archive)] = v.store.ArchivedCredentials() != nil &&
			k.may(ctx, authz.Archive, s.resource).Allowed
		dependents, err := k.dependents(ctx, id, s.mapping)
		if err != nil {
			return none, err
		}
		return CredentialDetail{view, dependents}, nil
	})
}

// ShowBlindCredential returns what a page shows of a blind credential.
func (v *Vault) ShowBlindCredential(ctx context.Context, c authz.Caller, id string) (BlindDetail, error) {
	k := v.begin(c, authz.Metadata, authz.BlindCredential)
	return perform(ctx, k, func() (none BlindDetail, _ error) {
		s, err := showing(ctx, k, v.blindCredentials(), id)
		if err != nil {
			return none, err
		}
		dependents, err := k.dependents(ctx, id, s.mapping)
		if err != nil {
			return none, err
		}
		return BlindDetail{s.row, dependents, k.pageHints(ctx, s.resource)}, nil
	})
}

// ShowService returns what a page shows of a service. A service that is scoped to
// an account is refused from elsewhere, as when it fetches its values.
func (v *Vault) ShowService(ctx context.Context, c authz.Caller, id string) (ServiceDetail, error) {
	k := v.begin(c, authz.Metadata, authz.ServiceResource)
	return perform(ctx, k, func() (none ServiceDetail, _ error) {
		p, err := current(ctx, k, v.services(), id)
		if err != nil {
			return none, err
		}
		row := p.current
		if err := k.inAccount(row); err != nil {
			return none, err
		}
		mapped, err := k.contents(ctx, row.Credentials, row.BlindCredentials)
		if err != nil {
			return none, err
		}
		holders, err := k.holders(ctx, mapped)
		if err != nil {
			return none, err
		}
		return ServiceDetail{
			Row: row, Mapped: mappedOf(row, mapped, holders),
			Keys: receipts(service.Receives(row, holders), mapped.refs()), Permissions: k.pageHints(ctx, p.resource),
		}, nil
	})
}

// showing looks up a current credential, blind or not, for whoever may see its
// metadata, together with which services map it.
func showing[T any](ctx context.Context, k *call, n noun[T], id string) (none subject[T], _ error) {
	p, m, err := locateMapped(ctx, k, n, id)
	if err != nil {
		return none, err
	}
	return subject[T]{p.current, m, p.resource}, standing(ctx, k, n, p, id)
}

// current looks up a current thing for whoever may see its metadata.
func current[T any](ctx context.Context, k *call, n noun[T], id string) (place[T], error) {
	p, err := locate(ctx, k, n, id)
	if err != nil {
		return p, err
	}
	return p, standing(ctx, k, n, p, id)
}

// standing refuses whoever may not see the metadata of what was looked up, and
// ids of nothing that is current.
func standing[T any](ctx context.Context, k *call, n noun[T], p place[T], id string) error {
	if err := k.shown(ctx, n.words, p.resource, id); err != nil {
		return err
	}
	if p.taken || p.current == nil {
		return n.words.missing()
	}
	k.entry.Revision = n.meta(p.current).Revision
	return nil
}

// shown asks the policy whether the caller may see the metadata of a thing.
func (k *call) shown(ctx context.Context, w words, r authz.Resource, id string) error {
	return k.require(ctx, authz.Metadata, r, "get "+w.singular+" "+id, id)
}

// pageHints says what else the caller may do with a thing of which he sees the
// metadata.
func (k *call) pageHints(ctx context.Context, r authz.Resource) Permissions {
	p := k.hints(ctx, r, authz.Get, authz.Update, authz.Revert)
	p[string(authz.Metadata)] = true
	return p
}

// mappedOf returns what a service maps, by name; ids of nothing last.
func mappedOf(row *service.Service, c content, holders []service.Holder) []Mapped {
	keys := make(map[string][]string, len(holders))
	for _, h := range holders {
		keys[h.ID] = h.KeyNames
	}
	refs := c.refs()
	out := make([]Mapped, 0, len(row.Credentials)+len(row.BlindCredentials))
	for _, r := range c.credentials {
		out = append(out, Mapped{Ref: refs[r.ID], Enabled: r.Enabled, KeyNames: keys[r.ID]})
	}
	for _, r := range c.blind {
		out = append(out, Mapped{Ref: refs[r.ID], Enabled: r.Enabled, KeyNames: keys[r.ID]})
	}
	slices.SortFunc(out, func(a, b Mapped) int { return byName(a.Ref, b.Ref) })
	gone := func(ids []string, blind bool) {
		for _, id := range ids {
			if _, ok := refs[id]; !ok {
				out = append(out, Mapped{Ref: Ref{ID: id, Blind: blind}, Gone: true})
			}
		}
	}
	gone(row.Credentials, false)
	gone(row.BlindCredentials, true)
	return out
}

func byName(a, b Ref) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
}

// refs returns the names of what is mapped, by id.
func (c content) refs() map[string]Ref {
	out := make(map[string]Ref, len(c.credentials)+len(c.blind))
	for _, row := range c.credentials {
		out[row.ID] = Ref{ID: row.ID, Name: row.Name}
	}
	for _, row := range c.blind {
		out[row.ID] = Ref{ID: row.ID, Name: row.Name, Blind: true}
	}
	return out
}

// receipts puts names to what a service receives.
func receipts(keys []service.Received, names map[string]Ref) []Receipt {
	out := make([]Receipt, len(keys))
	for i, key := range keys {
		from := make([]Ref, len(key.Holders))
		for j, h := range key.Holders {
			from[j] = names[h.ID]
		}
		slices.SortFunc(from, byName)
		out[i] = Receipt{key.Key, from}
	}
	return out
}
