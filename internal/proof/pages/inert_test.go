package pages_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/part"
)

// showing is a page and the payloads that it shows.
type showing struct {
	path  string
	shown []string
}

// pages returns every page that shows what is stored.
func (c *corpus) pages() []showing {
	list := []showing{
		{"/?done=" + url.QueryEscape(c.all[0]), nil},
		{"/resources?tag=" + url.QueryEscape(c.carriers[0].payloads[1]), []string{c.carriers[0].name}},
		{"/credentials/" + c.written + "/history", c.authors[max(0, len(c.authors)-50):]},
		{"/credentials/" + c.written + "/history?before=100", c.authors[:50]},
		{"/credentials/" + c.written, c.authors[len(c.authors)-1:]},
		{"/credentials/" + c.disabled + "/archive", c.all[len(c.all)-1:]},
		{"/services/" + c.both, slices.Concat(c.carriers[0].keys, c.carriers[0].payloads, []string{c.carriers[0].name})},
	}
	for _, under := range []string{"/edit", "/state", "/history", "/diff/1/2", "/revert/1"} {
		list = append(list, showing{"/services/" + c.both + under, nil})
	}
	list = append(list, showing{"/services/" + c.both + "/edit?find=first", nil})
	for _, s := range c.services[:2] {
		at := "/services/" + url.PathEscape(s)
		for _, under := range []string{"", "/edit", "/state", "/history"} {
			list = append(list, showing{at + under, []string{s}})
		}
	}
	for _, k := range c.carriers {
		at := "/credentials/" + k.id
		list = append(list,
			showing{at, slices.Concat(k.keys, k.payloads, c.services, []string{k.name})},
			showing{at + "/edit", slices.Concat(k.keys, k.payloads, []string{k.name})},
			showing{at + "/state", []string{k.name}},
			showing{at + "/archive", []string{k.name}},
			showing{"/credentials/" + k.twin + "/archive", []string{k.payloads[0]}},
			showing{at + "/history", []string{k.name}},
			showing{at + "/diff/1/2", []string{k.name, k.payloads[0]}},
			showing{at + "/revert/1", []string{k.name, k.payloads[0]}},
		)
		at = "/blind-credentials/" + k.blind
		list = append(list,
			showing{at, slices.Concat(k.payloads, []string{k.blindNamed})},
			showing{at + "/edit", slices.Concat(k.payloads, []string{k.blindNamed})},
			showing{at + "/state", []string{k.blindNamed}},
			showing{at + "/history", []string{k.blindNamed}},
			showing{at + "/diff/1/2", []string{k.blindNamed, k.payloads[1]}},
			showing{at + "/revert/1", []string{k.blindNamed, k.payloads[1]}},
		)
	}
	return list
}

// Nothing that somebody can store is run by a page that shows it.
func TestPayloads_AreShownAsTheyAre(t *testing.T) {
	if !part.Wanted() {
		return
	}
	t.Parallel()
	b := browser.Start(t)
	c := newCorpus(t)
	t.Run("with scripts", func(t *testing.T) {
		t.Parallel()
		c.shown(t, b.Visitor(t, c.front.BaseURL))
	})
	t.Run("without scripts", func(t *testing.T) {
		t.Parallel()
		c.shown(t, b.VisitorWithoutScripts(t, c.front.BaseURL))
	})
	t.Run("asked for", func(t *testing.T) {
		t.Parallel()
		v := b.Visitor(t, c.front.BaseURL)
		v.Headers(comesAs("ann@example.com"))
		c.lists(t, v)
		c.addresses(t, v)
	})
	t.Run("in fragments", func(t *testing.T) {
		t.Parallel()
		v := b.Visitor(t, c.front.BaseURL)
		v.Headers(comesAs("bea@example.com"))
		c.typed(t, traveller{v, t, true})
		c.revealed(t, v)
	})
	t.Run("typed without scripts", func(t *testing.T) {
		t.Parallel()
		v := b.VisitorWithoutScripts(t, c.front.BaseURL)
		v.Headers(comesAs("cleo@example.com"))
		c.typed(t, traveller{v, t, false})
	})
}

// shown opens every page, each as another of the authors.
func (c *corpus) shown(t *testing.T, v *browser.Visitor) {
	for i, p := range c.pages() {
		who := c.authors[i%len(c.authors)]
		v.Headers(comesAs(who))
		if status := v.Go(p.path); status != http.StatusOK {
			t.Errorf("%s: %d, want 200", p.path, status)
		}
		isInert(t, v, append(p.shown, who)...)
	}
}

// lists follows the list of everything to its end.
func (c *corpus) lists(t *testing.T, v *browser.Visitor) {
	var found []string
	for v.Go("/resources?kind=credential"); ; v.Click("Next page") {
		isInert(t, v)
		found = append(found, v.Written()...)
		if !v.Offers("Next page") {
			break
		}
	}
	all := visible(strings.Join(found, "\n"))
	for _, p := range c.all {
		if !strings.Contains(all, visible(p)) {
			t.Errorf("no page of the list shows %q", p)
		}
	}
}

