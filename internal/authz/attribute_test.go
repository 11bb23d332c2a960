package authz_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
)

// TestEngine_PoliciesSeeWhatTheCallerPassed writes each condition as the only
// permit, so that it alone decides.
func TestEngine_PoliciesSeeWhatTheCallerPassed(t *testing.T) {
	t.Parallel()
	full := ask(authz.Principal{Type: authz.Service, Name: "svc", Account: "sandbox", Method: "api-token"}, authz.Update, authz.Resource{
		Type: authz.ServiceResource, ID: "svc-b", Revision: 3, Enabled: true, Account: "sandbox",
		CredentialIDs: []string{"a", "b"}, AddedCredentialIDs: []string{"b"},
	})
	credential := ask(service("svc"), authz.Metadata, authz.Resource{
		Type: authz.Credential, ID: "c", Name: "db", Revision: 2, Enabled: true, Tags: []string{"x", "y"}, MappedBy: []string{"svc"},
	})
	absent := ask(service("svc"), authz.Metadata, authz.Resource{Type: authz.Credential, ID: "c"})
	command := ask(operator(), authz.Get, authz.Resource{Type: authz.Certificate, ID: "cn", CA: "ca", SANs: []string{"a.example.com"}, NamesYield: []string{"a"}})
	command.Client = netip.Addr{}
	command.Door = "command"
	mapped := full
	mapped.Client = netip.MustParseAddr("::ffff:10.1.2.3")
	v6 := full
	v6.Client = netip.MustParseAddr("fe80::1%eth0")
	at := func(text string) authz.Request {
		r := full
		now, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		r.Now = now
		return r
	}
	token := ask(administrator("root"), authz.Update, authz.Resource{Type: authz.Token, ID: "t", Subject: "svc", Role: "service"})
	jwt := ask(user("alice"), authz.Get, authz.Resource{Type: authz.JWT, ID: "alice", Subject: "alice", Environment: "staging"})

	for _, tt := range []struct {
		name      string
		request   authz.Request
		condition string
		want      bool
	}{
		{"principal", full, `principal.name == "svc" && principal.account == "sandbox" && principal.method == "api-token" && !principal.administrator`, true},
		{"principal as an entity", full, `principal == Service::"svc"`, true},
		{"principal spelled out", full, `principal == Service::"svc" && Service::"svc".account == "sandbox"`, true},
		{"resource spelled out", full, `resource == service::"svc-b" && service::"svc-b".credential_ids.contains("a")`, true},
		{"another entity", full, `Service::"svc-b" has name`, false},
		{"account of both", full, `resource is service && resource.account == principal.account`, true},
		{"service", full, `resource is service && resource.id == "svc-b" && resource.name == "svc-b" && resource.revision == 3 && resource.enabled`, true},
		{"mapped and added ids", full, `resource is service && resource.credential_ids == ["b", "a"] && resource.added_credential_ids.contains("b") && !resource.added_credential_ids.contains("a")`, true},
		{"resource as an entity", full, `resource == service::"svc-b"`, true},
		{"attribute of another type", full, `resource has tags`, false},
		{"credential", credential, `resource is credential && resource.name == "db" && resource.revision == 2 && resource.enabled && resource.tags.containsAll(["x", "y"]) && resource.mapped_by.contains("svc")`, true},
		{"absent row has its id", absent, `resource is credential && resource.id == "c"`, true},
		{"absent row is empty", absent, `resource is credential && resource.name == "" && resource.revision == 0 && !resource.enabled && resource.tags.isEmpty() && resource.mapped_by.isEmpty()`, true},
		{"certificate", command, `resource is certificate && resource.id == "cn" && resource.ca == "ca" && resource.sans == ["a.example.com"] && resource.names_yield == ["a"]`, true},
		{"operator is an administrator", command, `principal.administrator`, true},
		{"token", token, `resource is token && resource.subject == "svc" && resource.role == "service"`, true},
		{"JWT", jwt, `resource is jwt && resource.environment == "staging"`, true},

		{"address inside", full, `context has client && context.client.isInRange(ip("192.0.2.0/24"))`, true},
		{"address outside", full, `context has client && context.client.isInRange(ip("10.0.0.0/8"))`, false},
		{"IPv4 in IPv6 form", mapped, `context has client && context.client.isInRange(ip("10.0.0.0/8"))`, true},
		{"address with a zone", v6, `context has client && context.client.isInRange(ip("fe80::/10"))`, true},
		{"command has no address", command, `context has client`, false},
		{"door", command, `context.door == "command"`, true},
		{"Monday, UTC", at("2026-11-23T00:00:00Z"), `context.weekday == 1 && context.hour == 0 && context.minute == 0`, true},
		{"Sunday, UTC", at("2026-11-29T23:59:00Z"), `context.weekday == 7 && context.hour == 23 && context.minute == 59`, true},
		{"Sunday elsewhere is Monday in UTC", at("2026-11-22T23:30:00-02:00"), `context.weekday == 1 && context.hour == 1 && context.minute == 30`, true},
		{"moment", at("2026-11-22T23:30:00-02:00"), `context.now == datetime("2026-11-23T01:30:00Z")`, true},
		{"whole context", full, `(if principal.name == "svc" then context else context).door == "v1"`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stored := append(disabled("default-users", "default-administrators", "default-services", "default-operators"),
				entry("only", "permit (principal, action, resource) when { "+tt.condition+" };"))
			if d := newEngine(t, stored...).Decide(t.Context(), tt.request); d.Allowed != tt.want {
				t.Errorf("%s: %+v, want allowed %v", tt.condition, d, tt.want)
			}
		})
	}
}
