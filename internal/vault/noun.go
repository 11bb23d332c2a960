package vault

import (
	"context"
	"slices"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// noun is what the use cases that all nouns share need to know of one.
type noun[T any] struct {
	kind  authz.ResourceType
	rows  store.Revisions[T]
	words words
	meta  func(*T) *revision.Meta
	// judge puts what the policy may look at of the current row into r.
	judge func(row *T, r *authz.Resource)
}

// words are the fixed words about one noun.
type words struct {
	singular, plural string // in refusals
	notFound         string
	notA             string // the id is that of something else
	unwritten        string // a revision was not written
}

func (w words) missing() error  { return fault.New(fault.NotFound, w.notFound) }
func (w words) mistaken() error { return fault.New(fault.Invalid, w.notA) }

func (v *Vault) credentials() noun[credential.Credential] {
	return noun[credential.Credential]{
		kind: authz.Credential,
		rows: v.store.Credentials(),
		words: words{
			"credential", "credentials",
			"Credential not found.", "id provided is not a credential.", "Failed to add credential to archive.",
		},
		meta: func(row *credential.Credential) *revision.Meta { return &row.Meta },
		judge: func(row *credential.Credential, r *authz.Resource) {
			r.Name, r.Tags, r.Enabled = row.Name, row.Tags, row.Enabled
		},
	}
}

func (v *Vault) blindCredentials() noun[blind.Credential] {
	return noun[blind.Credential]{
		kind: authz.BlindCredential,
		rows: v.store.BlindCredentials(),
		words: words{
			"blind credential", "blind credentials",
			"Blind credential not found.", "id provided is not a blind-credential.", "Failed to add blind-credential to archive.",
		},
		meta: func(row *blind.Credential) *revision.Meta { return &row.Meta },
		judge: func(row *blind.Credential, r *authz.Resource) {
			r.Name, r.Enabled = row.Name, row.Enabled
		},
	}
}

func (v *Vault) services() noun[service.Service] {
	return noun[service.Service]{
		kind: authz.ServiceResource,
		rows: v.store.Services(),
		words: words{
			"service", "services",
			"Service not found.", "id provided is not a service.", "Failed to add service to archive.",
		},
		meta: func(row *service.Service) *revision.Meta { return &row.Meta },
		judge: func(row *service.Service, r *authz.Resource) {
			r.Name, r.Enabled, r.Account = row.ID, row.Enabled, row.Account
			r.CredentialIDs = slices.Concat(row.Credentials, row.BlindCredentials)
		},
	}
}

// resource is what the policy may look at of the thing with the id, whose
// current row is given; nil for a thing that is not there.
func (n noun[T]) resource(id string, current *T) authz.Resource {
	r := authz.Resource{Type: n.kind, ID: id}
	if current != nil {
		n.judge(current, &r)
	}
	return r
}

// mappedBy completes what the policy may look at where a service asks for a
// credential: the built-in rule judges services by what is mapped to them.
func (k *call) mappedBy(ctx context.Context, r *authz.Resource) error {
	if k.caller.Type != authz.Service || r.Type == authz.ServiceResource {
		return nil
	}
	m, err := k.v.mappingOf(ctx, r.ID)
	r.MappedBy = m.services
	return err
}
