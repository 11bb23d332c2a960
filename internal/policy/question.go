package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Question is who may do what, as somebody writes it who wants to know.
type Question struct {
	User          string `json:"user,omitempty"` // this or Service
	Service       string `json:"service,omitempty"`
	Administrator *bool  `json:"administrator,omitempty"` // nil: as the accounts say
	Method        string `json:"method,omitempty"`        // name of the authenticator
	ProofAccount  string `json:"proof_account,omitempty"` // of services: what their proof is scoped to

	Action authz.Action       `json:"action"`
	Type   authz.ResourceType `json:"type"`
	ID     string             `json:"id,omitempty"` // empty: as for lists
	// Attributes are those of the resource; nil: those of what is stored.
	Attributes *Attributes `json:"attributes,omitempty"`

	Client string `json:"client,omitempty"` // address; empty: none
	Door   string `json:"door,omitempty"`   // empty: "v1"
	At     string `json:"at,omitempty"`     // RFC 3339; empty: now
}

// Attributes are what policies may look at of a resource.
type Attributes struct {
	Name               string   `json:"name"`
	Revision           int      `json:"revision"`
	Enabled            bool     `json:"enabled"`
	Tags               []string `json:"tags"`
	Account            string   `json:"account"`
	MappedBy           []string `json:"mapped_by"`
	CredentialIDs      []string `json:"credential_ids"`
	AddedCredentialIDs []string `json:"added_credential_ids"`
	CA                 string   `json:"ca"`
	SANs               []string `json:"sans"`
	NamesYield         []string `json:"names_yield"`
	Subject            string   `json:"subject"`
	Environment        string   `json:"environment"`
	Role               string   `json:"role"`
}

// Explain answers a question and names the policies that decided. Invalid: the
// question is none.
func (p *Policies) Explain(ctx context.Context, c authz.Caller, q Question) (authz.Decision, error) {
	op := operation{authz.List, "", "explain policies", map[string]any{"operation": "explain"}}
	d, err := p.permit(ctx, c, op)
	if err != nil {
		return authz.Decision{}, err
	}
	answer, err := p.answer(ctx, q)
	if err != nil {
		return authz.Decision{}, storeFault(err)
	}
	return answer, p.record(ctx, entry(c, op, d))
}

// Expectation is a question with the answer that it should have.
type Expectation struct {
	Name string `json:"name,omitempty"` // for people
	Question
	Expect string   `json:"expect"`       // "allow" or "deny"
	By     []string `json:"by,omitempty"` // the policies that should decide; empty: whichever
}

// Result is what became of an expectation.
type Result struct {
	Expectation Expectation
	Decision    authz.Decision
}

// OK reports whether the answer was the expected one.
func (r Result) OK() bool {
	if r.Decision.Allowed != (r.Expectation.Expect == allow) {
		return false
	}
	return len(r.Expectation.By) == 0 || slices.Equal(slices.Sorted(slices.Values(r.Expectation.By)), slices.Sorted(slices.Values(r.Decision.By)))
}

// The answers of an expectation.
const (
	allow = "allow"
	deny  = "deny"
)

// Test answers every expectation's question. Invalid: one of them is none, and
// which.
func (p *Policies) Test(ctx context.Context, c authz.Caller, expectations []Expectation) ([]Result, error) {
	op := operation{authz.List, "", "explain policies", map[string]any{"operation": "test", "questions": len(expectations)}}
	d, err := p.permit(ctx, c, op)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(expectations))
	for i, e := range expectations {
		decision, err := p.expected(ctx, e)
		if err != nil {
			if f := fault.As(err); f != nil && f.Kind == fault.Invalid {
				return nil, fault.Newf(fault.Invalid, "Expectation %d: %s", i+1, f.Message)
			}
			return nil, storeFault(err)
		}
		results[i] = Result{e, decision}
	}
	return results, p.record(ctx, entry(c, op, d))
}

func (p *Policies) expected(ctx context.Context, e Expectation) (authz.Decision, error) {
	if e.Expect != allow && e.Expect != deny {
		return authz.Decision{}, fault.New(fault.Invalid, `Expect is "allow" or "deny".`)
	}
	return p.answer(ctx, e.Question)
}

func (p *Policies) answer(ctx context.Context, q Question) (authz.Decision, error) {
	r, err := p.request(ctx, q)
	if err != nil {
		return authz.Decision{}, err
	}
	return p.policy.Decide(ctx, r), nil
}

