package authz_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
)

func user(name string) authz.Principal {
	return authz.Principal{Type: authz.User, Name: name, Method: "header"}
}

func administrator(name string) authz.Principal {
	p := user(name)
	p.Administrator = true
	return p
}

func service(name string) authz.Principal {
	return authz.Principal{Type: authz.Service, Name: name, Method: "api-token"}
}

func operator() authz.Principal {
	return authz.Principal{Type: authz.Operator, Name: "cli:root", Method: "command"}
}

func ask(p authz.Principal, action authz.Action, r authz.Resource) authz.Request {
	return authz.Request{
		Caller:   authz.Caller{Principal: p, Client: netip.MustParseAddr("192.0.2.7"), Door: "v1"},
		Action:   action,
		Resource: r,
		Now:      time.Date(2026, 11, 24, 12, 34, 56, 0, time.UTC), // a Tuesday
	}
}

func newEngine(t *testing.T, stored ...authz.Entry) *authz.Engine {
	t.Helper()
	e, err := authz.NewEngine(stored)
	if err != nil {
		t.Fatalf("NewEngine: %v", err)
	}
	return e
}

func entry(name, cedar string) authz.Entry {
	return authz.Entry{Name: name, Active: true, Cedar: cedar}
}

func disabled(names ...string) []authz.Entry {
	entries := make([]authz.Entry, len(names))
	for i, name := range names {
		entries[i] = authz.Entry{Name: name}
	}
	return entries
}

var (
	allActions = []authz.Action{
		authz.List, authz.Get, authz.Metadata, authz.Create, authz.Update, authz.Revert, authz.Archive,
	}
	allTypes = []authz.ResourceType{
		authz.Credential, authz.BlindCredential, authz.ServiceResource, authz.CA, authz.Certificate, authz.JWT,
		authz.PolicyResource, authz.Account, authz.Token, authz.AccessKey, authz.Audit, authz.Cleanup,
	}
)

// TestEngine_DefaultTruthTable asks every action on every type of resource. A
// principal may do what its row lists and nothing else.
func TestEngine_DefaultTruthTable(t *testing.T) {
	t.Parallel()
	const everything = "list get metadata create update revert archive"
	nouns := map[authz.ResourceType]string{
		authz.Credential: everything, authz.BlindCredential: everything, authz.ServiceResource: everything,
	}
	administration := map[authz.ResourceType]string{
		authz.PolicyResource: "list update", authz.Account: "list update", authz.Token: "list update",
		authz.AccessKey: "list update", authz.Audit: "list update", authz.Cleanup: "list update",
	}
	both := map[authz.ResourceType]string{}
	all := map[authz.ResourceType]string{}
	for _, rt := range allTypes {
		all[rt] = everything
		both[rt] = nouns[rt] + administration[rt]
	}
	readOnly := administrator("reader")
	readOnly.MetadataOnly = true
	cleaner := user("cleaner")
	cleaner.CleanupOnly = true

	for _, tt := range []struct {
		name      string
		principal authz.Principal
		want      map[authz.ResourceType]string
	}{
		{"user", user("alice@example.com"), nouns},
		{"nobody in particular", user("unauthenticated user"), nouns},
		{"administrator", administrator("root"), both},
		{"operator", operator(), all},
		{"service", service("svc"), map[authz.ResourceType]string{
			authz.CA: "list get", authz.BlindCredential: "list get metadata",
		}},
		{"administrator with a metadata-only token", readOnly, map[authz.ResourceType]string{
			authz.Credential: "list metadata", authz.BlindCredential: "list metadata", authz.ServiceResource: "list metadata",
			authz.PolicyResource: "list", authz.Account: "list", authz.Token: "list",
			authz.AccessKey: "list", authz.Audit: "list", authz.Cleanup: "list",
		}},
		{"clean-up token", cleaner, map[authz.ResourceType]string{authz.Cleanup: "list update"}},
		{"user without a name", user(""), nil},
		{"operator without a name", authz.Principal{Type: authz.Operator}, nil},
		{"unknown type", authz.Principal{Type: "robot", Name: "r2", Administrator: true}, nil},
		{"no type", authz.Principal{Name: "r2", Administrator: true}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			for _, rt := range allTypes {
				for _, action := range allActions {
					want := slices.Contains(strings.Fields(tt.want[rt]), string(action))
					d := e.Decide(t.Context(), ask(tt.principal, action, authz.Resource{Type: rt, ID: "some"}))
					if d.Allowed != want {
						t.Errorf("%s on %s: %+v, want allowed %v", action, rt, d, want)
					}
				}
			}
		})
	}
}

