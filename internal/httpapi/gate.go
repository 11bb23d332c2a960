package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// gates lets a call through to its handler, in this order: proof, CSRF token,
// maintenance mode. What the caller may do is asked by the use case. A call that
// was sent elsewhere instead has been answered.
func (c *call) gates() error {
	if c.route.access == everybody {
		return nil
	}
	principal, err := c.s.chain.Authenticate(c.r)
	if err := c.s.tokenFailures.Judged(c.caller.Client, err); err != nil {
		return c.turnAway(err)
	}
	c.caller.Principal = principal
	if c.route.body == formBody {
		if err := c.readForm(); err != nil {
			return err
		}
	}
	if principal.Ambient {
		if err := c.keepSession(); err != nil {
			return err
		}
	}
	if c.route.maintenance && c.s.readOnly() {
		return fault.New(fault.ReadOnly, "Server in maintenance mode.")
	}
	return nil
}

// keepSession keeps the session of a browser alive and, on routes that change
// something, wants the token that only our own pages can read. The cookies go
// with whatever is answered, refusals too.
func (c *call) keepSession() error {
	session, err := c.s.sessions.Load(c.r, c.caller.Principal)
	if err != nil {
		return err
	}
	if err := c.s.sessions.Extend(c, c.r, session); err != nil {
		return err
	}
	c.session = session
	if c.route.csrf {
		return c.s.sessions.CheckCSRF(c.r, session)
	}
	return nil
}

// turnAway answers a call without a proof that holds. A visitor of a page is
// sent to where one can log in.
func (c *call) turnAway(err error) error {
	if c.route.access != visitor || !fault.Is(err, fault.Unauthenticated) {
		return err
	}
	if !errors.Is(err, authn.ErrNoProof) {
		c.recordRefusal(err)
	}
	c.sendToLogin()
	return nil
}

// sendToLogin sends a visitor to where one can log in, and from there back to
// the page that was asked for. A fragment is not sent anywhere: the page that it
// would be a part of is.
func (c *call) sendToLogin() {
	if c.r.URL.Path == "/" {
		c.redirect(http.StatusFound, "/loggedout")
		return
	}
	to := func(next string) string { return "/login?next=" + url.QueryEscape(next) }
	if c.r.Header.Get("HX-Request") == "true" {
		next := "/"
		if page, err := url.Parse(c.r.Header.Get("HX-Current-URL")); err == nil {
			next = authn.LocalPath(page.RequestURI())
		}
		c.Header().Set("HX-Redirect", to(next))
		c.sendEmpty(http.StatusUnauthorized)
		return
	}
	if c.r.Method == http.MethodPost { // what a form sent is gone; the page with the form is not
		c.redirect(http.StatusSeeOther, to(c.r.URL.EscapedPath()))
		return
	}
	c.redirect(http.StatusFound, to(c.r.URL.RequestURI()))
}

// recordRefusal records a call that ended before a use case could. A refusal
// needs no record to stand, so a log that takes none changes nothing; that it
// does not is told by everything else.
func (c *call) recordRefusal(err error) {
	e := c.entry(string(c.route.action))
	e.ResourceType = string(c.route.resource)
	e.ResourceID = c.param("id")
	e.Info = map[string]any{"route": c.route.label(), "error": failureFor(err).words}
	ctx := context.WithoutCancel(c.ctx()) // who has gone away already is recorded too
	if c.caller.Name == "" {
		e.Action = "authenticate"
		c.s.refusals.Record(ctx, e)
		return
	}
	if _, err := c.s.audit.Append(ctx, e); err != nil {
		c.s.log.ErrorContext(ctx, "a refused call is not recorded", "error", err)
	}
}

// entry begins the audit record of this call.
func (c *call) entry(action string) audit.Entry {
	e := audit.Entry{
		Phase:         audit.Done,
		Action:        action,
		User:          c.caller.Name,
		UserType:      string(c.caller.Type),
		Administrator: c.caller.Administrator,
		RequestID:     c.caller.RequestID,
		Door:          c.caller.Door,
		Duration:      c.s.now().Sub(c.start),
	}
	if c.caller.Client.IsValid() {
		e.Client = c.caller.Client.String()
	}
	return e
}
