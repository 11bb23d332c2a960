package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"
)

const (
	maxAnswer   = 512 << 10        // bytes of an answer; large key sets have some ten thousand
	maxHeader   = 64 << 10         // bytes of its header
	connectTime = 5 * time.Second  // to reach the provider
	answerTime  = 10 * time.Second // for one whole exchange, unless the client says otherwise
)

// guarded returns a client behind the guard.
func guarded(client *http.Client) *http.Client {
	if client == nil {
		client = &http.Client{Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: connectTime}).DialContext,
			TLSHandshakeTimeout:    connectTime,
			ForceAttemptHTTP2:      true,
			IdleConnTimeout:        90 * time.Second,
			MaxIdleConnsPerHost:    2,
			MaxResponseHeaderBytes: maxHeader,
		}}
	}
	c := *client
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	c.Transport = guard{c.Transport}
	if c.Timeout == 0 {
		c.Timeout = answerTime
	}
	return &c
}

// guard dismisses answers that are of no use or could do harm, before any library
// sees them: redirects, which would carry codes and secrets elsewhere; errors,
// whose bodies libraries put into their own errors; what is too large; what is
// not JSON. Only the refusals of the token endpoint keep their body, which says
// why.
type guard struct{ next http.RoundTripper }

// statusError is an answer that is dismissed for its status.
type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("the provider answered with status %d", int(s))
}

// RoundTrip implements http.RoundTripper.
func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	refusal := r.Method == http.MethodPost && (answer.StatusCode == http.StatusBadRequest || answer.StatusCode == http.StatusUnauthorized)
	if answer.StatusCode != http.StatusOK && !refusal {
		return nil, statusError(answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the provider's answer: %w", err)
	case len(body) > maxAnswer:
		return nil, errors.New("the provider's answer is too large")
	case !refusal && !isJWT(answer) && !json.Valid(body):
		return nil, errors.New("the provider's answer is not JSON")
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}

// isJWT reports whether an answer is signed, as user info may be.
func isJWT(answer *http.Response) bool {
	mediaType, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/jwt"
}
