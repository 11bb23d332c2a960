package policy_test

import (
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/policy"
)

// simple reads the simple form.
func simple(t *testing.T, text string) policy.Simple {
	t.Helper()
	s := policy.Simple{Name: "p"}
	if err := s.Read([]byte(text)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// TestSimple_EachMemberMustMatch makes each policy the only one and asks two
// questions: the first must be allowed, the second denied.
func TestSimple_EachMemberMustMatch(t *testing.T) {
	t.Parallel()
	base := policy.Question{User: "ada@example.com", Action: authz.Get, Type: authz.Credential, ID: "pay-1", Client: "10.1.2.3", At: "2026-11-24T12:00:00Z", Attributes: &policy.Attributes{}}
	with := func(change func(*policy.Question)) policy.Question {
		q := base
		change(&q)
		return q
	}
	by := func(name string) policy.Question {
		return with(func(q *policy.Question) { q.User = name })
	}
	id := func(id string) policy.Question { return with(func(q *policy.Question) { q.ID = id }) }
	from := func(client string) policy.Question {
		return with(func(q *policy.Question) { q.Client = client })
	}
	at := func(moment string) policy.Question { return with(func(q *policy.Question) { q.At = moment }) }
	doing := func(a authz.Action) policy.Question {
		return with(func(q *policy.Question) { q.Action = a })
	}
	service := with(func(q *policy.Question) { q.User, q.Service, q.Action = "", "svc", authz.Metadata })
	blind := with(func(q *policy.Question) { q.Type = authz.BlindCredential })

	for _, tt := range []struct {
		form       string
		allow, not policy.Question
	}{
		{`{scope: credential, action: "*"}`, base, blind},
		{`{scope: "*", action: get}`, blind, doing(authz.Update)},
		{`{scope: credential, action: [get, list]}`, doing(authz.List), doing(authz.Update)},
		{`{scope: credential, action: "get,list"}`, base, doing(authz.Update)},
		{`{scope: credential, action: "*", usertype: user}`, base, service},
		{`{scope: credential, action: "*", usertype: service}`, service, base},
		{`{scope: credential, action: "*", user: ada@example.com}`, base, by("eve@example.com")},
		{`{scope: credential, action: "*", user: ["bob", "*@example.com"]}`, base, by("ada@example.org")},
		{`{scope: credential, action: "*", user: ["a.a*"]}`, by("a.a@x"), base},
		{`{scope: credential, action: "*", user: ["q\"uote", "q\"*"]}`, by(`q"x`), base},
		{`{scope: credential, action: "*", resource: "pay-*"}`, base, id("web-1")},
		{`{scope: credential, action: "*", client: 10.0.0.0/8}`, base, from("192.0.2.7")},
		{`{scope: credential, action: "*", client: 10.0.0.0/8}`, base, from("")},
		{`{scope: credential, action: "*", client: ["10.0.0.0/8", "!10.9.0.0/16"]}`, base, from("10.9.1.1")},
		{`{scope: credential, action: "*", client: ["2001:db8::/32", "192.0.2.7"]}`, from("192.0.2.7"), from("192.0.2.8")},
		{`{scope: credential, action: "*", client: "!192.0.2.0/24"}`, base, from("192.0.2.7")},
		{`{scope: credential, action: "*", time: "Mon-Fri: 9-18"}`, at("2026-11-24T09:00:00Z"), at("2026-11-24T18:00:00Z")},
		{`{scope: credential, action: "*", time: "Mon-Fri: 9-18"}`, at("2026-11-24T17:59:59Z"), at("2026-11-28T12:00:00Z")},
		{`{scope: credential, action: "*", time: "Sat-Mon: 0-24, Tue: 10:15-10:30"}`, at("2026-11-24T10:29:00Z"), at("2026-11-24T10:14:00Z")},
		{`{scope: credential, action: "*", time: "Sat-Mon: 0-24, Tue: 10:15-10:30"}`, at("2026-11-29T23:59:00Z"), at("2026-11-27T12:00:00Z")},
	} {
		t.Run(tt.form, func(t *testing.T) {
			t.Parallel()
			e, err := simple(t, tt.form).Entry()
			if err != nil {
				t.Fatal(err)
			}
			r := newRoom(t)
			if _, err := r.SetActive(t.Context(), operator, "default-users", false); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Create(t.Context(), operator, e, false); err != nil {
				t.Fatalf("%v\n%s", err, e.Cedar)
			}
			for want, q := range map[bool]policy.Question{true: tt.allow, false: tt.not} {
				d, err := r.Explain(t.Context(), operator, q)
				if err != nil || d.Allowed != want {
					t.Errorf("%+v: %+v, %v, want allowed %v\n%s", q, d, err, want, e.Cedar)
				}
			}
		})
	}
}

func TestSimple_EffectStateAndDescription(t *testing.T) {
	t.Parallel()
	e, err := simple(t, `{"name": "q", "active": false, "description": "why", "effect": "deny", "scope": "ca", "action": "list", "priority": 3}`).Entry()
	want := authz.Entry{Name: "q", Description: "why", Cedar: "forbid (principal, action in [Action::\"list\"], resource is ca);\n"}
	if err != nil || e != want {
		t.Errorf("Entry = %+v, %v, want %+v", e, err, want)
	}
}

func TestSimple_RefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, form := range []string{
		`{scope: secret, action: get}`, `{scope: credential, action: read}`, `{action: get}`, `{scope: credential}`,
		`{scope: ca, action: list, effect: maybe}`, `{scope: ca, action: list, usertype: robot}`,
		`{scope: ca, action: list, client: office}`, `{scope: ca, action: list, client: 10.0.0.0/33}`,
		`{scope: ca, action: list, time: noon}`, `{scope: ca, action: list, time: "Mon: 9-25"}`, `{scope: ca, action: list, time: "Mon: 9-9"}`,
		`{scope: ca, action: list, time: "Mon-Foo: 9-10"}`, `{scope: ca, action: list, time: "Mon: 9:5-10"}`,
	} {
		_, err := simple(t, form).Entry()
		wantKind(t, form, err, fault.Invalid)
	}
	for _, text := range []string{`{scope: ca, colour: red}`, `[ca]`, `{scope: [`, `scope: {a: b}`, `action: {a: b}`, `{1: 2}`} {
		s := policy.Simple{}
		wantKind(t, text, s.Read([]byte(text)), fault.Invalid)
	}
	s := policy.Simple{}
	if err := s.Read([]byte("{\n  \"scope\": 'ca\"}")); err == nil || !strings.Contains(err.Error(), "line 2, column 12") {
		t.Errorf("a mistake in JSON: %v, want its line and column", err)
	}
}
