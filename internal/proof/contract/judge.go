package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Answer is what a server answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	URL    *url.URL // of the request
	// Session says that the request carried the session cookie.
	Session bool
}

// Judge says in which points an answer is not what is wanted; none if it is
// right. names are the names of the session and the XSRF cookie.
func (r *Recording) Judge(ex Exchange, a Answer, v Variables, store Store, names CookieNames) []string {
	if len(ex.Unknown) > 0 {
		return []string{fmt.Sprintf("not judged: the recording has members that are not understood: %v", ex.Unknown)}
	}
	wants, err := r.wanted(ex, store)
	if err != nil {
		return []string{err.Error()}
	}
	var best []string
	for i, w := range wants {
		j := judgement{recording: r, exchange: ex, answer: a, variables: v, want: w, cookies: names}
		found := j.differences()
		if len(found) == 0 {
			return nil
		}
		if i == 0 || len(found) < len(best) {
			best = found
		}
	}
	return best
}

// judgement holds one answer against one alternative of what is wanted.
type judgement struct {
	recording *Recording
	exchange  Exchange
	answer    Answer
	variables Variables
	want      want
	cookies   CookieNames
}

func (j *judgement) differences() []string {
	var found []string
	wanted := j.want.Status
	if wanted == nil {
		wanted = statuses{j.exchange.Response.Status}
	}
	switch {
	case j.exchange.Defect && j.recording.entry(j.exchange.N) == nil:
		// The recording says only that this must not be copied.
		if j.answer.Status >= http.StatusInternalServerError {
			found = append(found, fmt.Sprintf("status %d, a defect of the older service", j.answer.Status))
		}
	case !slices.Contains(wanted, j.answer.Status):
		found = append(found, fmt.Sprintf("status %d, want %d; the body is %s", j.answer.Status, wanted, short(j.answer.Body)))
	}
	if len(found) == 0 {
		found = append(found, j.body()...)
		found = append(found, j.headers()...)
		found = append(found, j.rotation()...)
	}
	return append(found, j.general()...)
}

// failed says whether the answer is an error of the API, whose form is ruled for
// all of them alike.
func (j *judgement) failed() bool { return j.api() && j.answer.Status >= http.StatusBadRequest }

// api says whether the request went to the API and not to a page.
func (j *judgement) api() bool { return strings.HasPrefix(j.answer.URL.Path, "/v1/") }

func (j *judgement) body() []string {
	recorded := j.exchange.Response
	switch w := j.want; {
	case w.JSON != nil:
		return j.json(w.JSON, false)
	case w.Error != nil || w.Like != nil || w.Absent != nil:
		return j.like()
	case w.Text != nil || w.ContainsText != nil:
		return j.text(w.Text, w.ContainsText)
	case recorded.JSON != nil && !j.exchange.Defect:
		return j.json(recorded.JSON, j.failed())
	case j.failed() || j.exchange.Defect:
		return nil // the general rules say what an error looks like
	case recorded.Text != nil:
		return j.text(recorded.Text, nil)
	case recorded.HTMLTitle != "" && json.Valid(j.answer.Body):
		return []string{fmt.Sprintf("the body is JSON, want a page or nothing: %s", short(j.answer.Body))}
	}
	return nil
}

// json compares the body with a wanted or recorded one, after the changes of the
// entry.
func (j *judgement) json(raw json.RawMessage, contain bool) []string {
	wanted, err := decode(raw)
	if err != nil {
		return []string{err.Error()}
	}
	for _, p := range slices.Sorted(maps.Keys(j.want.Set)) {
		if err := change(wanted, p, j.want.Set[p], false); err != nil {
			return []string{err.Error()}
		}
	}
	for _, p := range j.want.Unset {
		if err := change(wanted, p, nil, true); err != nil {
			return []string{err.Error()}
		}
	}
	return j.compare(wanted, contain)
}

// like judges bodies of which only some members are told.
func (j *judgement) like() []string {
	wanted := map[string]any{}
	maps.Copy(wanted, j.want.Like)
	if j.want.Error != nil {
		wanted["error"] = *j.want.Error
	}
	found := j.compare(wanted, true)
	got, _ := decode(j.answer.Body)
	if members, ok := got.(map[string]any); ok {
		for _, name := range j.want.Absent {
			if _, ok := members[name]; ok {
				found = append(found, fmt.Sprintf("/%s: there is one, want none", name))
			}
		}
	}
	return found
}

func (j *judgement) compare(wanted any, contain bool) []string {
	got, err := decode(j.answer.Body)
	if err != nil {
		return []string{fmt.Sprintf("the body is no JSON (%v): %s", err, short(j.answer.Body))}
	}
	c := comparison{variables: j.variables, contain: contain}
	if j.failed() {
		c.text = j.errorText
	}
	return c.differences(wanted, got)
}

// text judges the body as a whole (nil: not) and expressions that must occur in
// it.
func (j *judgement) text(whole *string, contains []string) []string {
	var found []string
	got := string(j.answer.Body)
	if whole != nil {
		equal, err := j.variables.Matches(*whole, got)
		if err != nil {
			return []string{err.Error()}
		}
		if !equal {
			found = append(found, fmt.Sprintf("the body is %s, want %q", short(j.answer.Body), *whole))
		}
	}
	for _, re := range contains {
		within, err := j.variables.Contains(re, got)
		if err != nil {
			return []string{err.Error()}
		}
		if !within {
			found = append(found, fmt.Sprintf("the body does not contain %q: %s", re, short(j.answer.Body)))
		}
	}
	return found
}

