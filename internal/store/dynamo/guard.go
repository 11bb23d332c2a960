package dynamo

import (
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// currentTypes are the data types of current rows.
func currentTypes() []string {
	return []string{string(store.Credential), string(store.BlindCredential), string(store.Service)}
}

// guardAll adds what demands that no guarded row or document has moved. A
// transaction takes one action per item: where it writes a guarded item anyway,
// that action bears the guard's condition too.
func (s *Store) guardAll(table string, actions []*action, guards []store.Guard) []*action {
	now := s.now()
	for _, g := range guards {
		id := g.ID
		if g.Kind != "" {
			id = documentKey(g.Kind, g.ID)
		}
		stale := &store.StaleError{What: id}
		i := slices.IndexFunc(actions, func(a *action) bool { return a.key == id })
		if i < 0 {
			a := checkItem(table, id)
			actions = append(actions, a.only(guarded(&a.expression, g, now), func(item) error { return stale }))
			continue
		}
		a := actions[i]
		other := a.refused
		conditions := []string{guarded(&a.expression, g, now)}
		if a.when != "" {
			conditions = append(conditions, a.when)
		}
		a.when = all(conditions...)
		a.told = true
		a.refused = func(old item) error {
			if other == nil || versionOf(old, g.Kind != "", now) != g.Version {
				return stale
			}
			return other(old)
		}
	}
	return actions
}

// guarded is the condition that versionOf is the guard's version.
func guarded(e *expression, g store.Guard, now time.Time) string {
	if g.Kind == "" {
		isCurrent := e.oneOf(attrDataType, currentTypes()...)
		if g.Version == 0 {
			return either(e.is(attrID, nil), "NOT "+isCurrent)
		}
		return all(isCurrent, e.is(attrRevision, number(g.Version)))
	}
	if g.Version == 0 {
		return either(e.is(attrID, nil), e.compare(attrExpires, "<=", micros(now)))
	}
	return all(e.is(attrVersion, number(g.Version)), either(e.is(attrExpires, nil), e.compare(attrExpires, ">", micros(now))))
}

// versionOf is the version of what stands in the table: the revision of a
// current row, or the version of a document that has not expired; otherwise 0.
func versionOf(it item, document bool, now time.Time) int {
	r := &reader{item: it}
	if !document {
		if !slices.Contains(currentTypes(), dataType(it)) {
			return 0
		}
		return r.integer(attrRevision, 0)
	}
	if expires := r.moment(attrExpires); !expires.IsZero() && !expires.After(now) {
		return 0
	}
	return r.integer(attrVersion, 0)
}