// request makes the question that a transport would ask.
func (p *Policies) request(ctx context.Context, q Question) (authz.Request, error) {
	r := authz.Request{Action: q.Action, Now: p.now()}
	r.Method, r.Door = q.Method, q.Door
	if r.Door == "" {
		r.Door = "v1"
	}
	switch {
	case (q.User == "") == (q.Service == ""):
		return r, fault.New(fault.Invalid, "A question names a user or a service.")
	case q.User != "":
		r.Principal.Type, r.Principal.Name = authz.User, q.User
		r.Administrator = p.administrator(q.User)
	default:
		r.Principal.Type, r.Principal.Name, r.Principal.Account = authz.Service, q.Service, q.ProofAccount
	}
	if q.Administrator != nil {
		r.Administrator = *q.Administrator
	}
	if !slices.Contains(authz.Actions(), q.Action) {
		return r, fault.Newf(fault.Invalid, "There is no action %q; there are %s.", q.Action, join(authz.Actions()))
	}
	if !slices.Contains(authz.ResourceTypes(), q.Type) {
		return r, fault.Newf(fault.Invalid, "There is no resource type %q; there are %s.", q.Type, join(authz.ResourceTypes()))
	}
	var err error
	if q.Client != "" {
		if r.Client, err = netip.ParseAddr(q.Client); err != nil {
			return r, fault.Newf(fault.Invalid, "%q is no address.", q.Client)
		}
	}
	if q.At != "" {
		if r.Now, err = time.Parse(time.RFC3339, q.At); err != nil {
			return r, fault.Newf(fault.Invalid, "%q is no moment such as 2026-11-24T12:00:00Z.", q.At)
		}
	}
	if q.Attributes != nil {
		r.Resource = q.Attributes.resource(q.Type, q.ID)
		return r, nil
	}
	r.Resource, err = p.resource(ctx, q.Type, q.ID, r.Principal.Type == authz.Service)
	return r, err
}

func (a *Attributes) resource(t authz.ResourceType, id string) authz.Resource {
	return authz.Resource{
		Type: t, ID: id, Revision: a.Revision, Name: a.Name, Tags: a.Tags, Enabled: a.Enabled, Account: a.Account,
		CredentialIDs: a.CredentialIDs, AddedCredentialIDs: a.AddedCredentialIDs, MappedBy: a.MappedBy,
		CA: a.CA, SANs: a.SANs, NamesYield: a.NamesYield, Subject: a.Subject, Environment: a.Environment, Role: a.Role,
	}
}

// resource is what stands at an id, with the public attributes of its current
// row: what a decision would look at.
func (p *Policies) resource(ctx context.Context, t authz.ResourceType, id string, mapped bool) (authz.Resource, error) {
	r := authz.Resource{Type: t, ID: id}
	if t == authz.JWT {
		r.Subject = id
	}
	if id == "" {
		return r, nil
	}
	var err error
	switch t {
	case authz.Credential:
		row, e := current(ctx, p.store.Credentials(), &r)
		if err = e; row != nil {
			r.Name, r.Tags, r.Enabled = row.Name, row.Tags, row.Enabled
		}
	case authz.BlindCredential:
		row, e := current(ctx, p.store.BlindCredentials(), &r)
		if err = e; row != nil {
			r.Name, r.Enabled = row.Name, row.Enabled
		}
	case authz.ServiceResource:
		row, e := current(ctx, p.store.Services(), &r)
		if err = e; row != nil {
			r.Name, r.Enabled, r.Account = row.ID, row.Enabled, row.Account
			r.CredentialIDs = slices.Concat(row.Credentials, row.BlindCredentials)
		}
	}
	if err == nil && mapped && (t == authz.Credential || t == authz.BlindCredential) {
		r.MappedBy, err = p.mappedBy(ctx, r.ID)
	}
	return r, err
}

// current returns the current row of an id or history key, nil if there is none,
// and puts base id and revision into r.
func current[T any](ctx context.Context, rows store.Reader[T], r *authz.Resource) (*T, error) {
	row, err := rows.Get(ctx, r.ID)
	if errors.Is(err, store.ErrTaken) {
		base, number, ok := revision.Split(r.ID)
		if !ok {
			return nil, nil
		}
		if _, err = rows.Revision(ctx, base, number); err == nil {
			r.ID, r.Revision = base, number
			row, err = rows.Get(ctx, base)
		}
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrTaken) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", r.ID, err)
	}
	return row, nil
}

func join[T ~string](names []T) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = string(name)
	}
	return strings.Join(list, ", ")
}

func (p *Policies) mappedBy(ctx context.Context, id string) ([]string, error) {
	d, err := p.store.Documents().Get(ctx, store.KindMapping, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	var m store.Mapping
	if err == nil {
		err = json.Unmarshal(d.Body, &m)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what maps %s: %w", id, err)
	}
	return m.Services, nil
}
