package oidc_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/confidant-secrets/confidant/internal/authn/oidc"
	"github.com/confidant-secrets/confidant/internal/fault"
)

func TestLogIn_CountsOnlyAddressesTheProviderVouchesFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	strict := w.start()
	trusting := w.start(func(o *oidc.Options) { o.TrustEmail = true })
	for _, tt := range []struct {
		claims          object
		strict, trusted string // who logs in; empty: 403
	}{
		{object{}, "ada@example.com", "ada@example.com"},
		{object{"email": "ROOT@Example.COM"}, "root@example.com", "root@example.com"},
		{object{"email_verified": "true"}, "ada@example.com", "ada@example.com"},
		{object{"email_verified": false}, "", "ada@example.com"},
		{object{"email_verified": "false"}, "", "ada@example.com"},
		{object{"email_verified": nil}, "", "ada@example.com"},
		{object{"email_verified": 1}, "", "ada@example.com"},
		{object{"email_verified": "TRUE"}, "", "ada@example.com"},
		{object{"email_verified": []bool{true}}, "", "ada@example.com"},
		{object{"email": "jürgen@example.com"}, "jürgen@example.com", "jürgen@example.com"},
		{object{"email": ""}, "", ""},
		{object{"email": nil}, "", ""},
		{object{"email": "ada"}, "", ""},
		{object{"email": "@example.com"}, "", ""},
		{object{"email": "ada@"}, "", ""},
		{object{"email": "ada@evil.example@example.com"}, "", ""},
		{object{"email": "ada@evil.example,root@example.com"}, "", ""},
		{object{"email": "Ada <ada@example.com>"}, "", ""},
		{object{"email": `"ada"@example.com`}, "", ""},
		{object{"email": "ada@example.com "}, "", ""},
		{object{"email": "ada@example.com\n"}, "", ""},
		{object{"email": "ada\u200b@example.com"}, "", ""},
		{object{"email": "ada\u202e@example.com"}, "", ""},
		{object{"email": "ada@\u212aexample.com"}, "", ""}, // Kelvin sign
		{object{"email": "ad\u0130@example.com"}, "", ""},  // capital I with a dot
		{object{"email": strings.Repeat("a", 320) + "@example.com"}, "", ""},
		{object{"email": []string{"ada@example.com"}}, "", ""},
	} {
		w.idp.set(func() { w.idp.claims = tt.claims })
		for a, want := range map[*app]string{strict: tt.strict, trusting: tt.trusted} {
			status := w.browser().logIn(a)
			id, err := a.ended()
			switch {
			case want == "" && status != http.StatusForbidden:
				t.Errorf("%v: status %d, %q; want 403", tt.claims, status, id.Name)
			case want != "" && (status != http.StatusNoContent || id.Name != want):
				t.Errorf("%v: status %d, %q, %v; want %q", tt.claims, status, id.Name, err, want)
			case id.Administrator != (want == "root@example.com"):
				t.Errorf("%v: administrator %v", tt.claims, id.Administrator)
			}
		}
	}
	w.idp.set(func() { w.idp.claims = object{"email_verified": false} })
	w.browser().logIn(strict)
	if _, err := strict.ended(); !fault.Is(err, fault.Denied) {
		t.Errorf("an address that is not verified: %v, want a denial", err)
	}
}

func TestLogIn_AsksForTheUserInfoIfTheTokenHasNoAddress(t *testing.T) {
	t.Parallel()
	info := object{"sub": "subject-1", "email": "Grace@Example.com", "email_verified": true, "given_name": "Grace", "family_name": "Hopper"}
	for name, tt := range map[string]struct {
		info     object
		metadata object
		serve    http.HandlerFunc
		status   int
	}{
		"has it":                       {info: info, status: 204},
		"has it verified as a string":  {info: with(info, "email_verified", "true"), status: 204},
		"is about somebody else":       {info: with(info, "sub", "subject-2"), status: 403},
		"is about nobody":              {info: with(info, "sub", nil), status: 403},
		"has none either":              {info: with(info, "email", nil), status: 403},
		"has it, not verified":         {info: with(info, "email_verified", false), status: 403},
		"has it in capitals only":      {info: with(info, "email", nil, "EMAIL", "root@example.com"), status: 403},
		"cannot be had":                {metadata: object{"userinfo_endpoint": nil}, status: 403},
		"refuses, repeating the token": {status: 403},
		"is down":                      {serve: down, status: 503},
		"has it twice": {serve: func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = rw.Write([]byte(`{"sub":"subject-1","email":"ada@example.com","email":"root@example.com","email_verified":true}`))
		}, status: 403},
		"is not JSON": {serve: func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("<p>")) }, status: 503},
		"is a list":   {serve: func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("[]")) }, status: 403},
		"is signed, wrongly": {serve: func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/jwt")
			_, _ = rw.Write([]byte(keys().stranger.sign(`{"alg":"RS256","kid":"rsa-1"}`, text(info))))
		}, status: 403},
		"is signed": {serve: func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/jwt")
			_, _ = rw.Write([]byte(keys().rsa.sign(`{"alg":"RS256","kid":"rsa-1"}`, text(info))))
		}, status: 204},
	} {
		w := newWorld(t)
		w.idp.claims = object{"email": nil, "email_verified": nil}
		w.idp.userInfo, w.idp.metadata, w.idp.override["/userinfo"] = tt.info, tt.metadata, tt.serve
		a := w.start()
		status := w.browser().logIn(a)
		id, err := a.ended()
		if status != tt.status {
			t.Errorf("user info that %s: status %d, %v; want %d", name, status, err, tt.status)
		} else if status == 204 && (id.Name != "grace@example.com" || id.FirstName != "Grace" || id.LastName != "Hopper") {
			t.Errorf("user info that %s: %+v", name, id)
		}
	}
}

func TestLogIn_NamesThatFitIntoACookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.start()
	w.idp.claims = object{"given_name": "x" + strings.Repeat("é", 1000), "family_name": nil}
	if status := w.browser().logIn(a); status != http.StatusNoContent {
		t.Fatalf("status %d", status)
	}
	id, _ := a.ended()
	if n := len(id.FirstName); n < 150 || n > 200 || !utf8.ValidString(id.FirstName) {
		t.Errorf("first name of %d bytes: %q", n, id.FirstName)
	}
	if id.LastName != "" {
		t.Errorf("last name %q", id.LastName)
	}
}
