package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Documents of the first run. A link is a document of its own, so that whatever
// process a browser reaches knows it. The claim, of which there is one, lets a
// single account be made with links, however many there are.
const (
	kindChallenge = "challenge" // id: linkID(token); body: linkBody; expires
	kindSetup     = "setup"     // id: first; body: claimBody

	idFirst = "first"
)

type linkBody struct {
	Step string `json:"step"`
}

// claimBody says who makes the first account, and until when nobody else may try.
type claimBody struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until"`
}

const (
	setupLife  = 15 * time.Minute
	tokenBytes = 32
	tokenText  = 43 // the same in base64url

	// Whoever has the claim has stopped writing when it ends, by more than what
	// clocks differ by.
	claimLife    = time.Minute
	setupTimeout = 50 * time.Second
)

var (
	errLink = fault.New(fault.Unauthenticated,
		"The link for making the first account is not good, or no longer: it works once, for 15 minutes, while there is no account.")
	errRival = fault.New(fault.Stale, "Somebody is making the first account at this moment. Try again in a minute.")
)

// Empty reports whether it is known that there is no account. It does no I/O.
func (a *Accounts) Empty() bool {
	s := a.state.Load()
	return s != nil && len(s.accounts) == 0
}

// SetupLink returns the token of a new link that makes the first account within
// 15 minutes; empty if there are accounts. Only its hash is stored.
func (a *Accounts) SetupLink(ctx context.Context) (Secret, error) {
	if err := a.Refresh(ctx); err != nil {
		return "", storeFault(err)
	}
	if !a.Empty() {
		return "", nil
	}
	raw := make([]byte, tokenBytes)
	if _, err := io.ReadFull(a.random, raw); err != nil {
		return "", fmt.Errorf("making a set-up link: %w", err)
	}
	token := Secret(base64.RawURLEncoding.EncodeToString(raw))
	body, err := json.Marshal(linkBody{Step: kindSetup})
	if err != nil {
		return "", fmt.Errorf("encoding a set-up link: %w", err)
	}
	_, err = a.documents.Put(ctx, store.Document{
		Kind: kindChallenge, ID: linkID(token), Body: body, Expires: a.now().Add(setupLife),
	}, 0)
	if err != nil {
		return "", storeFault(fmt.Errorf("storing a set-up link: %w", err))
	}
	return token, nil
}

func linkID(token Secret) string {
	sum := sha256.Sum256([]byte(token))
	return "setup-" + hex.EncodeToString(sum[:])
}

// CheckSetup says whether a link is good. Unauthenticated: it is not, or there is
// an account. Unavailable: that cannot be told.
func (a *Accounts) CheckSetup(ctx context.Context, token Secret) error {
	_, err := a.link(ctx, token)
	return err
}

// link finds the document of a link.
func (a *Accounts) link(ctx context.Context, token Secret) (*store.Document, error) {
	if _, err := a.known(); err != nil {
		return nil, err
	}
	if len(token) != tokenText || !a.Empty() {
		return nil, errLink
	}
	d, err := a.documents.Get(ctx, kindChallenge, linkID(token))
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !a.now().Before(d.Expires):
		return nil, errLink
	case err != nil:
		return nil, storeFault(fmt.Errorf("reading a set-up link: %w", err))
	}
	return d, nil
}

// SetUp makes the first account, with a password, for who has a link. from tells
// where the request came from; who sends it is nobody yet, so the record names
// the set-up as an operator's act. It fails as CheckSetup does, and with Invalid
// if name, address or password break a rule, and Stale if somebody else is about
// to do the same.
func (a *Accounts) SetUp(ctx context.Context, from authz.Caller, token Secret, in NewAccount) (Account, error) {
	link, err := a.link(ctx, token)
	if err != nil {
		return Account{}, err
	}
	if in.Password == nil {
		in.Password = new(Secret) // too short
	}
	from.Principal = authz.Principal{Type: authz.Operator, Name: "setup", Method: "setup"}
	op := about(authz.Update, in.Name, "add accounts", map[string]any{"operation": "setup"})
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	added, err := a.add(ctx, from, op, in, func(ctx context.Context) error { return a.claimFirst(ctx, in.Name) })
	if err != nil {
		return Account{}, err
	}
	// The account makes the link useless; should it be deleted at once, the link
	// must not come to life again.
	err = a.documents.Delete(context.WithoutCancel(ctx), link.Kind, link.ID, link.Version)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		a.log.WarnContext(ctx, "the used set-up link stays until it expires", "error", err)
	}
	return added, nil
}

// claimFirst makes sure that there is no account and that nobody else makes one
// with a link. Lists may lag behind, so the account of a claim before is looked
// at by itself.
func (a *Accounts) claimFirst(ctx context.Context, name string) error {
	before := claimBody{}
	version, err := a.readDocument(ctx, kindSetup, idFirst, &before)
	if err != nil {
		return err
	}
	if version > 0 {
		switch _, err := a.read(ctx, before.Name); {
		case err == nil:
			return errLink
		case !errors.Is(err, store.ErrNotFound):
			return err
		case a.now().Before(before.Until):
			return errRival
		}
	}
	err = a.writeDocument(ctx, kindSetup, idFirst, claimBody{fold(name), a.now().Add(claimLife).UTC()}, version)
	if errors.Is(err, store.ErrStale) {
		return errRival
	}
	if err != nil {
		return err
	}
	if err := a.Refresh(ctx); err != nil {
		return err
	}
	if !a.Empty() {
		return errLink
	}
	return nil
}
