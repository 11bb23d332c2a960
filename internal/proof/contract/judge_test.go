package contract

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func load(t *testing.T) *Recording {
	t.Helper()
	r, err := Load("testdata/exchanges.json")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// each calls f with every compared exchange and the answer that is wanted of it.
func each(t *testing.T, f func(t *testing.T, ex Exchange, a wantedAnswer, judge func(Answer) []string)) {
	r := load(t)
	v := testVariables(r)
	for _, b := range r.Blocks {
		names := Names(r.Settings(b))
		for _, ex := range r.Of(b.Name) {
			if r.Skipped(ex.N) {
				continue
			}
			t.Run(strconv.Itoa(ex.N), func(t *testing.T) {
				a := answerTo(t, r, ex, v, names)
				f(t, ex, a, func(a Answer) []string { return r.Judge(ex, a, v, SQLite, names) })
			})
		}
	}
}

func TestJudge_AcceptsTheWantedAnswer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ex Exchange, a wantedAnswer, judge func(Answer) []string) {
		if found := judge(a.Answer); len(found) > 0 {
			t.Errorf("%s: %q\nthe answer is %d %s", ex.Name, found, a.Status, a.Body)
		}
	})
}

func TestJudge_RefusesAnotherStatus(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ex Exchange, a wantedAnswer, judge func(Answer) []string) {
		a.Status = http.StatusTeapot
		if len(judge(a.Answer)) == 0 {
			t.Errorf("%s: status %d is accepted", ex.Name, a.Status)
		}
	})
}

func TestJudge_RefusesEachMissingHeader(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ex Exchange, a wantedAnswer, judge func(Answer) []string) {
		for name := range a.Header {
			if name == "Content-Type" && !strings.HasPrefix(a.URL.Path, "/v1/") || name == "Content-Type" && len(a.Body) == 0 {
				continue
			}
			if name == "Set-Cookie" && !a.needsCookies(ex) {
				continue
			}
			b := a.Answer
			b.Header = a.Header.Clone()
			b.Header.Del(name)
			if len(judge(b)) == 0 {
				t.Errorf("%s: an answer without %s is accepted", ex.Name, name)
			}
		}
	})
}

// needsCookies says whether some cookie of the answer has to be there.
func (a *wantedAnswer) needsCookies(ex Exchange) bool {
	return a.Status == ex.Response.Status && slices.ContainsFunc(ex.Response.header("Set-Cookie"), func(c string) bool {
		return strings.HasPrefix(c, "XSRF-TOKEN=") || strings.Contains(c, "=;") && a.Session
	})
}

func TestJudge_RefusesEachChangeOfTheBody(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ex Exchange, a wantedAnswer, judge func(Answer) []string) {
		if a.wanted == nil {
			return
		}
		for _, m := range mutations("", a.wanted, mustDecode(t, a.Body), a.exact) {
			body := mustDecode(t, a.Body)
			if m.place == "" {
				body = m.value
			} else if err := change(body, m.place, m.value, m.remove); err != nil {
				t.Fatal(err)
			}
			b := a.Answer
			var err error
			if b.Body, err = json.Marshal(body); err != nil {
				t.Fatal(err)
			}
			if len(judge(b)) == 0 {
				t.Errorf("%s: %s at %q is accepted: %s", ex.Name, m.what, m.place, short(b.Body))
			}
		}
	})
}

// mutation is one change of a body that is no longer what is wanted.
type mutation struct {
	what, place string
	value       any
	remove      bool
}

func mutations(at string, want, got any, exact bool) []mutation {
	list := []mutation{{what: "another type", place: at, value: []any{map[string]any{}}}}
	switch got := got.(type) {
	case map[string]any:
		template, _ := want.(map[string]any)
		if template["$any"] != nil {
			return list
		}
		if exact {
			list = append(list, mutation{what: "one more member", place: at + "/more", value: true})
		}
		for name, value := range got {
			place := at + "/" + escapeStep(name)
			list = append(list, mutation{what: "a missing member", place: place, remove: true})
			list = append(list, mutations(place, template[name], value, exact)...)
		}
	case []any:
		list = append(list, mutation{what: "one more element", place: at, value: append(slices.Clone(got), "more")})
		if len(got) > 0 {
			list = append(list, mutation{what: "a missing element", place: at, value: got[1:]})
		}
		reversed := slices.Clone(got)
		slices.Reverse(reversed)
		if fmt.Sprint(reversed) != fmt.Sprint(got) {
			list = append(list, mutation{what: "another order", place: at, value: reversed})
		}
		// The template of an element is not known where the order is open.
		for i, value := range got {
			list = append(list, mutations(at+"/"+strconv.Itoa(i), nil, value, exact)...)
		}
	case string:
		if want != "{{any}}" && want != "{{page}}" {
			list = append(list, mutation{what: "another text", place: at, value: "other " + got})
		}
		if got != "" {
			list = append(list, mutation{what: "an empty text", place: at, value: ""})
		}
	case json.Number:
		list = append(list, mutation{what: "another number", place: at, value: json.Number("987654321")})
	case bool:
		list = append(list, mutation{what: "the opposite", place: at, value: !got})
	case nil:
		list = append(list, mutation{what: "a text for null", place: at, value: "x"})
	}
	return list
}

