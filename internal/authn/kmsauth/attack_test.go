package kmsauth_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn/kmsauth"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// attack is a proof that does not hold. What is empty is as in one that does.
type attack struct {
	name     string
	username string
	key      string
	context  map[string]string
	payload  string
	spoil    func(token string) string
	settings func(*kmsauth.Options)
}

func attacks(now time.Time) []attack {
	span := func(from, to time.Duration) string {
		const layout = "20060102T150405Z"
		return fmt.Sprintf(`{"not_before": %q, "not_after": %q}`, now.Add(from).Format(layout), now.Add(to).Format(layout))
	}
	same := func(text string) func(string) string { return func(string) string { return text } }
	insert := func(text string) func(string) string {
		return func(token string) string { return token[:8] + text + token[8:] }
	}
	return []attack{
		{name: "no token", spoil: same("")},
		{name: "blanks for a token", spoil: same("  ")},
		{name: "no base64", spoil: same("*")},
		{name: "a foreign character", spoil: insert("*")},
		{name: "a line break", spoil: insert("\n")},
		{name: "something after the padding", spoil: func(token string) string { return token + "====AAAA" }},
		{name: "no ciphertext", spoil: same(base64.StdEncoding.EncodeToString([]byte("no ciphertext")))},
		{name: "a ciphertext cut off", spoil: func(token string) string { return token[:40] }},
		{name: "the payload in clear", spoil: same(base64.StdEncoding.EncodeToString([]byte(span(0, time.Minute))))},

		{name: "made by another", context: v2("service", "svc-b")},
		{name: "made for another server", context: map[string]string{"from": "svc-a", "to": "confidant-staging", "user_type": "service"}},
		{name: "made for a user", context: v2("user", "svc-a")},
		{name: "version 1 as version 2", context: map[string]string{"from": "svc-a", "to": server}},
		{name: "version 2 as version 1", username: "svc-a"},
		{name: "a further member in the context", context: map[string]string{"from": "svc-a", "to": server, "user_type": "service", "more": "x"}},
		{name: "names run together", context: map[string]string{"from": "svc-aconfidant-production", "to": "", "user_type": "service"}},

		{name: "a key that is not configured", key: "alias/blind"},
		{name: "the key of users", key: "alias/userauth"},
		{name: "a user with the key of services", username: "2/user/svc-a", context: v2("user", "svc-a")},
		{name: "a user with a scoped key", username: "2/user/svc-a", key: "alias/scoped", context: v2("user", "svc-a")},
		{name: "no key for services", settings: func(o *kmsauth.Options) { o.Key = "" }},
		{name: "a configured key that is not there", settings: func(o *kmsauth.Options) { o.Key = "alias/gone" }},

		{name: "a type that is not listed", settings: func(o *kmsauth.Options) { o.Types = []authz.PrincipalType{authz.User} }},
		{name: "a type that nobody knows", username: "2/operator/svc-a", context: v2("operator", "svc-a")},
		{name: "version 1 below the minimum", username: "svc-a", context: map[string]string{"from": "svc-a", "to": server}, settings: func(o *kmsauth.Options) { o.MinVersion = 2 }},
		{name: "version 2 above the maximum", settings: func(o *kmsauth.Options) { o.MaxVersion = 1 }},
		{name: "version 3", username: "3/service/svc-a"},
		{name: "a version with a zero before it", username: "02/service/svc-a"},
		{name: "one slash", username: "service/svc-a"},
		{name: "three slashes", username: "2/service/svc-a/"},
		{name: "no type", username: "2//svc-a"},
		{name: "no name", username: "2/service/"},

		{name: "expired a second ago", payload: span(-time.Minute, -time.Second)},
		{name: "good in a second", payload: span(time.Second, time.Minute)},
		{name: "an end before the beginning", payload: span(time.Minute, -time.Minute)},
		{name: "an hour and a second", payload: span(-time.Minute, 59*time.Minute+time.Second)},
		{name: "a day and five minutes", payload: span(-time.Minute, 24*time.Hour+4*time.Minute)},
		{name: "no end", payload: `{"not_before": "20260102T030405Z"}`},
		{name: "no beginning", payload: `{"not_after": "20260102T030405Z"}`},
		{name: "numbers", payload: `{"not_before": 1767323045, "not_after": 1767323645}`},
		{name: "a fraction", payload: strings.Replace(span(0, time.Minute), `Z"`, `.5Z"`, 1)},
		{name: "another zone", payload: strings.ReplaceAll(span(0, time.Minute), `Z"`, `+0000"`)},
		{name: "a list", payload: "[" + span(0, time.Minute) + "]"},
		{name: "no JSON", payload: "not_before=20260102T030405Z"},
		{name: "nothing", payload: " "},
	}
}

// Whatever does not hold about a token, the answer is the same, also when it is
// asked again, and KMS is not asked again.
func TestAuthenticate_RefusesEveryAttack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	good := b.token(t, "alias/authnz", b.lasting(), v2("service", "svc-a"))
	if _, err := authenticator(t, b.options()).Authenticate(basic("2/service/svc-a", good)); err != nil {
		t.Fatalf("a token without an attack: %v", err)
	}
	table := attacks(*b.now.Load())
	for _, a := range table {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if a.username == "" {
				a.username = "2/service/svc-a"
			}
			if a.key == "" {
				a.key = "alias/authnz"
			}
			if a.context == nil {
				a.context = v2("service", "svc-a")
			}
			if a.payload == "" {
				a.payload = b.lasting()
			}
			token := b.token(t, a.key, a.payload, a.context)
			if a.spoil != nil {
				token = a.spoil(token)
			}
			o := b.options()
			if a.settings != nil {
				a.settings(&o)
			}
			auth := authenticator(t, o)
			asked := 0
			for try := range 3 {
				p, err := auth.Authenticate(basic(a.username, token))
				if !fault.Is(err, fault.BadProof) || fault.As(err).Message != "Access denied. Authentication failed." || p.Name != "" {
					t.Errorf("try %d: %+v, %v; want a bad proof", try, p, err)
				}
				if try == 0 {
					asked = b.aws.Calls("kms", "Decrypt")
				}
			}
			if got := b.aws.Calls("kms", "Decrypt"); got != asked || asked > 1 {
				t.Errorf("KMS was asked %d times, first %d", got, asked)
			}
		})
	}
	t.Logf("%d refused KMS tokens", len(table))
	if len(table) < 12 {
		t.Errorf("%d attacks, want at least 12", len(table))
	}
}
