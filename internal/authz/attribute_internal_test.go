package authz

import (
	"net/netip"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go/types"
)

// TestSchema_EveryAttributeHasAValue keeps schema and code together: what the
// schema promises, policies find.
func TestSchema_EveryAttributeHasAValue(t *testing.T) {
	t.Parallel()
	s, err := loadSchema()
	if err != nil {
		t.Fatal(err)
	}
	check := func(of string, names attributes, record types.Record) {
		if len(names) == 0 {
			t.Errorf("%s: the schema knows no attributes", of)
		}
		for _, name := range names {
			if _, ok := record.Get(name); !ok {
				t.Errorf("%s.%s has no value", of, name)
			}
		}
	}
	for p, name := range principalTypes {
		check(string(name), s.entities[name], principalRecord(&Principal{Type: p}, s.entities[name]))
	}
	for _, r := range resourceTypes {
		names := s.entities[types.EntityType(r)]
		check(string(r), names, resourceRecord(&Resource{Type: r}, names))
	}
	check("context", s.context, contextRecord(&Request{Caller: Caller{Client: netip.MustParseAddr("::1")}, Now: time.Unix(0, 0)}, s.context))
	if got, want := len(s.entities), len(principalTypes)+len(resourceTypes); got != want {
		t.Errorf("the schema has %d entity types, want %d", got, want)
	}
}
