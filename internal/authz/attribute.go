package authz

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/cedar-policy/cedar-go/types"
)

// principalTypes are the principal types and what the schema calls them.
var principalTypes = map[PrincipalType]types.EntityType{
	User:     "User",
	Service:  "Service",
	Operator: "Operator",
}

// resourceTypes are all resource types. The schema calls them the same.
var resourceTypes = []ResourceType{
	Credential, BlindCredential, ServiceResource, CA, Certificate, JWT,
	PolicyResource, Account, Token, AccessKey, Audit, Cleanup,
}

// actions are all actions.
var actions = []Action{List, Get, Metadata, Create, Update, Revert, Archive}

// ResourceTypes returns all resource types.
func ResourceTypes() []ResourceType { return slices.Clone(resourceTypes) }

// Actions returns all actions.
func Actions() []Action { return slices.Clone(actions) }

func principalUID(p *Principal) types.EntityUID {
	return types.EntityUID{Type: principalTypes[p.Type], ID: types.String(p.Name)}
}

func actionUID(a Action) types.EntityUID {
	return types.EntityUID{Type: "Action", ID: types.String(a)}
}

func resourceUID(r *Resource) types.EntityUID {
	return types.EntityUID{Type: types.EntityType(r.Type), ID: types.String(r.ID)}
}

// principalRecord returns the attributes asked for, which are such as the
// schema gives a principal.
func principalRecord(p *Principal, names attributes) types.Record {
	m := make(types.RecordMap, len(names))
	for _, name := range names {
		switch name {
		case "name":
			m[name] = types.String(p.Name)
		case "method":
			m[name] = types.String(p.Method)
		case "account":
			m[name] = types.String(p.Account)
		case "administrator":
			m[name] = types.Boolean(p.Administrator || p.Type == Operator)
		case "cleanup_only":
			m[name] = types.Boolean(p.CleanupOnly)
		}
	}
	return types.NewRecord(m)
}

// resourceRecord returns the attributes asked for, which are such as the schema
// gives the resource's type.
func resourceRecord(r *Resource, names attributes) types.Record {
	m := make(types.RecordMap, len(names))
	for _, name := range names {
		switch name {
		case "id":
			m[name] = types.String(r.ID)
		case "name":
			m[name] = types.String(r.name())
		case "revision":
			m[name] = types.Long(r.Revision)
		case "enabled":
			m[name] = types.Boolean(r.Enabled)
		case "tags":
			m[name] = stringSet(r.Tags)
		case "account":
			m[name] = types.String(r.Account)
		case "mapped_by":
			m[name] = stringSet(r.MappedBy)
		case "credential_ids":
			m[name] = stringSet(r.CredentialIDs)
		case "added_credential_ids":
			m[name] = stringSet(r.AddedCredentialIDs)
		case "ca":
			m[name] = types.String(r.CA)
		case "sans":
			m[name] = stringSet(r.SANs)
		case "names_yield":
			m[name] = stringSet(r.NamesYield)
		case "subject":
			m[name] = types.String(r.Subject)
		case "environment":
			m[name] = types.String(r.Environment)
		case "role":
			m[name] = types.String(r.Role)
		}
	}
	return types.NewRecord(m)
}

// name is the attribute of that name.
func (r *Resource) name() string {
	if r.Type == ServiceResource {
		return cmp.Or(r.Name, r.ID)
	}
	return r.Name
}

// contextRecord returns the attributes asked for, which are such as the schema
// gives the context.
func contextRecord(r *Request, names attributes) types.Record {
	if len(names) == 0 {
		return types.Record{}
	}
	m := make(types.RecordMap, len(names))
	now := r.Now.UTC()
	for _, name := range names {
		switch name {
		case "client":
			if r.Client.IsValid() {
				addr := r.Client.Unmap().WithZone("")
				m[name] = types.IPAddr(netip.PrefixFrom(addr, addr.BitLen()))
			}
		case "now":
			m[name] = types.NewDatetime(now)
		case "weekday":
			m[name] = types.Long((now.Weekday()-time.Monday+7)%7 + 1)
		case "hour":
			m[name] = types.Long(now.Hour())
		case "minute":
			m[name] = types.Long(now.Minute())
		case "door":
			m[name] = types.String(r.Door)
		}
	}
	return types.NewRecord(m)
}

func stringSet(values []string) types.Set {
	list := make([]types.Value, len(values))
	for i, v := range values {
		list[i] = types.String(v)
	}
	return types.NewSet(list...)
}