func TestEngine_DefaultsThatLookAtAttributes(t *testing.T) {
	t.Parallel()
	alice, root, svc := user("alice@example.com"), administrator("root"), service("svc")
	certificate := func(names ...string) authz.Resource {
		return authz.Resource{Type: authz.Certificate, ID: "svc.example.com", CA: "ca", SANs: []string{"svc.example.com"}, NamesYield: names}
	}
	for _, tt := range []struct {
		name   string
		who    authz.Principal
		action authz.Action
		what   authz.Resource
		want   bool
	}{
		{"service reads itself", svc, authz.Get, authz.Resource{Type: authz.ServiceResource, ID: "svc"}, true},
		{"service reads metadata of itself", svc, authz.Metadata, authz.Resource{Type: authz.ServiceResource, ID: "svc"}, true},
		{"service reads another", svc, authz.Get, authz.Resource{Type: authz.ServiceResource, ID: "svc-b"}, false},
		{"service reads metadata of another", svc, authz.Metadata, authz.Resource{Type: authz.ServiceResource, ID: "svc-b"}, false},
		{"service of other case", svc, authz.Get, authz.Resource{Type: authz.ServiceResource, ID: "SVC"}, false},
		{"service changes itself", svc, authz.Update, authz.Resource{Type: authz.ServiceResource, ID: "svc"}, false},
		{"service reads a mapped credential by itself", svc, authz.Get, authz.Resource{Type: authz.Credential, ID: "c", MappedBy: []string{"svc"}}, false},

		{"own certificate", svc, authz.Get, certificate("svc"), true},
		{"certificate whose names are unknown", svc, authz.Get, certificate(), false},
		{"certificate of another", svc, authz.Get, certificate("svc-b"), false},
		{"certificate with a foreign name beside", svc, authz.Get, certificate("svc", "svc-b"), false},
		{"certificate with a name that stands for none", svc, authz.Get, certificate("svc", ""), false},
		{"user takes a certificate", alice, authz.Get, certificate("alice@example.com"), false},

		{"own JWT of a service", svc, authz.Get, authz.Resource{Type: authz.JWT, ID: "svc", Subject: "svc"}, true},
		{"foreign JWT of a service", svc, authz.Get, authz.Resource{Type: authz.JWT, ID: "svc", Subject: "svc-b"}, false},
		{"own JWT of a user", alice, authz.Get, authz.Resource{Type: authz.JWT, ID: alice.Name, Subject: alice.Name}, true},
		{"foreign JWT of a user", alice, authz.Get, authz.Resource{Type: authz.JWT, ID: alice.Name, Subject: "svc"}, false},
		{"JWT without a name", alice, authz.Get, authz.Resource{Type: authz.JWT, ID: alice.Name}, false},

		{"own access key", alice, authz.Update, authz.Resource{Type: authz.AccessKey, Subject: alice.Name, Role: "user"}, true},
		{"access key of a service that bears the user's name", alice, authz.Update, authz.Resource{Type: authz.AccessKey, Subject: alice.Name, Role: "service"}, false},
		{"access key of another", alice, authz.Update, authz.Resource{Type: authz.AccessKey, Subject: "bob", Role: "user"}, false},
		{"access key of another, by an administrator", root, authz.Update, authz.Resource{Type: authz.AccessKey, Subject: "bob", Role: "user"}, true},
		{"token for an account that bears the user's name", alice, authz.Update, authz.Resource{Type: authz.Token, Subject: alice.Name, Role: "admin"}, false},
		{"token for a service", alice, authz.Update, authz.Resource{Type: authz.Token, Subject: "svc", Role: "service"}, false},
		{"token of a service for itself", svc, authz.Update, authz.Resource{Type: authz.Token, Subject: "svc", Role: "service"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if d := newEngine(t).Decide(t.Context(), ask(tt.who, tt.action, tt.what)); d.Allowed != tt.want {
				t.Errorf("Decide = %+v, want allowed %v", d, tt.want)
			}
		})
	}
}

