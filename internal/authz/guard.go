package authz

import (
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// guard reports whether what a policy begins with holds for a question. Where it
// does not, the policy cannot apply, and asking that first is much cheaper than
// evaluating the policy. Nil: it must be evaluated.
type guard func(*Request) bool

// guardOf returns the guard of a policy. It is the first condition that Cedar
// itself looks at, so if it does not hold, Cedar neither evaluates nor finds an
// error in what follows. The forms that are known are those by which policies
// mostly part people and things.
func guardOf(p *ast.Policy) guard {
	if len(p.Conditions) == 0 || p.Conditions[0].Condition != ast.ConditionWhen {
		return nil
	}
	first := p.Conditions[0].Body
	for {
		and, ok := first.(ast.NodeTypeAnd)
		if !ok {
			break
		}
		first = and.Left
	}
	switch n := first.(type) {
	case ast.NodeTypeContains:
		if tag, ok := literal(n.Right); ok && isAttribute(n.Left, "resource", "tags") {
			return func(r *Request) bool { return slices.Contains(r.Resource.Tags, tag) }
		}
		texts, ok := literals(n.Left)
		if of := textOf(n.Right); ok && of != nil {
			return func(r *Request) bool { return slices.Contains(texts, of(r)) }
		}
	case ast.NodeTypeEquals:
		text, ok := literal(n.Right)
		if of := textOf(n.Left); ok && of != nil {
			return func(r *Request) bool { return of(r) == text }
		}
	case ast.NodeTypeLike:
		if of := textOf(n.Arg); of != nil {
			return func(r *Request) bool { return n.Value.Match(types.String(of(r))) }
		}
	}
	return nil
}

// textOf returns where the text is that a policy looks at; nil: it is none of
// those that matter.
func textOf(n ast.IsNode) func(*Request) string {
	switch {
	case isAttribute(n, "principal", "name"):
		return func(r *Request) string { return r.Name }
	case isAttribute(n, "resource", "id"):
		return func(r *Request) string { return r.Resource.ID }
	case isAttribute(n, "resource", "name"):
		return func(r *Request) string { return r.Resource.name() }
	default:
		return nil
	}
}

// literal returns a text that a policy spells out.
func literal(n ast.IsNode) (string, bool) {
	value, ok := n.(ast.NodeValue)
	if !ok {
		return "", false
	}
	text, ok := value.Value.(types.String)
	return string(text), ok
}

// literals returns a set of texts that a policy spells out.
func literals(n ast.IsNode) ([]string, bool) {
	set, ok := n.(ast.NodeTypeSet)
	if !ok {
		return nil, false
	}
	texts := make([]string, len(set.Elements))
	for i, element := range set.Elements {
		if texts[i], ok = literal(element); !ok {
			return nil, false
		}
	}
	return texts, true
}

func isAttribute(n ast.IsNode, variable, name types.String) bool {
	access, ok := n.(ast.NodeTypeAccess)
	if !ok || access.Value != name {
		return false
	}
	v, ok := access.Arg.(ast.NodeTypeVariable)
	return ok && v.Name == variable
}
