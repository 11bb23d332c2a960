package login_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// front is the proxy before the program, which takes the TLS off, and the address
// people know. With two servers behind it, log-ins begin at the first, and all else
// is done by the second.
type front struct {
	URL string

	mu      sync.Mutex
	servers []*url.URL
	headers http.Header        // that the proxy sets
	reached []int              // requests by server
	stolen  map[string]*letter // by path, once each
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{headers: http.Header{}, stolen: map[string]*letter{}}
	proxy := &httputil.ReverseProxy{Rewrite: f.pass}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.keep(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	f.URL = s.URL
	return f
}

// start starts the program behind the proxy, in one process or two on the same
// data, and returns the last.
func (f *front) start(t *testing.T, p *server.Program, processes int) (last *server.Server) {
	t.Helper()
	for range processes {
		last = start(t, p)
		address, err := url.Parse(last.BaseURL)
		if err != nil {
			t.Fatal(err)
		}
		f.servers = append(f.servers, address)
		f.reached = append(f.reached, 0)
	}
	return last
}

// begins reports whether a request begins a log-in.
func begins(r *http.Request) bool {
	return r.URL.Path == "/login" || r.URL.Path == "/v1/login" && r.URL.RawQuery == ""
}

func (f *front) pass(r *httputil.ProxyRequest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	chosen := len(f.servers) - 1
	if begins(r.In) {
		chosen = 0
	}
	f.reached[chosen]++
	r.SetURL(f.servers[chosen])
	r.Out.Host = r.In.Host
	r.SetXForwarded()
	maps.Copy(r.Out.Header, f.headers)
}

// requests returns how many requests each server has had.
func (f *front) requests() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.reached)
}

// set lets the proxy set headers from now on; none with nil.
func (f *front) set(headers map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.headers = http.Header{}
	for name, value := range headers {
		f.headers.Set(name, value)
	}
}

// letter is what an identity provider has the browser bring to the program.
type letter struct {
	url    string
	fields map[string]string // of the form, if it is one
}

// send lets somebody bring it, and returns the status of the answer.
func (l *letter) send(v *browser.Visitor) int {
	if len(l.fields) > 0 {
		return v.Post(l.url, l.fields)
	}
	return v.Go(l.url)
}

// steal makes the proxy keep the next letter to a path to itself. It stands in
// what is returned once the browser shows that it went astray.
func (f *front) steal(path string) *letter {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &letter{}
	f.stolen[path] = l
	return l
}

const astray = "This letter went astray."

// keep reports whether the request was a letter to be stolen, and answers it then.
func (f *front) keep(w http.ResponseWriter, r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.stolen[r.URL.Path]
	if l == nil {
		return false
	}
	delete(f.stolen, r.URL.Path)
	_ = r.ParseForm() // a request that it does not understand has no fields
	l.url, l.fields = f.URL+r.URL.String(), map[string]string{}
	for name := range r.PostForm {
		l.fields[name] = r.PostForm.Get(name)
	}
	_, _ = w.Write([]byte(astray)) // an error is the browser's
	return true
}
