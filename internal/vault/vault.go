// Package vault holds the use cases on credentials, blind credentials and
// services. Every call is judged by the policy before anything is opened or
// told, recorded in the audit log before plaintext leaves or anything changes,
// and only then carried out. It knows no transport, no store in particular and
// no key: it speaks to interfaces, and turns what they answer into faults.
package vault

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Sealer seals and opens the pairs of a credential, whose base id is bound
// into the sealed form.
type Sealer interface {
	// Seal returns plaintext sealed under a fresh data key.
	Seal(ctx context.Context, id string, plaintext []byte) (sealed.Value, error)

	// Open returns the plaintext, which then belongs to the caller. An error
	// that is or wraps keyring.ErrUnavailable says that the key could not be
	// reached; any other one that the value does not open.
	Open(ctx context.Context, id string, v sealed.Value) ([]byte, error)
}

// Metrics takes the names that the older service reported to statsd.
type Metrics interface {
	Time(name string, since time.Time)
	Count(name string, n int)
}

// Rules are the settings that decide what is allowed.
type Rules struct {
	IgnoreConflicts      bool // services may map several credentials with the same key name
	EnforceDocumentation bool // credentials need a documentation text
	SaveLastDecrypted    bool // note when a person last saw the pairs
	StoreKeyNames        bool // keep key names in clear beside sealed pairs
	ListFilter           bool // judge each row of a list by the action metadata
	AuditFailOpen        bool // go on when the audit log takes no record
	Rotation             credential.Rotation
	Accounts             []string // that a service may be scoped to
}

// Dependencies are what a Vault works with.
type Dependencies struct {
	Store    store.Store
	Sealer   Sealer
	Policy   authz.Policy
	Audit    audit.Log
	Events   event.Publisher
	ReadOnly func() bool // whether maintenance mode is on now
	Metrics  Metrics     // nil: none
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
	Random   io.Reader        // nil: crypto/rand
	Rules    Rules
}

// Vault carries out the use cases. It is safe for concurrent use.
type Vault struct {
	store    store.Store
	sealer   Sealer
	policy   authz.Policy
	audit    audit.Log
	events   event.Publisher
	readOnly func() bool
	metrics  Metrics
	log      *slog.Logger
	now      func() time.Time
	random   io.Reader
	rules    Rules

	near atomic.Bool // the store answered the last time as one does that is nearby
}

// New returns a Vault. It returns an error that names the dependencies that
// are missing.
func New(d Dependencies) (*Vault, error) {
	var missing []error
	need := func(name string, absent bool) {
		if absent {
			missing = append(missing, errors.New("vault: no "+name))
		}
	}
	need("store", d.Store == nil)
	need("sealer", d.Sealer == nil)
	need("policy", d.Policy == nil)
	need("audit log", d.Audit == nil)
	need("event publisher", d.Events == nil)
	need("maintenance mode", d.ReadOnly == nil)
	need("logger", d.Log == nil)
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	v := &Vault{
		store: d.Store, sealer: d.Sealer, policy: d.Policy, audit: d.Audit, events: d.Events,
		readOnly: d.ReadOnly, metrics: d.Metrics, log: d.Log, now: d.Now, random: d.Random, rules: d.Rules,
	}
	if v.metrics == nil {
		v.metrics = noMetrics{}
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.random == nil {
		v.random = rand.Reader
	}
	return v, nil
}

type noMetrics struct{}

func (noMetrics) Time(string, time.Time) {}
func (noMetrics) Count(string, int)      {}
