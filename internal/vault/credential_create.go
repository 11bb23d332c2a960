package vault

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// CreateCredential stores a new credential under an id of its own.
func (v *Vault) CreateCredential(ctx context.Context, c authz.Caller, in NewCredential) (CredentialView, error) {
	k := v.begin(c, authz.Create, authz.Credential)
	defer v.metrics.Time("create_credential", k.began)
	return perform(ctx, k, func() (none CredentialView, _ error) {
		if err := k.writable(); err != nil {
			return none, err
		}
		n := v.credentials()
		if err := k.require(ctx, authz.Create, authz.Resource{Type: n.kind}, "create credentials", ""); err != nil {
			return none, err
		}
		row, err := v.newCredential(ctx, in)
		if err != nil {
			return none, err
		}
		row.ModifiedDate, row.ModifiedBy, row.LastRotation = k.at, c.Name, k.at
		id, err := v.newID()
		if err != nil {
			return none, err
		}
		if row.Sealed, err = v.seal(ctx, id, in.Pairs); err != nil {
			return none, err
		}
		k.entry.ResourceID, k.entry.ResourceName, k.entry.Revision = id, row.Name, 1
		stored, err := write(ctx, k, n, store.Write[credential.Credential]{ID: id, Rows: []*credential.Credential{row}}, nil)
		if err != nil {
			return none, err
		}
		view := k.view(stored)
		view.KeyNames = in.Pairs.Keys()
		view.Pairs = &in.Pairs
		view.Permissions = Permissions{string(authz.Metadata): true, string(authz.Get): true, string(authz.Update): true}
		return view, nil
	})
}

// newCredential checks the input and returns the row it makes, but for its
// dates and its sealed value.
func (v *Vault) newCredential(ctx context.Context, in NewCredential) (*credential.Credential, error) {
	if err := in.Unread.first("", "documentation"); err != nil {
		return nil, err
	}
	if v.rules.EnforceDocumentation && !credential.Documented(in.Documentation) {
		return nil, errUndocumented
	}
	unread := in.Unread.first("credential_pairs")
	if unread == nil && in.Pairs.Empty() {
		return nil, fault.New(fault.Invalid, "credential_pairs is a required field")
	}
	if err := in.Unread.first("metadata"); err != nil {
		return nil, err
	}
	metadata, err := credential.ParseMetadata(in.Metadata)
	if err != nil {
		return nil, err
	}
	if unread != nil {
		return nil, unread
	}
	if err := in.Unread.first("name"); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return nil, errNameless
	}
	if err := in.Unread.first("enabled", "tags"); err != nil {
		return nil, err
	}
	if err := v.nameFree(ctx, store.KindCredentialName, in.Name, ""); err != nil {
		return nil, err
	}
	return &credential.Credential{
		Name: in.Name, KeyNames: v.keyNames(in.Pairs), Enabled: in.Enabled,
		Metadata: metadata, Documentation: in.Documentation, Tags: slices.Clone(in.Tags),
	}, nil
}

// Rules about members that several use cases share.
var (
	errUndocumented = fault.New(fault.Invalid, "documentation is a required field").On("documentation")
	errNameless     = fault.New(fault.Invalid, "name is a required field").On("name")
)

// keyNames returns what a row says about the keys of its pairs: nil where
// names are not kept in clear.
func (v *Vault) keyNames(pairs credential.Pairs) []string {
	if !v.rules.StoreKeyNames {
		return nil
	}
	return pairs.Keys()
}

// newID returns a random id: a UUID of version 4 (RFC 9562) in hexadecimal
// digits without dashes.
func (v *Vault) newID() (string, error) {
	var id [16]byte
	if _, err := io.ReadFull(v.random, id[:]); err != nil {
		return "", fmt.Errorf("drawing an id: %w", err)
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return hex.EncodeToString(id[:]), nil
}
