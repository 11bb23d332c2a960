package vault

import (
	"context"
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/store"
)

// MaxCandidates is how many candidates are told.
const MaxCandidates = 20

// maxCandidatePages is how many pages of the catalogue are read for that: pages
// may be short where the caller may not see everything.
const maxCandidatePages = 5

// Candidate is a credential that a service may map.
type Candidate struct {
	Ref
	KeyNames []string // ascending; nil where the catalogue does not know them
	Mapped   bool     // by the service, already
	// Conflicts are the keys among KeyNames that the service receives already,
	// ascending, each with the other credentials that it comes from.
	Conflicts []Receipt
}

// Candidates returns enabled credentials of both kinds whose name or keys contain
// a text, in whatever case, by name, with what mapping them to a service would
// mean. They are found like Find does it, among those that the caller may list,
// and nothing is opened: where key names are not stored, conflicts come to light
// in the preview of the change. There need not be such a service yet.
func (v *Vault) Candidates(ctx context.Context, c authz.Caller, id, text string) ([]Candidate, error) {
	k := v.begin(c, authz.List, authz.Credential)
	return perform(ctx, k, func() ([]Candidate, error) {
		nouns, err := k.listable(ctx, []store.Noun{store.Credential, store.BlindCredential})
		if err != nil {
			return nil, err
		}
		p, err := locate(ctx, k, v.services(), id)
		if err != nil {
			return nil, err
		}
		k.note("nouns", nouns)
		k.entry.ResourceType = string(authz.ServiceResource)
		if err := k.shown(ctx, v.services().words, p.resource, id); err != nil {
			return nil, err
		}
		var mapped content
		if !p.taken && p.current != nil {
			if mapped, err = k.contents(ctx, p.current.Credentials, p.current.BlindCredentials); err != nil {
				return nil, err
			}
		}
		q := store.Query{Text: strings.ToLower(text), Nouns: nouns, Enabled: new(true)}
		if c.Type == authz.Service {
			q.MappedBy = c.Name
		}
		found, err := k.findSome(ctx, q)
		if err != nil {
			return nil, err
		}
		k.note("count", len(found))
		return candidates(found, mapped), nil
	})
}

// findSome returns the first entries that match a query and that the caller may
// see.
func (k *call) findSome(ctx context.Context, q store.Query) ([]store.Entry, error) {
	var out []store.Entry
	for range maxCandidatePages {
		q.Limit = MaxCandidates - len(out)
		found, err := k.v.store.Catalogue().Find(ctx, q)
		if err != nil {
			return nil, storeFault("searching", err)
		}
		if k.v.rules.ListFilter {
			if found.Entries, err = k.visible(ctx, found.Entries); err != nil {
				return nil, err
			}
		}
		out = append(out, found.Entries...)
		if found.Next == "" || len(out) >= MaxCandidates {
			break
		}
		q.After = found.Next
	}
	return out, nil
}

func candidates(found []store.Entry, mapped content) []Candidate {
	known := mapped.refs()
	received := map[string][]Ref{} // by key
	for _, row := range mapped.credentials {
		for _, key := range row.KeyNames {
			received[key] = append(received[key], known[row.ID])
		}
	}
	for _, row := range mapped.blind {
		for _, key := range row.KeyNames {
			received[key] = append(received[key], known[row.ID])
		}
	}
	out := make([]Candidate, len(found))
	for i, e := range found {
		out[i] = Candidate{Ref: Ref{e.ID, e.Name, e.Noun == store.BlindCredential}, KeyNames: e.KeyNames}
		_, out[i].Mapped = known[e.ID]
		for _, key := range slices.Sorted(slices.Values(e.KeyNames)) {
			others := slices.DeleteFunc(slices.Clone(received[key]), func(r Ref) bool { return r.ID == e.ID })
			if len(others) > 0 {
				slices.SortFunc(others, byName)
				out[i].Conflicts = append(out[i].Conflicts, Receipt{key, others})
			}
		}
	}
	return out
}
