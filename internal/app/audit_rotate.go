package app

import (
	"context"
	"errors"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
)

// RotateAudit removes entries from the audit log and leaves a record of that.
// Directory, signing key, record and, if there is none, log of the options are
// set here. Denied: the policy says no.
func (a *App) RotateAudit(ctx context.Context, o audit.RotateOptions) (found audit.Rotation, err error) {
	if o.Dir, err = auditDirectory(a.cfg); err != nil {
		return found, err
	}
	if o.Log == nil {
		o.Log = a.log
	}
	if !o.DryRun {
		e := audit.Entry{Action: string(authz.Update), ResourceType: string(authz.Audit), ResourceName: "log"}
		if e.Policies, err = a.permitAudit(ctx, e); err != nil {
			return found, err
		}
		if o.SigningKey, err = signingKey(a.cfg); err != nil {
			return found, err
		}
		o.Record = func(found audit.Rotation, remove func() error) error {
			e.Info = map[string]any{"mode": o.Select.Mode(), "entries": found.Total, "deleted": found.Deleted}
			return a.audited(ctx, e, remove)
		}
	}
	found, err = audit.Rotate(ctx, o)
	if errors.Is(err, audit.ErrKeyWanted) {
		err = &StartError{Message: "AUDIT_SIGNING_KEY_FILE is not set", Cause: err}
	}
	return found, err
}

// permitAudit opens the audit log and asks the policy for a change of it. Stored
// policies are heard where there is a store; it needs no key. A refusal is
// recorded.
func (a *App) permitAudit(ctx context.Context, e audit.Entry) (by []string, err error) {
	if err := a.openAudit(nil); err != nil {
		return nil, err
	}
	if err := a.openStoreIfThere(ctx); err != nil || a.store == nil {
		return nil, err
	}
	if err := a.openAccounts(ctx); err != nil {
		return nil, err
	}
	if err := a.loadPolicies(ctx, false); err != nil {
		return nil, err
	}
	return a.permit(ctx, e, "the audit log")
}
