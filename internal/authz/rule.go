package authz

import (
	"maps"
	"slices"

	"github.com/cedar-policy/cedar-go"
	publicast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// rule is one policy and what is known of it before it is asked.
type rule struct {
	entry  cedar.PolicyID
	policy *cedar.Policy
	guard  guard
	scope  *ast.Policy
	reads  map[types.String]names // by variable
}

// names are attributes of one variable that a policy looks at; all says that it
// may look at any.
type names struct {
	some map[types.String]bool
	all  bool
}

func newRule(entry string, p *cedar.Policy) rule {
	r := rule{
		entry: cedar.PolicyID(entry),
		scope: (*ast.Policy)(p.AST()),
		reads: map[types.String]names{},
	}
	r.policy, r.guard = withoutScope(*r.scope), guardOf(r.scope)
	for _, condition := range r.scope.Conditions {
		ast.Inspect(ast.NewNode(condition.Body), r.inspect)
	}
	return r
}

// withoutScope returns a policy without those parts of its scope that mayApply has
// answered before it is evaluated.
func withoutScope(p ast.Policy) *cedar.Policy {
	if _, ok := p.Principal.(ast.ScopeTypeIs); ok {
		p.Principal = ast.ScopeTypeAll{}
	}
	if _, ok := p.Resource.(ast.ScopeTypeIs); ok {
		p.Resource = ast.ScopeTypeAll{}
	}
	p.Action = ast.ScopeTypeAll{}
	return cedar.NewPolicyFromAST((*publicast.Policy)(&p))
}

// inspect notes which attributes a node looks at. A variable that is used in
// any other way than "variable.name" and "variable has name" may lead to all of
// its attributes.
func (r *rule) inspect(n ast.IsNode) bool {
	switch n := n.(type) {
	case ast.NodeTypeAccess:
		return r.note(n.StrOpNode)
	case ast.NodeTypeHas:
		return r.note(n.StrOpNode)
	case ast.NodeTypeVariable:
		r.reads[n.Name] = names{all: true}
	}
	return true
}

// note notes an attribute of a variable, and reports whether what it is an
// attribute of must be inspected. An entity that is spelled out or computed may
// be the principal or the resource.
func (r *rule) note(n ast.StrOpNode) bool {
	variable, ok := n.Arg.(ast.NodeTypeVariable)
	if !ok {
		r.reads["principal"], r.reads["resource"] = names{all: true}, names{all: true}
		return true
	}
	known := r.reads[variable.Name]
	if known.some == nil {
		known.some = map[types.String]bool{}
	}
	known.some[n.Value] = true
	r.reads[variable.Name] = known
	return false
}

// mayApply reports whether the rule's scope leaves a kind of question open.
// Nothing has parents here, so "in" means "==".
func (r *rule) mayApply(k kind) bool {
	return entityMayBe(r.scope.Principal, principalTypes[k.principal]) &&
		actionMayBe(r.scope.Action, actionUID(k.action)) &&
		entityMayBe(r.scope.Resource, types.EntityType(k.resource))
}

func entityMayBe(scope ast.IsScopeNode, t types.EntityType) bool {
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		return s.Entity.Type == t
	case ast.ScopeTypeIn:
		return s.Entity.Type == t
	case ast.ScopeTypeIs:
		return s.Type == t
	case ast.ScopeTypeIsIn:
		return s.Type == t
	default:
		return true
	}
}

func actionMayBe(scope ast.IsActionScopeNode, action types.EntityUID) bool {
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		return s.Entity == action
	case ast.ScopeTypeIn:
		return s.Entity == action
	case ast.ScopeTypeInSet:
		return slices.Contains(s.Entities, action)
	default:
		return true
	}
}

// index sorts rules by the kinds of question that they may apply to.
func (s *schema) index(rules []rule) table {
	t := table{}
	for principal := range principalTypes {
		for _, action := range actions {
			for _, resource := range resourceTypes {
				k := kind{principal, action, resource}
				if list := s.shortlist(k, rules); len(list.rules) > 0 {
					t[k] = list
				}
			}
		}
	}
	return t
}

// shortlist returns the rules that may apply to a kind of question, with the
// attributes that they look at.
func (s *schema) shortlist(k kind, rules []rule) *shortlist {
	l := &shortlist{}
	principal, resource, context := map[types.String]bool{}, map[types.String]bool{}, map[types.String]bool{}
	for _, r := range rules {
		if !r.mayApply(k) {
			continue
		}
		l.rules = append(l.rules, r)
		r.reads["principal"].addTo(principal, s.entities[principalTypes[k.principal]])
		r.reads["resource"].addTo(resource, s.entities[types.EntityType(k.resource)])
		r.reads["context"].addTo(context, s.context)
	}
	l.principal = slices.Sorted(maps.Keys(principal))
	l.resource = slices.Sorted(maps.Keys(resource))
	l.context = slices.Sorted(maps.Keys(context))
	return l
}

// addTo adds those of the names that the schema knows.
func (n names) addTo(set map[types.String]bool, known attributes) {
	for _, name := range known {
		if n.all || n.some[name] {
			set[name] = true
		}
	}
}
