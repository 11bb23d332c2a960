// Package account keeps local accounts and API tokens: who may log in without
// an identity provider, which tokens are good, and since when older ones are
// not. Every change asks the policy and is audited here.
//
// It knows no HTTP and no command line, and it stores tokens nowhere: a token
// carries its own claims, and only moments of revocation are kept.
//
// # Memory and store
//
// Requests never wait for the store. Each process holds all accounts and
// revocations in memory (state) and polls one document, the version document,
// for news. Whoever changes something writes the change first and then that
// document, so a process that sees an old version has at worst old news, and
// one that sees the new version finds the change. See state.go.
package account

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/mail"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Account is a local account. An enabled one is an administrator.
type Account struct {
	Name        string // as it was given; unique without regard to case
	Email       string // may be empty
	Enabled     bool
	HasPassword bool // false: the account is good for API tokens alone
	// TOTP says that a log-in needs a one-time code too, and RecoveryCodes how
	// many codes are left that replace one.
	TOTP          bool
	RecoveryCodes int
	Created       time.Time
	Modified      time.Time
	// TokensValidAfter is a whole second; API tokens issued before it are
	// refused. Zero: none are.
	TokensValidAfter time.Time
	// Generation moves whenever the account's sessions end: with a new password,
	// when one-time codes are no longer asked for, and when it is disabled. No two
	// accounts that ever bore one name share a generation.
	Generation int64
}

// Options is what Accounts needs.
type Options struct {
	Documents     store.Documents
	Services      store.Reader[service.Service]
	Policy        authz.Policy
	Audit         audit.Log
	AuditFailOpen bool // go on without an audit record
	Log           *slog.Logger

	// TokenSecret is what the key of API tokens is derived from, at least 32
	// bytes. Nil: no token is made, none is accepted.
	TokenSecret []byte
	// Secrets seals the seeds of one-time codes. Nil: they cannot be set up, and
	// who has them cannot log in.
	Secrets keyring.Keyring
	// AdminUsers are the e-mail addresses of administrators without an account.
	AdminUsers []string
	// PollEvery is how often the version document is read, and with that how
	// late a change made by another process is noticed.
	PollEvery time.Duration
	// Follow loads what else the version document stands for; nil: nothing does.
	// Run calls it whenever that has moved.
	Follow func(context.Context) error
	// Hash is the cost of a password; zero: DefaultHash.
	Hash Hash

	Now    func() time.Time // nil: time.Now
	Random io.Reader        // nil: crypto/rand
}

// Accounts is the room of accounts and API tokens. It is safe for concurrent
// use. Refresh must have succeeded once before it knows anybody.
type Accounts struct {
	documents     store.Documents
	services      store.Reader[service.Service]
	policy        authz.Policy
	log           *slog.Logger
	audit         audit.Log
	auditFailOpen bool
	secrets       keyring.Keyring // nil: there are no one-time codes
	admins        map[string]bool // by folded e-mail
	pollEvery     time.Duration
	follow        func(context.Context) error
	passwords     *passwords
	now           func() time.Time
	random        io.Reader

	tokenKey []byte // nil: there are no tokens
	verified *lru.Cache[[sha256.Size]byte, *claims]

	refreshing sync.Mutex // one load at a time, so that an older one cannot replace a newer
	followed   int        // version at which follow succeeded; guarded by refreshing
	state      atomic.Pointer[state]
}

// minTokenSecret is the least length of Options.TokenSecret in bytes.
const minTokenSecret = 32

// verifiedTokens bounds the memory of verified tokens; an entry takes less than
// a kilobyte.
const verifiedTokens = 4096

// New returns the room, which knows nobody yet.
func New(o Options) (*Accounts, error) {
	switch {
	case o.Documents == nil, o.Services == nil, o.Policy == nil, o.Audit == nil, o.Log == nil:
		return nil, errors.New("accounts need documents, services, a policy, an audit log and a log")
	case o.PollEvery <= 0:
		return nil, errors.New("accounts need a positive poll interval")
	case o.TokenSecret != nil && len(o.TokenSecret) < minTokenSecret:
		return nil, fmt.Errorf("the secret of API tokens must have at least %d bytes", minTokenSecret)
	}
	a := &Accounts{
		documents:     o.Documents,
		services:      o.Services,
		policy:        o.Policy,
		log:           o.Log,
		audit:         o.Audit,
		auditFailOpen: o.AuditFailOpen,
		secrets:       o.Secrets,
		admins:        make(map[string]bool, len(o.AdminUsers)),
		pollEvery:     o.PollEvery,
		follow:        o.Follow,
		now:           o.Now,
		random:        o.Random,
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.random == nil {
		a.random = rand.Reader
	}
	if a.follow == nil {
		a.follow = func(context.Context) error { return nil }
	}
	for _, email := range o.AdminUsers {
		a.admins[strings.ToLower(email)] = true
	}
	var err error
	if a.passwords, err = newPasswords(o.Hash, a.random); err != nil {
		return nil, err
	}
	if a.verified, err = lru.New[[sha256.Size]byte, *claims](verifiedTokens); err != nil {
		return nil, fmt.Errorf("making the cache of verified tokens: %w", err)
	}
	if o.TokenSecret != nil {
		if a.tokenKey, err = hkdf.Key(sha256.New, o.TokenSecret, nil, "confidant api token v1", sha256.Size); err != nil {
			return nil, fmt.Errorf("deriving the key of API tokens: %w", err)
		}
	}
	return a, nil
}

// Generation returns the generation of the enabled local account of a name. It
// does no I/O.
func (a *Accounts) Generation(name string) (int64, bool) {
	s := a.state.Load()
	if s == nil {
		return 0, false
	}
	r, ok := s.accounts[fold(name)]
	if !ok || !r.Enabled {
		return 0, false
	}
	return r.Generation, true
}

// Spelling returns a name as its account spells it; empty if there is no such
// account. It does no I/O.
func (a *Accounts) Spelling(name string) string {
	s := a.state.Load()
	if s == nil {
		return ""
	}
	return s.accounts[fold(name)].Name
}

// SessionsSince returns the moment before which every browser session has
// ended; zero: none has.
func (a *Accounts) SessionsSince() time.Time {
	if s := a.state.Load(); s != nil {
		return s.sessions
	}
	return time.Time{}
}

// ListedAdministrator reports whether an e-mail address stands in ADMIN_USERS.
func (a *Accounts) ListedAdministrator(email string) bool {
	return a.admins[strings.ToLower(email)]
}

// fold returns the form of a name under which accounts are unique. Names are
// ASCII.
func fold(name string) string { return strings.ToLower(name) }

// CheckName holds names of accounts and of those who bear a token to 1 to 128
// of A-Z, a-z, 0-9, ".", "_", "@", "-". Invalid: it breaks the rule.
func CheckName(name string) error {
	if len(name) < 1 || len(name) > 128 {
		return fault.New(fault.Invalid, "A name has 1 to 128 characters.")
	}
	for _, c := range []byte(name) {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte("._@-", c) >= 0:
		default:
			return fault.New(fault.Invalid, "A name consists of A-Z, a-z, 0-9, dot, underscore, at sign and dash.")
		}
	}
	return nil
}

func checkEmail(email string) error {
	if email == "" {
		return nil
	}
	if parsed, err := mail.ParseAddress(email); err != nil || parsed.Address != email || len(email) > 254 {
		return fault.New(fault.Invalid, "The e-mail address is not one.")
	}
	return nil
}
