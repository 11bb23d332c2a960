package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
)

// quiet is a response writer that keeps nothing but the status.
type quiet struct {
	header http.Header
	status int
	length int
}

func (q *quiet) Header() http.Header    { return q.header }
func (q *quiet) WriteHeader(status int) { q.status = status }
func (q *quiet) Write(b []byte) (int, error) {
	q.length += len(b)
	return len(b), nil
}

// BenchmarkGetService is the machines' route from request to answer, without a
// network: five credentials, the real store, policy and envelope.
func BenchmarkGetService(b *testing.B) {
	w := newWorld(b, func(s *setup) { s.options.Log = slog.New(slog.DiscardHandler) })
	var ids []string
	for _, name := range []string{"one", "two", "three", "four", "five"} {
		ids = append(ids, w.credential(name, members{
			name + "_user": "shop", name + "_password": strings.Repeat("x", 32), name + "_url": "https://gateway.example.com/v2",
		}))
	}
	w.service("svc-a", ids...)
	r := w.request(request{method: http.MethodGet, path: "/v1/services/svc-a", as: "svc-a"})
	out := &quiet{header: http.Header{}}
	serve := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			clear(out.header)
			w.handler.ServeHTTP(out, r)
		}
		if out.status != http.StatusOK {
			b.Fatalf("status %d", out.status)
		}
	}
	b.Run("whole", serve)
	// The same without the use case: gates, routing and encoding.
	b.Run("transport", func(b *testing.B) {
		view, err := w.handler.(*server).vault.GetService(b.Context(), callerOf(b, "svc-a"), "svc-a", false)
		if err != nil {
			b.Fatal(err)
		}
		table := routes()
		for i := range table {
			if table[i].name == "GET /v1/services/{id}" {
				table[i].handle = func(c *call) error {
					c.setETag(view.Row.Revision)
					return c.sendService(view)
				}
			}
		}
		s := w.handler.(*server)
		s.router = s.newRouter(table)
		serve(b)
	})
}

// BenchmarkListCredentials is an unpaged list of a thousand.
func BenchmarkListCredentials(b *testing.B) {
	w := newWorld(b, func(s *setup) { s.options.Log = slog.New(slog.DiscardHandler) })
	for i := range 1000 {
		w.post("ada", "/v1/credentials", members{"name": fmt.Sprintf("Credential %d", i*7919%1000), "credential_pairs": members{"a": "b"}}).want(200)
	}
	r := w.request(request{method: http.MethodGet, path: "/v1/credentials", as: "ada"})
	b.ReportAllocs()
	for b.Loop() {
		w.handler.ServeHTTP(&quiet{header: http.Header{}}, r)
	}
}

func callerOf(t testing.TB, token string) authz.Caller {
	t.Helper()
	p, err := tokens{}.VerifyToken(token)
	if err != nil {
		t.Fatal(err)
	}
	return authz.Caller{Principal: p, Door: "v1"}
}
