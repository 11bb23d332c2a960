package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/policy"
)

// noACL is the ACL_MODULE that switches all policies off.
const noACL = "confidant.authnz.rbac:no_acl"

// openPolicies makes the policy that everything asks, with nothing but what the
// program brings along, and the room that keeps the others.
func (a *App) openPolicies() error {
	engine, err := authz.NewEngine(nil)
	if err != nil {
		return fmt.Errorf("loading the policies: %w", err)
	}
	a.policy = engine
	if a.cfg.Login.ACLModule == noACL {
		a.policy = authz.AllowAll{}
	}
	a.Policies, err = policy.New(policy.Options{
		Store:         a.store,
		Engine:        engine,
		Policy:        a.policy,
		Audit:         a.audit,
		AuditFailOpen: a.cfg.Audit.FailOpen,
		Log:           a.log,
		Administrator: a.administrator,
		Announce:      func(ctx context.Context) error { return a.Accounts.Announce(ctx) },
	})
	return err
}

// administrator reports whether a user's name is that of an enabled local account
// or stands in ADMIN_USERS.
func (a *App) administrator(name string) bool {
	_, ok := a.Accounts.Generation(name)
	return ok || a.Accounts.ListedAdministrator(name)
}

// loadPolicies brings the stored policies into force. Those that do not hold end
// the start, for what they forbade would be allowed; who has come to mend them, or
// has switched policies off, is told.
func (a *App) loadPolicies(ctx context.Context, mend bool) error {
	err := a.Policies.Refresh(ctx)
	switch {
	case !errors.Is(err, policy.ErrBroken):
		return err
	case mend, a.cfg.Login.ACLModule == noACL:
		a.log.Warn("stored policies must be mended", "error", err)
		return nil
	default:
		return &StartError{
			Message: `a stored policy must be mended: disable it, or replace it with "confidant config policy create --replace"`,
			Cause:   err,
		}
	}
}
