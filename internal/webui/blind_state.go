package webui

import (
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

var blindState = stateful{
	noun: store.BlindCredential,
	look: func(v *visit, id string) (s standing, err error) {
		d, err := v.vault().ShowBlindCredential(v.r.Context(), v.Caller, id)
		if err != nil {
			return s, err
		}
		return standing{d.Row.Meta, d.Row.Name, d.Row.Enabled, d.Permissions["update"], "", d.Dependents}, nil
	},
	set: func(v *visit, id string, enabled bool, seen standing) error {
		_, err := v.vault().UpdateBlindCredential(v.r.Context(), v.Caller, id, vault.BlindChange{Enabled: &enabled, IfRevision: seen.Revision})
		return err
	},
}
