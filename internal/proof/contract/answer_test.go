package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// This file makes, from a recording alone, answers that are exactly what is
// wanted, so that the judge can be judged: it has to accept them and to refuse
// each change of them.

const (
	testBase = "http://127.0.0.1:8080"
	testHex  = "0123456789abcdef0123456789abcdef"
	testXSRF = "0123456789abcdef0123456789abcdef01234567"
)

var testDate = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

const isoDate = "2006-01-02T15:04:05.000000+00:00"

// testVariables gives every variable that a recording captures a value.
func testVariables(r *Recording) Variables {
	v := Variables{"base": testBase, "base_https": strings.Replace(testBase, "http:", "https:", 1)}
	n := 0
	for _, ex := range r.Exchanges {
		for _, name := range slices.Sorted(maps.Keys(ex.Captures)) {
			n++
			v[name] = fmt.Sprintf("%032x", n)
		}
	}
	return v
}

// sample returns a text that a template stands for.
func sample(t *testing.T, v Variables, template string) string {
	t.Helper()
	var b strings.Builder
	for _, p := range split(template) {
		switch value, ok := v[p.text]; {
		case !p.placeholder:
			b.WriteString(p.text)
		case ok:
			b.WriteString(value)
		case p.text == "date:iso":
			b.WriteString(testDate.Format(isoDate))
		case p.text == "date:http":
			b.WriteString(testDate.Format(http.TimeFormat))
		case p.text == "hex32":
			b.WriteString(testHex)
		case p.text == "match:^[A-Za-z0-9]{50}$":
			b.WriteString(strings.Repeat("aZ09b", 10))
		case slices.Contains([]string{"any", "anything", "opaque", "hex", "page", "string"}, p.text):
			b.WriteString("something")
		default:
			t.Fatalf("there is no sample for %q", p.text)
		}
	}
	return b.String()
}

// sampleValue is sample for a whole body. Lists that have to ascend do.
func sampleValue(t *testing.T, v Variables, want any, at, name string, parent map[string]any) any {
	t.Helper()
	switch want := want.(type) {
	case string:
		return sample(t, v, want)
	case []any:
		list := []any{}
		for i, e := range want {
			list = append(list, sampleValue(t, v, e, fmt.Sprintf("%s/%s/%d", at, name, i), "", nil))
		}
		if parent != nil && ascends(name, at, parent) {
			slices.SortFunc(list, func(a, b any) int {
				return strings.Compare(sortKeys([]any{a})[0], sortKeys([]any{b})[0])
			})
		}
		return list
	case map[string]any:
		if alternatives, ok := want["$any"].([]any); ok {
			return sampleValue(t, v, alternatives[0], at, name, parent)
		}
		object := map[string]any{}
		for member, e := range want {
			place := at
			if name != "" {
				place += "/" + name
			}
			object[member] = sampleValue(t, v, e, place, member, want)
		}
		return object
	}
	return want
}

// wantedAnswer is an answer without a fault. wanted is the JSON body as a template,
// nil where the body is none; exact says that it admits no further members.
type wantedAnswer struct {
	Answer
	wanted any
	exact  bool
}

// answerTo makes the answer that is wanted of an exchange.
func answerTo(t *testing.T, r *Recording, ex Exchange, v Variables, names CookieNames) wantedAnswer {
	t.Helper()
	wants, err := r.wanted(ex, SQLite)
	if err != nil {
		t.Fatal(err)
	}
	w := wants[0]
	path := ex.Request.Path
	filled, err := v.Fill(path, escapeAnywhere)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(testBase + filled)
	if err != nil {
		t.Fatal(err)
	}
	a := wantedAnswer{Answer: Answer{Status: ex.Response.Status, Header: http.Header{}, URL: u}}
	if w.Status != nil {
		a.Status = w.Status[0]
	}
	a.Session = ex.Request.Cookies == "session"
	a.general(ex, names)
	a.headers(t, ex, w, v)
	a.body(t, ex, w, v)
	return a
}

