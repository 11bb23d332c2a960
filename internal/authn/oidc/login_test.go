package oidc_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/oidc"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

func TestLogIn_EndsWithTheAddressTheProviderVouchesFor(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"oidc", "google"} {
		w := newWorld(t)
		a := w.start(func(o *oidc.Options) { o.Method, o.Restricted = method, true })
		if status, _ := w.browser().get(w.browser().comeBack(a, "")); status != http.StatusForbidden {
			t.Errorf("another browser: status %d, want 403", status)
		}
		if status, _ := w.browser().get(a.URL + "/v1/login"); status != http.StatusFound {
			t.Errorf("status %d, want 302", status)
		}
		b := w.browser()
		back := b.comeBack(a, "?next="+url.QueryEscape("/services/foo?tab=1"))
		if status, _ := b.get(back); status != http.StatusNoContent {
			t.Fatalf("%s: status %d, want 204", method, status)
		}
		got, err := a.ended()
		want := authn.Identity{
			Principal: authz.Principal{Type: authz.User, Name: "ada@example.com", Method: method, Ambient: true},
			FirstName: "Ada", LastName: "Lovelace", Next: "/services/foo?tab=1",
		}
		if got != want || err != nil {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
		if status, _ := b.get(back); status != http.StatusForbidden {
			t.Errorf("a second time: status %d, want 403", status)
		}
		if n := w.idp.count("/userinfo").Load(); n != 0 {
			t.Errorf("the user info was asked for %d times although the ID token had all", n)
		}
		if n := w.idp.count("/.well-known/openid-configuration").Load(); n != 1 {
			t.Errorf("the configuration was read %d times, want once", n)
		}
	}
}

func TestLogIn_BeginsWithAPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.start()
	b := w.browser()
	answer, err := b.client.PostForm(a.URL+"/v1/login", url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusFound {
		t.Errorf("status %d, want 302", answer.StatusCode)
	}
}

func TestLogIn_AsksTheProviderForWhatItNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.root = "https://secrets.example.com/"
	for _, tt := range []struct {
		scopes []string
		want   string
	}{
		{nil, "openid profile email"},
		{[]string{"email", "groups"}, "openid email groups"},
	} {
		a := w.start(func(o *oidc.Options) { o.Scopes = tt.scopes })
		status, location := w.browser().get(a.URL + "/v1/login")
		u, err := url.Parse(location)
		if status != http.StatusFound || err != nil {
			t.Fatalf("status %d, location %q", status, location)
		}
		q := u.Query()
		if got := u.Scheme + "://" + u.Host + u.Path; got != w.idp.issuer+"/authorize" {
			t.Errorf("sent to %s", got)
		}
		want := map[string]string{
			"response_type": "code", "client_id": clientID, "scope": tt.want,
			"redirect_uri": "https://secrets.example.com/v1/login", "code_challenge_method": "S256",
		}
		for name, value := range want {
			if got := q[name]; len(got) != 1 || got[0] != value {
				t.Errorf("%s %q, want %q", name, got, value)
			}
		}
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			if b, err := base64.RawURLEncoding.DecodeString(q.Get(name)); err != nil || len(b) != 32 {
				t.Errorf("%s %q, want 32 bytes", name, q.Get(name))
			}
		}
		if len(q) != len(want)+3 {
			t.Errorf("parameters %v", q)
		}
	}
}

func TestLogIn_AnotherProcessFinishesWhatOneBegan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.root = "http://secrets.example.com"
	a := w.start(func(o *oidc.Options) { o.Client = nil })
	b := w.start(func(o *oidc.Options) { o.Client = new(http.Client) })
	visitor := w.browser()
	status, location := visitor.get(a.URL + "/v1/login?next=/here")
	if status != http.StatusFound {
		t.Fatalf("status %d, want 302", status)
	}
	_, location = visitor.get(location)
	if status, _ := visitor.get(at(b, location)); status != http.StatusNoContent {
		_, err := b.ended()
		t.Fatalf("the other process: status %d, %v", status, err)
	}
	if id, _ := b.ended(); id.Name != "ada@example.com" || id.Next != "/here" {
		t.Errorf("identity %+v", id)
	}
	if status, _ := visitor.get(at(a, location)); status != http.StatusForbidden {
		t.Errorf("afterwards in the first: status %d, want 403", status)
	}
}

func TestLogIn_AStolenLinkIsOfNoUseWithoutTheCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.start()
	victim, thief := w.browser(), w.browser()
	back := victim.comeBack(a, "")
	thief.comeBack(a, "") // has cookies of his own log-in
	if status, _ := thief.get(back); status != http.StatusForbidden {
		t.Errorf("the thief: status %d, want 403", status)
	}
	if n := w.idp.count("/token").Load(); n != 0 {
		t.Errorf("the code was redeemed for him, %d times", n)
	}
	if status, _ := victim.get(back); status != http.StatusNoContent {
		t.Errorf("the victim afterwards: status %d, want 204", status)
	}
}

func TestLogIn_GoesToPathsOfThisServerOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.start()
	for next, want := range map[string]string{
		"":                               "/",
		"/a?b=c":                         "/a?b=c",
		"https://evil.example":           "/",
		"//evil.example":                 "/",
		`/\evil.example`:                 "/",
		"javascript:alert(1)":            "/",
		"/\t/evil.example":               "/",
		"/" + strings.Repeat("x", 1<<14): "/",
	} {
		b := w.browser()
		if status, _ := b.get(b.comeBack(a, "?next="+url.QueryEscape(next))); status != http.StatusNoContent {
			t.Fatalf("status %d, want 204", status)
		}
		if id, _ := a.ended(); id.Next != want {
			t.Errorf("next %.40q leads to %.40q, want %q", next, id.Next, want)
		}
	}
}

func TestLogIn_RefusesAnswersThatAreNotTheProviders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.start()
	for _, query := range []string{"?code=x", "?error=access_denied", "?state=", "?code=x&state=", "?code=x&state=" + strings.Repeat("A", 43), "?state=x&state=y&code=z"} {
		if status, location := w.browser().get(a.URL + "/v1/login" + query); status != http.StatusForbidden || location != "" {
			t.Errorf("%s: status %d, location %q; want 403 and no redirect", query, status, location)
		}
	}

	issuer := w.idp.issuer
	for name, tt := range map[string]struct {
		answer   object // of the provider, over the proper one
		metadata object
		status   int
	}{
		"proper":                      {status: 204},
		"names itself":                {answer: object{"iss": issuer}, status: 204},
		"names itself as it promised": {answer: object{"iss": issuer}, metadata: object{"authorization_response_iss_parameter_supported": true}, status: 204},
		"names another":               {answer: object{"iss": "https://other.example"}, status: 403},
		"names Google":                {answer: object{"iss": "accounts.google.com"}, status: 403},
		"names two":                   {answer: object{"iss": []string{issuer, issuer}}, status: 403},
		"names nobody":                {answer: object{"iss": ""}, status: 403},
		"does not name itself, against its promise": {metadata: object{"authorization_response_iss_parameter_supported": true}, status: 403},
		"refuses":                 {answer: object{"code": nil, "error": "access_denied"}, status: 403},
		"refuses and has a code":  {answer: object{"error": "access_denied"}, status: 403},
		"refuses with our secret": {answer: object{"error": clientSecret}, status: 403},
		"no code":                 {answer: object{"code": nil}, status: 403},
		"empty code":              {answer: object{"code": ""}, status: 403},
		"two codes":               {answer: object{"code": []string{"a", "b"}}, status: 403},
		"unknown code":            {answer: object{"code": "x"}, status: 403},
	} {
		w.idp.set(func() { w.idp.answer, w.idp.metadata = tt.answer, tt.metadata })
		a := w.start()
		if status := w.browser().logIn(a); status != tt.status {
			_, err := a.ended()
			t.Errorf("%s: status %d, %v; want %d", name, status, err, tt.status)
		}
	}
}

func TestLogIn_AuthenticatesTheClientAsTheProviderWants(t *testing.T) {
	t.Parallel()
	const basic, post = "client_secret_basic", "client_secret_post"
	for _, tt := range []struct {
		offered []string // nil: nothing said
		accept  string
		want    string
		asked   int32 // of two log-ins
	}{
		{nil, "", basic, 2},
		{nil, post, post, 3}, // it finds out once
		{[]string{basic}, "", basic, 2},
		{[]string{post}, "", post, 2},
		{[]string{post, basic}, "", basic, 2},
		{[]string{post, basic}, post, post, 3},
		{[]string{"private_key_jwt"}, post, post, 3},
	} {
		w := newWorld(t)
		w.idp.accept = tt.accept
		w.idp.metadata = object{"token_endpoint_auth_methods_supported": nil}
		if tt.offered != nil {
			w.idp.metadata = object{"token_endpoint_auth_methods_supported": tt.offered}
		}
		a := w.start()
		for range 2 {
			if status := w.browser().logIn(a); status != http.StatusNoContent {
				_, err := a.ended()
				t.Errorf("offered %v: status %d, %v", tt.offered, status, err)
			}
		}
		if n := w.idp.count("/token").Load(); w.idp.style != tt.want || n != tt.asked {
			t.Errorf("offered %v, accepted %q: %s, asked %d times; want %s, %d", tt.offered, tt.accept, w.idp.style, n, tt.want, tt.asked)
		}
	}
}

