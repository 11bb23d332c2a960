package browser_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/part"
)

// A payload that runs is told, whichever way it shows itself.
func TestVisitor_TellsOfWhatRan(t *testing.T) {
	if !part.Wanted() {
		return
	}
	t.Parallel()
	b := browser.Start(t)
	root := site(t, map[string]string{
		"/fires":     `<p>hello</p><script src="/fires.js"></script>`,
		"/fires.js":  `window.__fired = "payload"`,
		"/alerts":    `<p>hello</p><script src="/alerts.js"></script>`,
		"/alerts.js": `alert("payload")`,
		"/strays":    `<p>hello</p><script src="/strays.js"></script>`,
		"/strays.js": `new Image().src = "//elsewhere.invalid/x.png"`,
		"/refuses":   `<p>hello</p><img src=x onerror="alert(1)">`,
		"/harmless":  `<p>hello</p>`,
	})
	for path, want := range map[string]string{
		"/fires":    "a payload ran: payload",
		"/alerts":   `alert("payload")`,
		"/strays":   "elsewhere.invalid",
		"/refuses":  "script-src-attr blocks inline",
		"/harmless": "",
	} {
		failures := record(t, func(tb testing.TB) {
			v := b.Visitor(tb, root)
			v.Go(path)
			v.Shows("hello")
			v.Bytes() // until nothing is loaded any more
		})
		if got := strings.Join(failures, "\n"); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: the failures are %q, want %q", path, got, want)
		}
	}
}

func TestVisitor_ExpectsAProblem(t *testing.T) {
	if !part.Wanted() {
		return
	}
	t.Parallel()
	b := browser.Start(t)
	root := site(t, map[string]string{"/inline": `<p style="color: red">hello</p>`, "/good": `<p>hello</p>`})
	for path, want := range map[string]int{"/inline": 0, "/good": 1} {
		failures := record(t, func(tb testing.TB) {
			v := b.Visitor(tb, root)
			v.Expect("style-src") // as the event and the console tell it
			v.Go(path)
			v.Shows("hello")
		})
		if len(failures) != want {
			t.Errorf("%s: the failures are %q", path, failures)
		}
	}
}

func TestVisitor_JudgesAccessibilityUnderThePolicyOfThePage(t *testing.T) {
	if !part.Wanted() {
		return
	}
	t.Parallel()
	b := browser.Start(t)
	root := site(t, map[string]string{
		"/bad":  `<html lang="en"><title>Bad</title><main><h1>Bad</h1><input name="nameless"></main>`,
		"/good": `<html lang="en"><title>Good</title><main><h1>Good</h1><label>Name <input name="named"></label></main>`,
	})
	v := b.Visitor(t, root)
	v.Go("/bad")
	if found := v.Axe(); !slices.ContainsFunc(found, func(w browser.Violation) bool { return w.Rule == "label" && w.Grave() }) {
		t.Errorf("axe finds %v, want a field without a label", found)
	}
	v.Go("/good")
	v.Accessible("as it is")
}

// What people do at a page, with scripts and without.
func TestVisitor_SitsAtThePage(t *testing.T) {
	if !part.Wanted() {
		return
	}
	t.Parallel()
	b := browser.Start(t)
	root := site(t, map[string]string{
		"/form": `<title>Form</title><form action="/other"><label>Who <input name="who" autofocus></label>
			<select name="kind"><option value="a">First</option><option value="b">Second</option></select>
			<label><input type="checkbox" name="box" value="1">One</label><label><input type="checkbox" name="box" value="2">Two</label>
			<input name="key"><button>Send</button></form>`,
		"/other": `<title>Other</title><p>arrived</p><p hidden>concealed</p>`,
	})
	for name, come := range map[string]func(testing.TB, string) *browser.Visitor{
		"scripts": b.Visitor, "no scripts": b.VisitorWithoutScripts,
	} {
		v := come(t, root)
		v.Resize(browser.Phone)
		v.Scheme("dark")
		v.Go("/form")
		if n := v.Overflow(); n != 0 {
			t.Errorf("%s: the page is %d pixels too wide", name, n)
		}
		v.TapOn("[name=who]")
		v.Focused("[name=who]")
		v.Type("ann")
		v.Press("Tab")
		v.Focused("[name=kind]")
		v.Check("box", "1")
		v.Check("box", "2")
		v.Uncheck("box", "1")
		v.Fill("key", "second")
		v.Fill("who", "ann b")
		if got := v.Written(); !slices.Contains(got, "ann b") || !slices.Contains(got, "second") {
			t.Errorf("%s: the fields hold %q", name, got)
		}
		v.TapOn("[name=who]")
		v.PressThrough("Enter")
		if got, want := v.URL(), root+"/other?who=ann+b&kind=a&box=2&key=second"; got != want {
			t.Errorf("%s: the form leads to %q, want %q", name, got, want)
		}
		v.Shows("arrived")
		v.Hides("concealed")
		if !strings.Contains(v.Source(), "concealed") {
			t.Errorf("%s: the source is %q", name, v.Source())
		}
		if n := v.Bytes(); n < 100 || n > 1000 {
			t.Errorf("%s: the page took %d bytes", name, n)
		}
		v.Back()
		v.Finds("[name=who]")
		if !v.Offers("Send") || v.Offers("Leave") || v.Count("[name=box]") != 2 {
			t.Errorf("%s: the form is not what it was", name)
		}
		again := v.Again(t, true)
		again.Clock()
		again.Go("/form")
		again.Pass(3600)
		if a := again.Ask(http.MethodGet, "/other", nil, nil); a.Status != http.StatusOK || !strings.Contains(a.Body, "arrived") {
			t.Errorf("%s: a script gets %+v", name, a)
		}
		if e := again.Exits(); !slices.Equal(e.Links, []string{root + "/other"}) || len(e.Changes) > 0 {
			t.Errorf("%s: the form leads to %+v", name, e)
		}
		v.Forward()
		v.At("/other")
		if !strings.Contains(v.Standing(), "concealed") {
			t.Errorf("%s: the page is %q", name, v.Standing())
		}
	}
}
