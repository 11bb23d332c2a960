package httpapi

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authn"
)

// pageMatrix is the status that each kind of caller of matrix gets on each page.
// Forms are filled in so that they do their work, and go with the token of the
// caller's own session.
//
// 302, and 303 for a form, also is what who has to log in first gets, and 303 what
// a form answers that has done its work; where each leads is looked at. A page
// that shows nothing of its own, but leads to another, does so for everybody.
const pageMatrix = `
                                          nobody user tokenless kms-user admin bearer frozen reader cleaner itself own-token other elsewhere no-account disabled revoked expired forged
GET  /                                    302    200  200       200      200   200    200    200    200     200    200       200   200       200        302      302     302     403
GET  /resources                           302    200  200       200      200   200    200    200    200     200    200       200   200       200        302      302     302     403
GET  /help                                302    200  200       200      200   200    200    200    200     200    200       200   200       200        302      302     302     403
GET  /theme                               302    303  303       303      303   303    303    303    303     303    303       303   303       303        302      302     302     403
GET  /credentials/new                     302    200  200       200      200   200    403    403    403     403    403       403   403       403        302      302     302     403
POST /credentials/new                     303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
GET  /credentials/{id}                    302    200  200       200      200   200    200    200    403     403    403       403   403       403        302      302     302     403
GET  /credentials/{id}/edit               302    200  200       200      200   200    403    403    403     403    403       403   403       403        302      302     302     403
POST /credentials/{id}/edit               303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
GET  /credentials/{id}/state              302    200  200       200      200   200    200    403    403     403    403       403   403       403        302      302     302     403
POST /credentials/{id}/state              303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
GET  /credentials/{id}/archive            302    200  200       200      200   200    200    403    403     403    403       403   403       403        302      302     302     403
POST /credentials/{id}/archive            303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
GET  /credentials/{id}/reveal             302    303  303       303      303   303    303    303    303     303    303       303   303       303        302      302     302     403
POST /credentials/{id}/reveal             303    200  401       200      200   200    200    403    403     403    403       403   403       403        303      303     303     403
GET  /credentials/{id}/history            302    200  200       200      200   200    200    200    403     403    403       403   403       403        302      302     302     403
GET  /credentials/{id}/diff               302    303  303       303      303   303    303    303    303     303    303       303   303       303        302      302     302     403
GET  /credentials/{id}/diff/{a}/{b}       302    200  200       200      200   200    200    200    403     403    403       403   403       403        302      302     302     403
GET  /credentials/{id}/revert/{n}         302    200  200       200      200   200    200    403    403     403    403       403   403       403        302      302     302     403
POST /credentials/{id}/revert/{n}         303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
GET  /blind-credentials/new               302    200  200       200      200   200    403    403    403     403    403       403   403       403        302      302     302     403
POST /blind-credentials/new               303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
GET  /blind-credentials/{id}              302    200  200       200      200   200    200    200    403     200    200       200   200       200        302      302     302     403
GET  /blind-credentials/{id}/edit         302    200  200       200      200   200    403    403    403     403    403       403   403       403        302      302     302     403
POST /blind-credentials/{id}/edit         303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
GET  /blind-credentials/{id}/state        302    200  200       200      200   200    200    403    403     403    403       403   403       403        302      302     302     403
POST /blind-credentials/{id}/state        303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
GET  /blind-credentials/{id}/history      302    200  200       200      200   200    200    200    403     200    200       200   200       200        302      302     302     403
GET  /blind-credentials/{id}/diff         302    303  303       303      303   303    303    303    303     303    303       303   303       303        302      302     302     403
GET  /blind-credentials/{id}/diff/{a}/{b} 302    200  200       200      200   200    200    200    403     200    200       200   200       200        302      302     302     403
GET  /blind-credentials/{id}/revert/{n}   302    200  200       200      200   200    200    403    403     403    403       403   403       403        302      302     302     403
POST /blind-credentials/{id}/revert/{n}   303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
GET  /new-service                         302    200  200       200      200   200    403    403    403     403    403       403   403       403        302      302     302     403
POST /new-service                         303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
GET  /services/{id}                       302    200  200       200      200   200    200    200    403     200    200       403   401       401        302      302     302     403
GET  /services/{id}/edit                  302    200  200       200      200   200    403    403    403     403    403       403   401       401        302      302     302     403
POST /services/{id}/edit                  303    303  401       303      303   303    403    403    403     403    403       403   401       401        303      303     303     403
GET  /services/{id}/candidates            302    303  303       303      303   303    303    303    303     303    303       303   303       303        302      302     302     403
GET  /services/{id}/state                 302    200  200       200      200   200    200    403    403     403    403       403   401       401        302      302     302     403
POST /services/{id}/state                 303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
GET  /services/{id}/history               302    200  200       200      200   200    200    200    403     200    200       403   200       200        302      302     302     403
GET  /services/{id}/diff                  302    303  303       303      303   303    303    303    303     303    303       303   303       303        302      302     302     403
GET  /services/{id}/diff/{a}/{b}          302    200  200       200      200   200    200    200    403     200    200       403   200       200        302      302     302     403
GET  /services/{id}/revert/{n}            302    200  200       200      200   200    200    403    403     403    403       403   403       403        302      302     302     403
POST /services/{id}/revert/{n}            303    303  401       303      303   303    403    403    403     403    403       403   403       403        303      303     303     403
`

