package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Client talks to one server as one caller.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// NewClient returns a client that keeps its connections.
func NewClient(base, token string) *Client {
	return &Client{base, token, &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 16},
	}}
}

// Close drops the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// do sends a request and reads the whole answer. An error means that nothing is
// known of what the server did.
func (c *Client) do(ctx context.Context, method, path string, body any) (status int, answer []byte, err error) {
	var content io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// get reads a JSON answer of status 200.
func (c *Client) get(ctx context.Context, path string, into any) error {
	status, body, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s: status %d: %s", path, status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: %w: %s", path, err, body)
	}
	return nil
}

// Writer makes changes, one after the other, until the server is gone.
type Writer struct {
	client *Client
	ledger *Ledger
	number *atomic.Int64 // of the last write of all writers
	random *rand.Rand    // not shared
	name   string

	own []string // ids of credentials that this writer made
}

// shared are credentials and services that all writers write.
const (
	sharedCredentials = 4
	sharedServices    = 3
)

// Run writes until an answer fails to come or ctx ends. It returns what should
// not have been answered.
func (w *Writer) Run(ctx context.Context) []string {
	var wrong []string
	for ctx.Err() == nil {
		gone, unexpected := w.Step(ctx)
		if unexpected != "" {
			wrong = append(wrong, unexpected)
		}
		if gone {
			break
		}
	}
	return wrong
}

// Step makes one change. gone says that the answer did not come.
func (w *Writer) Step(ctx context.Context) (gone bool, unexpected string) {
	change, method, path, body := w.choose()
	status, answer, err := w.client.do(ctx, method, path, body)
	if err != nil {
		w.ledger.CutOff(change)
		return true, ""
	}
	switch {
	case status == http.StatusOK:
		var made struct {
			ID       string `json:"id"`
			Revision int    `json:"revision"`
		}
		if err := json.Unmarshal(answer, &made); err != nil || made.ID == "" || made.Revision < 1 {
			return false, fmt.Sprintf("%s %s: an answer without id and revision: %s", method, path, answer)
		}
		if change.Kind == Create {
			w.own = append(w.own, made.ID)
		}
		if err := w.ledger.Acknowledged(change, made.ID, made.Revision); err != nil {
			return false, err.Error()
		}
	case status == http.StatusConflict,
		status == http.StatusBadRequest && change.Kind == Revert && strings.Contains(string(answer), "No difference"):
		w.ledger.Refused(change)
	case status == http.StatusServiceUnavailable:
		w.ledger.Unavailable(change)
	default:
		w.ledger.Refused(change)
		return false, fmt.Sprintf("%s %s: status %d: %s", method, path, status, answer)
	}
	return false, ""
}

// choose returns the next change and the request for it.
func (w *Writer) choose() (change Write, method, path string, body any) {
	known := w.ledger.IDs()
	text := fmt.Sprintf("%s-%d", w.name, w.number.Add(1))
	switch n := w.random.IntN(100); {
	case len(known) < sharedCredentials || n < 15:
		name := text
		if n < 4 {
			// A name that others want at the same moment.
			name = fmt.Sprintf("contested-%d", w.number.Load()/20)
		}
		return Write{Kind: Create, Name: name, Documentation: text},
			http.MethodPost, "/v1/credentials",
			map[string]any{"name": name, "documentation": text, "credential_pairs": map[string]string{keyOf(name): valueOf(text)}}
	case n < 40:
		name := w.service()
		mapped := w.some(known)
		return Write{Kind: Map, ID: name, Mapped: mapped},
			http.MethodPut, "/v1/services/" + name,
			map[string]any{"credentials": mapped, "enabled": true}
	case n < 55:
		id := w.credential(known)
		revisions := w.ledger.Revisions(id)
		to := w.random.IntN(len(revisions)) + 1
		if documentation, ok := revisions[to]; ok {
			return Write{Kind: Revert, ID: id, Documentation: documentation},
				http.MethodPut, fmt.Sprintf("/v1/credentials/%s/%d", id, to), nil
		}
		return w.update(id, text)
	default:
		return w.update(w.credential(known), text)
	}
}

func (w *Writer) update(id, text string) (change Write, method, path string, body any) {
	return Write{Kind: Update, ID: id, Documentation: text},
		http.MethodPut, "/v1/credentials/" + id,
		map[string]any{"documentation": text, "credential_pairs": map[string]string{keyOf(w.ledger.Name(id)): valueOf(text)}}
}

// credential chooses one that all write, or one of the writer's latest.
func (w *Writer) credential(known []string) string {
	if len(w.own) == 0 || w.random.IntN(2) == 0 {
		return known[w.random.IntN(sharedCredentials)]
	}
	latest := w.own[max(0, len(w.own)-10):]
	return latest[w.random.IntN(len(latest))]
}

// service chooses one that all write, or the writer's own.
func (w *Writer) service() string {
	if n := w.random.IntN(2 * sharedServices); n < sharedServices {
		return fmt.Sprintf("shared-service%c", 'a'+rune(n))
	}
	return w.name + "-service"
}

// some returns a few ids, sorted.
func (w *Writer) some(known []string) []string {
	ids := []string{}
	for range w.random.IntN(5) {
		ids = append(ids, known[w.random.IntN(len(known))])
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
