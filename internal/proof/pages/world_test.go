package pages_test

import (
	"maps"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/part"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

func TestMain(m *testing.M) {
	part.PassOver()
	server.Main(m)
}

const (
	adminName  = "lovelace"
	password   = "correct horse battery"
	readerName = "kim@example.com"
)

// world is a server with data, and people at a browser.
type world struct {
	browser *browser.Browser
	program *server.Program
	server  *server.Server // where people log in with a password
	proxied *server.Server // on the same data, where a proxy says who comes
	first   *browser.Visitor
	data    *data
}

// newWorld starts servers on the same data. The administrator is made by the link
// that the first of them prints; data comes through the API.
func newWorld(t *testing.T, b *browser.Browser) *world {
	t.Helper()
	p := server.New(t, nil)
	w := &world{browser: b, program: p, server: start(t, p)}
	w.first = makeAdmin(t, b, w.server)
	p.MustRun("config", "policy", "create", "readers", "--file", part.Source(t, "internal/proof/pages/testdata/readers.cedar"))
	w.data = seed(t, api{w.server.BaseURL, p.UserToken("seed")})

	w.proxied = behindProxy(t, p, nil)
	return w
}

// behindProxy starts another server on the data of a program, where a proxy says
// who comes.
func behindProxy(t *testing.T, p *server.Program, more map[string]string) *server.Server {
	t.Helper()
	q := *p
	q.Settings = map[string]string{
		"USER_AUTH_MODULE":            "header",
		"HEADER_AUTH_USERNAME_HEADER": "X-Remote-User",
		"HEADER_AUTH_EMAIL_HEADER":    "X-Remote-Email",
	}
	maps.Copy(q.Settings, more)
	return start(t, &q)
}

// comesAs are the headers with which a proxy says who comes.
func comesAs(email string) map[string]string {
	return map[string]string{"X-Remote-User": "somebody", "X-Remote-Email": email}
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

// printedLink returns the link that the server prints before it is ready. Reading
// what it prints may lag behind a little.
func printedLink(t *testing.T, s *server.Server) string {
	t.Helper()
	link := regexp.MustCompile(`http://\S+/setup\?token=\S+`)
	for range 100 {
		if found := link.FindString(s.Log()); found != "" {
			return found
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the server prints no link")
	return ""
}

// makeAdmin follows the printed link, whose page is looked at on the way, and
// returns who has followed it.
func makeAdmin(t *testing.T, b *browser.Browser, s *server.Server) *browser.Visitor {
	t.Helper()
	v := b.Visitor(t, s.BaseURL)
	if status := v.Go(printedLink(t, s)); status != http.StatusOK {
		t.Fatalf("the printed link: %d, want 200", status)
	}
	look(t, v, "setup", looks...)
	v.Fill("name", adminName)
	v.Fill("password", password)
	v.Fill("repeat", password)
	v.Click("Make the account and log in")
	v.At("/")
	return v
}

// admin returns the administrator, who is logged in, with scripts switched on or
// off.
func (w *world) admin(t *testing.T, scripts bool) *browser.Visitor {
	t.Helper()
	return w.first.Again(t, scripts)
}

// reader returns somebody whom a policy lets read what is public, and nothing more.
func (w *world) reader(t *testing.T, scripts bool) *browser.Visitor {
	t.Helper()
	v := w.visitor(t, w.proxied, scripts)
	v.Headers(comesAs(readerName))
	return v
}

// stranger returns somebody who is not logged in.
func (w *world) stranger(t *testing.T, scripts bool) *browser.Visitor {
	t.Helper()
	return w.visitor(t, w.server, scripts)
}

func (w *world) visitor(t *testing.T, s *server.Server, scripts bool) *browser.Visitor {
	t.Helper()
	if !scripts {
		return w.browser.VisitorWithoutScripts(t, s.BaseURL)
	}
	return w.browser.Visitor(t, s.BaseURL)
}
