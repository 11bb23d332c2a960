package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Size is that of the part of a window that shows the page, in CSS pixels.
type Size struct {
	Width, Height int
}

// The windows that pages are looked at in.
var (
	Desktop = Size{1280, 800}
	Phone   = Size{390, 844}
)

// Resize gives the window another size.
func (v *Visitor) Resize(to Size) {
	v.tb.Helper()
	v.do("viewport", map[string]any{"width": to.Width, "height": to.Height}, nil)
}

// Scheme is what the system prefers: "light" or "dark".
func (v *Visitor) Scheme(scheme string) {
	v.tb.Helper()
	v.do("scheme", map[string]any{"colorScheme": scheme}, nil)
}

// Headers go with every request from now on, as a proxy would add them.
func (v *Visitor) Headers(headers map[string]string) {
	v.tb.Helper()
	v.do("headers", map[string]any{"headers": headers}, nil)
}

// Forget drops the cookie of that name; all of them if it is empty.
func (v *Visitor) Forget(name string) {
	v.tb.Helper()
	v.do("forget", map[string]any{"name": name}, nil)
}

// Back goes back in history.
func (v *Visitor) Back() int {
	v.tb.Helper()
	return v.move("back", nil)
}

// Forward goes forward in history.
func (v *Visitor) Forward() int {
	v.tb.Helper()
	return v.move("forward", nil)
}

// URL returns the address of the page.
func (v *Visitor) URL() string {
	v.tb.Helper()
	var p page
	v.do("where", nil, &p)
	return p.URL
}

// Focused waits until what a CSS selector finds has the focus.
func (v *Visitor) Focused(selector string) {
	v.tb.Helper()
	v.do("focused", map[string]any{"selector": selector}, nil)
}

// Hides waits until the page does not show a text.
func (v *Visitor) Hides(text string) {
	v.tb.Helper()
	v.do("hides", map[string]any{"text": text}, nil)
}

// Finds waits until a CSS selector finds something visible.
func (v *Visitor) Finds(selector string) {
	v.tb.Helper()
	v.do("finds", map[string]any{"selector": selector}, nil)
}

// Count returns how much that is visible a CSS selector finds.
func (v *Visitor) Count(selector string) int {
	v.tb.Helper()
	var n int
	v.do("count", map[string]any{"selector": selector}, &n)
	return n
}

// Offers reports whether there is a link or button of that name.
func (v *Visitor) Offers(name string) bool {
	v.tb.Helper()
	var n int
	v.do("offers", map[string]any{"name": name}, &n)
	return n > 0
}

// Written returns the visible text of the page, and what stands in each of its
// fields.
func (v *Visitor) Written() []string {
	v.tb.Helper()
	var written []string
	v.do("written", nil, &written)
	return written
}

// Source returns the page as it was delivered, and all fragments that came since.
func (v *Visitor) Source() string {
	v.tb.Helper()
	var source string
	v.do("source", nil, &source)
	return source
}

// Standing returns the page as it stands now, with what is hidden in it.
func (v *Visitor) Standing() string {
	v.tb.Helper()
	var page string
	v.do("standing", nil, &page)
	return page
}

// Bytes returns what loading the page took over the network, with everything that
// it shows: bodies as they were encoded, and headers.
func (v *Visitor) Bytes() int {
	v.tb.Helper()
	var n int
	v.do("size", nil, &n)
	return n
}

// Overflow returns by how many pixels the page is wider than the window.
func (v *Visitor) Overflow() int {
	v.tb.Helper()
	var n int
	v.do("wide", nil, &n)
	return n
}

// Clipboard returns the text on the clipboard, which all visitors of a browser
// share.
func (v *Visitor) Clipboard() string {
	v.tb.Helper()
	var text string
	v.do("clipboard", nil, &text)
	return text
}

// Requests returns the URLs that the visitor's pages asked for so far.
func (v *Visitor) Requests() []string {
	v.tb.Helper()
	var urls []string
	v.do("asked", nil, &urls)
	return urls
}

// Screenshot keeps a picture of the whole page as name.png in the directory that
// CONFIDANT_SCREENSHOTS gives. Without it none is taken.
func (v *Visitor) Screenshot(name string) {
	v.tb.Helper()
	dir := os.Getenv("CONFIDANT_SCREENSHOTS")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		v.tb.Fatal(err)
	}
	v.do("screenshot", map[string]any{"path": filepath.Join(dir, name+".png"), "whole": true}, nil)
}

// Violation is a rule of accessibility that a page breaks.
type Violation struct {
	Rule, Impact, Help string
	Nodes              []struct {
		Target  string // CSS selector of the element
		Summary string // what would mend it
	}
}

// Grave reports whether it keeps people from using the page.
func (w Violation) Grave() bool { return w.Impact == "serious" || w.Impact == "critical" }

func (w Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s): %s", w.Rule, w.Impact, w.Help)
	for _, n := range w.Nodes {
		fmt.Fprintf(&b, "\n  %s: %s", n.Target, strings.ReplaceAll(n.Summary, "\n", "\n    "))
	}
	return b.String()
}

// Axe returns the rules of accessibility that the page breaks, as axe-core finds
// them. It needs scripts.
func (v *Visitor) Axe() []Violation {
	v.tb.Helper()
	var found []Violation
	v.do("axe", nil, &found)
	return found
}

// Accessible fails the test for every grave violation of the page, and tells in
// which look it is.
func (v *Visitor) Accessible(look string) {
	v.tb.Helper()
	for _, w := range v.Axe() {
		if w.Grave() {
			v.tb.Errorf("%s, %s, is not accessible: %v", v.URL(), look, w)
		}
	}
}
