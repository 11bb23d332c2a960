package pages_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// readers looks at all pages as somebody who may only read what is public. Nothing
// is offered to her that would be refused, and what she forces is refused.
func readers(t *testing.T, w *world) {
	v := w.reader(t, true)
	links := map[string]string{} // and a page that has each
	for _, p := range pages {
		switch p.who {
		case people:
			p.open(t, v, w.data)
			look(t, v, "reader-"+p.name, looks[0], looks[3])
			if p.status != 0 {
				continue // there is nothing here, as its links say
			}
			exits := v.Exits()
			for _, to := range exits.Changes {
				t.Errorf("%s has a form for %s", p.name, to)
			}
			for _, to := range exits.Links {
				to, _, _ = strings.Cut(to, "#")
				if to != v.Site()+p.path(w.data) {
					links[to] = p.name
				}
			}
		case editors:
			if status := v.Go(p.path(w.data)); status != http.StatusForbidden {
				t.Errorf("%s, for somebody who may not: %d, want 403", p.name, status)
			}
		}
	}
	delete(links, v.Site()+"/loggedout")
	if len(links) < 50 {
		t.Errorf("the pages have %d links, want many more", len(links))
	}
	v.Go("/")
	for to, from := range links {
		if a := v.Ask(http.MethodGet, to, nil, nil); a.Status >= http.StatusBadRequest {
			t.Errorf("%s links to %s, which answers %d", from, to, a.Status)
		}
	}

	before := w.state(t)
	changed, _ := w.data.do(t, http.MethodGet, "/v1/credentials/"+w.data.disabled, nil)["modified_date"].(string)
	v.Expect("403 ")
	for path, fields := range w.forms(changed) {
		a := v.Ask(http.MethodPost, path, map[string]string{"X-XSRF-TOKEN": v.Cookies("/")["XSRF-TOKEN"].Value}, fields)
		if a.Status != http.StatusForbidden {
			t.Errorf("POST %s: %d, want 403", path, a.Status)
		}
		if strings.Contains(a.Body, secret) {
			t.Errorf("POST %s: the answer holds a value", path)
		}
	}
	if after := w.state(t); after != before {
		t.Errorf("what is stored has changed from\n%s\nto\n%s", before, after)
	}
}

// state returns what is stored, without values.
func (w *world) state(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, list := range []string{"credentials", "blind_credentials", "services"} {
		text, err := json.Marshal(w.data.do(t, http.MethodGet, "/v1/"+list, nil))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// forms are all forms that change something or reveal a value, filled in so that
// whoever may send them has his way. The disabled credential was changed at a time.
func (w *world) forms(changed string) map[string]map[string]string {
	d := w.data
	service := url.PathEscape(production(d))
	head := func(more ...string) map[string]string {
		fields := map[string]string{"name": "forced", "name.was": "another", "documentation": "forced", "enabled": "on", "enabled.was": "on"}
		for i := 0; i < len(more); i += 2 {
			fields[more[i]] = more[i+1]
		}
		return fields
	}
	state := func(revision string) map[string]string {
		return map[string]string{"do": "confirm", "revision": revision, "enabled": "false"}
	}
	revert := func(revision string) map[string]string {
		return map[string]string{"do": "confirm", "revision": revision}
	}
	sealed := `{"credential_pairs": {"eu-west-1": "Zg=="}, "data_key": {"eu-west-1": "Zg=="}, "credential_keys": ["forced"], "cipher_type": "fernet", "cipher_version": 2}`
	return map[string]map[string]string{
		"/credentials/new":                             head("do", "create", "pair.0.key", "forced", "pair.0.replace", "on", "pair.0.value", "forced"),
		"/credentials/" + mapped(d) + "/edit":          head("do", "save", "revision", "1", "pair.0.was", "database_password_00", "pair.0.key", "forced"),
		"/credentials/" + mapped(d) + "/state":         state("1"),
		"/credentials/" + disabled(d) + "/archive":     {"do": "confirm", "changed": changed},
		"/credentials/" + mapped(d) + "/reveal":        {"key": "database_password_00"},
		"/credentials/" + old(d) + "/revert/2":         revert("5"),
		"/blind-credentials/new":                       head("do", "create", "sealed.replace", "on", "sealed.text", sealed),
		"/blind-credentials/" + blind(d) + "/edit":     head("do", "save", "revision", "2"),
		"/blind-credentials/" + blind(d) + "/state":    state("2"),
		"/blind-credentials/" + blind(d) + "/revert/1": revert("2"),
		"/new-service":                                 {"name": "forced"},
		"/services/" + service + "/edit":               {"do": "save", "revision": "2", "remove": mapped(d), "enabled.was": "on"},
		"/services/" + service + "/state":              state("2"),
		"/services/" + service + "/revert/1":           revert("2"),
	}
}
