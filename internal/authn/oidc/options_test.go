package oidc_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authn/oidc"
)

func TestIncomplete_SaysWhatIsMissingAndSoDoesTheLogIn(t *testing.T) {
	t.Parallel()
	open := "Everybody can have an account at this identity provider: log-in needs USER_EMAIL_SUFFIX or USERS_FILE, or OIDC_ALLOW_ANY=true."
	google := func(o *oidc.Options) { o.Method = "google" }
	for _, tt := range []struct {
		want   string
		change func(*oidc.Options)
	}{
		{"", func(*oidc.Options) {}},
		{"Log-in through OpenID Connect needs OIDC_CLIENT_ID.", func(o *oidc.Options) { o.ClientID = "" }},
		{"Log-in through OpenID Connect needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET.", func(o *oidc.Options) { o.ClientID, o.ClientSecret = "", "" }},
		{"Log-in through OpenID Connect needs GOOGLE_OAUTH_CONSUMER_SECRET.", func(o *oidc.Options) { google(o); o.ClientSecret = "" }},
		{"Log-in through OpenID Connect needs GOOGLE_OAUTH_CLIENT_ID.", func(o *oidc.Options) { google(o); o.ClientID = "" }},
		{open, google},
		{open, func(o *oidc.Options) { o.Issuer = "" }},
		{open, func(o *oidc.Options) { o.Issuer = "https://ACCOUNTS.google.com/" }},
		{"", func(o *oidc.Options) { google(o); o.Restricted = true }},
		{"", func(o *oidc.Options) { google(o); o.AllowAny = true }},
		{"", func(o *oidc.Options) { o.Issuer, o.Restricted = googleIssuer, true }},
	} {
		w := newWorld(t)
		a := w.start(tt.change)
		if got := a.flow.Incomplete(); got != tt.want {
			t.Errorf("Incomplete says %q, want %q", got, tt.want)
		}
		if tt.want == "" {
			continue
		}
		for _, query := range []string{"", "?code=x&state=y"} {
			status, _ := w.browser().get(a.URL + "/v1/login" + query)
			if _, err := a.ended(); status != http.StatusServiceUnavailable || err.Error() != tt.want {
				t.Errorf("%q: status %d, %q; want 503, %q", query, status, err, tt.want)
			}
		}
	}
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range map[string]func(*oidc.Options){
		"unknown method":        func(o *oidc.Options) { o.Method = "saml" },
		"no root":               func(o *oidc.Options) { o.Root = nil },
		"no challenges":         func(o *oidc.Options) { o.Challenges = nil },
		"no administrators":     func(o *oidc.Options) { o.Administrator = nil },
		"no log":                func(o *oidc.Options) { o.Log = nil },
		"issuer without scheme": func(o *oidc.Options) { o.Issuer = "login.example.com" },
		"issuer without TLS":    func(o *oidc.Options) { o.Issuer = "http://login.example.com" },
		"issuer with a query":   func(o *oidc.Options) { o.Issuer = "https://login.example.com?a=b" },
		"issuer with a secret": func(o *oidc.Options) {
			o.Issuer = "https://" + clientID + ":" + url.QueryEscape(clientSecret) + "@login.example.com"
		},
		"issuer with a fragment": func(o *oidc.Options) { o.Issuer = "https://login.example.com#x" },
		"issuer of another kind": func(o *oidc.Options) { o.Issuer = "ftp://127.0.0.1" },
	} {
		o := w.options()
		change(&o)
		flow, err := oidc.New(o)
		if err == nil {
			t.Errorf("%s: no error, %v", name, flow.Name())
		} else if err := w.idp.leaked(err.Error()); err != nil {
			t.Error(err)
		}
	}
}

func TestSecret_DoesNotPrintItself(t *testing.T) {
	t.Parallel()
	secret := oidc.Secret(clientSecret)
	encoded, err := json.Marshal(oidc.Options{ClientSecret: secret}.ClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret)
	for _, text := range []string{
		fmt.Sprintf("%s %v %+v %#v %q %x %d", secret, secret, secret, secret, secret, secret, secret),
		fmt.Sprintf("%+v %#v", oidc.Options{ClientSecret: secret}, oidc.Options{ClientSecret: secret}),
		string(encoded), log.String(),
	} {
		if strings.Contains(text, clientSecret) || strings.Contains(text, fmt.Sprintf("%x", clientSecret)) || !strings.Contains(text, "****") {
			t.Errorf("it prints %s", text)
		}
	}
	if got := fmt.Sprint(oidc.Secret("")); got != "" {
		t.Errorf("no secret prints %q", got)
	}
}
