package app

import (
	"context"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Migration returns what rewrites rows of an older form in the table, and in the
// archive table too if archive is set and there is one. The data must lie in
// DynamoDB. Denied, if rows shall be changed: the policy says no.
func (a *App) Migration(ctx context.Context, form store.LegacyForm, archive, change bool) (*maintenance.Migration, error) {
	by := map[store.Noun][]string{}
	if change {
		for _, noun := range form.Nouns() {
			e := audit.Entry{
				Action: string(authz.Update), ResourceType: resourceOf(noun), Info: map[string]any{"older_form": string(form)},
			}
			var err error
			if by[noun], err = a.permit(ctx, e, "rows of the type "+e.ResourceType); err != nil {
				return nil, err
			}
		}
	}
	return &maintenance.Migration{
		Tables: a.table.Legacy(form, archive), Documents: a.store.Documents(), Owner: a.Operator.Name, Now: time.Now,
		Change: func(ctx context.Context, row store.LegacyRow) error {
			e := audit.Entry{
				Action: string(authz.Update), ResourceType: resourceOf(row.Noun), ResourceID: row.Key, Policies: by[row.Noun],
				Info: map[string]any{"older_form": string(form), "table": row.Table},
			}
			if row.Historic {
				e.ResourceID, e.Revision, _ = revision.Split(row.Key)
			}
			return a.audited(ctx, e, func() error { return row.Rewrite(ctx) })
		},
	}, nil
}

// resourceOf is a noun as policies and audit records name it.
func resourceOf(noun store.Noun) string {
	switch noun {
	case store.BlindCredential:
		return string(authz.BlindCredential)
	case store.Service:
		return string(authz.ServiceResource)
	default:
		return string(authz.Credential)
	}
}
