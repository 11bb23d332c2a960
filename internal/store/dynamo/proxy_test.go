package dynamo_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/confidant-secrets/confidant/internal/awsclient"
)

// proxy stands between a store and DynamoDB Local and does harm on the wire, so
// that the client's own timeouts and connections are put to the test.
type proxy struct {
	t      *testing.T
	world  *world
	server *httptest.Server

	mu        sync.Mutex
	operation string // that is harmed
	harm      harm
	left      int // times; below 0: for ever
	harmed    int
}

// harm answers an exchange in its own way.
type harm func(*passage)

// passage is an exchange on its way through the proxy.
type passage struct {
	w    http.ResponseWriter
	r    *http.Request
	n    int // counts what came to harm, from 1
	body []byte
	ask  func() (status int, answer []byte) // asks the service
}

func newProxy(t *testing.T, w *world) *proxy {
	t.Helper()
	p := &proxy{t: t, world: w}
	p.server = httptest.NewServer(p)
	t.Cleanup(p.server.Close)
	return p
}

// wireTimeout is the patience of the client behind a proxy. DynamoDB Local must
// answer within it on a busy machine.
const wireTimeout = 2 * time.Second

func (p *proxy) client() *dynamodb.Client {
	return awsclient.DynamoDB(p.world.config, awsclient.Options{
		Endpoint: p.server.URL, ConnectTimeout: time.Second, ReadTimeout: wireTimeout, Connections: 100,
	})
}

// do lets some exchanges of an operation come to harm; times below 0 means all.
func (p *proxy) do(operation string, times int, h harm) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.operation, p.left, p.harm, p.harmed = operation, times, h, 0
}

// lift ends all harm and says how often there was any.
func (p *proxy) lift() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = 0
	return p.harmed
}

// ServeHTTP passes on or harms.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	x := &passage{w: w, r: r, body: body}
	x.ask = func() (int, []byte) { return p.forward(r, x.body) }
	if h, n := p.next(r); h != nil {
		x.n = n
		h(x)
		return
	}
	x.answer(x.ask())
}

func (p *proxy) next(r *http.Request) (harm, int) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	p.mu.Lock()
	defer p.mu.Unlock()
	if operation != p.operation || p.left == 0 {
		return nil, 0
	}
	p.left--
	p.harmed++
	return p.harm, p.harmed
}

func (p *proxy) forward(r *http.Request, body []byte) (int, []byte) {
	again, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, *p.world.config.BaseEndpoint, bytes.NewReader(body))
	if err != nil {
		p.t.Errorf("proxy: %v", err)
		return http.StatusBadGateway, nil
	}
	again.Header = r.Header.Clone()
	again.Header.Del("Accept-Encoding")
	out, err := http.DefaultClient.Do(again)
	if err != nil {
		if p.t.Context().Err() == nil {
			p.t.Errorf("proxy: %v", err)
		}
		return http.StatusBadGateway, nil
	}
	defer func() { _ = out.Body.Close() }()
	answer, err := io.ReadAll(out.Body)
	if err != nil {
		p.t.Errorf("proxy: %v", err)
	}
	return out.StatusCode, answer
}

func (x *passage) answer(status int, body []byte) {
	x.w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body)
}

// cut ends the connection without an answer.
func (x *passage) cut() {
	c, _, err := http.NewResponseController(x.w).Hijack()
	if err == nil {
		_ = c.Close()
	}
}

// hang gives no answer until the client has gone.
func (x *passage) hang() { <-x.r.Context().Done() }

// refuse answers with an error of the service.
func refuse(code string) harm {
	return func(x *passage) {
		x.answer(http.StatusBadRequest, []byte(`{"__type":"com.amazonaws.dynamodb.v20120810#`+code+`","message":"made up"}`))
	}
}

// cancel answers that a transaction was cancelled for a reason that its first
// action met.
func cancel(reason string) harm {
	return func(x *passage) {
		n := bytes.Count(x.body, []byte(`"TableName"`))
		reasons := `{"Code":"` + reason + `"}` + strings.Repeat(`,{"Code":"None"}`, n-1)
		x.answer(http.StatusBadRequest, []byte(`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",`+
			`"Message":"made up","CancellationReasons":[`+reasons+`]}`))
	}
}

// status answers as a machine on the way does.
func status(code int) harm {
	return func(x *passage) { x.answer(code, []byte("<html><h1>Sorry</h1></html>")) }
}

// after has the service do what is asked and then harms its answer.
func after(h func(x *passage, answer []byte)) harm {
	return func(x *passage) {
		_, answer := x.ask()
		h(x, answer)
	}
}

// first harms the first exchange in one way, and later ones in another.
func first(one, other harm) harm {
	return func(x *passage) {
		if x.n == 1 {
			one(x)
		} else {
			other(x)
		}
	}
}

// The harms that the table of faults names.
var (
	unsent  harm = (*passage).cut
	silence harm = (*passage).hang
	lost         = after(func(x *passage, _ []byte) { x.cut() })
	late         = after(func(x *passage, _ []byte) { x.hang() })
	empty        = after(func(x *passage, _ []byte) { x.answer(http.StatusOK, nil) })
	garbled      = after(func(x *passage, _ []byte) { x.answer(http.StatusOK, []byte(`<html>`)) })
	half         = after(func(x *passage, answer []byte) { x.answer(http.StatusOK, answer[:len(answer)/2]) })
	torn         = after(func(x *passage, answer []byte) {
		x.w.Header().Set("Content-Length", "100000")
		x.answer(http.StatusOK, answer)
	})
	stalled = after(func(x *passage, answer []byte) {
		x.w.Header().Set("Content-Length", "100000")
		x.answer(http.StatusOK, answer)
		_ = http.NewResponseController(x.w).Flush()
		x.hang()
	})
)
