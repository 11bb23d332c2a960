package vault

import (
	"context"
	"log/slog"
	"slices"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// A service must not get one key name from two credentials. Whoever could make
// that happen reads what the decision needs, and guards it: the write goes
// through only if none of it has moved. Two changes that would conflict only
// together therefore cannot both pass, whichever side they come from:
//
//   - a credential that gains key names guards its mapping document, the
//     services in it and the other credentials of these services;
//   - a service that gains credentials guards all credentials it maps.
//
// Where that is more than one write can guard, the check is made again after
// it, and a conflict found then is reported in the log.

// conflictFault refuses a write because of conflicts; nil if there are none.
func conflictFault(c service.Conflicts) error {
	if c == nil {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Message: "Conflicting key pairs in mapped service.", Details: c}
}

// conflictCheck is what a write was based on.
type conflictCheck struct {
	guards []store.Guard
	// again, if not nil, repeats the check, for not everything is guarded.
	again func(context.Context) (service.Conflicts, error)
}

// neighbours checks that a credential which is about to hand out keys, some of
// them new, leaves the services that map it without conflict.
func (k *call) neighbours(ctx context.Context, id string, keys []string, m mapping) (check conflictCheck, _ error) {
	if k.v.rules.IgnoreConflicts {
		return check, nil
	}
	conflicts, guards, err := k.conflictsWith(ctx, id, keys, m)
	if err != nil {
		return check, err
	}
	if err := conflictFault(conflicts); err != nil {
		return check, err
	}
	check.guards = append(check.guards, store.DocumentGuard(store.KindMapping, id, m.version))
	if len(guards) < store.MaxGuards {
		check.guards = append(check.guards, guards...)
		return check, nil
	}
	check.again = func(ctx context.Context) (service.Conflicts, error) {
		conflicts, _, err := k.conflictsWith(ctx, id, keys, m)
		return conflicts, err
	}
	return check, nil
}

// conflictsWith reads the services that map a credential and what else they
// map, and returns the conflicts and guards of all that was read.
func (k *call) conflictsWith(ctx context.Context, id string, keys []string, m mapping) (service.Conflicts, []store.Guard, error) {
	around, err := k.neighbourhood(ctx, id, m)
	if err != nil {
		return nil, nil, err
	}
	return service.ConflictsWith(id, keys, around.services, around.holders), around.guards(), nil
}

// neighbourhood is the services that map a credential, and what else they map.
type neighbourhood struct {
	content
	services []*service.Service
	holders  []service.Holder // with the key names of the content
}

// neighbourhood reads the services that map a credential and what else they map.
func (k *call) neighbourhood(ctx context.Context, id string, m mapping) (around neighbourhood, err error) {
	if around.services, err = k.v.store.Services().BatchGet(ctx, m.services); err != nil {
		return around, storeFault("reading mapped services", err)
	}
	var plain, blinds []string
	for _, s := range around.services {
		plain = append(plain, s.Credentials...)
		blinds = append(blinds, s.BlindCredentials...)
	}
	if around.content, err = k.contents(ctx, others(plain, id), others(blinds, id)); err != nil {
		return around, err
	}
	around.holders, err = k.holders(ctx, around.content)
	return around, err
}

// guards returns a guard for each row that was read.
func (a neighbourhood) guards() []store.Guard {
	out := make([]store.Guard, 0, len(a.services))
	for _, s := range a.services {
		out = append(out, store.RowGuard(s.ID, s.Revision))
	}
	return append(out, a.content.guards()...)
}

// content is what services map: the current rows of credentials of both kinds.
type content struct {
	credentials []*credential.Credential
	blind       []*blind.Credential
}

// contents reads the current rows with the ids, in their order, in one round
// trip. Those that are not there are left out.
func (k *call) contents(ctx context.Context, plain, blinds []string) (c content, _ error) {
	readPlain := func(ctx context.Context) (err error) {
		defer k.v.metrics.Time("service_batch_get_credentials", k.v.now())
		c.credentials, err = k.v.store.Credentials().BatchGet(ctx, plain)
		return err
	}
	readBlind := func(ctx context.Context) (err error) {
		defer k.v.metrics.Time("service_batch_get_blind_credentials", k.v.now())
		c.blind, err = k.v.store.BlindCredentials().BatchGet(ctx, blinds)
		return err
	}
	var err error
	switch {
	case len(blinds) == 0 && len(plain) == 0:
	case len(blinds) == 0:
		err = readPlain(ctx)
	case len(plain) == 0:
		err = readBlind(ctx)
	default:
		err = k.v.sideBySide(ctx, readPlain, readBlind)
	}
	if err != nil {
		return c, storeFault("reading mapped credentials", err)
	}
	return c, nil
}

// others returns ids, each once, without one of them.
func others(ids []string, id string) []string {
	return slices.DeleteFunc(service.Mapping(ids), func(other string) bool { return other == id })
}

// holders returns the key names of what is mapped. Rows that do not tell them
// are opened.
func (k *call) holders(ctx context.Context, c content) ([]service.Holder, error) {
	views, err := k.views(ctx, c.credentials, false)
	if err != nil {
		return nil, err
	}
	out := make([]service.Holder, 0, len(views)+len(c.blind))
	for _, view := range views {
		out = append(out, service.Holder{ID: view.Row.ID, KeyNames: view.KeyNames})
	}
	for _, row := range c.blind {
		out = append(out, service.Holder{ID: row.ID, Blind: true, KeyNames: row.KeyNames})
	}
	return out, nil
}

// guards returns a guard for each row.
func (c content) guards() []store.Guard {
	out := make([]store.Guard, 0, len(c.credentials)+len(c.blind))
	for _, row := range c.credentials {
		out = append(out, store.RowGuard(row.ID, row.Revision))
	}
	for _, row := range c.blind {
		out = append(out, store.RowGuard(row.ID, row.Revision))
	}
	return out
}

// recheck looks once more after a write that could not guard all it was based
// on. It comes too late to refuse, so it reports.
func (k *call) recheck(ctx context.Context, id string, check conflictCheck) {
	if check.again == nil {
		return
	}
	conflicts, err := check.again(ctx)
	switch {
	case err != nil:
		k.v.log.WarnContext(ctx, "key conflicts were not checked after a change that could not guard against them",
			slog.String("id", id), slog.Any("error", err))
	case conflicts != nil:
		k.v.log.ErrorContext(ctx, "concurrent changes gave a service the same key more than once",
			slog.String("id", id), slog.Any("conflicts", conflicts))
	}
}
