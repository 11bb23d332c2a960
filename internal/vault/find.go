package vault

import (
	"context"
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// resourceTypes are the nouns as the policy calls them.
var resourceTypes = map[store.Noun]authz.ResourceType{
	store.Credential:      authz.Credential,
	store.BlindCredential: authz.BlindCredential,
	store.Service:         authz.ServiceResource,
}

// Find returns one page of what matches a query among the nouns that the
// caller may list. Nouns named in the query must all be such; without any, it
// looks among those that are. A service finds only what is mapped to it. When
// rotation is due the query need not say: that is by the rules of the vault, now.
func (v *Vault) Find(ctx context.Context, c authz.Caller, q store.Query) (store.Found, error) {
	k := v.begin(c, authz.List, "")
	return perform(ctx, k, func() (none store.Found, _ error) {
		var err error
		if q.Nouns, err = k.listable(ctx, q.Nouns); err != nil {
			return none, err
		}
		found, err := k.find(ctx, q)
		if err != nil {
			return none, err
		}
		k.note("count", len(found.Entries))
		return found, nil
	})
}

// find searches among nouns that the caller may list, and leaves out what it may
// not see of them.
func (k *call) find(ctx context.Context, q store.Query) (none store.Found, _ error) {
	if k.caller.Type == authz.Service {
		if q.MappedBy != "" && q.MappedBy != k.caller.Name {
			return store.Found{AsOf: k.at}, nil
		}
		q.MappedBy = k.caller.Name
	}
	q.Rules, q.At = k.v.rules.Rotation, k.at
	found, err := k.v.store.Catalogue().Find(ctx, q)
	if err != nil {
		return none, storeFault("searching", err)
	}
	if k.v.rules.ListFilter {
		if found.Entries, err = k.visible(ctx, found.Entries); err != nil {
			return none, err
		}
	}
	return found, nil
}

// listable returns the nouns among which the caller may look, and has the record
// say so.
func (k *call) listable(ctx context.Context, asked []store.Noun) ([]store.Noun, error) {
	all := asked
	if len(all) == 0 {
		all = []store.Noun{store.Credential, store.BlindCredential, store.Service}
	}
	var allowed []store.Noun
	var refusal error
	for _, noun := range all {
		on := resourceTypes[noun]
		k.entry.ResourceType = string(on)
		what := "list " + strings.ReplaceAll(string(noun), "-", " ") + "s"
		if err := k.require(ctx, authz.List, authz.Resource{Type: on}, what, ""); err != nil {
			refusal = err
			continue
		}
		allowed = append(allowed, noun)
	}
	if refusal != nil && (len(asked) > 0 || len(allowed) == 0) {
		return nil, refusal
	}
	k.note("nouns", allowed)
	k.entry.ResourceType = ""
	if len(allowed) == 1 {
		k.entry.ResourceType = string(resourceTypes[allowed[0]])
	}
	return allowed, nil
}

// visible returns the entries whose metadata the policy lets the caller see.
// Services are read for it, since the catalogue does not know their account and
// mapping.
func (k *call) visible(ctx context.Context, entries []store.Entry) ([]store.Entry, error) {
	var ids []string
	for _, e := range entries {
		if e.Noun == store.Service {
			ids = append(ids, e.ID)
		}
	}
	rows, err := k.v.store.Services().BatchGet(ctx, ids)
	if err != nil {
		return nil, storeFault("reading what was found", err)
	}
	services := make(map[string]*service.Service, len(rows))
	for _, row := range rows {
		services[row.ID] = row
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e store.Entry) bool {
		r := authz.Resource{Type: resourceTypes[e.Noun], ID: e.ID, Name: e.Name, Tags: e.Tags, Enabled: e.Enabled}
		if e.Noun == store.Service {
			r = k.v.services().resource(e.ID, services[e.ID])
		} else if k.caller.Type == authz.Service {
			r.MappedBy = []string{k.caller.Name}
		}
		return !k.may(ctx, authz.Metadata, r).Allowed
	}), nil
}
