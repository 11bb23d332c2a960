package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/telemetry"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// Metrics hears of every answer, and when its request came. The route is method
// and pattern, for example "GET /v1/services/{id}", or "none" for a path or a
// method that no route has.
type Metrics interface {
	Request(route string, status int, since time.Time)
}

// Settings are what clients are told by /v1/client_config and what pages of
// history are cut by.
type Settings struct {
	ClientConfig     json.RawMessage // "defined"; nil is an empty object
	ManageGrants     bool            // whether KMS grants are made for new services
	Accounts         []string        // that a service may be scoped to
	DefinedTags      []string        // tags that a rotation rule names
	HistoryPageLimit int             // usual size of a page of history; 0: all
}

// Options is what the transport works with. Everything without a remark is
// needed.
type Options struct {
	Vault *vault.Vault
	Pages Pages

	// Chain finds out who calls, Sessions keeps browsers logged in, Proxies tells
	// where a request comes from.
	Chain    authn.Chain
	Sessions *authn.Sessions
	Proxies  authn.Proxies
	// Login serves /v1/login. Without it nobody logs in with a browser, and
	// LoginMissing tells those who try what is missing.
	Login        authn.LoginFlow
	LoginMissing string
	// TokenFailures and LoginFailures limit how often a client may fail; nil: no
	// limit.
	TokenFailures, LoginFailures *authn.Failures

	// Audit takes the records of what is no use case, Refusals those of calls
	// without a proof that holds. AuditFailOpen lets people log in and out when
	// the log takes no record.
	Audit         audit.Log
	Refusals      *audit.Refusals
	AuditFailOpen bool

	// ReadOnly says whether maintenance mode is on now; Ready why the server
	// cannot do its work, nil if it can.
	ReadOnly func() bool
	Ready    func(context.Context) error

	Settings Settings

	// CustomDirectory holds the files under /custom/; empty: there are none.
	CustomDirectory string
	// SSLify sends plain HTTP to https and tells browsers to stay there.
	SSLify bool
	// BodyLimit is the longest body taken, in bytes; 0: 1 MiB.
	BodyLimit int64
	// Timeout is the longest time for one request; 0: 30 seconds.
	Timeout time.Duration

	Log     *slog.Logger
	Metrics Metrics          // nil: none
	Now     func() time.Time // nil: time.Now
	Random  io.Reader        // nil: crypto/rand
}

// server is the transport.
type server struct {
	vault           *vault.Vault
	pages           Pages
	chain           authn.Chain
	sessions        *authn.Sessions
	proxies         authn.Proxies
	login           *chi.Mux     // nil: nobody logs in
	leaver          authn.Leaver // nil: no identity provider takes part in log-outs
	loginMissing    string
	tokenFailures   *authn.Failures
	loginFailures   *authn.Failures
	audit           audit.Log
	refusals        *audit.Refusals
	auditFailOpen   bool
	readOnly        func() bool
	readiness       readinessCheck
	settings        Settings
	customDirectory string
	sslify          bool
	bodyLimit       int64
	timeout         time.Duration
	log             *slog.Logger
	metrics         Metrics
	now             func() time.Time
	random          io.Reader

	requestIDs  telemetry.RequestIDs
	router      *chi.Mux
	buffers     buffers
	compressors compressors
}

// New returns the transport, ready to serve, or an error that names what is
// missing.
func New(o Options) (http.Handler, error) {
	var missing []error
	need := func(name string, absent bool) {
		if absent {
			missing = append(missing, errors.New("httpapi: no "+name))
		}
	}
	need("vault", o.Vault == nil)
	need("pages", o.Pages == nil)
	need("authenticators", len(o.Chain) == 0)
	need("sessions", o.Sessions == nil)
	need("trusted proxies", o.Proxies.Trusted == nil)
	need("log-in, nor words why", o.Login == nil && o.LoginMissing == "")
	need("audit log", o.Audit == nil)
	need("log of refused proofs", o.Refusals == nil)
	need("maintenance mode", o.ReadOnly == nil)
	need("readiness", o.Ready == nil)
	need("logger", o.Log == nil)
	if c := o.Settings.ClientConfig; c != nil && !json.Valid(c) {
		missing = append(missing, errors.New("httpapi: what clients are told is not valid JSON"))
	}
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	s := &server{
		vault: o.Vault, pages: o.Pages,
		chain: o.Chain, sessions: o.Sessions, proxies: o.Proxies, login: newLogin(o.Login), loginMissing: o.LoginMissing,
		leaver: leaverOf(o.Login), tokenFailures: o.TokenFailures, loginFailures: o.LoginFailures,
		audit: o.Audit, refusals: o.Refusals, auditFailOpen: o.AuditFailOpen,
		readOnly: o.ReadOnly, settings: o.Settings, customDirectory: o.CustomDirectory, sslify: o.SSLify,
		bodyLimit: o.BodyLimit, timeout: o.Timeout,
		log: o.Log, metrics: o.Metrics, now: o.Now, random: o.Random,
	}
	s.settings.complete()
	if s.bodyLimit <= 0 {
		s.bodyLimit = 1 << 20
	}
	if s.timeout <= 0 {
		s.timeout = 30 * time.Second
	}
	if s.metrics == nil {
		s.metrics = noMetrics{}
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	s.requestIDs.Random = s.random
	s.readiness = readinessCheck{check: o.Ready, log: o.Log, now: s.now}
	table := routes()
	for _, r := range table {
		if r.page != "" && !s.pages.Has(r.page) {
			return nil, fmt.Errorf("httpapi: there is no page %q for %s", r.page, r.name)
		}
	}
	s.router = s.newRouter(table)
	return s, nil
}

// complete puts the settings into the form that they are told in.
func (s *Settings) complete() {
	if s.ClientConfig == nil {
		s.ClientConfig = json.RawMessage("{}")
	}
	s.Accounts = slices.Sorted(slices.Values(s.Accounts))
	s.DefinedTags = slices.Compact(slices.Sorted(slices.Values(s.DefinedTags)))
	// An empty list is told as one, not as null.
	if s.Accounts == nil {
		s.Accounts = []string{}
	}
	if s.DefinedTags == nil {
		s.DefinedTags = []string{}
	}
}

type noMetrics struct{}

func (noMetrics) Request(string, int, time.Time) {}
