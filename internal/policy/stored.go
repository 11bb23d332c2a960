package policy

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// The document of all policies.
const (
	kind      = "policies"
	idCurrent = "current"
)

// Bounds of the document in bytes: as it is stored, and as it is read.
const (
	maxStored = 350 << 10
	maxRead   = 64 << 20
)

// documentBody is the body of the document.
type documentBody struct {
	Gzip []byte `json:"gzip"` // of a JSON list of entries
}

// stored is what the document holds: by name, the entries that administrators
// made, and of shipped ones those that are disabled, with nothing but the name.
type stored struct {
	entries []authz.Entry
	version int // 0: there is no document
}

// all returns the entries as they are in force, by name.
func (s stored) all() []authz.Entry {
	entries := authz.Shipped()
	for _, e := range s.entries {
		if i := find(entries, e.Name); i >= 0 {
			entries[i].Active = e.Active
		} else {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, byName)
	return entries
}

// storable is the inverse of all.
func storable(entries []authz.Entry) []authz.Entry {
	var list []authz.Entry
	for _, e := range entries {
		if _, ok := shipped(e.Name); ok {
			if e.Active {
				continue
			}
			e = authz.Entry{Name: e.Name}
		}
		list = append(list, e)
	}
	slices.SortFunc(list, byName)
	return list
}

func (p *Policies) read(ctx context.Context) (stored, error) {
	d, err := p.store.Documents().Get(ctx, kind, idCurrent)
	if errors.Is(err, store.ErrNotFound) {
		return stored{}, nil
	}
	if err != nil {
		return stored{}, fmt.Errorf("reading the policies: %w", err)
	}
	entries, err := decode(d.Body)
	if err != nil {
		return stored{}, fmt.Errorf("reading the policies: %w", err)
	}
	return stored{entries, d.Version}, nil
}

func decode(body json.RawMessage) ([]authz.Entry, error) {
	var b documentBody
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(b.Gzip))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, maxRead))
	if err != nil {
		return nil, err
	}
	var entries []authz.Entry
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, err
	}
	return entries, nil
}

// encode returns the body of the document. TooLarge: there is more than it may
// hold.
func encode(entries []authz.Entry) (json.RawMessage, error) {
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	if err := json.NewEncoder(z).Encode(entries); err != nil {
		return nil, fmt.Errorf("encoding the policies: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("encoding the policies: %w", err)
	}
	body, err := json.Marshal(documentBody{compressed.Bytes()})
	if err != nil {
		return nil, fmt.Errorf("encoding the policies: %w", err)
	}
	if len(body) > maxStored {
		return nil, fault.Newf(fault.TooLarge, "All policies together may take %d KiB compressed; these take %d.", maxStored>>10, len(body)>>10)
	}
	return body, nil
}
