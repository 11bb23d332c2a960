package browser

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/part"
)

// Visitor is a person at the browser, with cookies of his own. What he cannot do
// fails the test, with what he sees instead.
type Visitor struct {
	tb      testing.TB
	browser *Browser
	site    string
	id      string

	expected []string // parts of problems
}

// Visitor lets somebody visit a site, given by its root URL. If one of its pages
// breaks its content security policy, reports an error or lacks a file, the test
// fails at its end.
func (b *Browser) Visitor(tb testing.TB, site string) *Visitor {
	tb.Helper()
	return b.visitor(tb, site, true, "")
}

// VisitorWithoutScripts is Visitor for a person who has switched scripts off.
func (b *Browser) VisitorWithoutScripts(tb testing.TB, site string) *Visitor {
	tb.Helper()
	return b.visitor(tb, site, false, "")
}

// Again is the same person at another browser, with the cookies that he has now
// and scripts switched on or off.
func (v *Visitor) Again(tb testing.TB, scripts bool) *Visitor {
	tb.Helper()
	return v.browser.visitor(tb, v.site, scripts, v.id)
}

func (b *Browser) visitor(tb testing.TB, site string, scripts bool, like string) *Visitor {
	tb.Helper()
	b.mu.Lock()
	b.last++
	id := strconv.Itoa(b.last)
	b.mu.Unlock()
	v := &Visitor{tb: tb, browser: b, site: site, id: id}
	v.do("come", map[string]any{"site": site, "scripts": scripts, "like": like}, nil)
	tb.Cleanup(v.leave)
	return v
}

// Expect says that a problem which contains a text will occur, and is no failure.
// That it does not occur is one.
func (v *Visitor) Expect(text string) {
	if !slices.Contains(v.expected, text) {
		v.expected = append(v.expected, text)
	}
}

// Problems returns what went wrong on pages of the site so far: what a content
// security policy blocked, errors of scripts and on the console, files that did not
// load, requests to elsewhere, and dialogs, which no page of ours has, so that a
// payload has run. Setting window.__fired is such a sign too. What was expected is
// left out.
func (v *Visitor) Problems() []string {
	v.tb.Helper()
	var problems []string
	v.do("wrong", nil, &problems)
	return slices.DeleteFunc(problems, func(p string) bool {
		return slices.ContainsFunc(v.expected, func(e string) bool { return strings.Contains(p, e) })
	})
}

func (v *Visitor) leave() {
	var problems []string
	if err := v.browser.call(v.id, "leave", nil, &problems); err != nil {
		v.tb.Errorf("leaving the browser: %v", err)
	}
	for _, e := range v.expected {
		n := len(problems)
		problems = slices.DeleteFunc(problems, func(p string) bool { return strings.Contains(p, e) })
		if len(problems) == n {
			v.tb.Errorf("no page has a problem with %q", e)
		}
	}
	for _, p := range problems {
		v.tb.Errorf("a page has a problem: %s", p)
	}
}

// do gives a command that has to succeed.
func (v *Visitor) do(command string, args, into any) {
	v.tb.Helper()
	if err := v.browser.call(v.id, command, args, into); err != nil {
		v.tb.Fatalf("%s %v: %v\n%s", command, args, err, v.sight())
	}
}

// sight describes what the visitor sees, and keeps a picture of it.
func (v *Visitor) sight() string {
	var text string
	if err := v.browser.call(v.id, "text", nil, &text); err != nil {
		return "the page cannot be read: " + err.Error()
	}
	path := part.Source(v.tb, filepath.Join(".cache/parts/screenshots", strings.ReplaceAll(v.tb.Name(), "/", "-")+".png"))
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = v.browser.call(v.id, "screenshot", map[string]any{"path": path}, nil)
	}
	if err != nil {
		path = err.Error()
	}
	return "the page is " + text + "\nscreenshot: " + path
}

// Site returns the root URL of the site.
func (v *Visitor) Site() string { return v.site }

// page is where a visitor has arrived.
type page struct {
	URL    string
	Status int
}

// Go goes to a page by its URL, or its path on the site, and returns the status
// that the last answer had, after redirects.
func (v *Visitor) Go(url string) int {
	v.tb.Helper()
	return v.move("go", map[string]any{"url": v.absolute(url)})
}

// Reload loads the page once more.
func (v *Visitor) Reload() int {
	v.tb.Helper()
	return v.move("reload", nil)
}

// Click clicks on the link or button of that name and waits for the page behind
// it.
func (v *Visitor) Click(name string) int {
	v.tb.Helper()
	return v.move("click", map[string]any{"name": name})
}

// Post sends a form from a page of another site.
func (v *Visitor) Post(url string, fields map[string]string) int {
	v.tb.Helper()
	return v.move("post", map[string]any{"url": v.absolute(url), "fields": fields})
}

func (v *Visitor) move(command string, args any) int {
	v.tb.Helper()
	var p page
	v.do(command, args, &p)
	return p.Status
}

// Unfold opens what is folded behind a summary.
func (v *Visitor) Unfold(summary string) {
	v.tb.Helper()
	v.do("unfold", map[string]any{"name": summary}, nil)
}

// Fill types into the form field of that name.
func (v *Visitor) Fill(name, value string) {
	v.tb.Helper()
	v.do("fill", map[string]any{"name": name, "value": value}, nil)
}

// At waits until the page is the one of a URL, or of a path on the site, whatever
// its query, and returns its status.
func (v *Visitor) At(url string) int {
	v.tb.Helper()
	return v.move("at", map[string]any{"url": v.absolute(url)})
}

// Shows waits until the page shows a text.
func (v *Visitor) Shows(text string) {
	v.tb.Helper()
	v.do("shows", map[string]any{"text": text}, nil)
}

// Cookies returns the cookies that go with a request to a URL of the site, by
// name.
func (v *Visitor) Cookies(url string) map[string]*http.Cookie {
	v.tb.Helper()
	var found []struct {
		Name, Value, SameSite string
		HTTPOnly, Secure      bool
	}
	v.do("cookies", map[string]any{"url": v.absolute(url)}, &found)
	cookies := map[string]*http.Cookie{}
	for _, c := range found {
		cookies[c.Name] = &http.Cookie{
			Name: c.Name, Value: c.Value, HttpOnly: c.HTTPOnly, Secure: c.Secure,
			SameSite: map[string]http.SameSite{"Strict": http.SameSiteStrictMode, "Lax": http.SameSiteLaxMode, "None": http.SameSiteNoneMode}[c.SameSite],
		}
	}
	return cookies
}

// absolute returns the URL of a path on the site.
func (v *Visitor) absolute(to string) string {
	if u, err := url.Parse(to); err == nil && u.IsAbs() {
		return to
	}
	return v.site + to
}
