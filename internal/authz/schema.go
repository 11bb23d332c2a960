package authz

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	cedarschema "github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

//go:embed schema.cedarschema
var schemaText []byte

// schema knows what policies may look at and refuses those that look at
// something else. Cedar's validator lives in a package that may still change
// its interface, so nothing but this file knows it.
type schema struct {
	validator *validate.Validator
	entities  map[types.EntityType]attributes
	context   attributes
}

// attributes are names of attributes, sorted.
type attributes []types.String

func loadSchema() (*schema, error) {
	parsed := cedarschema.Schema{}
	parsed.SetFilename("schema.cedarschema")
	if err := parsed.UnmarshalCedar(schemaText); err != nil {
		return nil, fmt.Errorf("reading the policy schema: %w", err)
	}
	r, err := parsed.Resolve()
	if err != nil {
		return nil, fmt.Errorf("resolving the policy schema: %w", err)
	}
	s := &schema{
		validator: validate.New(r, validate.WithStrict()),
		entities:  make(map[types.EntityType]attributes, len(r.Entities)),
	}
	for name, entity := range r.Entities {
		s.entities[name] = slices.Sorted(maps.Keys(entity.Shape))
	}
	for _, action := range r.Actions { // all actions share one context
		s.context = slices.Sorted(maps.Keys(action.AppliesTo.Context))
	}
	return s, nil
}

// check reports what a policy does against the schema.
func (s *schema) check(p *cedar.Policy) error {
	return s.validator.Policy("", (*ast.Policy)(p.AST()))
}
