package authz_test

import (
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
)

func TestNewEngine_RefusesEntriesThatDoNotHold(t *testing.T) {
	t.Parallel()
	const ok = `permit (principal, action, resource);`
	for name, tt := range map[string]struct {
		entries []authz.Entry
		want    string // part of the error
	}{
		"no Cedar":              {[]authz.Entry{entry("p", "allow everybody")}, `"p"`},
		"empty":                 {[]authz.Entry{entry("p", "")}, "no policy"},
		"only a comment":        {[]authz.Entry{entry("p", "// later")}, "no policy"},
		"unknown attribute":     {[]authz.Entry{entry("p", `permit (principal, action, resource is credential) when { resource.owner == "x" };`)}, "owner"},
		"attribute not of all":  {[]authz.Entry{entry("p", `permit (principal, action, resource) when { resource.tags.contains("x") };`)}, "tags"},
		"optional, not asked":   {[]authz.Entry{entry("p", `permit (principal, action, resource) when { context.client.isLoopback() };`)}, "client"},
		"unknown action":        {[]authz.Entry{entry("p", `permit (principal, action == Action::"read", resource);`)}, "read"},
		"unknown resource":      {[]authz.Entry{entry("p", `permit (principal, action, resource is secret);`)}, "secret"},
		"never applies":         {[]authz.Entry{entry("p", `permit (principal, action == Action::"archive", resource is jwt);`)}, "applicable action"},
		"wrong type":            {[]authz.Entry{entry("p", `permit (principal, action, resource) when { context.hour == "9" };`)}, "line 1"},
		"malformed network":     {[]authz.Entry{entry("p", `permit (principal, action, resource) when { context has client && context.client.isInRange(ip("10.0.0.0/33")) };`)}, "IP address"},
		"second policy is bad":  {[]authz.Entry{entry("p", ok+"\n\npermit (principal, action, resource) when { 1 };")}, "line 3"},
		"name twice":            {[]authz.Entry{entry("p", ok), entry("p", ok)}, "twice"},
		"shipped twice":         {[]authz.Entry{{Name: "default-users"}, {Name: "default-users"}}, "twice"},
		"shipped, changed":      {[]authz.Entry{entry("default-users", ok)}, "shipped"},
		"name empty":            {[]authz.Entry{entry("", ok)}, "1 to 128"},
		"name too long":         {[]authz.Entry{entry(strings.Repeat("x", 129), ok)}, "1 to 128"},
		"name with a slash":     {[]authz.Entry{entry("a/b", ok)}, "characters"},
		"name beyond ASCII":     {[]authz.Entry{entry("ä", ok)}, "characters"},
		"name of a built-in":    {[]authz.Entry{entry("built-in-nobody", ok)}, "built-in"},
		"both errors are named": {[]authz.Entry{entry("first", "x"), entry("second", "y")}, `"second"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := authz.NewEngine(tt.entries)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("NewEngine = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestReplace_KeepsWhatWasInForceAfterAnError(t *testing.T) {
	t.Parallel()
	e := newEngine(t, entry("locked", `forbid (principal is User, action, resource);`))
	if err := e.Replace([]authz.Entry{entry("good", `permit (principal, action, resource);`), entry("bad", "x")}); err == nil {
		t.Fatal("Replace with a broken entry: no error")
	}
	if d := e.Decide(t.Context(), ask(user("alice"), authz.List, authz.Resource{Type: authz.Credential})); d.Allowed {
		t.Errorf("Decide = %+v, want still denied", d)
	}
	if err := e.Replace(nil); err != nil {
		t.Fatal(err)
	}
	if d := e.Decide(t.Context(), ask(user("alice"), authz.List, authz.Resource{Type: authz.Credential})); !d.Allowed {
		t.Errorf("Decide = %+v, want allowed once the entry is gone", d)
	}
}

func TestReplace_MayBeCalledWhileOthersAsk(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			if err := e.Replace(disabled("default-users")); err != nil {
				t.Error(err)
			}
			if err := e.Replace(nil); err != nil {
				t.Error(err)
			}
		}
	}()
	for range 2000 {
		e.Decide(t.Context(), ask(user("alice"), authz.List, authz.Resource{Type: authz.Credential}))
	}
	<-done
}

func FuzzReplace(f *testing.F) {
	f.Add(`permit (principal, action, resource);`)
	f.Add(`forbid (principal is User, action in [Action::"get"], resource == credential::"c") when { resource.tags.contains("x") };`)
	f.Add(`@id("x") permit (principal, action, resource) unless { context has client && context.client.isInRange(ip("::1/8")) };`)
	f.Add(`permit (principal, action, resource) when { if principal == resource then true else {"a": context}.a.hour < 1 };`)
	e, err := authz.NewEngine(nil)
	if err != nil {
		f.Fatal(err)
	}
	request := ask(service("svc"), authz.Get, authz.Resource{Type: authz.ServiceResource, ID: "svc"})
	f.Fuzz(func(t *testing.T, text string) {
		// Whatever is accepted can be asked.
		if e.Replace([]authz.Entry{entry("p", text)}) == nil {
			e.Decide(t.Context(), request)
		}
	})
}
