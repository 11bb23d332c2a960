// Package local lets people with a local account log in with a browser: a form
// for name and password, a second one for the one-time code of accounts that
// want one, and the form of the first run that makes the first account. It knows
// forms and how often somebody may try; what an account is and which password or
// code is good is the business of package account, how a page looks that of
// whoever renders them.
package local

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authz"
)

// Accounts is what is asked of the local accounts.
type Accounts interface {
	VerifyPassword(ctx context.Context, name string, password account.Secret) (account.Account, error)
	VerifyCode(ctx context.Context, name string, generation int64, code account.Secret) (account.Account, error)
	Spelling(name string) string
	Empty() bool
	CheckSetup(ctx context.Context, token account.Secret) error
	SetUp(ctx context.Context, from authz.Caller, token account.Secret, in account.NewAccount) (account.Account, error)
}

// Pages writes the pages of a log-in, each with a status.
type Pages interface {
	Login(w http.ResponseWriter, status int, page authn.LoginPage) error
	LoginCode(w http.ResponseWriter, status int, page authn.LoginCodePage) error
	Setup(w http.ResponseWriter, status int, page authn.SetupPage) error
}

// Options is what Local needs.
type Options struct {
	Accounts   Accounts
	Challenges *authn.Challenges
	Pages      Pages
	// ClientAddr returns the address that a request comes from; zero if it has
	// none.
	ClientAddr func(*http.Request) netip.Addr
	// Refused is told of each attempt that fails and is answered with a form:
	// whose account it was about, "" unless there is one of that name, since
	// people type passwords there by mistake, and why it failed. It is not told
	// of fields that are empty or break a rule.
	Refused func(r *http.Request, name string, cause error)
	// Origins are origins, as in https://confidant.example.com, that count as our
	// own beside the request's host: those of proxies that change the host.
	Origins []string
	Now     func() time.Time // nil: time.Now
}

// Local is the log-in with a local account.
type Local struct {
	Options
	sameSite *http.CrossOriginProtection
	throttle *throttle
}

var _ authn.LoginFlow = (*Local)(nil)

// New returns the log-in.
func New(o Options) (*Local, error) {
	if o.Accounts == nil || o.Challenges == nil || o.Pages == nil || o.ClientAddr == nil || o.Refused == nil {
		return nil, errors.New("local log-in needs accounts, challenges, pages, client addresses and somebody to tell of refusals")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Local{Options: o, sameSite: http.NewCrossOriginProtection(), throttle: newThrottle(o.Now)}
	for _, origin := range o.Origins {
		if err := l.sameSite.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Name implements authn.LoginFlow.
func (l *Local) Name() string { return authn.LocalMethod }

// Mount implements authn.LoginFlow.
func (l *Local) Mount(router chi.Router, done authn.Done) {
	router.Get("/v1/login", toForm)
	router.Post("/v1/login", toForm)
	step := func(take func(*visit) (authn.Identity, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			id, err := take(&visit{w, r})
			if !errors.Is(err, errAnswered) {
				done(w, r, id, err)
			}
		}
	}
	router.Get(loginPath, step(l.showLogin))
	router.Post(loginPath, step(l.posted(l.takeLogin)))
	router.Post(codePath, step(l.posted(l.takeCode)))
	router.Get(setupPath, step(l.showSetup))
	router.Post(setupPath, step(l.posted(l.takeSetup)))
}

// Where the forms are.
const (
	loginPath = "/login"
	codePath  = "/login/code"
	setupPath = "/setup"
)

// toForm sends the browser to the form.
func toForm(w http.ResponseWriter, r *http.Request) {
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	http.Redirect(w, r, withNext(loginPath, r.URL.Query().Get("next")), status)
}

// identity is who logged in.
func identity(a account.Account, next string) authn.Identity {
	return authn.Identity{
		Principal: authz.Principal{
			Type: authz.User, Name: a.Name, Method: authn.LocalMethod, Administrator: true, Ambient: true,
		},
		Generation: a.Generation,
		Next:       authn.LocalPath(next),
	}
}
