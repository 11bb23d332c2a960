package httpapi

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authn"
)

const urlEncoded = "application/x-www-form-urlencoded"

// parts returns a form as a browser sends it that may hold files, with its
// content type; a field "file:x" becomes the file x.
func parts(t *testing.T, fields url.Values) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for name, values := range fields {
		var w io.Writer
		var err error
		if file, ok := strings.CutPrefix(name, "file:"); ok {
			w, err = m.CreateFormFile(file, "a file")
		} else {
			w, err = m.CreateFormField(name)
		}
		if err == nil {
			_, err = io.WriteString(w, values[0])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), m.FormDataContentType()
}

func TestEveryForm_WantsTheTokenOfItsOwnSession(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	csrf := func() string {
		w.jar = map[string]string{}
		w.get("browser", "/help").want(200)
		return w.jar["XSRF-TOKEN"]
	}
	others, own := csrf(), csrf()
	if others == own || len(own) != 40 {
		t.Fatalf("the tokens of two sessions are %q and %q", others, own)
	}
	rows := w.rows()
	for _, r := range pageRows() {
		if r.method != http.MethodPost {
			continue
		}
		for what, token := range map[string]string{
			"no token": "", "a wrong token": masked(strings.Repeat("0", 40), 7), "that of another session": masked(others, 7),
			"one without a mask": own, "half of one": masked(own, 7)[:27], "words": "token",
		} {
			fields := url.Values{"key": {"password"}, "do": {"save"}}
			if token != "" {
				fields.Set(authn.FormTokenField, token)
			}
			whole, boundary := parts(t, fields)
			for _, q := range []request{{body: fields.Encode(), type_: urlEncoded}, {body: whole, type_: boundary}} {
				q.method, q.path, q.as = http.MethodPost, r.example(ids), "browser"
				before := w.audit.len()
				a := w.do(q)
				a.checkPage()
				if a.status != 401 || !strings.Contains(string(a.body), "The CSRF token is missing or wrong.") || a.header.Get("Set-Cookie") == "" {
					t.Errorf("%s with %s: %d, want a 401 page with cookies: %s", a.what, what, a.status, words(a))
				}
				entries := w.audit.since(before)
				if len(entries) != 1 || entries[0].Success || entries[0].User != ada || entries[0].Action != string(r.action) || entries[0].Door != "page" {
					t.Errorf("%s with %s: audit records %+v", a.what, what, entries)
				}
			}
		}
	}
	if got := w.rows(); got != rows {
		t.Errorf("%d revisions, want %d: something was written", got, rows)
	}

	// The own one is good under every mask, as often as it is sent, and a header
	// stands in for it. Who brings a proof with each request needs none.
	reveal := "/credentials/" + ids["credential"] + "/reveal"
	for _, mask := range []byte{0, 7, 7, 255} {
		fields := url.Values{"key": {"password"}, authn.FormTokenField: {masked(own, mask)}}
		whole, boundary := parts(t, fields)
		w.do(request{method: "POST", path: reveal, as: "browser", body: fields.Encode(), type_: urlEncoded}).want(200)
		w.do(request{method: "POST", path: reveal, as: "browser", body: whole, type_: boundary}).want(200)
	}
	w.do(request{method: "POST", path: reveal, as: "browser", body: "key=password", type_: urlEncoded, header: []string{"X-XSRF-TOKEN", own}}).want(200)
	w.do(request{method: "POST", path: reveal, as: "ada", body: "key=password", type_: urlEncoded}).want(200)
}

// A token that a page carries is good for its forms, and never the same twice.
func TestEveryPage_CarriesATokenOfItsOwn(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	seen := map[string]bool{}
	for range 3 {
		token := formOf(w.get("browser", "/credentials/"+ids["credential"]).want(200)).Get(authn.FormTokenField)
		if seen[token] || strings.Contains(token, w.jar["XSRF-TOKEN"]) {
			t.Errorf("a page carries %q once more, or without a mask", token)
		}
		seen[token] = true
		fields := url.Values{"key": {"password"}, authn.FormTokenField: {token}}
		w.do(request{method: "POST", path: "/credentials/" + ids["credential"] + "/reveal", as: "browser", body: fields.Encode(), type_: urlEncoded}).want(200)
	}
	// Nor does any page that is compressed carry one.
	if a := w.get("browser", "/resources").want(200); bytes.Contains(a.body, []byte(authn.FormTokenField)) {
		t.Error("the list carries a token")
	}
}

