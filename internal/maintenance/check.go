package maintenance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Opener opens the pairs of credentials whose rows do not tell their key
// names. What it answers is as envelope.Sealer.
type Opener interface {
	Open(ctx context.Context, id string, v sealed.Value) ([]byte, error)
}

// Findings is what stored data holds against the rules. Lists are sorted and
// never nil.
type Findings struct {
	EqualNames []EqualNames `json:"equal_names"`
	Conflicts  []EqualKeys  `json:"conflicts"`
	Orphans    []string     `json:"orphans"`    // history keys above or without a current row
	Unmapped   []string     `json:"unmapped"`   // "<service> <id>": mapped, but there is no such credential
	Unreadable []string     `json:"unreadable"` // credentials whose key names cannot be told, for they do not open
}

// EqualNames is a name that several things of one noun bear.
type EqualNames struct {
	Noun store.Noun `json:"noun"`
	Name string     `json:"name"`
	IDs  []string   `json:"ids"`
}

// EqualKeys is a key that a service gets from several credentials.
type EqualKeys struct {
	Service     string   `json:"service"`
	Key         string   `json:"key"`
	Credentials []string `json:"credentials"` // ids, blind ones too
}

// Clean reports whether nothing was found.
func (f Findings) Clean() bool {
	return len(f.EqualNames)+len(f.Conflicts)+len(f.Orphans)+len(f.Unmapped)+len(f.Unreadable) == 0
}

// checkPage is how many services are judged at a time; with each the
// credentials that they map are read.
const checkPage = 200

// Check reads everything and changes nothing. An error means that the store or
// the key did not answer; a credential that does not open is a finding.
func Check(ctx context.Context, s store.Store, opener Opener) (Findings, error) {
	r, err := s.Check(ctx)
	if err != nil {
		return Findings{}, fmt.Errorf("checking the store: %w", err)
	}
	f := Findings{
		EqualNames: []EqualNames{},
		Conflicts:  []EqualKeys{},
		Orphans:    sorted(r.Orphans),
		Unmapped:   sorted(r.Unmapped),
	}
	for _, e := range r.EqualNames {
		f.EqualNames = append(f.EqualNames, EqualNames(e))
	}
	c := checker{store: s, opener: opener, unreadable: map[string]bool{}}
	page := revision.Page{Limit: checkPage}
	for {
		services, err := s.Services().List(ctx, page)
		if err != nil {
			return Findings{}, fmt.Errorf("listing services: %w", err)
		}
		for _, row := range services.Items {
			conflicts, err := c.conflicts(ctx, row)
			if err != nil {
				return Findings{}, fmt.Errorf("checking service %q: %w", row.ID, err)
			}
			f.Conflicts = append(f.Conflicts, conflicts...)
		}
		if page.After = services.Next; page.After == nil {
			break
		}
	}
	slices.SortFunc(f.Conflicts, func(a, b EqualKeys) int {
		return slices.Compare([]string{a.Service, a.Key}, []string{b.Service, b.Key})
	})
	f.Unreadable = sorted(slices.Collect(maps.Keys(c.unreadable)))
	return f, nil
}

// sorted returns a sorted list that is not nil.
func sorted(list []string) []string {
	list = append([]string{}, list...)
	slices.Sort(list)
	return list
}

type checker struct {
	store      store.Store
	opener     Opener
	unreadable map[string]bool
}

// conflicts returns the keys that a service gets from several credentials.
func (c *checker) conflicts(ctx context.Context, row *service.Service) ([]EqualKeys, error) {
	credentials, err := c.store.Credentials().BatchGet(ctx, row.Credentials)
	if err != nil {
		return nil, err
	}
	blind, err := c.store.BlindCredentials().BatchGet(ctx, row.BlindCredentials)
	if err != nil {
		return nil, err
	}
	var holders []service.Holder
	for _, b := range blind {
		holders = append(holders, service.Holder{ID: b.ID, Blind: true, KeyNames: b.KeyNames})
	}
	for _, cred := range credentials {
		names, err := c.keyNames(ctx, cred)
		if err != nil {
			return nil, err
		}
		holders = append(holders, service.Holder{ID: cred.ID, KeyNames: names})
	}
	var found []EqualKeys
	for key, conflict := range service.ConflictsAmong(holders) {
		found = append(found, EqualKeys{
			Service:     row.ID,
			Key:         key,
			Credentials: append(slices.Clone(conflict.Credentials), conflict.BlindCredentials...),
		})
	}
	return found, nil
}

// keyNames returns the names that a row tells, or opens it.
func (c *checker) keyNames(ctx context.Context, row *credential.Credential) ([]string, error) {
	if row.KeyNames != nil {
		return row.KeyNames, nil
	}
	plaintext, err := c.opener.Open(ctx, row.ID, row.Sealed)
	if err == nil {
		defer clear(plaintext)
		var pairs credential.Pairs
		if pairs, err = credential.OpenPairs(plaintext); err == nil {
			return pairs.Keys(), nil
		}
	}
	if errors.Is(err, keyring.ErrUnavailable) || ctx.Err() != nil {
		return nil, err
	}
	c.unreadable[row.ID] = true
	return nil, nil
}
