package browser

// Answer is what a script got for a request.
type Answer struct {
	URL    string // after redirects
	Status int
	Body   string
}

// Ask asks for something as a script of the page would: with the page's cookies,
// and with the headers and the form's fields that are given.
func (v *Visitor) Ask(method, url string, headers, fields map[string]string) Answer {
	v.tb.Helper()
	var a Answer
	v.do("ask", map[string]any{"method": method, "url": v.absolute(url), "headers": headers, "fields": fields}, &a)
	return a
}

// Exits is where a page leads to.
type Exits struct {
	Links   []string // URLs of links and of forms that search
	Changes []string // URLs of forms that change something
}

// Exits returns where the page leads to.
func (v *Visitor) Exits() Exits {
	v.tb.Helper()
	var e Exits
	v.do("exits", nil, &e)
	return e
}

// Clock puts the clock of the pages that are loaded from now on into the hands of
// the test. It goes on by itself, and Pass puts it forward.
func (v *Visitor) Clock() {
	v.tb.Helper()
	v.do("clock", nil, nil)
}

// Pass lets seconds pass at once, as while the lid of a computer is closed.
func (v *Visitor) Pass(seconds int) {
	v.tb.Helper()
	v.do("pass", map[string]any{"seconds": seconds}, nil)
}
