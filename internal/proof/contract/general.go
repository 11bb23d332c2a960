package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// CookieNames are the names of the two cookies of a server.
type CookieNames struct{ Session, XSRF string }

// Names returns the cookie names that settings give.
func Names(settings map[string]string) CookieNames {
	names := CookieNames{Session: "confidant_session", XSRF: "XSRF-TOKEN"}
	if s := settings["SESSION_COOKIE_NAME"]; s != "" {
		names.Session = s
	}
	if s := settings["XSRF_COOKIE_NAME"]; s != "" {
		names.XSRF = s
	}
	return names
}

// general judges what holds for every answer, whatever was recorded.
func (j *judgement) general() []string {
	found := slices.Concat(j.securityHeaders(), j.setCookies())
	if j.api() {
		found = append(found, j.apiHeaders()...)
	}
	if j.failed() {
		found = append(found, j.errorBody()...)
	}
	if body, err := decode(j.answer.Body); err == nil {
		found = append(found, unsorted("", body)...)
	}
	return found
}

func (j *judgement) securityHeaders() []string {
	var found []string
	for _, want := range [][2]string{
		{"X-Content-Type-Options", "nosniff"},
		{"X-XSS-Protection", "1; mode=block"},
		{"Referrer-Policy", "no-referrer"},
	} {
		if got := j.answer.Header.Get(want[0]); got != want[1] {
			found = append(found, fmt.Sprintf("header %s: got %q, want %q", want[0], got, want[1]))
		}
	}
	policy := j.answer.Header.Get("Content-Security-Policy")
	if policy == "" {
		found = append(found, "header Content-Security-Policy: missing")
	}
	if !j.api() && strings.Contains(policy, "unsafe-") {
		found = append(found, fmt.Sprintf("header Content-Security-Policy: got %q, want nothing unsafe", policy))
	}
	return found
}

func (j *judgement) apiHeaders() []string {
	var found []string
	path := j.answer.URL.Path
	if len(j.answer.Body) > 0 && (path != "/v1/saml/metadata" || j.failed()) {
		found = append(found, j.mediaType("application/json")...)
	}
	caching := "no-store"
	if strings.HasPrefix(path, "/v1/jwks/public/") && j.answer.Status == http.StatusOK {
		caching = "public, max-age=300"
	}
	if got := j.answer.Header.Get("Cache-Control"); got != caching {
		found = append(found, fmt.Sprintf("header Cache-Control: got %q, want %q", got, caching))
	}
	return found
}

func (j *judgement) errorBody() []string {
	var found []string
	if got := j.answer.Header.Get("WWW-Authenticate"); got != "" {
		found = append(found, fmt.Sprintf("header WWW-Authenticate: got %q, want none", got))
	}
	if j.exchange.Request.Method == http.MethodHead {
		return found
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(j.answer.Body, &body); err != nil || body == nil {
		return append(found, fmt.Sprintf("the body of an error is no JSON object: %s", short(j.answer.Body)))
	}
	var text string
	if err := json.Unmarshal(body["error"], &text); err != nil || text == "" {
		found = append(found, fmt.Sprintf("the body of an error has no text \"error\": %s", short(j.answer.Body)))
	}
	for _, name := range []string{"result", "service"} {
		if _, ok := body[name]; ok {
			found = append(found, fmt.Sprintf("/%s: there is one beside an error", name))
		}
	}
	return found
}

// denial is what refusals of the policy have in common.
var denial = regexp.MustCompile(`^(.+ does not have access to ).+$`)

// errorText compares the text of an error. Of a denial only the beginning counts,
// unless its form is one of those that clients rely on.
func (j *judgement) errorText(want, got string) (bool, error) {
	if parts := denial.FindStringSubmatch(want); parts != nil {
		kept := slices.ContainsFunc(j.recording.Expected.Verbatim, func(form string) bool {
			re, err := regexp.Compile(form)
			return err == nil && re.MatchString(want)
		})
		if !kept {
			want = parts[1] + "{{any}}"
		}
	}
	return j.variables.Matches(want, got)
}

// setCookies judges the cookies of an answer.
func (j *judgement) setCookies() []string {
	var found []string
	set := map[string]*http.Cookie{}
	for _, c := range (&http.Response{Header: j.answer.Header}).Cookies() {
		set[c.Name] = c
	}
	if c := set[j.cookies.Session]; c != nil && !c.HttpOnly {
		found = append(found, "the session cookie is not HttpOnly")
	}
	xsrf := set[j.cookies.XSRF]
	if j.exchange.Request.Identity != "" {
		if xsrf != nil {
			found = append(found, "a caller that is no browser gets an XSRF cookie")
		}
		return found
	}
	if xsrf != nil && (!xsrfValue.MatchString(xsrf.Value) || xsrf.Path != "/" || xsrf.SameSite != http.SameSiteLaxMode || xsrf.HttpOnly) {
		found = append(found, fmt.Sprintf("the XSRF cookie is %q, want 40 hex digits, Path=/, SameSite=Lax, not HttpOnly", xsrf.Raw))
	}
	if j.answer.Status != j.exchange.Response.Status {
		return found
	}
	for _, recorded := range j.exchange.Response.header("Set-Cookie") {
		name, value, _ := strings.Cut(recorded, "=")
		switch {
		case name == j.cookies.XSRF && xsrf == nil:
			found = append(found, "the XSRF cookie is missing")
		case name == j.cookies.Session && strings.HasPrefix(value, ";") && j.answer.Session:
			if c := set[name]; c == nil || c.MaxAge >= 0 {
				found = append(found, "the session cookie is not taken back")
			}
		}
	}
	return found
}

var xsrfValue = regexp.MustCompile(`^[0-9a-f]{40}$`)

// unsorted finds lists that have to ascend and do not.
func unsorted(at string, v any) []string {
	var found []string
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			found = append(found, unsorted(at+"/"+strconv.Itoa(i), e)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			place := at + "/" + escapeStep(name)
			if list, ok := v[name].([]any); ok && ascends(name, at, v) && !slices.IsSorted(sortKeys(list)) {
				found = append(found, fmt.Sprintf("%s: not ascending: %s", place, show(list)))
			}
			found = append(found, unsorted(place, v[name])...)
		}
	}
	return found
}

// ascends says whether an array has to ascend: of those whose order the recording
// left open all but three.
func ascends(name, at string, object map[string]any) bool {
	return unordered(name, at, object) && !slices.Contains([]string{"roles", "keys", "cas"}, name)
}

// sortKeys returns the texts of a list, or the ids of the objects in it.
func sortKeys(list []any) []string {
	keys := make([]string, 0, len(list))
	for _, e := range list {
		switch e := e.(type) {
		case string:
			keys = append(keys, e)
		case map[string]any:
			id, _ := e["id"].(string)
			keys = append(keys, id)
		}
	}
	return keys
}
