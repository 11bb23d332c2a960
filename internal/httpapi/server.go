package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/telemetry"
)

// Content security policies: of answers that are data, and of pages and what
// belongs to them.
var (
	policyJSON = []string{"default-src 'none'; frame-ancestors 'none'"}
	policyPage = []string{"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}

	valueNoSniff    = []string{"nosniff"}
	valueXSS        = []string{"1; mode=block"}
	valueNoReferrer = []string{"no-referrer"}
	valueHSTS       = []string{"max-age=31536000"}
)

// ServeHTTP takes a request through every stage, in this order: request id,
// recovery and log line around all that follows; security headers; https;
// length of the body; deadline; routing; and, by the route's row in the table,
// proof, CSRF token, maintenance mode, handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := s.requestID(r)
	c := &call{s: s, w: w, r: r, client: telemetry.WithRequestID(r.Context(), id), start: s.now()}
	defer c.finish()
	c.caller.RequestID = id
	c.caller.Client = s.proxies.ClientAddr(r)
	c.caller.Door = "v1"

	h := w.Header()
	h["X-Request-Id"] = []string{id}
	h["X-Content-Type-Options"] = valueNoSniff
	h["X-Xss-Protection"] = valueXSS
	h["Referrer-Policy"] = valueNoReferrer
	if isAPI(r.URL.Path) {
		h["Content-Security-Policy"] = policyJSON
		h["Cache-Control"] = valueNoStore
	} else {
		h["Content-Security-Policy"] = policyPage
		c.caller.Door = "page"
	}

	if s.sslify && !isProbe(r.URL.Path) {
		if !s.proxies.IsHTTPS(r) {
			c.redirectToTLS()
			return
		}
		h["Strict-Transport-Security"] = valueHSTS
	}
	if r.ContentLength > s.bodyLimit {
		c.fail(errBodyTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(c.client, s.timeout)
	defer cancel()
	c.r = r.WithContext(ctx)
	if r.Body != http.NoBody {
		c.r.Body = http.MaxBytesReader(w, r.Body, s.bodyLimit)
		// A body that trickles in must not hold the connection beyond the deadline.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.timeout))
	}
	if err := c.settlePath(); err != nil {
		c.fail(err)
		return
	}
	s.router.ServeHTTP(c, c.r)
}

// isAPI reports whether a path belongs to the API, whose answers are data.
func isAPI(path string) bool {
	return strings.HasPrefix(path, "/v1/") || path == "/v1" || isProbe(path)
}

// isProbe reports whether a path is asked for by machines that watch this one.
// They come without TLS.
func isProbe(path string) bool { return path == "/healthcheck" || path == "/readiness" }

// redirectToTLS sends the client to the same address over https.
func (c *call) redirectToTLS() {
	status := http.StatusPermanentRedirect
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		status = http.StatusFound
	}
	c.redirect(status, "https://"+c.r.Host+c.r.URL.RequestURI())
}

// maxPath is the longest path that can name anything: ids have at most some two
// thousand bytes. It keeps what strangers put into logs and audit records small.
const maxPath = 4096

// settlePath makes sure that the path the router sees is the decoded one and
// that none of its parts is empty. A slash that was escaped would become part of
// a name that no route can have.
func (c *call) settlePath() error {
	if len(c.r.URL.Path) > maxPath || strings.Contains(c.r.URL.Path, "//") {
		return errNoSuchPath
	}
	if c.r.URL.RawPath == "" {
		return nil
	}
	if strings.Contains(strings.ToLower(c.r.URL.RawPath), "%2f") {
		return errNoSuchPath
	}
	u := *c.r.URL
	u.RawPath = ""
	c.r.URL = &u
	return nil
}

var errNoSuchPath = fault.New(fault.NotFound, "There is no such path.")

// newRouter fills chi's router from the table.
func (s *server) newRouter(table []route) *chi.Mux {
	mux := chi.NewRouter()
	for i := range table {
		route := &table[i]
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := w.(*call)
			c.r, c.route = r, route
			c.run()
		})
		mux.Method(route.method, route.path, handler)
		if route.method == http.MethodGet {
			mux.Method(http.MethodHead, route.path, handler)
		}
	}
	mux.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		w.(*call).fail(errNoSuchPath)
	})
	mux.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) {
		w.(*call).otherMethod()
	})
	return mux
}

