package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/store"
)

// document reads a document that the store keeps by itself and returns its
// version; 0 if there is none.
func (v *Vault) document(ctx context.Context, kind, id string, body any) (version int, err error) {
	d, err := v.store.Documents().Get(ctx, kind, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, storeFault("reading "+kind+" of "+id, err)
	}
	if err := json.Unmarshal(d.Body, body); err != nil {
		return 0, storeFault("reading "+kind+" of "+id, fmt.Errorf("decoding the document: %w", err))
	}
	return d.Version, nil
}

// nameFree returns the fault that another credential than the one with the id
// bears a name. kind is that of the noun's name claims.
func (v *Vault) nameFree(ctx context.Context, kind, name, id string) error {
	var claim store.Claim
	if _, err := v.document(ctx, kind, store.NameID(name), &claim); err != nil {
		return err
	}
	if claim.ID != "" && claim.ID != id {
		return nameTaken(claim.ID, nil)
	}
	return nil
}
