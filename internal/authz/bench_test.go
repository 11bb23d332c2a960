package authz_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
)

// BenchmarkDecide measures the question of the hot path, a service that reads
// itself, and others beside it.
func BenchmarkDecide(b *testing.B) {
	many := make([]authz.Entry, 100)
	for i := range many {
		many[i] = authz.Entry{
			Name:   fmt.Sprintf("team-%d", i),
			Active: true,
			Cedar:  fmt.Sprintf(`permit (principal is User, action, resource is credential) when { resource.name like "team-%d-*" };`, i),
		}
	}
	byContext := []authz.Entry{{
		Name:   "office",
		Active: true,
		Cedar: `forbid (principal, action, resource) when {
			context.hour < 6 && context has client && !context.client.isInRange(ip("10.0.0.0/8")) };`,
	}}
	self := ask(service("foo-production"), authz.Get, authz.Resource{
		Type: authz.ServiceResource, ID: "foo-production", CredentialIDs: []string{"a", "b", "c", "d", "e"},
	})
	user := ask(user("alice@example.com"), authz.Update, authz.Resource{Type: authz.Credential, ID: "a", Name: "db"})
	for _, bb := range []struct {
		name    string
		entries []authz.Entry
		request authz.Request
	}{
		{"service gets itself", nil, self},
		{"service gets itself, time and address looked at", byContext, self},
		{"user updates a credential", nil, user},
		{"user updates a credential, 100 policies more", many, user},
	} {
		b.Run(bb.name, func(b *testing.B) {
			e, err := authz.NewEngine(bb.entries)
			if err != nil {
				b.Fatal(err)
			}
			bb.request.Now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
			b.ReportAllocs()
			for b.Loop() {
				if d := e.Decide(b.Context(), bb.request); !d.Allowed {
					b.Fatalf("denied by %v", d.By)
				}
			}
		})
	}
}

// BenchmarkDecide_200PoliciesAgainstARequest measures decisions over 200 active
// policies, all of which may apply to the question, beside the least that a
// request costs: an empty answer of net/http over loopback.
func BenchmarkDecide_200PoliciesAgainstARequest(b *testing.B) {
	request := ask(user("ada@team-199.example.com"), authz.Update, authz.Resource{
		Type: authz.Credential, ID: "a", Name: "team-199-db", Tags: []string{"production", "team-199"},
	})
	policies := func(condition string) []authz.Entry {
		entries := []authz.Entry{{Name: "default-users"}}
		for i := range 200 {
			entries = append(entries, authz.Entry{
				Name: fmt.Sprintf("team-%d", i), Active: true,
				Cedar: "permit (principal is User, action, resource is credential) when { " + strings.ReplaceAll(condition, "N", strconv.Itoa(i)) + " };",
			})
		}
		return entries
	}
	for name, condition := range map[string]string{
		"decision by tag":     `resource.tags.contains("team-N") && principal.name like "*@team-N.example.com"`,
		"decision by list":    `["eve@example.com", "ada@team-N.example.com"].contains(principal.name)`,
		"decision by pattern": `resource.name like "team-N-*"`,
	} {
		b.Run(name, func(b *testing.B) {
			e, err := authz.NewEngine(policies(condition))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if d := e.Decide(b.Context(), request); !d.Allowed {
					b.Fatalf("denied by %v", d.By)
				}
			}
		})
	}
	b.Run("request", func(b *testing.B) {
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		defer server.Close()
		client := server.Client()
		b.ReportAllocs()
		for b.Loop() {
			response, err := client.Get(server.URL)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	})
}