// asksNothing are the rows of pages that tell nothing of what is stored, so that
// there is nothing to record.
var asksNothing = []string{
	"GET /help", "GET /theme", "GET /credentials/new", "GET /blind-credentials/new", "GET /new-service",
	"GET /credentials/{id}/reveal", "GET /credentials/{id}/diff", "GET /blind-credentials/{id}/diff", "GET /services/{id}/diff",
	"GET /services/{id}/candidates",
}

// TestPageMatrix holds every page to every kind of caller. A page that reads
// makes one record. What is refused opens nothing, changes nothing and stands in
// the audit log as one refusal.
func TestPageMatrix(t *testing.T) {
	t.Parallel()
	m := newRealm(t)
	expected := readMatrix(t, m, pageMatrix)
	cells := 0
	for _, r := range pageRows() {
		row, listed := expected[r.name]
		if !listed {
			t.Errorf("the matrix does not list %s", r.name)
			continue
		}
		delete(expected, r.name)
		for _, k := range m.kinds {
			if cells%10 == 0 {
				refreshRefusals(m.world) // so that every refused proof has a record of its own
			}
			m.pageCell(&r, k, row[k.name])
			cells++
		}
	}
	for name := range expected {
		t.Errorf("the matrix lists %s, which is no page", name)
	}
	if want := len(pageRows()) * len(m.kinds); cells != want {
		t.Errorf("%d cells, want %d", cells, want)
	}
}

// pageCell makes one visit and judges what came of it.
func (m *realm) pageCell(r *route, k kind, want int) {
	m.t.Helper()
	q := request{method: r.method, path: r.example(m.ids), header: proof(k)}
	if r.method == http.MethodPost || r.page == "credential-archive" {
		m.freshen(m.as("bearer"), string(r.resource))
		q.path = r.example(m.ids)
	}
	if r.method == http.MethodPost {
		form := m.formThatSucceeds(r, q.path)
		if token := formToken(k); token != "" {
			form.Set(authn.FormTokenField, token)
		}
		q.body, q.type_ = form.Encode(), "application/x-www-form-urlencoded"
	}
	before := m.footprint()
	m.setReadOnly(k.readOnly)
	a := m.do(q)
	m.setReadOnly(false)
	what := fmt.Sprintf("%s as %s", r.name, k.name)
	if a.status != want {
		m.t.Errorf("%s: %d, want %d: %s", what, a.status, want, words(a))
		return
	}
	a.checkPage()
	after := m.footprint()
	refused, succeeded := 0, 0
	for _, e := range m.audit.since(before.records) {
		switch {
		case !e.Success:
			refused++
		case a.status != http.StatusForbidden || e.Action != "metadata": // which is looked at before "You may not change it"
			succeeded++
		}
	}
	left := footprint{after.opened - before.opened, after.sealed - before.sealed, after.written - before.written, 0}
	nothing := footprint{}

	switch {
	case slices.Contains([]string{"nobody", "disabled", "expired", "revoked"}, k.name):
		login := "/login?next=" + url.QueryEscape(q.path)
		if r.path == "/" {
			login = "/loggedout"
		}
		proofs := 0
		if k.name == "revoked" {
			proofs = 1 // a proof that is refused is on record, none at all is nothing to record
		}
		if a.header.Get("Location") != login || refused != proofs || succeeded != 0 || left != nothing {
			m.t.Errorf("%s leads to %q, want %q; %d refusals, want %d; %d records, %+v", what, a.header.Get("Location"), login, refused, proofs, succeeded, left)
		}
	case a.status == http.StatusForbidden || a.status == http.StatusUnauthorized:
		if refused != 1 || succeeded != 0 || left != nothing {
			m.t.Errorf("%s: refused, with %d refusals and %d other records, it left %+v: %+v", what, refused, succeeded, left, m.audit.since(before.records))
		}
	case slices.Contains(asksNothing, r.name):
		if refused != 0 || succeeded != 0 || left != nothing {
			m.t.Errorf("%s: it tells nothing, with %d refusals and %d other records, and left %+v", what, refused, succeeded, left)
		}
	case r.method == http.MethodGet:
		asked := 1
		if k.name == "cleaner" { // of whom the page says that he may list nothing
			asked = 0
		}
		if refused != 1-asked || succeeded != asked || left.sealed+left.written != 0 {
			m.t.Errorf("%s: %d refusals and %d other records of a page that reads, it left %+v", what, refused, succeeded, left)
		}
	default:
		if changes := r.maintenance; refused != 0 || succeeded == 0 || (left.written > 0) != changes {
			m.t.Errorf("%s: %d refusals and %d other records of a form that does its work, it left %+v", what, refused, succeeded, left)
		}
		if strings.HasPrefix(a.header.Get("Location"), "/login") || strings.HasSuffix(a.header.Get("Location"), "done=same") {
			m.t.Errorf("%s leads to %q", what, a.header.Get("Location"))
		}
	}
	if reveals := r.method == http.MethodPost && r.page == "credential-reveal" && want == http.StatusOK; strings.Contains(string(a.body), secretValue) != reveals {
		m.t.Errorf("%s: the page shows a value %v", what, !reveals)
	}
}

