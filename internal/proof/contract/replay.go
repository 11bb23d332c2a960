package contract

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// Replayer sends the exchanges of one block to a server, in order, keeping what
// later ones build on: cookies and captured values.
type Replayer struct {
	recording *Recording
	base      *url.URL
	store     Store
	cookies   CookieNames
	tokens    map[string]string
	before    func(action string) error

	transport *http.Transport
	jar       *cookiejar.Jar
	variables Variables
}

// Target is a server under test.
type Target struct {
	BaseURL string
	Store   Store
	Cookies CookieNames
	// Tokens are the identities' tokens, by the name of the identity. They are
	// sent as the password of HTTP Basic credentials.
	Tokens map[string]string
	// Before does an action outside HTTP.
	Before func(action string) error
}

// NewReplayer returns a replayer for a block that has not begun.
func NewReplayer(r *Recording, t Target) (*Replayer, error) {
	base, err := url.Parse(t.BaseURL)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	variables := Variables{"base": base.String(), "base_https": "https://" + base.Host}
	for identity, token := range t.Tokens {
		variables["tok_"+identity] = token
	}
	return &Replayer{
		recording: r,
		base:      base,
		store:     t.Store,
		cookies:   t.Cookies,
		tokens:    t.Tokens,
		before:    t.Before,
		transport: &http.Transport{DisableCompression: true},
		jar:       jar,
		variables: variables,
	}, nil
}

// Close drops the connections.
func (r *Replayer) Close() { r.transport.CloseIdleConnections() }

// Replay performs one exchange and says in which points the answer is not what
// is wanted.
func (r *Replayer) Replay(ctx context.Context, ex Exchange) []string {
	if ex.Before != "" {
		if err := r.before(ex.Before); err != nil {
			return []string{fmt.Sprintf("%s: %v", ex.Before, err)}
		}
	}
	answer, err := r.send(ctx, ex.Request)
	if err != nil {
		return []string{err.Error()}
	}
	if r.recording.Skipped(ex.N) {
		return nil
	}
	found := r.capture(ex, answer)
	return append(found, r.recording.Judge(ex, answer, r.variables, r.store, r.cookies)...)
}

func (r *Replayer) send(ctx context.Context, q Request) (Answer, error) {
	for _, c := range r.jar.Cookies(r.base) {
		r.variables["cookie:"+c.Name] = c.Value
	}
	req, err := r.request(ctx, q)
	if err != nil {
		return Answer{}, err
	}
	client := http.Client{
		Transport:     r.transport,
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	session := false
	if q.Cookies == "session" {
		client.Jar = r.jar
		for _, c := range r.jar.Cookies(req.URL) {
			session = session || c.Name == r.cookies.Session
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, URL: req.URL, Session: session}, nil
}

func (r *Replayer) request(ctx context.Context, q Request) (*http.Request, error) {
	path, err := r.variables.Fill(q.Path, escapeAnywhere)
	if err != nil {
		return nil, err
	}
	var body io.Reader = http.NoBody
	switch {
	case q.JSON != nil:
		text, err := r.variables.Fill(string(q.JSON), verbatim)
		if err != nil {
			return nil, err
		}
		body = strings.NewReader(text)
	case q.RawBody != nil:
		body = bytes.NewReader([]byte(*q.RawBody))
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, r.base.String()+path, body)
	if err != nil {
		return nil, err
	}
	if q.JSON != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.Identity != "" {
		token, ok := r.tokens[q.Identity]
		if !ok {
			return nil, fmt.Errorf("there is no token for the identity %q", q.Identity)
		}
		req.SetBasicAuth(r.recording.Identities[q.Identity].Username, token)
	}
	for name, value := range q.Headers {
		filled, err := r.variables.Fill(value, verbatim)
		if err != nil {
			return nil, err
		}
		req.Header.Set(name, filled)
	}
	return req, nil
}

// escapeAnywhere escapes a value for the path and the query of a URL alike: a
// captured page token may hold characters that mean something there.
func escapeAnywhere(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// capture keeps values of the answer for later exchanges.
func (r *Replayer) capture(ex Exchange, a Answer) []string {
	var found []string
	for name, place := range ex.Captures {
		body, err := decode(a.Body)
		if err != nil {
			return []string{fmt.Sprintf("nothing to capture: the body is no JSON: %v", err)}
		}
		value, err := pointer(body, place)
		if err != nil {
			found = append(found, fmt.Sprintf("capturing %s: %v", name, err))
			continue
		}
		text, ok := value.(string)
		if !ok || text == "" {
			found = append(found, fmt.Sprintf("capturing %s: %s is %s, want a text", name, place, show(value)))
			continue
		}
		r.variables[name] = text
	}
	return found
}