// What a form holds may be a secret. None of it lands on a disk: there is no
// directory for temporary files here, and a form as long as may be does its work.
func TestForm_StaysInMemory(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "not there"))
	const limit = 256 << 10
	w, ids := furnished(t, func(s *setup) { s.options.BodyLimit = limit })
	a := w.get("ada", "/credentials/"+ids["credential"]+"/edit").want(200)
	fields := formOf(a)
	fields.Set("do", "save")
	fields.Set("pair.0.replace", "on")
	send := func(size int) answer {
		fields.Set("file:pair.0.file", strings.Repeat("x", size))
		body, contentType := parts(t, fields)
		if size > 0 && len(body) > limit {
			t.Fatalf("the form has %d bytes", len(body))
		}
		return w.do(request{method: "POST", path: "/credentials/" + ids["credential"] + "/edit", as: "ada", body: body, type_: contentType})
	}
	if a := send(limit - 4096); a.status != http.StatusSeeOther {
		t.Errorf("%d: %s", a.status, words(a))
	}
	got := w.get("ada", "/v1/credentials/"+ids["credential"]).want(200)
	if n := len(got.text("credential_pairs/" + fields.Get("pair.0.key"))); n != limit-4096 {
		t.Errorf("stored are %d bytes", n)
	}
}

func TestForm_TooLongIsA413Page(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, func(s *setup) { s.options.BodyLimit = 2000 })
	long := url.Values{"key": {strings.Repeat("x", 3000)}}
	whole, boundary := parts(t, url.Values{"file:value": {strings.Repeat("x", 3000)}})
	rows := w.rows()
	for _, q := range []request{{body: long.Encode(), type_: urlEncoded}, {body: whole, type_: boundary}} {
		q.method, q.path, q.as = "POST", "/credentials/"+ids["credential"]+"/edit", "ada"
		a := w.do(q)
		a.checkPage()
		if a.status != 413 || !strings.Contains(string(a.body), "The request body is too large.") {
			t.Errorf("%s: %d %s", q.type_, a.status, words(a))
		}
		// Without a length it shows only while reading, and then is on record.
		before := w.audit.len()
		r := w.request(q)
		r.ContentLength = -1
		r.Body = io.NopCloser(strings.NewReader(q.body.(string)))
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if entries := w.audit.since(before); rec.Code != 413 || len(entries) != 1 || entries[0].Success {
			t.Errorf("%s without a length: %d, audit records %+v", q.type_, rec.Code, entries)
		}
	}
	if got := w.rows(); got != rows {
		t.Errorf("%d revisions, want %d", got, rows)
	}
}

func TestForm_OfTooManyPartsIsA413Page(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	many := strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n", 5000) + "--b--\r\n"
	before := w.audit.len()
	a := w.do(request{method: "POST", path: "/credentials/" + ids["credential"] + "/reveal", as: "ada", body: many, type_: "multipart/form-data; boundary=b"})
	if entries := w.audit.since(before); a.status != 413 || len(entries) != 1 || entries[0].Success {
		t.Errorf("%d %s, audit records %+v", a.status, words(a), entries)
	}
}

func TestForm_MalformedIsA400PageOnRecord(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	whole, boundary := parts(t, url.Values{"key": {"password"}})
	for what, q := range map[string]request{
		"a broken escape":          {body: "key=%zz", type_: urlEncoded},
		"bytes that are no text":   {body: "key=password&x=%ff", type_: urlEncoded},
		"a name that is no text":   {body: "key=password&%ff=x", type_: urlEncoded},
		"no text in a part":        {body: strings.Replace(whole, "password", "\xff", 1), type_: boundary},
		"a semicolon":              {body: "key=password;x=y", type_: urlEncoded},
		"a cut form":               {body: whole[:len(whole)-9], type_: boundary},
		"another boundary":         {body: whole, type_: "multipart/form-data; boundary=other"},
		"no boundary":              {body: whole, type_: "multipart/form-data"},
		"a type that says nothing": {body: "key=password", type_: "; ="},
		"nothing at all":           {body: "", type_: "multipart/form-data; boundary=b"},
	} {
		q.method, q.path, q.as = "POST", "/credentials/"+ids["credential"]+"/reveal", "ada"
		before := w.audit.len()
		a := w.do(q)
		a.checkPage()
		if entries := w.audit.since(before); a.status != 400 || len(entries) != 1 || entries[0].Success || entries[0].Action != "get" {
			t.Errorf("%s: %d %s, audit records %+v", what, a.status, words(a), entries)
		}
	}
	// Another type brings no field, whatever it says, so it asks for nothing.
	for _, contentType := range []string{"application/json", "text/plain", "multipart/mixed; boundary=b"} {
		a := w.do(request{method: "POST", path: "/credentials/" + ids["credential"] + "/reveal", as: "ada", body: "key=password", type_: contentType})
		if a.status < 400 || a.status >= 500 || strings.Contains(string(a.body), "not-a-real-one") {
			t.Errorf("%s: %d %s", contentType, a.status, words(a))
		}
	}
}

