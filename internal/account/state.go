package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Documents of this room. The version document is read consistently, never
// through an index; it is written after every change.
const (
	kindAccount     = "account"     // id: folded name; body: accountBody
	kindRevocations = "revocations" // id: current; body: revocationsBody
	kindVersion     = "version"     // id: access; body: versionBody

	idCurrent = "current"
	idAccess  = "access"
)

// versionBody is the body of the version document. The document's version is
// what is polled. Its body names the accounts changed last: a store may list
// documents with a delay, and those are read one by one, which is exact.
type versionBody struct {
	Accounts []string `json:"accounts"` // folded names, last changed first, at most recentAccounts
}

const recentAccounts = 16

// reloadEvery bounds how long news may be missed that were written but not
// announced, because the process died between the two writes.
const reloadEvery = time.Minute

// pollTimeout bounds one poll, so that a store that hangs is noticed.
const pollTimeout = 10 * time.Second

// accountBody is the stored form of an account.
type accountBody struct {
	Name             string    `json:"name"`
	Email            string    `json:"email"`
	PasswordHash     string    `json:"password_hash,omitempty"`
	Enabled          bool      `json:"enabled"`
	Created          time.Time `json:"created"`
	Modified         time.Time `json:"modified"`
	TokensValidAfter time.Time `json:"tokens_valid_after,omitzero"`
	Generation       int64     `json:"generation"`
	TOTP             *totpBody `json:"totp,omitempty"`
}

// record is an account with what nobody is shown and its document's version.
type record struct {
	Account
	hash    string
	totp    *totpBody // immutable; nil: a password is enough
	version int
}

func (r record) document() (store.Document, error) {
	body, err := json.Marshal(accountBody{
		Name: r.Name, Email: r.Email, PasswordHash: r.hash, Enabled: r.Enabled,
		Created: r.Created, Modified: r.Modified, TokensValidAfter: r.TokensValidAfter, Generation: r.Generation, TOTP: r.totp,
	})
	if err != nil {
		return store.Document{}, fmt.Errorf("encoding an account: %w", err)
	}
	return store.Document{Kind: kindAccount, ID: fold(r.Name), Body: body}, nil
}

func readRecord(d *store.Document) (record, error) {
	b := accountBody{}
	if err := json.Unmarshal(d.Body, &b); err != nil {
		return record{}, fmt.Errorf("reading account %q: %w", d.ID, err)
	}
	if fold(b.Name) != d.ID {
		return record{}, fmt.Errorf("reading account %q: it bears the name %q", d.ID, b.Name)
	}
	r := record{
		Account: Account{
			Name: b.Name, Email: b.Email, Enabled: b.Enabled, HasPassword: b.PasswordHash != "",
			Created: b.Created, Modified: b.Modified, TokensValidAfter: b.TokensValidAfter, Generation: b.Generation,
		},
		hash:    b.PasswordHash,
		version: d.Version,
	}
	r.setTOTP(b.TOTP)
	return r, nil
}

// setTOTP puts one-time codes, or none, into a record.
func (r *record) setTOTP(t *totpBody) {
	r.totp, r.TOTP, r.RecoveryCodes = t, t != nil, 0
	if t != nil {
		r.RecoveryCodes = len(t.Recovery)
	}
}

// state is all that a process knows. It is immutable; news replace it whole.
type state struct {
	version  int       // of the version document; 0: there is none
	loaded   time.Time // when loading began
	accounts map[string]record
	revoked  revoked
	sessions time.Time // those that began before have ended
}

// known returns what is known, or Unavailable before the first Refresh.
func (a *Accounts) known() (*state, error) {
	s := a.state.Load()
	if s == nil {
		return nil, fault.New(fault.Unavailable, "Accounts are not loaded yet.")
	}
	return s, nil
}

// Refresh loads accounts and revocations. What it returned before is known when
// it returns.
func (a *Accounts) Refresh(ctx context.Context) error {
	a.refreshing.Lock()
	defer a.refreshing.Unlock()
	version, body, err := a.readVersion(ctx)
	if err != nil {
		return err
	}
	return a.load(ctx, version, body)
}

// Run polls for news until the context ends. A poll that fails is logged, once
// until polls succeed again, and what was known stays known.
func (a *Accounts) Run(ctx context.Context) {
	tick := time.NewTicker(a.pollEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := a.poll(ctx)
		switch {
		case err == nil && failing:
			a.log.Info("accounts and policies are up to date again")
		case err != nil && !failing && ctx.Err() == nil:
			a.log.Error("accounts and policies cannot be brought up to date", "error", err)
		}
		failing = err != nil
	}
}