func TestJudge_RefusesAWrongRotationDate(t *testing.T) {
	t.Parallel()
	seen := 0
	each(t, func(t *testing.T, ex Exchange, a wantedAnswer, judge func(Answer) []string) {
		if ex.RotationFacts == nil {
			return
		}
		seen++
		body := mustDecode(t, a.Body).(map[string]any)
		body["next_rotation_date"] = "2031-01-02T03:04:05.000006+00:00"
		a.Body, _ = json.Marshal(body)
		if len(judge(a.Answer)) == 0 {
			t.Errorf("%s: a rotation date five years on is accepted", ex.Name)
		}
	})
	if seen == 0 {
		t.Error("no exchange tells rotation facts")
	}
}

func TestJudge_RefusesWrongCookies(t *testing.T) {
	t.Parallel()
	r := load(t)
	v := testVariables(r)
	names := CookieNames{Session: "confidant_session", XSRF: "XSRF-TOKEN"}
	find := func(n int) Exchange {
		i := slices.IndexFunc(r.Exchanges, func(ex Exchange) bool { return ex.N == n })
		return r.Exchanges[i]
	}
	const browser, machine = 383, 397
	for _, tt := range []struct {
		name   string
		n      int
		cookie string
	}{
		{"a short XSRF value", browser, "XSRF-TOKEN=abc; Path=/; SameSite=Lax"},
		{"an XSRF cookie that scripts cannot read", browser, "XSRF-TOKEN=" + testXSRF + "; Path=/; SameSite=Lax; HttpOnly"},
		{"an XSRF cookie without SameSite", browser, "XSRF-TOKEN=" + testXSRF + "; Path=/"},
		{"an XSRF cookie of a folder", browser, "XSRF-TOKEN=" + testXSRF + "; Path=/v1; SameSite=Lax"},
		{"an XSRF cookie for a machine", machine, "XSRF-TOKEN=" + testXSRF + "; Path=/; SameSite=Lax"},
		{"a session cookie that scripts can read", machine, "confidant_session=sealed; Path=/"},
	} {
		ex := find(tt.n)
		a := answerTo(t, r, ex, v, names)
		a.Header["Set-Cookie"] = []string{tt.cookie}
		if len(r.Judge(ex, a.Answer, v, SQLite, names)) == 0 {
			t.Errorf("%s is accepted", tt.name)
		}
	}
}

func TestJudge_ComparesTheFormOfADenialByItsBeginning(t *testing.T) {
	t.Parallel()
	j := judgement{recording: &Recording{Expected: Expected{Verbatim: []string{`^.+ does not have access to get service [^ ]+$`}}}}
	for _, tt := range []struct {
		want, got string
		equal     bool
	}{
		{"a does not have access to list cas", "a does not have access to the authorities", true},
		{"a does not have access to list cas", "b does not have access to list cas", false},
		{"a does not have access to list cas", "a may not list cas", false},
		{"a does not have access to get service s", "a does not have access to get service s", true},
		{"a does not have access to get service s", "a does not have access to read service s", false},
	} {
		if got, err := j.errorText(tt.want, tt.got); err != nil || got != tt.equal {
			t.Errorf("errorText(%q, %q) = %v, %v; want %v", tt.want, tt.got, got, err, tt.equal)
		}
	}
}

func TestJudge_DoesNotPassOverWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	var ex Exchange
	if err := json.Unmarshal([]byte(`{"n": 1, "jwt": {}, "request": {"tls": 1}, "response": {"status": 200}}`), &ex); err != nil {
		t.Fatal(err)
	}
	if want := []string{"jwt", "request.tls"}; !slices.Equal(ex.Unknown, want) {
		t.Errorf("Unknown = %q, want %q", ex.Unknown, want)
	}
	if found := (&Recording{}).Judge(ex, Answer{}, nil, SQLite, CookieNames{}); len(found) != 1 {
		t.Errorf("Judge = %q, want one difference", found)
	}
	if _, err := readWant(map[string]json.RawMessage{"jwt": []byte(`{}`)}); err == nil {
		t.Error("an expected entry with a member that is not understood is read")
	}
}
