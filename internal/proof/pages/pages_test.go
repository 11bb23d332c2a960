package pages_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/part"
)

// who may see a page.
type who int

const (
	anybody who = iota // before a log-in
	people             // whoever is logged in
	editors            // who may change things
)

// page is one that everything is looked at of.
type page struct {
	name   string // of its pictures
	path   func(*data) string
	who    who
	status int // 0 is 200
}

// at is the path of a page that shows no particular thing.
func at(path string) func(*data) string { return func(*data) string { return path } }

// pages is the table of all pages but that of the printed link, which can be
// followed once; makeAdmin looks at it.
var pages = []page{
	{name: "login", path: at("/login"), who: anybody},
	{name: "loggedout", path: at("/loggedout"), who: anybody},
	{name: "notfound", path: at("/404.html"), who: anybody},
	{name: "setup-used", path: at("/setup?token=used"), who: anybody, status: http.StatusUnauthorized},
	{name: "home", path: at("/"), who: people},
	{name: "help", path: at("/help"), who: people},
	{name: "resources", path: at("/resources"), who: people},
	{name: "resources-searched", path: at("/resources?q=database_password_03&kind=credential"), who: people},
	{name: "resources-tagged", path: at("/resources?tag=team-03&sort=modified&order=desc"), who: people},
	{name: "resources-nothing", path: at("/resources?q=nothing+of+this+name"), who: people},

	{name: "credential", path: of("/credentials/", mapped), who: people},
	{name: "credential-disabled", path: of("/credentials/", disabled), who: people},
	{name: "credential-new", path: at("/credentials/new"), who: editors},
	{name: "credential-edit", path: of("/credentials/", mapped, "/edit"), who: editors},
	{name: "credential-state", path: of("/credentials/", mapped, "/state"), who: editors},
	{name: "credential-archive", path: of("/credentials/", disabled, "/archive"), who: editors},
	{name: "credential-archive-refused", path: of("/credentials/", mapped, "/archive"), who: editors},
	{name: "credential-history", path: of("/credentials/", old, "/history"), who: people},
	{name: "credential-diff", path: of("/credentials/", old, "/diff/1/5"), who: people},
	{name: "credential-revert", path: of("/credentials/", old, "/revert/2"), who: editors},
	{name: "credential-gone", path: at("/credentials/nothing"), who: people, status: http.StatusNotFound},

	{name: "blind", path: of("/blind-credentials/", blind), who: people},
	{name: "blind-new", path: at("/blind-credentials/new"), who: editors},
	{name: "blind-edit", path: of("/blind-credentials/", blind, "/edit"), who: editors},
	{name: "blind-state", path: of("/blind-credentials/", blind, "/state"), who: editors},
	{name: "blind-history", path: of("/blind-credentials/", blind, "/history"), who: people},
	{name: "blind-diff", path: of("/blind-credentials/", blind, "/diff/1/2"), who: people},
	{name: "blind-revert", path: of("/blind-credentials/", blind, "/revert/1"), who: editors},

	{name: "service", path: of("/services/", production), who: people},
	{name: "service-new", path: at("/new-service"), who: editors},
	{name: "service-edit", path: of("/services/", production, "/edit"), who: editors},
	{name: "service-state", path: of("/services/", production, "/state"), who: editors},
	{name: "service-history", path: of("/services/", production, "/history"), who: people},
	{name: "service-diff", path: of("/services/", production, "/diff/1/2"), who: people},
	{name: "service-revert", path: of("/services/", production, "/revert/1"), who: editors},
}

// of is the path of a page about a thing of the data.
func of(before string, thing func(*data) string, after ...string) func(*data) string {
	return func(d *data) string { return before + thing(d) + strings.Join(after, "") }
}

// The things that pages are about.
func mapped(d *data) string     { return d.credentials[0] }
func disabled(d *data) string   { return d.disabled }
func old(d *data) string        { return d.old }
func blind(d *data) string      { return d.blind }
func production(d *data) string { return d.services[0] }

// appearance is how a page is looked at.
type appearance struct {
	name   string
	size   browser.Size
	scheme string
}

// looks are those that a page has.
var looks = []appearance{
	{"desktop-light", browser.Desktop, "light"},
	{"desktop-dark", browser.Desktop, "dark"},
	{"phone-light", browser.Phone, "light"},
	{"phone-dark", browser.Phone, "dark"},
}

// look checks some looks of the page that is open, and keeps a picture of each.
func look(tb testing.TB, v *browser.Visitor, name string, some ...appearance) {
	tb.Helper()
	for _, l := range some {
		v.Resize(l.size)
		v.Scheme(l.scheme)
		v.Accessible(l.name)
		if n := v.Overflow(); n > 0 {
			tb.Errorf("%s, %s: the page is %d pixels wider than the window", name, l.name, n)
		}
		v.Screenshot(name + "-" + l.name)
	}
}

// What may come over the network: for a page with everything that it shows, and
// for the full first page of a long list alone, headers included.
const (
	transferred = 250_000
	listed      = 60_000
)

func TestPages(t *testing.T) {
	if !part.Wanted() {
		return
	}
	t.Parallel()
	b := browser.Start(t)
	w := newWorld(t, b)
	for _, p := range pages {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.visit(t, w)
		})
	}
	t.Run("a reader's", func(t *testing.T) {
		t.Parallel()
		readers(t, w)
	})
	t.Run("payloads", func(t *testing.T) {
		t.Parallel()
		payloadsAtTheLogin(t, w)
	})
}

// open goes to the page, which shows no value unasked.
func (p page) open(t *testing.T, v *browser.Visitor, d *data) {
	t.Helper()
	want := p.status
	if want == 0 {
		want = http.StatusOK
	}
	if status := v.Go(p.path(d)); status != want {
		t.Errorf("%s: %d, want %d", p.name, status, want)
	}
	if strings.Contains(v.Source(), secret) {
		t.Errorf("%s: the source holds a value", p.name)
	}
}

// visit looks at the page with scripts on, and opens it with scripts off.
func (p page) visit(t *testing.T, w *world) {
	come := w.admin
	if p.who == anybody {
		come = w.stranger
	}
	v := come(t, true)
	p.open(t, v, w.data)
	if n := v.Bytes(); n > transferred {
		t.Errorf("%s: %d bytes were transferred, want at most %d", p.name, n, transferred)
	}
	if p.name == "resources" {
		if n := v.Count("main tbody tr"); n != 50 {
			t.Errorf("the first page of the list has %d rows, want 50", n)
		}
		v.Reload() // what else the page shows is there by now
		if n := v.Bytes(); n > listed {
			t.Errorf("the first page of the list takes %d bytes, want at most %d", n, listed)
		}
	}
	look(t, v, p.name, looks...)
	p.open(t, come(t, false), w.data)
}
