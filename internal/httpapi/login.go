package httpapi

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// login is how a log-in ended.
type login struct {
	identity authn.Identity
	err      error
}

// newLogin returns the router of the log-in flow, nil without a flow.
func newLogin(flow authn.LoginFlow) *chi.Mux {
	if flow == nil {
		return nil
	}
	mux := chi.NewRouter()
	flow.Mount(mux, func(w http.ResponseWriter, _ *http.Request, id authn.Identity, err error) {
		w.(*call).login = &login{id, err}
	})
	return mux
}

// logIn hands the request to the log-in flow. Where that ends the log-in, the
// session starts once it is on record.
func logIn(c *call) error {
	if c.s.login == nil {
		return fault.New(fault.Unavailable, c.s.loginMissing)
	}
	if c.r.Method == http.MethodHead {
		chi.RouteContext(c.ctx()).RouteMethod = http.MethodGet
	}
	c.s.login.ServeHTTP(c, c.r)
	if c.login == nil {
		return nil // sent on to the next step
	}
	if c.login.err != nil {
		return c.login.err
	}
	c.caller.Principal = c.login.identity.Principal
	if err := c.record("login"); err != nil {
		return err
	}
	c.Header()["Content-Type"] = valueHTML // keeps the redirect without a body
	return c.s.sessions.LogIn(c, c.r, c.login.identity)
}

// loggedOut ends the session, if the visitor has one, and says good-bye.
func loggedOut(c *call) error {
	if p, err := c.s.chain.Authenticate(c.r); err == nil && p.Ambient {
		c.caller.Principal = p
		if err := c.record("logout"); err != nil {
			return err
		}
		c.s.sessions.End(c, c.r)
	}
	return c.s.pages.LoggedOut(c)
}

// record makes the record of an act that is no use case.
func (c *call) record(action string) error {
	c.handedOver = true
	e := c.entry(action)
	e.Success = true
	e.ResourceType, e.ResourceID = "session", c.caller.Name
	e.Info = map[string]any{"method": c.caller.Method}
	if _, err := c.s.audit.Append(c.ctx(), e); err != nil && !c.s.auditFailOpen {
		return fault.Wrap(fault.Unavailable, "The audit log does not take records.", err)
	}
	return nil
}