func TestEngine_OwnTokensNeedNotAllOfAdministration(t *testing.T) {
	t.Parallel()
	e := newEngine(t, disabled("default-administrators")...)
	own := authz.Resource{Type: authz.Token, Subject: "root", Role: "read"}
	if d := e.Decide(t.Context(), ask(administrator("root"), authz.Update, own)); !d.Allowed {
		t.Errorf("own token: %+v, want allowed", d)
	}
	for _, other := range []authz.Resource{
		{Type: authz.Token, Subject: "bob", Role: "read"},
		{Type: authz.Token, Subject: "root", Role: "cleanup"},
		{Type: authz.Token, Subject: "root", Role: "service"},
	} {
		if d := e.Decide(t.Context(), ask(administrator("root"), authz.Update, other)); d.Allowed {
			t.Errorf("%+v: %+v, want denied", other, d)
		}
	}
}

func TestEngine_NoPolicyOpensWhatIsBuiltIn(t *testing.T) {
	t.Parallel()
	e := newEngine(t, entry("everybody", `permit (principal, action, resource);`))
	svc, reader, cleaner := service("svc"), administrator("root"), administrator("root")
	reader.MetadataOnly = true
	cleaner.CleanupOnly = true
	for _, tt := range []struct {
		name   string
		who    authz.Principal
		action authz.Action
		what   authz.Resource
		by     string // the rule that denies, or who permits
		want   bool
	}{
		{"unmapped credential", svc, authz.Get, authz.Resource{Type: authz.Credential, ID: "c"}, "built-in-unmapped-values", false},
		{"credential mapped by another", svc, authz.Get, authz.Resource{Type: authz.Credential, ID: "c", MappedBy: []string{"svc-b"}}, "built-in-unmapped-values", false},
		{"mapped credential", svc, authz.Get, authz.Resource{Type: authz.Credential, ID: "c", MappedBy: []string{"svc-b", "svc"}}, "everybody", true},
		{"what is mapped to another service", svc, authz.Get, authz.Resource{Type: authz.ServiceResource, ID: "svc-b"}, "built-in-unmapped-values", false},
		{"metadata of another service", svc, authz.Metadata, authz.Resource{Type: authz.ServiceResource, ID: "svc-b"}, "everybody", true},
		{"metadata of an unmapped credential", svc, authz.Metadata, authz.Resource{Type: authz.Credential, ID: "c"}, "everybody", true},
		{"blind ciphertext", svc, authz.Get, authz.Resource{Type: authz.BlindCredential, ID: "b"}, "default-services", true},
		{"metadata-only gets a credential", reader, authz.Get, authz.Resource{Type: authz.Credential, ID: "c"}, "built-in-metadata-only", false},
		{"metadata-only gets a service", reader, authz.Get, authz.Resource{Type: authz.ServiceResource, ID: "s"}, "built-in-metadata-only", false},
		{"metadata-only changes", reader, authz.Update, authz.Resource{Type: authz.PolicyResource}, "built-in-metadata-only", false},
		{"metadata-only reads metadata", reader, authz.Metadata, authz.Resource{Type: authz.ServiceResource, ID: "s"}, "default-users", true},
		{"clean-up token lists credentials", cleaner, authz.List, authz.Resource{Type: authz.Credential}, "built-in-cleanup-only", false},
		{"no name", user(""), authz.List, authz.Resource{Type: authz.Credential}, "built-in-nobody", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := e.Decide(t.Context(), ask(tt.who, tt.action, tt.what))
			if d.Allowed != tt.want || !slices.Contains(d.By, tt.by) {
				t.Errorf("Decide = %+v, want allowed %v by %s", d, tt.want, tt.by)
			}
		})
	}
}

