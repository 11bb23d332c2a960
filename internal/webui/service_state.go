package webui

import (
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

var serviceState = stateful{
	noun: store.Service,
	look: func(v *visit, id string) (s standing, err error) {
		d, err := v.vault().ShowService(v.r.Context(), v.Caller, id)
		if err != nil {
			return s, err
		}
		return standing{d.Row.Meta, d.Row.ID, d.Row.Enabled, d.Permissions["update"], d.Row.Account, nil}, nil
	},
	set: func(v *visit, id string, enabled bool, seen standing) error {
		// Every change of a service says its account.
		_, err := v.vault().PutService(v.r.Context(), v.Caller, id, vault.ServiceChange{
			Enabled: &enabled, Account: seen.account, IfRevision: seen.Revision,
		})
		return err
	},
}
