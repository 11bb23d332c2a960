package dynamo

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Check reads the whole table and reports what old data holds against the rules.
func (s *Store) Check(ctx context.Context) (store.CheckReport, error) {
	c := checking{current: map[string]int{}, mappable: map[string]bool{}, bearers: map[sharedName][]string{}, mapped: map[string][]string{}}
	types := currentTypes()
	for _, t := range currentTypes() {
		types = append(types, "archive-"+t)
	}
	attributes := append([]string{attrID, attrDataType, attrRevision, attrName}, s.services.noun.maps...)
	err := s.scan(ctx, s.table, types, attributes, func(it item) { c.add(it, s.services.noun.mapsOf(it)) })
	if err != nil {
		return store.CheckReport{}, err
	}
	return c.report(), nil
}

// sharedName is a name and the noun of its bearers.
type sharedName struct {
	noun store.Noun
	name string
}

// checking is what Check has read.
type checking struct {
	current  map[string]int  // revision of each current row
	history  []string        // keys
	mappable map[string]bool // ids of credentials and blind credentials
	bearers  map[sharedName][]string
	mapped   map[string][]string // by service
}

func (c *checking) add(it item, mapped []string) {
	r := &reader{item: it}
	id, noun := r.text(attrID), nounOf(dataType(it))
	if dataType(it) != string(noun) {
		c.history = append(c.history, id)
		return
	}
	c.current[id] = r.integer(attrRevision, 0)
	if noun == store.Service {
		c.mapped[id] = mapped
		return
	}
	c.mappable[id] = true
	if name := r.optional(attrName); name != nil {
		key := sharedName{noun, *name}
		c.bearers[key] = append(c.bearers[key], id)
	}
}

func (c *checking) report() (out store.CheckReport) {
	for key, ids := range c.bearers {
		if len(ids) > 1 {
			slices.Sort(ids)
			out.EqualNames = append(out.EqualNames, store.EqualNames{Noun: key.noun, Name: key.name, IDs: ids})
		}
	}
	slices.SortFunc(out.EqualNames, func(a, b store.EqualNames) int {
		return cmp.Or(-cmp.Compare(a.Noun, b.Noun), cmp.Compare(a.Name, b.Name)) // credentials before blind ones
	})
	for _, key := range c.history {
		if id, n, ok := revision.Split(key); !ok || n > c.current[id] {
			out.Orphans = append(out.Orphans, key)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.mapped)) {
		for _, other := range c.mapped[id] {
			if !c.mappable[other] {
				out.Unmapped = append(out.Unmapped, id+" "+other)
			}
		}
	}
	slices.Sort(out.Orphans)
	slices.Sort(out.Unmapped)
	return out
}
