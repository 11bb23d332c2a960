package vault

import (
	"context"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
)

// journalPage is how many revisions one page of a journal tells.
const journalPage = 100

// Journal is one page of the history of one thing, newest first, told in what
// each revision changed.
type Journal struct {
	Name        string // the current one
	Revision    int    // the current one
	Entries     []JournalEntry
	Next        int         // go on before this revision; 0: nothing follows
	Permissions Permissions // for metadata, get, update and revert
}

// JournalEntry is one revision against the one before it.
type JournalEntry struct {
	Revision     int
	ModifiedDate time.Time
	ModifiedBy   string
	// First says that no revision stands before it, so that there is nothing it
	// changed.
	First bool
	Difference
}

// Difference is what can be told of two revisions without opening them.
type Difference struct {
	// Members that differ, by their names on the wire.
	Members []string
	// Key names, ascending, where both rows tell them.
	KeysAdded, KeysRemoved []string
	// Credentials of both kinds, of services.
	Mapped, Unmapped int
	// Enabled is the state after it.
	Enabled bool
}

// CredentialJournal returns the history of a current credential; before, unless
// 0, is the revision behind which to go on. Nothing is opened for it.
func (v *Vault) CredentialJournal(ctx context.Context, c authz.Caller, id string, before int) (Journal, error) {
	k := v.begin(c, authz.Metadata, authz.Credential)
	return journal(ctx, k, v.credentials(), id, before, func(a, b *credential.Credential) Difference {
		d := Difference{Members: credential.Changes(a, b, credential.PairsMoved(a, b)), Enabled: b.Enabled}
		if a.KeyNames != nil && b.KeyNames != nil {
			d.KeysAdded, d.KeysRemoved = credential.Missing(a.KeyNames, b.KeyNames), credential.Missing(b.KeyNames, a.KeyNames)
		}
		return d
	})
}

// BlindJournal is CredentialJournal of a blind credential.
func (v *Vault) BlindJournal(ctx context.Context, c authz.Caller, id string, before int) (Journal, error) {
	k := v.begin(c, authz.Metadata, authz.BlindCredential)
	return journal(ctx, k, v.blindCredentials(), id, before, func(a, b *blind.Credential) Difference {
		compared := compareBlind(a, b)
		return Difference{
			Members: compared.Members, KeysAdded: compared.KeysAdded, KeysRemoved: compared.KeysRemoved, Enabled: b.Enabled,
		}
	})
}

// ServiceJournal is CredentialJournal of a service.
func (v *Vault) ServiceJournal(ctx context.Context, c authz.Caller, id string, before int) (Journal, error) {
	k := v.begin(c, authz.Metadata, authz.ServiceResource)
	return journal(ctx, k, v.services(), id, before, func(a, b *service.Service) Difference {
		added, addedBlind := gains(a, b)
		lost, lostBlind := gains(b, a)
		return Difference{
			Members: service.Changes(a, b),
			Mapped:  len(added) + len(addedBlind), Unmapped: len(lost) + len(lostBlind), Enabled: b.Enabled,
		}
	})
}

func journal[T any](ctx context.Context, k *call, n noun[T], id string, before int, compare func(a, b *T) Difference) (Journal, error) {
	return perform(ctx, k, func() (none Journal, _ error) {
		p, err := current(ctx, k, n, id)
		if err != nil {
			return none, err
		}
		k.note("history", true)
		// One more than is told, for the last one to be compared with.
		page := revision.Page{Limit: journalPage + 1}
		if before > 0 {
			page.After = &revision.Cursor{ID: revision.Key(id, before)}
		}
		rows, err := n.rows.History(ctx, id, page)
		if err != nil {
			return none, storeFault("reading the history of "+id, err)
		}
		out := Journal{
			Name: p.resource.Name, Revision: n.meta(p.current).Revision,
			Permissions: k.pageHints(ctx, p.resource),
		}
		for i, row := range rows.Items[:min(len(rows.Items), journalPage)] {
			meta := n.meta(row)
			e := JournalEntry{Revision: meta.Revision, ModifiedDate: meta.ModifiedDate, ModifiedBy: meta.ModifiedBy}
			if i+1 < len(rows.Items) {
				e.Difference = compare(rows.Items[i+1], row)
			} else {
				e.First = true
			}
			out.Entries = append(out.Entries, e)
		}
		if len(rows.Items) > journalPage {
			out.Next = out.Entries[journalPage-1].Revision
		}
		return out, nil
	})
}
