package event

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// Endpoint is where events are posted to. Its text forms show the host alone:
// URLs of webhooks often hold a secret, and so does the password.
type Endpoint struct {
	URL      string // http or https
	Username string // empty: no authentication
	Password string
	Client   *http.Client // nil: one that uses no proxy and follows no redirect
}

// String returns the host.
func (e Endpoint) String() string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return "[unreadable URL]"
	}
	return u.Host
}

// GoString is like String.
func (e Endpoint) GoString() string { return e.String() }

// LogValue is like String.
func (e Endpoint) LogValue() slog.Value { return slog.StringValue(e.String()) }

// MarshalJSON is like String.
func (e Endpoint) MarshalJSON() ([]byte, error) { return json.Marshal(e.String()) }

// check completes an endpoint and says what is wrong with it.
func (e Endpoint) check() (Endpoint, error) {
	u, err := url.Parse(e.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return e, errors.New("the URL is not one of http or https with a host")
	}
	if e.Client == nil {
		e.Client = &http.Client{
			Transport: &http.Transport{MaxIdleConns: 2, IdleConnTimeout: drainTimeout},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		}
	}
	return e, nil
}

// post sends body as JSON. Any 2xx is success.
func (e Endpoint) post(ctx context.Context, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the event: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("make a request for %s: %w", e, bare(err))
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/plain")
	if e.Username != "" {
		r.SetBasicAuth(e.Username, e.Password)
	}
	answer, err := e.Client.Do(r)
	if err != nil {
		return fmt.Errorf("post to %s: %w", e, bare(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("post to %s: status %d", e, answer.StatusCode)
	}
	// Read to the end, within reason, so that the connection can be used again.
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10)
	return nil
}

// bare takes the URL off an error of net/http.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// Webhook posts events as
//
//	{"event_type": "service_update", "services": ["a"], "credentials": ["id"]}
type Webhook struct{ to Endpoint }

// NewWebhook returns a sink that posts to an endpoint.
func NewWebhook(to Endpoint) (*Webhook, error) {
	to, err := to.check()
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return &Webhook{to}, nil
}

// Name implements Sink.
func (*Webhook) Name() string { return "webhook" }

// Send implements Sink.
func (w *Webhook) Send(ctx context.Context, e Event) error {
	return w.to.post(ctx, struct {
		Type        Type     `json:"event_type"`
		Services    []string `json:"services"`
		Credentials []string `json:"credentials"`
	}{e.Type, list(e.Services), list(e.Credentials)})
}

// list makes an empty list of none.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// Graphite posts events to Graphite's event API as
//
//	{"what": "confidant", "tags": "confidant,confidant-a", "data": "Added credentials: …"}
type Graphite struct{ to Endpoint }

// NewGraphite returns a sink that posts to an endpoint.
func NewGraphite(to Endpoint) (*Graphite, error) {
	to, err := to.check()
	if err != nil {
		return nil, fmt.Errorf("graphite: %w", err)
	}
	return &Graphite{to}, nil
}

// Name implements Sink.
func (*Graphite) Name() string { return "graphite" }

// Send implements Sink.
func (g *Graphite) Send(ctx context.Context, e Event) error {
	tags := strings.Builder{}
	tags.WriteString("confidant")
	for _, s := range e.Services {
		tags.WriteString(",confidant-" + s)
	}
	return g.to.post(ctx, struct {
		What string `json:"what"`
		Tags string `json:"tags"`
		Data string `json:"data"`
	}{"confidant", tags.String(), e.Text})
}