func TestLogIn_TokenEndpointThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.start()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s went where the token endpoint pointed to", r.Method)
	}))
	defer elsewhere.Close()
	for name, tt := range map[string]struct {
		serve  http.HandlerFunc
		status int
	}{
		"refuses, repeating all it was sent": {func(rw http.ResponseWriter, r *http.Request) {
			_, secret, _ := r.BasicAuth()
			answerJSON(rw, 400, object{"error": "invalid_grant", "error_description": r.PostFormValue("code") + r.PostFormValue("code_verifier") + secret})
		}, 403},
		"refuses with a code that is a secret": {func(rw http.ResponseWriter, r *http.Request) {
			answerJSON(rw, 400, object{"error": r.PostFormValue("code")})
		}, 403},
		"refuses without JSON": {func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(401)
			fmt.Fprint(rw, r.PostFormValue("code"))
		}, 403},
		"refuses with status 200": {func(rw http.ResponseWriter, r *http.Request) {
			answerJSON(rw, 200, object{"error": "invalid_grant", "error_description": r.PostFormValue("code")})
		}, 403},
		"gives no ID token": {func(rw http.ResponseWriter, _ *http.Request) { answerJSON(rw, 200, object{"access_token": "x"}) }, 403},
		"gives a number": {func(rw http.ResponseWriter, _ *http.Request) {
			answerJSON(rw, 200, object{"access_token": "x", "id_token": 1})
		}, 403},
		"gives no access token": {func(rw http.ResponseWriter, _ *http.Request) { answerJSON(rw, 200, object{"id_token": "x"}) }, 403},
		"gives a list":          {func(rw http.ResponseWriter, _ *http.Request) { answerJSON(rw, 200, []int{1}) }, 403},
		"breaks": {func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(500)
			fmt.Fprint(rw, r.PostFormValue("code"))
		}, 503},
		"is busy":     {func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(429) }, 503},
		"is not JSON": {func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, "<p>", r.PostFormValue("code")) }, 503},
		"is huge":     {func(rw http.ResponseWriter, _ *http.Request) { answerJSON(rw, 200, strings.Repeat("x", 1<<20)) }, 503},
		"hangs up":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503},
		"redirects, keeping the body": {func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Location", elsewhere.URL+"/"+r.PostFormValue("code"))
			answerJSON(rw, 307, object{})
		}, 503},
		"redirects": {func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, elsewhere.URL+"/"+r.PostFormValue("code"), http.StatusFound)
		}, 503},
		"redirects to no URL": {func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Location", "http://%zz/"+r.PostFormValue("code"))
			rw.WriteHeader(302)
		}, 503},
	} {
		w.idp.set(func() {
			w.idp.override["/token"] = func(rw http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				tt.serve(rw, r)
			}
		})
		b := w.browser()
		back := b.comeBack(a, "")
		if status, _ := b.get(back); status != tt.status {
			_, err := a.ended()
			t.Errorf("%s: status %d, %v; want %d", name, status, err, tt.status)
		}
		if status, _ := b.get(back); status != http.StatusForbidden {
			t.Errorf("%s: the log-in was not used up: status %d", name, status)
		}
	}
}

// brokenStore fails as *authn.Challenges does if the store does not answer.
type brokenStore struct{}

var errStore = fault.Wrap(fault.Unavailable, "The store does not answer.", errors.New("no route"))

func (brokenStore) Begin(http.ResponseWriter, *http.Request, authn.Step, any) (string, error) {
	return "", errStore
}

func (brokenStore) Finish(http.ResponseWriter, *http.Request, authn.Step, string, any) error {
	return errStore
}

func TestLogIn_StoreThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.start(func(o *oidc.Options) { o.Challenges = brokenStore{} })
	for _, query := range []string{"", "?code=x&state=y"} {
		status, _ := w.browser().get(a.URL + "/v1/login" + query)
		if _, err := a.ended(); status != http.StatusServiceUnavailable || !errors.Is(err, errStore) {
			t.Errorf("%q: status %d, %v", query, status, err)
		}
	}
}

// TestLogIn_Google stands in for Google, which names itself without the scheme in
// ID tokens now and then.
func TestLogIn_Google(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.idp.issuer = googleIssuer
	a := w.start(func(o *oidc.Options) { o.Method, o.Issuer, o.Restricted = "google", "", true })
	for _, tt := range []struct {
		claim, answer string
		status        int
	}{
		{googleIssuer, googleIssuer, http.StatusNoContent},
		{"accounts.google.com", "accounts.google.com", http.StatusNoContent},
		{"accounts.google.com.evil.example", googleIssuer, http.StatusForbidden},
		{googleIssuer, "accounts.google.com.evil.example", http.StatusForbidden},
		{"http://accounts.google.com", googleIssuer, http.StatusForbidden},
	} {
		w.idp.set(func() { w.idp.claims, w.idp.answer = object{"iss": tt.claim}, object{"iss": tt.answer} })
		status := w.browser().logIn(a)
		if id, err := a.ended(); status != tt.status || status == http.StatusNoContent && id.Method != "google" {
			t.Errorf("%+v: status %d, %v", tt, status, err)
		}
	}
}
