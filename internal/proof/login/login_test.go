package login_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/login/provider"
	"github.com/confidant-secrets/confidant/internal/proof/part"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

func TestMain(m *testing.M) {
	part.PassOver()
	server.Main(m)
}

// The people at the identity providers.
var (
	ann = provider.Person{Login: "ann", Password: "ann's password", Email: "Ann@example.com", FirstName: "Ann", LastName: "Archer"}
	// Of another company.
	bob = provider.Person{Login: "bob", Password: "bob's password", Email: "bob@example.org", FirstName: "Bob", LastName: "Baker"}
	// Who could have typed any address.
	eve = provider.Person{Login: "eve", Password: "eve's password", Email: "eve@example.com", Unverified: true}
)

// world is what the scenarios share.
type world struct {
	browser *browser.Browser
	saml    *provider.SAML
	oidc    *provider.OIDC
}

// Each module lets people in and out again, and nobody else.
func TestLogin(t *testing.T) {
	if !part.Wanted() {
		return
	}
	people := []provider.Person{ann, bob, eve}
	w := &world{browser.Start(t), provider.StartSAML(t, people), provider.StartOIDC(t, people)}
	for name, scenario := range map[string]func(*testing.T, *world){
		"local, first run":              firstRun,
		"local, second factor":          secondFactor,
		"header":                        header,
		"saml":                          saml(false),
		"saml, encrypted":               saml(true),
		"saml, two servers and a thief": sharedSAML,
		"oidc":                          openID(oidcProgram),
		"oidc as google":                openID(googleProgram),
		"oidc, two servers and a thief": sharedOIDC,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(t, w)
		})
	}
}

// start starts a server whose log is in the test's, if the test fails.
func start(t *testing.T, p *server.Program) *server.Server {
	t.Helper()
	s := p.Start()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.Log())
		}
	})
	return s
}

// isRefused checks that somebody is nobody to the program: he is sent to where one
// can log in, which is where he is then.
func isRefused(t *testing.T, v *browser.Visitor) {
	t.Helper()
	if status := v.Go("/v1/user/email"); status != http.StatusUnauthorized {
		t.Errorf("GET /v1/user/email: %d, want 401", status)
	}
	if v.Cookies("/")[sessionCookie] != nil {
		t.Error("there still is a session cookie")
	}
	v.Go("/")
	v.At("/loggedout")
	v.Shows("You are logged out")
}

// isIn checks that somebody is at home, under his name, and stays there.
func isIn(t *testing.T, v *browser.Visitor, name string) {
	t.Helper()
	if status := v.At("/"); status != http.StatusOK {
		t.Errorf("GET /: %d, want 200", status)
	}
	v.Shows(name)
	secure := strings.HasPrefix(v.Site(), "https:")
	if c := v.Cookies("/")[sessionCookie]; c == nil || !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("the session cookie is %+v, want HttpOnly, SameSite=Lax, and Secure being %v", c, secure)
	}
	v.Reload()
	v.At("/")
	v.Shows(name)
}

const sessionCookie = "confidant_session"
