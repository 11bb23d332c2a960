package provider

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/part"
)

// OIDC is a running oidc-provider. It demands PKCE.
type OIDC struct {
	Issuer string
}

// StartOIDC starts it for the time of the test.
func StartOIDC(tb testing.TB, people []Person) *OIDC {
	tb.Helper()
	o := &OIDC{localhost(tb, part.Address(tb))}
	issuer, err := url.Parse(o.Issuer)
	if err != nil {
		tb.Fatal(err)
	}
	known, err := json.Marshal(people)
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command("node", part.Source(tb, "internal/proof/login/provider/oidc.mjs"),
		part.Package(tb, "oidc-provider"), issuer.Port(), o.Issuer)
	cmd.Env = append(os.Environ(), "PEOPLE="+string(known))
	part.Start(tb, cmd).Ready(o.Issuer + "/.well-known/openid-configuration")
	return o
}

// Client is what a client is known by at the provider.
type Client struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// Introduce makes a client known that lets the provider send people back to a URL.
func (o *OIDC) Introduce(tb testing.TB, redirect string) Client {
	tb.Helper()
	body, err := json.Marshal(map[string]any{"redirect_uris": []string{redirect}})
	if err != nil {
		tb.Fatal(err)
	}
	resp, err := http.Post(o.Issuer+"/reg", "application/json", bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	var c Client
	if err := json.NewDecoder(resp.Body).Decode(&c); err != nil || resp.StatusCode != http.StatusCreated || c.ID == "" {
		tb.Fatalf("registering a client: %s, %v", resp.Status, err)
	}
	return c
}