// otherMethod answers a request whose method no route of its path has.
func (c *call) otherMethod() {
	path := c.r.URL.Path
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut} {
		if c.s.router.Match(chi.NewRouteContext(), method, path) {
			allowed = append(allowed, method)
		}
	}
	if allowed == nil {
		c.fail(errNoSuchPath)
		return
	}
	c.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
	if c.r.Method == http.MethodOptions {
		c.sendEmpty(http.StatusOK)
		return
	}
	c.tell(failure{status: http.StatusMethodNotAllowed, words: "This path does not take the method " + c.r.Method + "."})
}

// run takes a routed call through the gates to its handler.
func (c *call) run() {
	if err := c.gates(); err != nil {
		c.recordRefusal(err)
		c.fail(err)
		return
	}
	if c.status != 0 {
		return // sent elsewhere
	}
	if err := c.route.handle(c); err != nil {
		if c.route.recorder != byNobody && !c.handedOver {
			c.recordRefusal(err)
		}
		c.fail(err)
	}
}

// fail answers with an error.
func (c *call) fail(err error) {
	c.failed = err
	if c.status != 0 {
		// The answer has begun, so the client can only be cut off.
		panic(http.ErrAbortHandler)
	}
	c.tell(failureFor(err))
}

// tell answers with what went wrong: as data to programs, as a page to people.
func (c *call) tell(f failure) {
	h := c.Header()
	h.Del("Etag")
	if f.retryAfter != "" {
		h["Retry-After"] = []string{f.retryAfter}
	}
	if isAPI(c.r.URL.Path) {
		c.sendStatus(f.status, 0, f.append)
		return
	}
	if err := c.s.pages.Problem(c, c.r, authn.Visit{Caller: c.caller}, f.status, f.words); err != nil {
		c.s.log.ErrorContext(c.client, "a page about an error does not render", "error", err)
		c.sendEmpty(f.status)
	}
}

// finish ends every call: it turns a panic into an answer, counts and logs.
func (c *call) finish() {
	v := recover()
	if v != nil && v != http.ErrAbortHandler {
		c.s.log.ErrorContext(c.client, "panic while answering a request",
			"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		if c.status == 0 {
			c.tell(failure{status: http.StatusInternalServerError, words: wordsFor(fault.Internal)})
			v = nil
		} else {
			v = http.ErrAbortHandler
		}
	}
	c.observe()
	if v != nil {
		panic(v)
	}
}

// observe counts the call and writes its line in the log: failures of ours as
// errors with their cause, refusals as information, the rest only where the log
// is verbose, for each of them stands in the audit log. Neither queries nor
// bodies are logged.
func (c *call) observe() {
	c.s.metrics.Request(c.route.label(), c.status, c.start)

	level := slog.LevelDebug
	switch {
	case c.client.Err() != nil:
		// Who went away has lost nothing that he waited for.
	case c.route != nil && c.route.path == "/readiness":
		// The check itself has told why.
	case c.status >= http.StatusInternalServerError, c.failed != nil && c.status < http.StatusBadRequest:
		level = slog.LevelError
	case c.status >= http.StatusBadRequest:
		level = slog.LevelInfo
	}
	if !c.s.log.Enabled(c.client, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", c.r.Method),
		slog.String("route", c.route.label()),
		slog.Int("status", c.status),
		slog.Duration("duration", c.s.now().Sub(c.start)),
		slog.String("client", c.caller.Client.String()),
	}
	if c.caller.Name != "" {
		attrs = append(attrs, slog.String("principal", c.caller.Name), slog.String("principal_type", string(c.caller.Type)))
	}
	if c.failed != nil {
		attrs = append(attrs, slog.Any("error", c.failed))
		if f := fault.As(c.failed); f != nil && f.By != "" {
			attrs = append(attrs, slog.String("policy", f.By))
		}
	}
	c.s.log.LogAttrs(c.client, level, "request", attrs...)
}

// requestID returns the id that a trusted proxy gave the request, or a new one.
func (s *server) requestID(r *http.Request) string {
	given := r.Header.Get("X-Request-Id")
	if given != "" && !s.proxies.Trusted.Contains(authn.PeerAddr(r)) {
		given = ""
	}
	return s.requestIDs.Choose(given)
}
