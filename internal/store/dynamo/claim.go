package dynamo

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/confidant-secrets/confidant/internal/store"
)

// claimBody is the content of a claim. Its text is what conditions compare.
func claimBody(holder string) string {
	b, err := json.Marshal(store.Claim{ID: holder})
	if err != nil {
		panic("dynamo: a claim is one text: " + err.Error())
	}
	return string(b)
}

// claimRow is the document of a claim. It has no modified_date, so that it never
// enters the index.
func (n *noun[T]) claimRow(name, holder string) item {
	it := item{}
	it.setText(attrID, n.claimKey(name))
	it.setText(attrDataType, documentType(n.claim))
	it.setNumber(attrVersion, 1)
	it.setText(attrBody, claimBody(holder))
	return it
}

func (n *noun[T]) claimKey(name string) string { return documentKey(n.claim, store.NameID(name)) }

// claimed is the answer to a name that somebody else bears.
func (n *noun[T]) claimed(name, holder string) error {
	return &store.TakenError{Key: name, Claim: true, Holder: holder, Noun: n.name}
}

// holderOf returns who holds a claim; a claim that cannot be read, or names what
// cannot be, has no holder.
func holderOf(claim item) string {
	var c store.Claim
	r := &reader{item: claim}
	if json.Unmarshal(r.json(attrBody), &c) != nil || !validKey(c.ID) {
		return ""
	}
	return c.ID
}

// nameActions claim the new name and give up the old one.
func (r *revisions[T]) nameActions(p *plan, id string) []*action {
	var actions []*action
	if p.claim != "" {
		actions = append(actions, r.takeName(p, id))
		if p.heir != nil && p.heir.holder != "" {
			actions = append(actions, r.holderStaysGone(p.heir, p.claim))
		}
	}
	if p.release != "" {
		actions = append(actions, r.releaseName(p.release, id))
	}
	return actions
}

// takeName claims the row's new name, also where the row holds the claim
// already or its holder is known to be gone.
func (r *revisions[T]) takeName(p *plan, id string) *action {
	a := putItem(r.table, r.noun.claimRow(p.claim, id))
	a.told = true
	allowed := []string{a.is(attrID, nil), a.is(attrBody, text(claimBody(id)))}
	if p.heir != nil {
		allowed = append(allowed, a.is(attrBody, p.heir.claim[attrBody]))
	}
	return a.only(either(allowed...), func(old item) error { return claimHeld{old} })
}

// releaseName gives up the old name. It may be claimed by another: older data
// holds equal names.
func (r *revisions[T]) releaseName(name, id string) *action {
	a := removeItem(r.table, r.noun.claimKey(name))
	return a.only(either(a.is(attrID, nil), a.is(attrBody, text(claimBody(id)))), func(item) error { return foreignClaim{} })
}

// heir takes over a claim whose holder no longer bears the name, as happens
// where the older service renamed or deleted it.
type heir struct {
	claim  item   // as it stands
	holder string // who it names; empty: nobody
}

// inherit looks whether the holder of a claim still bears the name. If so, it
// returns the TakenError.
func (r *revisions[T]) inherit(ctx context.Context, name string, claim item) (*heir, error) {
	h := &heir{claim: claim, holder: holderOf(claim)}
	if h.holder == "" {
		return h, nil
	}
	it, err := r.store.item(ctx, r.table, h.holder)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if r.noun.isCurrent(it) {
		row := &reader{item: it}
		if row.text(attrName) == name {
			return nil, r.noun.claimed(name, h.holder)
		}
	}
	return h, nil
}

// holderStaysGone holds the take-over of a claim to what it is based on: the
// holder could take its old name again meanwhile.
func (r *revisions[T]) holderStaysGone(h *heir, name string) *action {
	a := checkItem(r.table, h.holder)
	when := either(
		a.is(attrID, nil), a.compare(attrDataType, "<>", text(r.noun.current())), a.compare(attrName, "<>", text(name)),
	)
	return a.only(when, func(item) error { return claimHeld{h.claim} })
}