// proof returns what a kind of caller proves itself with, without the header that
// scripts send and forms cannot.
func proof(k kind) []string {
	if i := slices.Index(k.header, authn.CSRFHeader); i >= 0 {
		return k.header[:i]
	}
	return k.header
}

// formToken returns what the forms of a kind of caller carry.
func formToken(k kind) string {
	if i := slices.Index(k.header, authn.CSRFHeader); i >= 0 {
		return masked(k.header[i+1], 0x5a)
	}
	return ""
}

// masked returns a CSRF token as a page carries it, under a mask of one byte.
func masked(token string, mask byte) string {
	raw, err := hex.DecodeString(token)
	if err != nil {
		return ""
	}
	out := slices.Repeat([]byte{mask}, len(raw))
	for _, b := range raw {
		out = append(out, b^mask)
	}
	return base64.RawURLEncoding.EncodeToString(out)
}

// formThatSucceeds returns what the form at a path sends that changes something.
func (m *realm) formThatSucceeds(r *route, path string) url.Values {
	m.t.Helper()
	if r.page == "credential-reveal" {
		return url.Values{"key": {"password"}}
	}
	form := formOf(m.do(request{method: http.MethodGet, path: path, header: m.as("bearer")}).want(200))
	name := fmt.Sprint("new-", m.clock.Now().Unix())
	set := map[string][]string{
		"credential-new":  {"name", name, "pair.0.key", "a", "pair.0.value", "b", "do", "create"},
		"credential-edit": {"documentation", "more", "do", "save"},
		"blind-new": {
			"name", name, "do", "create", "sealed.text",
			`{"credential_pairs":{"r":"x"},"data_key":{"r":"k"},"credential_keys":["k"],"cipher_type":"fernet","cipher_version":2}`,
		},
		"blind-edit":   {"documentation", "more", "do", "save"},
		"service-new":  {"name", name, "do", "create"},
		"service-edit": {"enabled", "on", "do", "save"},
	}[r.page]
	if set == nil {
		set = []string{"do", "confirm"}
	}
	for i := 0; i < len(set); i += 2 {
		form.Set(set[i], set[i+1])
	}
	return form
}

var (
	inputTag  = regexp.MustCompile(`<input ([^>]*)>`)
	areaTag   = regexp.MustCompile(`(?s)<textarea ([^>]*)>\n?(.*?)</textarea>`)
	selectTag = regexp.MustCompile(`(?s)<select ([^>]*)>(.*?)</select>`)
	optionTag = regexp.MustCompile(`<option ([^>]*selected[^>]*)>`)
)

// formOf reads the fields of the form of a page, as a browser sends them.
func formOf(a answer) url.Values {
	out := url.Values{}
	_, main, _ := strings.Cut(string(a.body), "<main")
	for _, tag := range inputTag.FindAllStringSubmatch(main, -1) {
		name, kind := attribute(tag[1], "name"), attribute(tag[1], "type")
		switch {
		case name == "" || kind == "file" || kind == "checkbox" && !strings.Contains(tag[1], " checked"):
		case kind == "checkbox":
			out.Add(name, "on")
		default:
			out.Add(name, attribute(tag[1], "value"))
		}
	}
	for _, tag := range areaTag.FindAllStringSubmatch(main, -1) {
		out.Add(attribute(tag[1], "name"), html.UnescapeString(tag[2]))
	}
	for _, tag := range selectTag.FindAllStringSubmatch(main, -1) {
		value := ""
		if chosen := optionTag.FindStringSubmatch(tag[2]); chosen != nil {
			value = attribute(chosen[1], "value")
		}
		out.Add(attribute(tag[1], "name"), value)
	}
	return out
}

func attribute(tag, name string) string {
	m := regexp.MustCompile(`(?:^|\s)` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// words returns what an answer that is no success says.
func words(a answer) string {
	if m := regexp.MustCompile(`(?s)<main.*?</main>`).Find(a.body); m != nil {
		return string(m)
	}
	return string(a.body)
}

// checkPage holds the answer of a page to what each has, errors included.
func (a answer) checkPage() {
	a.t.Helper()
	if got := a.header.Get("Content-Security-Policy"); got != policyPage[0] {
		a.t.Errorf("%s: Content-Security-Policy = %q", a.what, got)
	}
	if len(a.body) == 0 {
		return
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		a.t.Errorf("%s: Cache-Control = %q, want no-store", a.what, got)
	}
	if got := a.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		a.t.Errorf("%s: Content-Type = %q", a.what, got)
	}
}