func TestEngine_CommandsMayAlwaysAdministerPolicies(t *testing.T) {
	t.Parallel()
	stored := append(disabled("default-users", "default-administrators", "default-services", "default-operators"),
		entry("locked", `forbid (principal, action, resource);`))
	e := newEngine(t, stored...)
	for _, action := range []authz.Action{authz.List, authz.Update} {
		d := e.Decide(t.Context(), ask(operator(), action, authz.Resource{Type: authz.PolicyResource}))
		if !d.Allowed || !slices.Equal(d.By, []string{"built-in-operators"}) {
			t.Errorf("operator, %s policies: %+v", action, d)
		}
		if d := e.Decide(t.Context(), ask(administrator("root"), action, authz.Resource{Type: authz.PolicyResource})); d.Allowed {
			t.Errorf("administrator, %s policies: %+v, want denied", action, d)
		}
	}
	if d := e.Decide(t.Context(), ask(operator(), authz.Get, authz.Resource{Type: authz.Credential, ID: "c"})); d.Allowed {
		t.Errorf("operator gets a credential: %+v, want denied", d)
	}
}

func TestEngine_DisabledDefaultNoLongerApplies(t *testing.T) {
	t.Parallel()
	read := ask(user("alice"), authz.List, authz.Resource{Type: authz.Credential})
	e := newEngine(t, disabled("default-users")...)
	if d := e.Decide(t.Context(), read); d.Allowed || len(d.By) != 0 {
		t.Errorf("disabled: %+v, want denied by nobody", d)
	}
	if err := e.Replace([]authz.Entry{{Name: "default-users", Active: true}}); err != nil {
		t.Fatal(err)
	}
	if d := e.Decide(t.Context(), read); !d.Allowed || !slices.Equal(d.By, []string{"default-users"}) {
		t.Errorf("enabled again: %+v, want allowed by default-users", d)
	}
}

func TestEngine_ForbidWinsAndIsNamed(t *testing.T) {
	t.Parallel()
	e := newEngine(t,
		entry("no prod", `forbid (principal is User, action, resource is credential) when { resource.name like "prod-*" };
		                  forbid (principal is User, action, resource is credential) when { resource.tags.contains("prod") };`),
		entry("also me", `forbid (principal == User::"alice", action == Action::"get", resource);`),
	)
	prod := authz.Resource{Type: authz.Credential, ID: "c", Name: "prod-db", Tags: []string{"prod"}}
	d := e.Decide(t.Context(), ask(user("alice"), authz.Get, prod))
	slices.Sort(d.By)
	if d.Allowed || !slices.Equal(d.By, []string{"also me", "no prod"}) {
		t.Errorf("Decide = %+v, want both forbids, each once", d)
	}
	if d := e.Decide(t.Context(), ask(user("bob"), authz.Get, authz.Resource{Type: authz.Credential, ID: "c", Name: "db"})); !d.Allowed {
		t.Errorf("another credential: %+v, want allowed", d)
	}
}

func TestEngine_InactiveEntryDecidesNothing(t *testing.T) {
	t.Parallel()
	e := newEngine(t, authz.Entry{Name: "locked", Cedar: `forbid (principal, action, resource);`})
	if d := e.Decide(t.Context(), ask(user("alice"), authz.List, authz.Resource{Type: authz.Credential})); !d.Allowed {
		t.Errorf("Decide = %+v, want allowed", d)
	}
}

func TestEngine_PolicyThatCannotBeEvaluatedDenies(t *testing.T) {
	t.Parallel()
	for _, effect := range []string{"permit", "forbid"} {
		e := newEngine(t, entry("broken", effect+` (principal is User, action, resource is credential)
			when { resource.revision + 9223372036854775807 > 0 };`))
		row := authz.Resource{Type: authz.Credential, ID: "c", Revision: 1}
		if d := e.Decide(t.Context(), ask(user("alice"), authz.Get, row)); d.Allowed || !slices.Equal(d.By, []string{"broken"}) {
			t.Errorf("%s: %+v, want denied by broken", effect, d)
		}
		if d := e.Decide(t.Context(), ask(user("alice"), authz.Get, authz.Resource{Type: authz.ServiceResource, ID: "s"})); !d.Allowed {
			t.Errorf("%s, other resource: %+v, want allowed", effect, d)
		}
	}
}

func TestAllowAll_SwitchesTheBuiltInRulesOffToo(t *testing.T) {
	t.Parallel()
	d := authz.AllowAll{}.Decide(t.Context(), ask(service("svc"), authz.Get, authz.Resource{Type: authz.Credential, ID: "c"}))
	if !d.Allowed || !slices.Equal(d.By, []string{"no_acl"}) {
		t.Errorf("Decide = %+v, want allowed by no_acl", d)
	}
}