func (a *wantedAnswer) general(ex Exchange, names CookieNames) {
	a.Header.Set("X-Content-Type-Options", "nosniff")
	a.Header.Set("X-XSS-Protection", "1; mode=block")
	a.Header.Set("Referrer-Policy", "no-referrer")
	a.Header.Set("Content-Security-Policy", "default-src 'none'")
	if strings.HasPrefix(a.URL.Path, "/v1/") {
		a.Header.Set("Cache-Control", "no-store")
	}
	for _, recorded := range ex.Response.header("Set-Cookie") {
		name, value, _ := strings.Cut(recorded, "=")
		switch {
		case name == names.XSRF:
			a.Header.Add("Set-Cookie", name+"="+testXSRF+"; Path=/; SameSite=Lax")
		case strings.HasPrefix(value, ";"):
			a.Header.Add("Set-Cookie", name+"=; Path=/; Max-Age=0; HttpOnly")
		default:
			a.Header.Add("Set-Cookie", name+"=sealed; Path=/; HttpOnly")
		}
	}
}

func (a *wantedAnswer) headers(t *testing.T, ex Exchange, w want, v Variables) {
	for name := range ex.Response.Headers {
		switch name {
		case "Location", "Allow", "Strict-Transport-Security":
			a.Header.Set(name, sample(t, v, ex.Response.header(name)[0]))
		}
	}
	for name, value := range w.Headers {
		if value != nil {
			a.Header.Set(name, sample(t, v, *value))
		}
	}
	if w.Location != nil {
		query := url.Values{}
		for name, value := range w.Location.Query {
			query.Set(name, sample(t, v, oneOrMore(value)[0]))
		}
		a.Header.Set("Location", w.Location.URL+"?"+query.Encode())
	}
	switch {
	case w.ContentType != "":
		a.Header.Set("Content-Type", w.ContentType)
	case strings.HasPrefix(a.URL.Path, "/v1/"):
		a.Header.Set("Content-Type", "application/json")
	default:
		a.Header.Set("Content-Type", ex.Response.header("Content-Type")[0])
	}
}

func (a *wantedAnswer) body(t *testing.T, ex Exchange, w want, v Variables) {
	failed := strings.HasPrefix(a.URL.Path, "/v1/") && a.Status >= 400
	recorded := ex.Response
	switch {
	case w.JSON != nil:
		a.wanted, a.exact = mustDecode(t, w.JSON), true
	case w.Error != nil || w.Like != nil:
		wanted := map[string]any{"error": "{{any}}"}
		maps.Copy(wanted, w.Like)
		if w.Error != nil {
			wanted["error"] = *w.Error
		}
		a.wanted = wanted
	case w.ContainsText != nil:
		// The expressions of the recordings hold one alternative each.
		unescape := strings.NewReplacer("[^>]*", " ")
		for _, re := range w.ContainsText {
			a.Body = append(a.Body, sample(t, v, unescape.Replace(re))+"\n"...)
		}
		return
	case w.Text != nil && a.Status < 300:
		a.Body = []byte(sample(t, v, *w.Text))
		return
	case w.Text != nil, recorded.HTMLTitle != "" && !failed:
		return
	case recorded.JSON != nil:
		a.wanted, a.exact = mustDecode(t, recorded.JSON), !failed
		for p, value := range w.Set {
			if err := change(a.wanted, p, value, false); err != nil {
				t.Fatal(err)
			}
		}
	case failed:
		a.wanted = map[string]any{"error": "{{any}}"}
	case recorded.Text != nil:
		a.Body = []byte(sample(t, v, *recorded.Text))
		return
	}
	got := sampleValue(t, v, a.wanted, "", "", nil)
	a.rotate(t, ex, w, got)
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	a.Body = b
}

// rotate sets the next rotation date as the facts tell.
func (a *wantedAnswer) rotate(t *testing.T, ex Exchange, w want, body any) {
	facts := ex.RotationFacts
	if w.Rotation != nil {
		facts = w.Rotation
	}
	if facts == nil {
		return
	}
	var days struct {
		Days *float64 `json:"next_minus_last_days"`
	}
	if err := json.Unmarshal(facts, &days); err != nil {
		t.Fatal(err)
	}
	if days.Days != nil {
		next := testDate.Add(time.Duration(*days.Days * 24 * float64(time.Hour)))
		body.(map[string]any)["next_rotation_date"] = next.Format(isoDate)
	}
}

func mustDecode(t *testing.T, b []byte) any {
	t.Helper()
	v, err := decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