// addresses brings payloads in every part of an address that a page looks at.
func (c *corpus) addresses(t *testing.T, v *browser.Visitor) {
	chunks := slices.Collect(slices.Chunk(c.all, 20))
	some := func(n int) string { return strings.Join(chunks[n%len(chunks)], " ") }
	for i := range chunks {
		query := url.Values{}
		for j, name := range []string{"q", "tag", "key", "service", "by", "kind", "state", "show", "sort", "order", "done"} {
			query.Set(name, some(i+j))
		}
		v.Go("/resources?" + query.Encode())
		isInert(t, v, slices.Concat(chunks[i], chunks[(i+1)%len(chunks)], chunks[(i+2)%len(chunks)])...)
	}
	for some := range slices.Chunk(c.all, 50) {
		escaped := url.QueryEscape(strings.Join(some, " "))
		for _, path := range []string{
			"/resources?after=" + escaped,
			"/theme?is=" + escaped + "&next=" + escaped,
			"/credentials/" + c.written + "/history?problem=" + escaped + "&a=" + escaped + "&b=" + escaped + "&before=" + escaped,
		} {
			v.Go(path)
			isInert(t, v)
		}
	}
	for _, path := range []string{"/credentials/", "/services/", "/credentials/" + c.written + "/diff/1/", "/credentials/" + c.written + "/revert/"} {
		for i := 0; i < len(chunks); i += 3 {
			v.Go(path + url.PathEscape(some(i)))
			isInert(t, v)
		}
	}
}

// typed brings payloads in through the forms, up to what stands before saving.
func (c *corpus) typed(t *testing.T, v traveller) {
	for _, p := range []string{c.all[0], `"><img src=x onerror=alert(1)>`, `</textarea><svg onload=alert(1)>`, `{{.Name}}<b id=live>`} {
		name := "typed " + p
		if !v.scripts {
			name = "sent " + p
		}
		v.Go("/credentials/new")
		v.Fill("name", name)
		v.Fill("documentation", p)
		v.Fill("tags", p)
		v.press("Add metadata")
		v.Fill("metadata.0.key", p)
		v.Fill("metadata.0.value", p)
		v.Fill("pair.0.key", p)
		v.Fill("pair.0.value", p)
		v.press("Add another pair")
		isInert(t, v.Visitor, name, p)
		v.Go("/credentials/" + c.carriers[0].id + "/edit")
		v.Fill("name", name)
		v.Fill("documentation", p)
		v.press("Review the changes")
		isInert(t, v.Visitor, name, p, c.services[0])
		v.press("Back to editing")
		isInert(t, v.Visitor, name)

		v.Go("/blind-credentials/new")
		v.Fill("name", name)
		v.Fill("documentation", p)
		v.Fill("sealed.text", p)
		v.press("Add metadata")
		isInert(t, v.Visitor, name, p)

		v.Go("/new-service")
		v.Fill("name", p+"/")
		v.Click("Create and map credentials")
		isInert(t, v.Visitor, p+"/")

		v.Go("/services/" + c.both + "/edit")
		if v.scripts {
			v.Fragment(func() { v.Fill("find", p) })
		} else {
			v.Fill("find", p)
			v.Click("Search")
		}
		isInert(t, v.Visitor, p)
		v.Go("/resources")
		if v.scripts {
			v.Fragment(func() { v.Fill("q", p) })
		} else {
			v.Fill("q", p)
			v.Click("Apply")
		}
		isInert(t, v.Visitor, p)
	}

	// Every service feels that a key has another name.
	v.Go("/credentials/" + c.carriers[0].id + "/edit")
	v.Fill("pair.0.key", "renamed")
	v.press("Review the changes")
	isInert(t, v.Visitor, slices.Concat(c.services, c.carriers[0].keys)...)

	// Two credentials with the same keys, for one service.
	v.Go("/services/" + c.both + "/edit")
	if v.scripts {
		v.Fragment(func() { v.Fill("find", "twin of") })
	} else {
		v.Fill("find", "twin of")
		v.Click("Search")
	}
	v.press("Add twin of " + c.carriers[0].payloads[0])
	isInert(t, v.Visitor, c.carriers[0].keys...)
	v.Shows("This cannot be saved")

	// Somebody else is first.
	id := v.credential(c.api, "key")
	mine, theirs := "mine "+c.all[1], "theirs "+c.all[2]+v.t.Name()
	v.Go("/credentials/" + id + "/edit")
	v.Fill("name", mine)
	v.Fill("documentation", c.all[3])
	c.do(t, http.MethodPut, "/v1/credentials/"+id, object{"name": theirs, "metadata": object{c.all[4]: "theirs"}})
	v.refused(http.StatusConflict)
	v.press("Review the changes")
	v.Shows("Somebody else changed")
	isInert(t, v.Visitor, mine, c.all[3], theirs)
}

// revealed shows every value.
func (c *corpus) revealed(t *testing.T, v *browser.Visitor) {
	v.Go("/credentials/" + c.values)
	for n := v.Count("button:text-is('Reveal')"); n > 0; n-- {
		v.Fragment(func() { v.TapOn("button:text-is('Reveal') >> nth=0") })
	}
	isInert(t, v, c.all...)
}
