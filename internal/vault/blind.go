package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// GetBlindCredential returns a blind credential with what is sealed in it: the
// current revision, or by its key "<id>-<n>" an earlier one.
func (v *Vault) GetBlindCredential(ctx context.Context, c authz.Caller, id string) (BlindView, error) {
	k := v.begin(c, authz.Get, authz.BlindCredential)
	return perform(ctx, k, func() (none BlindView, _ error) {
		n := v.blindCredentials()
		p, err := locate(ctx, k, n, id)
		if err != nil {
			return none, err
		}
		if err := k.require(ctx, authz.Get, p.resource, "get blind credential "+id, id); err != nil {
			return none, err
		}
		row := p.row()
		if row == nil {
			return none, n.words.missing()
		}
		k.entry.Revision = row.Revision
		return BlindView{Row: row, Historic: p.taken, Sealed: true}, nil
	})
}

// BlindRevisions returns all revisions of a blind credential in descending
// order, with what is sealed in them.
func (v *Vault) BlindRevisions(ctx context.Context, c authz.Caller, id string) ([]BlindView, error) {
	k := v.begin(c, authz.Metadata, authz.BlindCredential)
	views, err := revisions(ctx, k, v.blindCredentials(), id, historicBlind)
	slices.Reverse(views)
	return views, err
}

// CreateBlindCredential stores a new blind credential under an id of its own.
func (v *Vault) CreateBlindCredential(ctx context.Context, c authz.Caller, in NewBlind) (BlindView, error) {
	k := v.begin(c, authz.Create, authz.BlindCredential)
	return perform(ctx, k, func() (none BlindView, _ error) {
		if err := k.writable(); err != nil {
			return none, err
		}
		n := v.blindCredentials()
		if err := k.require(ctx, authz.Create, authz.Resource{Type: n.kind}, "create blind credentials", ""); err != nil {
			return none, err
		}
		row, err := v.newBlind(ctx, in)
		if err != nil {
			return none, err
		}
		row.ModifiedDate, row.ModifiedBy = k.at, c.Name
		id, err := v.newID()
		if err != nil {
			return none, err
		}
		k.entry.ResourceID, k.entry.ResourceName, k.entry.Revision = id, row.Name, 1
		stored, err := write(ctx, k, n, store.Write[blind.Credential]{ID: id, Rows: []*blind.Credential{row}}, nil)
		if err != nil {
			return none, err
		}
		return BlindView{Row: stored, Sealed: true}, nil
	})
}

// newBlind checks the input, in the order in which rules are reported, and
// returns the row it makes, but for its dates.
func (v *Vault) newBlind(ctx context.Context, in NewBlind) (*blind.Credential, error) {
	if err := in.Unread.first(""); err != nil {
		return nil, err
	}
	var missing []string
	require := func(member string, given bool) {
		if !given && in.Unread[member] == nil {
			missing = append(missing, member)
		}
	}
	require("cipher_version", in.CipherVersion != 0)
	require("cipher_type", in.CipherType != "")
	require("credential_pairs", blind.Filled(in.Pairs))
	require("data_key", blind.Filled(in.DataKey))
	require("documentation", !v.rules.EnforceDocumentation || credential.Documented(in.Documentation))
	if missing != nil {
		err := fault.Newf(fault.Invalid, "The following fields are required: ['%s']", strings.Join(missing, "', '"))
		if len(missing) == 1 {
			err = err.On(missing[0])
		}
		return nil, err
	}
	sealed := BlindSealed{in.Pairs, in.DataKey, in.KeyNames, in.CipherType, in.CipherVersion}
	if err := in.Unread.first("cipher_version", "cipher_type", "credential_pairs", "documentation"); err != nil {
		return nil, err
	}
	if err := checkDataKey(sealed, in.Unread); err != nil {
		return nil, err
	}
	if err := in.Unread.first("credential_keys", "metadata"); err != nil {
		return nil, err
	}
	metadata, err := credential.ParseMetadata(in.Metadata)
	if err != nil {
		return nil, err
	}
	if err := in.Unread.first("name"); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return nil, errNameless
	}
	if err := in.Unread.first("enabled"); err != nil {
		return nil, err
	}
	if err := v.nameFree(ctx, store.KindBlindName, in.Name, ""); err != nil {
		return nil, err
	}
	row := &blind.Credential{Name: in.Name, Enabled: in.Enabled, Metadata: metadata, Documentation: in.Documentation}
	sealed.into(row)
	return row, nil
}

