// Package policy keeps the policies that administrators write: it stores them,
// brings them into force in the engine of package authz, and tells who may do
// what and why. Every look and every change asks the policy and is audited here.
//
// All policies are one document, so a change is one write that is made whole or
// not at all, and of two changes made at the same time one is refused. What the
// program brings along (the shipped entries) is not stored, only which of it is
// disabled.
//
// It knows no HTTP and no command line, and it opens no credential: what a
// question is judged by are the public attributes of rows.
package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Options is what Policies needs.
type Options struct {
	Store  store.Store
	Engine *authz.Engine // gets the stored policies
	// Policy is what is asked. It is the engine, or what stands in its place.
	Policy        authz.Policy
	Audit         audit.Log
	AuditFailOpen bool // go on without an audit record
	Log           *slog.Logger

	// Administrator reports whether a user of that name is an administrator.
	Administrator func(name string) bool
	// Announce lets every process know of a change.
	Announce func(context.Context) error

	Now func() time.Time // nil: time.Now
}

// Policies is the room of stored policies. It is safe for concurrent use.
type Policies struct {
	store         store.Store
	engine        *authz.Engine
	policy        authz.Policy
	audit         audit.Log
	auditFailOpen bool
	log           *slog.Logger
	administrator func(string) bool
	announce      func(context.Context) error
	now           func() time.Time

	refreshing sync.Mutex // guards what follows
	inForce    int        // version of the document that the engine holds
	broken     int        // version of one that it refused, and why
	why        error
}

// ErrBroken is in the error of Refresh when stored policies do not hold, as may
// happen once an older or newer program has stored them.
var ErrBroken = errors.New("the stored policies do not hold")

// New returns the room. The stored policies are in force after Refresh.
func New(o Options) (*Policies, error) {
	if o.Store == nil || o.Engine == nil || o.Policy == nil || o.Audit == nil || o.Log == nil ||
		o.Administrator == nil || o.Announce == nil {
		return nil, errors.New("policies need a store, an engine, a policy, an audit log, a log and to know and tell others")
	}
	p := &Policies{
		store:         o.Store,
		engine:        o.Engine,
		policy:        o.Policy,
		audit:         o.Audit,
		auditFailOpen: o.AuditFailOpen,
		log:           o.Log,
		administrator: o.Administrator,
		announce:      o.Announce,
		now:           o.Now,
	}
	if p.now == nil {
		p.now = time.Now
	}
	return p, nil
}

// Refresh brings what is stored into force. After an error, what was in force
// stays.
func (p *Policies) Refresh(ctx context.Context) error {
	p.refreshing.Lock()
	defer p.refreshing.Unlock()
	s, err := p.read(ctx)
	switch {
	case err != nil || s.version == p.inForce:
		return err
	case s.version == p.broken:
		return p.why
	}
	if err := p.engine.Replace(s.entries); err != nil {
		p.broken, p.why = s.version, fmt.Errorf("%w: %w", ErrBroken, err)
		return p.why
	}
	p.inForce = s.version
	return nil
}

// List returns all entries by name, the shipped ones among them. Denied: the
// policy says no.
func (p *Policies) List(ctx context.Context, c authz.Caller) ([]authz.Entry, error) {
	return p.look(ctx, c, operation{action: authz.List, words: "list policies"})
}

// Get returns one entry. NotFound: there is none of that name.
func (p *Policies) Get(ctx context.Context, c authz.Caller, name string) (authz.Entry, error) {
	all, err := p.look(ctx, c, operation{action: authz.List, name: name, words: "list policies"})
	if err != nil {
		return authz.Entry{}, err
	}
	i := find(all, name)
	if i < 0 {
		return authz.Entry{}, missing(name)
	}
	return all[i], nil
}

func (p *Policies) look(ctx context.Context, c authz.Caller, op operation) ([]authz.Entry, error) {
	d, err := p.permit(ctx, c, op)
	if err != nil {
		return nil, err
	}
	s, err := p.read(ctx)
	if err != nil {
		return nil, storeFault(err)
	}
	return s.all(), p.record(ctx, entry(c, op, d))
}

func missing(name string) error {
	return fault.Newf(fault.NotFound, "There is no policy %q.", name).About(name)
}

// find returns where the entry of a name is in a list; -1: nowhere.
func find(entries []authz.Entry, name string) int {
	return slices.IndexFunc(entries, func(e authz.Entry) bool { return e.Name == name })
}

// shipped returns the shipped entry of a name.
func shipped(name string) (authz.Entry, bool) {
	all := authz.Shipped()
	if i := find(all, name); i >= 0 {
		return all[i], true
	}
	return authz.Entry{}, false
}

func byName(x, y authz.Entry) int { return strings.Compare(x.Name, y.Name) }
