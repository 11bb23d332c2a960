package httpapi

import (
	"cmp"
	"net/http"
	"net/url"

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

func leaverOf(flow authn.LoginFlow) authn.Leaver {
	leaver, _ := flow.(authn.Leaver)
	return leaver
}

// logIn hands the request to the log-in flow, if that has such a step. Where it
// ends the log-in, the session starts once it is on record.
func logIn(c *call) error {
	if c.r.Method == http.MethodHead {
		chi.RouteContext(c.ctx()).RouteMethod = http.MethodGet
	}
	if err := c.hasStep(); err != nil || c.status != 0 {
		return err
	}
	if form := c.route.method == http.MethodGet && !isAPI(c.r.URL.Path); !form {
		if err := c.s.loginFailures.Allow(c.caller.Client); err != nil {
			return err
		}
	}
	c.Header()["Content-Type"] = valueHTML // keeps redirects without a body
	c.s.login.ServeHTTP(c, c.r)
	if c.login == nil { // a form, or sent on to the next step
		if c.Header().Get("Set-Cookie") != "" {
			c.s.loginFailures.Begun(c.caller.Client) // the browser's half of what is kept here
		}
		return nil
	}
	id, err := c.login.identity, c.s.loginFailures.Judged(c.caller.Client, c.login.err)
	if err == nil {
		c.caller.Principal = id.Principal
		err = c.s.sessions.Admits(id)
	}
	if err != nil {
		return err
	}
	if err := c.record("login"); err != nil {
		return err
	}
	return c.s.sessions.LogIn(c, c.r, id)
}

// hasStep refuses a step that the flow in use does not have. Who looks for the
// form is shown the way to the log-in that there is.
func (c *call) hasStep() error {
	path := c.r.URL.Path
	switch {
	case c.s.login == nil && path == "/v1/login":
		return fault.New(fault.Unavailable, c.s.loginMissing)
	case c.s.login != nil && c.s.login.Match(chi.NewRouteContext(), c.route.method, path):
		return nil
	case path == "/login" && c.route.method == http.MethodGet:
		to := url.URL{Path: "/v1/login", RawQuery: c.r.URL.RawQuery} // which names the page to come back to
		c.redirect(http.StatusFound, to.String())
		return nil
	default:
		return errNoSuchPath
	}
}

// loggedOut ends the session, if the visitor has one, and says good-bye, the
// identity provider's way first if it takes part.
func loggedOut(c *call) error {
	next, err := c.leave()
	if err != nil {
		return err
	}
	if next == "" {
		return c.s.pages.LoggedOut(c)
	}
	c.redirect(http.StatusFound, next)
	return nil
}

// leave ends the session, if the visitor has one, and returns where the log-out
// goes on; "" if it is over.
func (c *call) leave() (next string, err error) {
	p, err := c.s.chain.Authenticate(c.r)
	if fault.Is(err, fault.Denied) { // no longer admitted, but free to go
		c.s.sessions.End(c, c.r)
		return "", nil
	}
	if err != nil || !p.Ambient {
		return "", nil
	}
	c.caller.Principal = p
	session, err := c.s.sessions.Load(c.r, p)
	if err != nil {
		return "", err
	}
	if err := c.record("logout"); err != nil {
		return "", err
	}
	c.s.sessions.End(c, c.r)
	if leaver := c.s.leaver; leaver != nil && session.Provider() != "" {
		return leaver.Leave(c.r, session.Provider())
	}
	return "", nil
}

// samlLogout begins a log-out, or takes what the identity provider sends about
// one.
func samlLogout(c *call) error {
	if c.s.leaver == nil {
		return errNoSuchPath
	}
	query := c.r.URL.Query()
	begins := !query.Has("SAMLRequest") && !query.Has("SAMLResponse")
	next, err := c.leave()
	if err != nil {
		return err
	}
	if !begins {
		if next, err = c.s.leaver.Left(c.r); err != nil {
			return err
		}
	}
	c.handedOver = true
	c.redirect(http.StatusFound, cmp.Or(next, "/loggedout"))
	return nil
}

// samlDebug refuses to show what the session holds, whatever SAML_DEBUG says.
func samlDebug(c *call) error {
	if c.s.leaver == nil {
		return errNoSuchPath
	}
	return fault.New(fault.Denied, "There is no debug page.")
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
