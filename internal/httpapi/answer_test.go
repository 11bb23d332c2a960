package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// answer is what came back.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// checkHeaders holds an answer to what every answer has.
func (a answer) checkHeaders(path string) {
	a.t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff",
		"X-Xss-Protection":       "1; mode=block",
		"Referrer-Policy":        "no-referrer",
	} {
		if got := a.header.Get(name); got != want {
			a.t.Errorf("%s: %s = %q, want %q", a.what, name, got, want)
		}
	}
	if a.header.Get("X-Request-Id") == "" {
		a.t.Errorf("%s: no request id", a.what)
	}
	if got := a.header.Get("Www-Authenticate"); got != "" {
		a.t.Errorf("%s: WWW-Authenticate = %q, want none", a.what, got)
	}
	policy := a.header.Get("Content-Security-Policy")
	if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'; ") {
		a.t.Errorf("%s: Content-Security-Policy = %q", a.what, policy)
	}
	if !strings.HasPrefix(path, "/v1/") {
		return
	}
	if policy != "default-src 'none'; frame-ancestors 'none'" {
		a.t.Errorf("%s: Content-Security-Policy = %q", a.what, policy)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		a.t.Errorf("%s: Cache-Control = %q, want no-store", a.what, got)
	}
	if got := a.header.Get("Content-Type"); len(a.body) > 0 && got != "application/json" {
		a.t.Errorf("%s: Content-Type = %q, want application/json", a.what, got)
	}
	if a.status >= 400 && !strings.HasPrefix(a.what, http.MethodHead) {
		if text, _ := jsonValue(a.t, a.body).(members)["error"].(string); text == "" {
			a.t.Errorf("%s: status %d without a text \"error\": %s", a.what, a.status, a.body)
		}
	}
}

// want fails the test unless the answer has the status.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

// wantError fails the test unless the answer is an error with exactly the words.
func (a answer) wantError(status int, words string) answer {
	a.t.Helper()
	if got := a.want(status).text("error"); got != words {
		a.t.Errorf("%s: error %q, want %q", a.what, got, words)
	}
	return a
}

// at returns what stands at a place in the body, for example "credentials/0/id".
func (a answer) at(place string) any {
	a.t.Helper()
	v := jsonValue(a.t, a.body)
	for _, step := range strings.Split(place, "/") {
		switch x := v.(type) {
		case members:
			value, ok := x[step]
			if !ok {
				a.t.Fatalf("%s: there is no %s: %s", a.what, place, a.body)
			}
			v = value
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(x) {
				a.t.Fatalf("%s: there is no %s: %s", a.what, place, a.body)
			}
			v = x[i]
		default:
			a.t.Fatalf("%s: there is no %s: %s", a.what, place, a.body)
		}
	}
	return v
}

func (a answer) text(place string) string {
	a.t.Helper()
	s, ok := a.at(place).(string)
	if !ok {
		a.t.Fatalf("%s: %s is no text: %s", a.what, place, a.body)
	}
	return s
}

// wantAt fails the test unless the JSON value stands at the place.
func (a answer) wantAt(place, value string) answer {
	a.t.Helper()
	got, err := json.Marshal(a.at(place))
	if err != nil {
		a.t.Fatal(err)
	}
	sameJSON(a.t, a.what+": "+place, got, []byte(value))
	return a
}