// Settled waits until every other process has noticed what was changed before.
func (a *Accounts) Settled(ctx context.Context) error {
	return sleep(ctx, a.pollEvery+max(a.pollEvery/5, 50*time.Millisecond))
}

func (a *Accounts) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	a.refreshing.Lock()
	defer a.refreshing.Unlock()
	version, body, err := a.readVersion(ctx)
	if err != nil {
		return err
	}
	var errs error
	s := a.state.Load()
	old := s != nil && a.now().Sub(s.loaded) >= reloadEvery
	if s == nil || s.version != version || old {
		errs = a.load(ctx, version, body)
	}
	if a.followed != version || old {
		if err := a.follow(ctx); err != nil {
			return errors.Join(errs, err)
		}
		a.followed = version
	}
	return errs
}

// load reads everything. The version was read before, so a change made
// meanwhile is at worst loaded twice.
func (a *Accounts) load(ctx context.Context, version int, recent versionBody) error {
	s := &state{version: version, loaded: a.now(), accounts: map[string]record{}}
	listed, err := a.documents.List(ctx, kindAccount, revision.Page{})
	if err != nil {
		return fmt.Errorf("listing accounts: %w", err)
	}
	for _, d := range listed.Items {
		if s.accounts[d.ID], err = readRecord(d); err != nil {
			return err
		}
	}
	for _, id := range recent.Accounts {
		r, err := a.read(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			delete(s.accounts, id)
		case err != nil:
			return err
		default:
			s.accounts[id] = r
		}
	}
	revocations, _, err := a.readRevocations(ctx)
	if err != nil {
		return err
	}
	s.revoked, s.sessions = newRevoked(revocations), revocations.Sessions
	a.state.Store(s)
	return nil
}

// read reads one account from the store. store.ErrNotFound: there is none.
func (a *Accounts) read(ctx context.Context, name string) (record, error) {
	d, err := a.documents.Get(ctx, kindAccount, fold(name))
	if err != nil {
		return record{}, fmt.Errorf("reading account %q: %w", fold(name), err)
	}
	return readRecord(d)
}

func (a *Accounts) readVersion(ctx context.Context) (int, versionBody, error) {
	b := versionBody{}
	version, err := a.readDocument(ctx, kindVersion, idAccess, &b)
	return version, b, err
}

// readDocument decodes a document that need not exist and returns its version,
// 0 if it does not.
func (a *Accounts) readDocument(ctx context.Context, kind, id string, body any) (int, error) {
	d, err := a.documents.Get(ctx, kind, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("reading document %s/%s: %w", kind, id, err)
	}
	if err := json.Unmarshal(d.Body, body); err != nil {
		return 0, fmt.Errorf("reading document %s/%s: %w", kind, id, err)
	}
	return d.Version, nil
}

// writeDocument writes a document if it is still at version expect.
func (a *Accounts) writeDocument(ctx context.Context, kind, id string, body any, expect int) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding document %s/%s: %w", kind, id, err)
	}
	if _, err := a.documents.Put(ctx, store.Document{Kind: kind, ID: id, Body: text}, expect); err != nil {
		return fmt.Errorf("writing document %s/%s: %w", kind, id, err)
	}
	return nil
}

// Announce lets every process know that something changed that the version
// document stands for beside accounts.
func (a *Accounts) Announce(ctx context.Context) error { return a.announce(ctx) }

// announce moves the version document, after a change has been stored. names are
// the accounts that changed; empty ones are none.
func (a *Accounts) announce(ctx context.Context, names ...string) error {
	return retryStale(func() error {
		version, body, err := a.readVersion(ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			id := fold(name)
			if id == "" {
				continue
			}
			others := slices.DeleteFunc(body.Accounts, func(other string) bool { return other == id })
			body.Accounts = slices.Insert(others, 0, id)
			body.Accounts = body.Accounts[:min(len(body.Accounts), recentAccounts)]
		}
		return a.writeDocument(ctx, kindVersion, idAccess, body, version)
	})
}

// staleRetries is how often a read-and-write is tried again because somebody
// else wrote between. Changes are rare, so this many in a row are not met.
const staleRetries = 10

func retryStale(try func() error) error {
	for attempt := 1; ; attempt++ {
		err := try()
		if attempt == staleRetries || !errors.Is(err, store.ErrStale) {
			return err
		}
	}
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