func (j *judgement) headers() []string {
	var found []string
	recorded := j.exchange.Response
	same := j.answer.Status == recorded.Status
	for _, name := range slices.Sorted(maps.Keys(recorded.Headers)) {
		if _, ok := j.want.Headers[name]; ok {
			continue
		}
		value := strings.Join(recorded.header(name), ", ")
		switch name {
		case "Location":
			if same && j.want.Location == nil {
				found = append(found, j.header(name, value)...)
			}
		case "Allow":
			if got := j.answer.Header.Get(name); same && !slices.Equal(methods(got), methods(value)) {
				found = append(found, fmt.Sprintf("header Allow: got %q, want %q", got, value))
			}
		case "Content-Type":
			if !j.api() && recorded.Text != nil && *recorded.Text != "" && j.want.ContentType == "" {
				found = append(found, j.mediaType(value)...)
			}
		case "Set-Cookie", "Vary", "Cache-Control", "X-XSS-Protection", "X-Content-Type-Options", "Referrer-Policy":
			// Ruled for all answers alike.
		default:
			found = append(found, j.header(name, value)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.want.Headers)) {
		if value := j.want.Headers[name]; value != nil {
			found = append(found, j.header(name, *value)...)
		} else if got := j.answer.Header.Get(name); got != "" {
			found = append(found, fmt.Sprintf("header %s: got %q, want none", name, got))
		}
	}
	if j.want.ContentType != "" {
		found = append(found, j.mediaType(j.want.ContentType)...)
	}
	if j.want.Location != nil {
		found = append(found, j.location(*j.want.Location)...)
	}
	return found
}

func (j *judgement) header(name, value string) []string {
	got := j.answer.Header.Get(name)
	if name == "Location" && got != "" {
		target, err := j.answer.URL.Parse(got)
		if err != nil {
			return []string{fmt.Sprintf("header Location: %v", err)}
		}
		got = target.String()
	}
	equal, err := j.variables.Matches(value, got)
	if err != nil {
		return []string{err.Error()}
	}
	if !equal {
		return []string{fmt.Sprintf("header %s: got %q, want %q", name, got, value)}
	}
	return nil
}

func (j *judgement) mediaType(value string) []string {
	want, _, err := mime.ParseMediaType(value)
	if err != nil {
		return []string{fmt.Sprintf("content type %q: %v", value, err)}
	}
	got := j.answer.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(got); err != nil || media != want {
		return []string{fmt.Sprintf("content type %q, want %q", got, want)}
	}
	return nil
}

func (j *judgement) location(want location) []string {
	target, err := j.answer.URL.Parse(j.answer.Header.Get("Location"))
	if err != nil {
		return []string{fmt.Sprintf("header Location: %v", err)}
	}
	query := target.Query()
	target.RawQuery = ""
	if equal, err := j.variables.Matches(want.URL, target.String()); err != nil || !equal {
		return []string{fmt.Sprintf("the redirect goes to %q, want %q (%v)", target, want.URL, err)}
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(want.Query)) {
		got := query.Get(name)
		if equal := slices.ContainsFunc(oneOrMore(want.Query[name]), func(text string) bool {
			equal, err := j.variables.Matches(text, got)
			return err == nil && equal
		}); !equal {
			found = append(found, fmt.Sprintf("redirect parameter %s: got %q, want %s", name, got, want.Query[name]))
		}
	}
	return found
}

// rotation judges how far the two rotation dates lie apart.
func (j *judgement) rotation() []string {
	facts := j.exchange.RotationFacts
	if j.want.Rotation != nil {
		facts = j.want.Rotation
	}
	if facts == nil {
		return nil
	}
	var want struct {
		Days *float64 `json:"next_minus_last_days"`
	}
	var got struct {
		Last *time.Time `json:"last_rotation_date"`
		Next *time.Time `json:"next_rotation_date"`
	}
	if err := json.Unmarshal(facts, &want); err != nil {
		return []string{err.Error()}
	}
	if err := json.Unmarshal(j.answer.Body, &got); err != nil {
		return []string{fmt.Sprintf("rotation dates: %v", err)}
	}
	switch {
	case want.Days == nil && got.Next != nil:
		return []string{fmt.Sprintf("/next_rotation_date: got %v, want null", got.Next)}
	case want.Days == nil:
		return nil
	case got.Last == nil || got.Next == nil:
		return []string{fmt.Sprintf("a rotation date is missing, want %v days between them", *want.Days)}
	}
	const near = 5 * time.Minute // dates of one replay lie that close together
	apart := got.Next.Sub(*got.Last) - time.Duration(*want.Days*24*float64(time.Hour))
	if apart.Abs() > near {
		return []string{fmt.Sprintf("the next rotation is %v after the last, want %v days", got.Next.Sub(*got.Last), *want.Days)}
	}
	return nil
}

// methods reads an Allow header; GET routes answer HEAD and OPTIONS too, told or
// not.
func methods(allow string) []string {
	var list []string
	for m := range strings.SplitSeq(allow, ",") {
		if m = strings.TrimSpace(m); m != "" && m != http.MethodHead && m != http.MethodOptions {
			list = append(list, m)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func short(body []byte) string {
	const most = 300
	if len(body) > most {
		return fmt.Sprintf("%q…", body[:most])
	}
	return fmt.Sprintf("%q", body)
}
