package webui

import (
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// The chronicles of the nouns.
var (
	credentialChronicle = chronicle{
		noun: store.Credential,
		journal: func(v *visit, id string, before int) (vault.Journal, error) {
			return v.vault().CredentialJournal(v.r.Context(), v.Caller, id, before)
		},
		compare: func(v *visit, id string, a, b int) (out compared, err error) {
			c, err := v.vault().CompareCredential(v.r.Context(), v.Caller, id, a, b)
			if err != nil {
				return out, err
			}
			return compared{c.Before.Meta, c.After.Meta, c.After.Name, credentialDifference(c.Comparison, revisionHead(c.Before.Meta), revisionHead(c.After.Meta)), c.Permissions}, nil
		},
		preview: func(v *visit, id string, to int) (out reverting, err error) {
			p, err := v.vault().PreviewRevertCredential(v.r.Context(), v.Caller, id, to, 0)
			if err != nil {
				return out, err
			}
			now := p.Comparison.Before
			return reverting{now.Meta, now.Name, 0, credentialDifference(p.Comparison, nowHead, revertedHead), credentialEffects(p)}, nil
		},
		revert: func(v *visit, id string, to, seen int) error {
			_, err := v.vault().RevertCredential(v.r.Context(), v.Caller, id, to, seen)
			return err
		},
	}
	blindChronicle = chronicle{
		noun: store.BlindCredential,
		journal: func(v *visit, id string, before int) (vault.Journal, error) {
			return v.vault().BlindJournal(v.r.Context(), v.Caller, id, before)
		},
		compare: func(v *visit, id string, a, b int) (out compared, err error) {
			c, err := v.vault().CompareBlindCredential(v.r.Context(), v.Caller, id, a, b)
			if err != nil {
				return out, err
			}
			return compared{c.Before.Meta, c.After.Meta, c.After.Name, blindDifference(c, revisionHead(c.Before.Meta), revisionHead(c.After.Meta)), c.Permissions}, nil
		},
		preview: func(v *visit, id string, to int) (out reverting, err error) {
			p, err := v.vault().PreviewRevertBlindCredential(v.r.Context(), v.Caller, id, to, 0)
			if err != nil {
				return out, err
			}
			now := p.Comparison.Before
			return reverting{now.Meta, now.Name, 0, blindDifference(p.Comparison, nowHead, revertedHead), blindEffects(p)}, nil
		},
		revert: func(v *visit, id string, to, seen int) error {
			_, err := v.vault().RevertBlindCredential(v.r.Context(), v.Caller, id, to, seen)
			return err
		},
	}
	serviceChronicle = chronicle{
		noun: store.Service,
		journal: func(v *visit, id string, before int) (vault.Journal, error) {
			return v.vault().ServiceJournal(v.r.Context(), v.Caller, id, before)
		},
		compare: func(v *visit, id string, a, b int) (out compared, err error) {
			c, err := v.vault().CompareService(v.r.Context(), v.Caller, id, a, b)
			if err != nil {
				return out, err
			}
			return compared{c.Before.Meta, c.After.Meta, c.After.ID, serviceDifference(c, revisionHead(c.Before.Meta), revisionHead(c.After.Meta)), c.Permissions}, nil
		},
		preview: func(v *visit, id string, to int) (out reverting, err error) {
			p, err := v.vault().PreviewRevertService(v.r.Context(), v.Caller, id, to, 0)
			if err != nil {
				return out, err
			}
			now := p.Comparison.Before
			return reverting{now.Meta, now.ID, len(p.Gone), serviceDifference(p.Comparison, nowHead, revertedHead), serviceEffects(p)}, nil
		},
		revert: func(v *visit, id string, to, seen int) error {
			_, err := v.vault().RevertService(v.r.Context(), v.Caller, id, to, seen)
			return err
		},
	}
)
