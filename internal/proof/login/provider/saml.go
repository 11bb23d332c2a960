// Package provider starts identity providers that other people wrote, for tests
// that log in at them: SimpleSAMLphp for SAML and oidc-provider for OpenID
// Connect. They know the same people. They answer under localhost, so that they
// are another site than what listens on 127.0.0.1, as identity providers are.
package provider

import (
	"encoding/json"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/part"
)

// Person is somebody with an account at the providers.
type Person struct {
	Login, Password     string
	Email               string
	FirstName, LastName string
	Unverified          bool // the e-mail address, in OpenID Connect
}

// simpleSAML is where Debian's package puts it.
const simpleSAML = "/usr/share/simplesamlphp/www"

// SAML is a running SimpleSAMLphp. It demands signed requests, and signs its
// responses, assertions and log-outs.
type SAML struct {
	EntityID    string
	SignOnURL   string
	LogOutURL   string
	Certificate string // file

	url, dir  string
	providers int
}

// StartSAML starts it for the time of the test.
func StartSAML(tb testing.TB, people []Person) *SAML {
	tb.Helper()
	if _, err := os.Stat(simpleSAML); err != nil {
		tb.Fatalf("SimpleSAMLphp is not installed: %v", err)
	}
	address := part.Address(tb)
	s := &SAML{url: localhost(tb, address), dir: tb.TempDir()}
	s.EntityID = s.url + "/simplesaml/saml2/idp/metadata.php"
	s.SignOnURL = s.url + "/simplesaml/saml2/idp/SSOService.php"
	s.LogOutURL = s.url + "/simplesaml/saml2/idp/SingleLogoutService.php"
	pair := NewKeyPair(tb, s.dir, "idp")
	s.Certificate = pair.Certificate

	accounts := map[string]any{}
	for _, p := range people {
		accounts[p.Login+":"+p.Password] = map[string]any{"email": p.Email, "firstname": p.FirstName, "lastname": p.LastName}
	}
	s.write(tb, "people.json", accounts)
	root := filepath.Join(s.dir, "www")
	for _, dir := range []string{root, filepath.Join(s.dir, "providers")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Symlink(simpleSAML, filepath.Join(root, "simplesaml")); err != nil {
		tb.Fatal(err)
	}

	cmd := exec.Command("php", "-q", "-S", address, "-t", root)
	cmd.Env = append(os.Environ(),
		"SIMPLESAMLPHP_CONFIG_DIR="+part.Source(tb, "internal/proof/login/provider/simplesamlphp/config"),
		"IDP_DIR="+s.dir, "IDP_URL="+s.url)
	part.Start(tb, cmd).Ready(s.EntityID)
	return s
}

// localhost returns the root URL of an address under the name localhost.
func localhost(tb testing.TB, address string) string {
	tb.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		tb.Fatal(err)
	}
	return "http://localhost:" + port
}

// Introduce makes a service provider known: its root URL, its certificate, and
// whether it gets its assertions encrypted.
func (s *SAML) Introduce(tb testing.TB, root, certificate string, encrypted bool) {
	tb.Helper()
	s.providers++
	s.write(tb, filepath.Join("providers", strconv.Itoa(s.providers)+".json"), map[string]any{
		"entityid":                 root + "/v1/saml/metadata",
		"AssertionConsumerService": root + "/v1/saml/consume",
		"SingleLogoutService":      root + "/v1/saml/logout",
		"NameIDFormat":             "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
		"certificate":              certificate, // a path from the root
		"saml20.sign.assertion":    true,
		"saml20.sign.response":     true,
		"assertion.encryption":     encrypted,
	})
}

// LogOutEverywhere is the URL under which somebody logs out at the provider, and
// with that everywhere, and then arrives at another URL.
func (s *SAML) LogOutEverywhere(then string) string {
	return s.url + "/simplesaml/saml2/idp/initSLO.php?RelayState=" + url.QueryEscape(then)
}

func (s *SAML) write(tb testing.TB, name string, content any) {
	tb.Helper()
	text, err := json.Marshal(content)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, name), text, 0o600); err != nil {
		tb.Fatal(err)
	}
}