// checkDataKey holds data keys to their form.
func checkDataKey(s BlindSealed, unread Unread) error {
	if err := unread.first("data_key"); err != nil {
		return err
	}
	if !blind.IsObject(s.DataKey) {
		return fault.New(fault.Invalid, "data_key must be a dict with a region/key mapping.")
	}
	return nil
}

// into puts what a client sealed into a row.
func (s BlindSealed) into(row *blind.Credential) {
	row.Pairs, row.DataKey, row.KeyNames = slices.Clone(s.Pairs), slices.Clone(s.DataKey), blind.Names(s.KeyNames)
	row.CipherType, row.CipherVersion = s.CipherType, s.CipherVersion
}

// UpdateBlindCredential stores a new revision of a blind credential in which
// the members given are changed.
func (v *Vault) UpdateBlindCredential(ctx context.Context, c authz.Caller, id string, change BlindChange) (BlindView, error) {
	k := v.begin(c, authz.Update, authz.BlindCredential)
	return perform(ctx, k, func() (none BlindView, _ error) {
		if err := k.writable(); err != nil {
			return none, err
		}
		return retry(ctx, k, id, change.IfRevision != 0, func() (BlindView, error) {
			return k.changeBlind(ctx, id, authz.Update, change.IfRevision,
				func(row *blind.Credential, m mapping) (next *blind.Credential, check conflictCheck, err error) {
					next, err = k.updatedBlind(ctx, row, change, func(names []string) (err error) {
						check, err = k.checkBlindNames(ctx, row, names, m)
						return err
					})
					return next, check, err
				})
		})
	})
}

// RevertBlindCredential stores a new revision with the content of an earlier
// one.
func (v *Vault) RevertBlindCredential(ctx context.Context, c authz.Caller, id string, to, ifRevision int) (BlindView, error) {
	k := v.begin(c, authz.Revert, authz.BlindCredential)
	return perform(ctx, k, func() (none BlindView, _ error) {
		if err := k.writable(); err != nil {
			return none, err
		}
		k.note("to_revision", to)
		return retry(ctx, k, id, ifRevision != 0, func() (BlindView, error) {
			return k.changeBlind(ctx, id, authz.Revert, ifRevision,
				func(row *blind.Credential, m mapping) (*blind.Credential, conflictCheck, error) {
					return k.revertedBlind(ctx, row, to, m)
				})
		})
	})
}

// changeBlind stores what make makes of the current row as a new revision.
func (k *call) changeBlind(
	ctx context.Context, id string, action authz.Action, ifRevision int,
	make func(*blind.Credential, mapping) (*blind.Credential, conflictCheck, error),
) (none BlindView, _ error) {
	n := k.v.blindCredentials()
	subject, err := changing(ctx, k, n, id, action, ifRevision)
	if err != nil {
		return none, err
	}
	row, m := subject.row, subject.mapping
	next, check, err := make(row, m)
	if err != nil {
		return none, err
	}
	next.ModifiedDate, next.ModifiedBy = k.at, k.caller.Name
	k.entry.Revision = row.Revision + 1
	stored, err := write(ctx, k, n, store.Write[blind.Credential]{
		ID: id, Previous: row, Rows: []*blind.Credential{next}, Guards: check.guards,
	}, func(_ context.Context, row *blind.Credential) {
		k.v.announce(event.BlindCredentialUpdate, m, row.Name, row.ID, row.Revision)
	})
	if err != nil {
		return none, err
	}
	k.recheck(ctx, id, check)
	return BlindView{Row: stored, Sealed: true}, nil
}

