package authz

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
)

// Engine is the Policy made of the built-in rules, the shipped entries and the
// stored ones. Any forbid denies, else any permit allows, else denied.
//
// A question costs a few microseconds because nearly everything is known
// before it is asked: which policies can apply to this kind of principal,
// action and resource, and which attributes these look at. Only those are
// evaluated, and only these are handed over.
type Engine struct {
	schema *schema
	table  atomic.Pointer[table]
}

var _ Policy = (*Engine)(nil)

// NewEngine returns an engine with the shipped entries and the stored ones. An
// entry with a shipped entry's name says only whether that one is active. It
// returns an error that names every entry that does not hold: bad or repeated
// names, and of active entries Cedar that does not parse or looks at what the
// schema does not know.
func NewEngine(stored []Entry) (*Engine, error) {
	s, err := loadSchema()
	if err != nil {
		return nil, err
	}
	e := &Engine{schema: s}
	if err := e.Replace(stored); err != nil {
		return nil, err
	}
	return e, nil
}

// Replace puts other stored entries in place of the present ones, all at once.
// After an error, which is as NewEngine's, the present ones stay in force.
func (e *Engine) Replace(stored []Entry) error {
	entries, err := withShipped(stored)
	errs := []error{err}
	var rules []rule
	for _, entry := range entries {
		if !entry.Active {
			continue
		}
		policies, err := e.schema.parse(entry)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, p := range policies {
			rules = append(rules, newRule(entry.Name, p))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t := e.schema.index(rules)
	e.table.Store(&t)
	return nil
}

// Decide implements Policy. A policy that cannot be evaluated denies every
// question that it could have decided, and is named: whoever wrote it meant
// something, and nobody knows what.
func (e *Engine) Decide(_ context.Context, r Request) Decision {
	if d, ok := builtIn(&r); ok {
		return d
	}
	list := (*e.table.Load())[kind{r.Principal.Type, r.Action, r.Resource.Type}]
	if list == nil {
		return Decision{}
	}
	q := &question{request: &r, list: list}
	q.principal.UID, q.resource.UID = principalUID(&r.Principal), resourceUID(&r.Resource)
	decision, diagnostic := cedar.Authorize(q, q, cedar.Request{
		Principal: q.principal.UID,
		Action:    actionUID(r.Action),
		Resource:  q.resource.UID,
		Context:   contextRecord(&r, list.context),
	})
	d := Decision{Allowed: decision == cedar.Allow && len(diagnostic.Errors) == 0}
	for _, failed := range diagnostic.Errors {
		d.name(failed.PolicyID)
	}
	if len(d.By) == 0 {
		for _, reason := range diagnostic.Reasons {
			d.name(reason.PolicyID)
		}
	}
	return d
}

// name adds an entry to those that decided.
func (d *Decision) name(entry cedar.PolicyID) {
	if !slices.Contains(d.By, string(entry)) {
		d.By = append(d.By, string(entry))
	}
}

// kind is a kind of question.
type kind struct {
	principal PrincipalType
	action    Action
	resource  ResourceType
}

// table holds what is known of each kind of question before it is asked. A kind
// that no policy can apply to is not in it.
type table map[kind]*shortlist

// shortlist is what can decide one kind of question.
type shortlist struct {
	rules                        []rule
	principal, resource, context attributes // that the rules look at
}

// question hands to Cedar the policies that can decide one request, and its
// principal and resource, made when a policy first looks at them.
type question struct {
	request             *Request
	list                *shortlist
	principal, resource types.Entity
	hasPrincipal        bool
	hasResource         bool
}

var (
	_ cedar.PolicyIterator = (*question)(nil)
	_ types.EntityGetter   = (*question)(nil)
)

// All implements cedar.PolicyIterator. The id of a policy is the name of its
// entry, so several policies may have the same.
func (q *question) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for i := range q.list.rules {
			r := &q.list.rules[i]
			if r.guard != nil && !r.guard(q.request) {
				continue
			}
			if !yield(r.entry, r.policy) {
				return
			}
		}
	}
}

// Get implements types.EntityGetter. There are no entities but these two.
func (q *question) Get(uid types.EntityUID) (types.Entity, bool) {
	switch uid {
	case q.principal.UID:
		if !q.hasPrincipal {
			q.principal.Attributes = principalRecord(&q.request.Principal, q.list.principal)
			q.hasPrincipal = true
		}
		return q.principal, true
	case q.resource.UID:
		if !q.hasResource {
			q.resource.Attributes = resourceRecord(&q.request.Resource, q.list.resource)
			q.hasResource = true
		}
		return q.resource, true
	default:
		return types.Entity{}, false
	}
}

// AllowAll is the Policy of ACL_MODULE=confidant.authnz.rbac:no_acl: everything
// is allowed, the built-in rules are off too.
type AllowAll struct{}

var _ Policy = AllowAll{}

// Decide implements Policy.
func (AllowAll) Decide(context.Context, Request) Decision {
	return Decision{Allowed: true, By: []string{"no_acl"}}
}