// Who has to log in is sent back to where he was, and nowhere else.
func TestLogin_LeadsBackToThePage(t *testing.T) {
	t.Parallel()
	w, _ := furnished(t, nil)
	for _, tt := range []struct {
		method, path, next string
	}{
		{"GET", "/resources?q=a+b&state=enabled", "/resources?q=a+b&state=enabled"},
		{"GET", "/credentials/x%22%3Cb%3E/history", "/credentials/x%22%3Cb%3E/history"},
		{"GET", "/services/50%25?x=//evil.example.com", "/services/50%25?x=//evil.example.com"},
		{"GET", "/services/a%3Fb", "/services/a%3Fb"},
		{"POST", "/services/a%3Fb/edit?x=y", "/services/a%3Fb/edit"},
		{"POST", "/services/50%25/state", "/services/50%25/state"},
		{"POST", "/credentials/new", "/credentials/new"},
	} {
		a := w.do(request{method: tt.method, path: tt.path})
		next, err := url.QueryUnescape(strings.TrimPrefix(a.header.Get("Location"), "/login?next="))
		status := map[string]int{"GET": 302, "POST": 303}[tt.method]
		if a.status != status || err != nil || next != tt.next || authn.LocalPath(next) != next {
			t.Errorf("%s %s: %d to %q, which leads on to %q, want %d and %q", tt.method, tt.path, a.status, a.header.Get("Location"), next, status, tt.next)
		}
	}
	for next, want := range map[string]string{"/resources?q=x": "/resources?q=x", "//evil.example.com/": "/", "https://evil.example.com/": "/", `/\evil.example.com`: "/", "": "/"} {
		if got := w.get("ada", "/theme?is=dark&next="+url.QueryEscape(next)).want(303).header.Get("Location"); got != want {
			t.Errorf("a choice of theme leads from %q to %q, want %q", next, got, want)
		}
	}
	w.get("", "/").want(302)
	w.get("", "//evil.example.com/resources").want(404)
}

func TestScripts_WhoseSessionHasEndedAreSentToTheLogin(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	for current, next := range map[string]string{
		"http://confidant.example.com/credentials/x/edit?done=saved": "/credentials/x/edit?done=saved",
		"https://evil.example.com/resources":                         "/resources",
		"https://evil.example.com//evil.example.com/":                "/",
		`https://evil.example.com/\evil.example.com/`:                "/%5Cevil.example.com/", // no backslash
		"//evil.example.com":                                         "/",
		"javascript:alert(1)":                                        "/",
		"data:text/html,<script>":                                    "/",
		"http://[":                                                   "/",
		"":                                                           "/",
		"http://x/" + strings.Repeat("x", 3000):                      "/",
	} {
		for _, q := range []request{
			{method: "GET", path: "/resources?q=x"},
			{method: "POST", path: "/credentials/" + ids["credential"] + "/reveal", body: "key=password", type_: urlEncoded},
		} {
			q.header = []string{"HX-Request", "true", "HX-Target", "list", "HX-Current-URL", current}
			before := w.audit.len()
			a := w.do(q)
			if got, want := a.header.Get("HX-Redirect"), "/login?next="+url.QueryEscape(next); a.status != 401 || got != want || len(a.body) > 0 || a.header.Get("Location") != "" {
				t.Errorf("%s from %.60q: %d to %q with %q, want 401 to %q", q.method, current, a.status, got, a.body, want)
			}
			if n := w.audit.len() - before; n != 0 {
				t.Errorf("%s from %.60q: %d audit records of who proves nothing", q.method, current, n)
			}
		}
	}
}

// Where a script puts a part into a page, an error is a part too.
func TestScripts_GetErrorsAsAPart(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	script := []string{"HX-Request", "true", "HX-Target", "pair-0"}
	w.get("browser", "/help").want(200)
	reveal := "/credentials/" + ids["credential"] + "/reveal"
	for what, tt := range map[string]struct {
		q      request
		status int
	}{
		"no such thing":    {request{method: "GET", path: "/credentials/none", as: "ada"}, 404},
		"no such path":     {request{method: "GET", path: "/none", as: "ada"}, 404},
		"a refusal":        {request{method: "GET", path: "/credentials/" + ids["credential"], as: "svc-b"}, 403},
		"a refused proof":  {request{method: "GET", path: "/resources", as: "broken"}, 403},
		"no token":         {request{method: "POST", path: reveal, as: "browser", body: "key=password", type_: urlEncoded}, 401},
		"a malformed form": {request{method: "POST", path: reveal, as: "ada", body: "%zz", type_: urlEncoded}, 400},
		"no such key":      {request{method: "POST", path: reveal, as: "ada", body: "key=none", type_: urlEncoded}, 404},
		"another method":   {request{method: "DELETE", path: reveal, as: "ada"}, 405},
	} {
		tt.q.header = script
		a := w.do(tt.q)
		a.checkPage()
		if a.status != tt.status || strings.Contains(string(a.body), "<html") || !strings.Contains(string(a.body), `role="alert"`) {
			t.Errorf("%s: %d, want %d and a part: %s", what, a.status, tt.status, a.body)
		}
	}
}