// updatedBlind checks the change, in the order in which rules are reported,
// and returns the row with it. check judges new key names at their place in that
// order.
func (k *call) updatedBlind(
	ctx context.Context, row *blind.Credential, change BlindChange, check func(names []string) error,
) (next *blind.Credential, err error) {
	next = row.Clone()
	if err := change.Unread.first("", "enabled", "metadata"); err != nil {
		return nil, err
	}
	if change.Enabled != nil {
		next.Enabled = *change.Enabled
	}
	if change.Metadata != nil {
		if next.Metadata, err = credential.ParseMetadata(*change.Metadata); err != nil {
			return nil, err
		}
	}
	if change.Sealed != nil {
		if err := checkSealed(*change.Sealed, change.Unread); err != nil {
			return nil, err
		}
		if err := check(blind.Names(change.Sealed.KeyNames)); err != nil {
			return nil, err
		}
		if err := checkDataKey(*change.Sealed, change.Unread); err != nil {
			return nil, err
		}
		change.Sealed.into(next)
	}
	if err := change.Unread.first("documentation"); err != nil {
		return nil, err
	}
	if change.Documentation != nil {
		next.Documentation = *change.Documentation
	}
	if k.v.rules.EnforceDocumentation && !change.SkipDocumentation && !credential.Documented(next.Documentation) {
		return nil, errUndocumented
	}
	if err := change.Unread.first("name"); err != nil {
		return nil, err
	}
	if change.Name != nil && *change.Name != row.Name {
		if *change.Name == "" {
			return nil, errNameless
		}
		if err := k.v.nameFree(ctx, store.KindBlindName, *change.Name, row.ID); err != nil {
			return nil, err
		}
		next.Name = *change.Name
	}
	return next, nil
}

// checkSealed sees that all that belongs together is there.
func checkSealed(s BlindSealed, unread Unread) error {
	for _, m := range []struct {
		name  string
		given bool
	}{
		{"data_key", s.DataKey != nil},
		{"cipher_type", s.CipherType != ""},
		{"cipher_version", s.CipherVersion != 0},
	} {
		if !m.given && unread[m.name] == nil {
			return fault.New(fault.Invalid, fmt.Sprintf("%s required when updating credential_pairs.", m.name))
		}
	}
	return unread.first("credential_pairs", "cipher_type", "cipher_version", "credential_keys")
}

// checkBlindNames checks new key names for conflicts, which only added ones
// can make.
func (k *call) checkBlindNames(ctx context.Context, row *blind.Credential, names []string, m mapping) (check conflictCheck, _ error) {
	if len(credential.Missing(row.KeyNames, names)) == 0 {
		return check, nil
	}
	return k.neighbours(ctx, row.ID, names, m)
}

// revertedBlind returns the row with the content of an earlier revision.
func (k *call) revertedBlind(ctx context.Context, row *blind.Credential, to int, m mapping) (next *blind.Credential, check conflictCheck, _ error) {
	next, err := k.earlierBlind(ctx, row, to)
	if err != nil {
		return nil, check, err
	}
	if check, err = k.checkBlindNames(ctx, row, next.KeyNames, m); err != nil {
		return nil, check, err
	}
	return next, check, nil
}

// earlierBlind checks a revert, but for conflicts, and returns the row with the
// content of an earlier revision.
func (k *call) earlierBlind(ctx context.Context, row *blind.Credential, to int) (*blind.Credential, error) {
	old, err := past(ctx, k.v.blindCredentials(), row, to)
	if err != nil {
		return nil, err
	}
	if blind.Equal(old, row) {
		return nil, fault.New(fault.Invalid, "No difference between old and new blind credential.")
	}
	if old.Name != row.Name {
		if err := k.v.nameFree(ctx, store.KindBlindName, old.Name, row.ID); err != nil {
			return nil, err
		}
	}
	return old.Clone(), nil
}
