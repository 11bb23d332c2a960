package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each write route takes any body without a panic, a 5xx, or an answer that is
// not as described. What it accepts can be read again.
func FuzzWriteRoutes(f *testing.F) {
	for _, seed := range []struct {
		route uint8
		body  string
	}{
		{0, `{"name":"n","credential_pairs":{"A":"b","c":1.50},"documentation":null,"metadata":{"x":[1]},"tags":["t"],"enabled":false}`},
		{1, `{"name":"m","credential_pairs":{"user":"\u00fc\ud83d\ude00"},"revision":1}`},
		{2, `{"id":"x","revision":1}`},
		{3, `{"force":true}`},
		{4, `{"name":"b","credential_pairs":{"r":"x"},"data_key":{"r":"k"},"cipher_type":"fernet","cipher_version":"2","credential_keys":["k"]}`},
		{5, `{"credential_pairs":7,"data_key":{},"cipher_type":"t","cipher_version":-1}`},
		{6, ``},
		{7, `{"credentials":["x"],"blind_credentials":[],"enabled":true,"account":"sandbox"}`},
		{8, `{}`},
		{0, `{"name":"\u0000","credential_pairs":{"\u0000":null}}`},
		{7, `{"credentials":[""],"account":""}`},
	} {
		f.Add(seed.route, []byte(seed.body))
	}
	w, ids := furnished(f, nil)
	var changes []route
	for _, r := range apiRoutes() {
		if r.maintenance {
			changes = append(changes, r)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		r := changes[int(which)%len(changes)]
		q := w.request(request{method: r.method, path: r.example(ids), as: "ada", body: string(body)})
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, q)
		a := answer{t: t, what: r.name, status: rec.Code, header: rec.Result().Header, body: rec.Body.Bytes()}
		a.checkHeaders("/v1/")
		describe(t, q, a)
		if a.status >= 500 {
			t.Fatalf("%s %q: %d %s", r.name, body, a.status, a.body)
		}
		if a.status != http.StatusOK || r.path != "/v1/credentials" && r.path != "/v1/blind_credentials" {
			return
		}
		q = httptest.NewRequest(http.MethodGet, r.path+"/"+a.text("id"), nil)
		q.Header.Set("Authorization", "Bearer ada")
		again := httptest.NewRecorder()
		w.handler.ServeHTTP(again, q)
		if again.Code != http.StatusOK {
			t.Fatalf("what was made of %q reads as %d %s", body, again.Code, again.Body)
		}
		sameJSON(t, "what was made and what is read", again.Body.Bytes(), a.body)
	})
}

// Each form takes any fields without a panic or a 5xx, and shows what it is sent
// as text.
func FuzzForms(f *testing.F) {
	const mark = "<fuzz>"
	for _, seed := range []struct {
		form uint8
		body string
	}{
		{0, "name=n&pair.0.key=a&pair.0.replace=on&pair.0.value=b&do=create&metadata.0.key=x&metadata.0.value=%3Cfuzz%3E&metadata.0.raw=1"},
		{1, "revision=2&name=%3Cfuzz%3E&name.was=x&pair.0.was=user&pair.0.key=user&do=review"},
		{1, "revision=9&name=x&pair.0.key=a&pair.0.removed=on&do=remove.0&pair.0.kept=zzz"},
		{2, "revision=1&enabled=true"},
		{3, "changed=2026-03-02T09:15:30Z"},
		{4, "key=%3Cfuzz%3E&row=-1"},
		{5, "revision=1"},
		{6, "name=b&sealed.text=%7B%22credential_pairs%22%3A%7B%7D%7D&do=create"},
		{7, "revision=2&name=b&sealed.replace=on&sealed.kept=%3Cfuzz%3E&metadata.was=%5B&do=remove-metadata.7"},
		{10, "name=%3Cfuzz%3E&account=%3Cfuzz%3E"},
		{11, "revision=2&do=add.credential.x&find=%3Cfuzz%3E&add=%3Cfuzz%3E"},
	} {
		f.Add(seed.form, []byte(seed.body))
	}
	w, ids := furnished(f, nil)
	var forms []route
	for _, r := range pageRows() {
		if r.method == http.MethodPost {
			forms = append(forms, r)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		r := forms[int(which)%len(forms)]
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, w.request(request{method: r.method, path: r.example(ids), as: "ada", body: string(body), type_: urlEncoded}))
		if rec.Code >= 500 || strings.Contains(rec.Body.String(), mark) {
			t.Fatalf("%s %q: %d %s", r.name, body, rec.Code, rec.Body)
		}
		answer{t: t, what: r.name, status: rec.Code, header: rec.Header(), body: rec.Body.Bytes()}.checkPage()
	})
}

// A page token is any text, and never more than a 400.
func FuzzPageToken(f *testing.F) {
	for _, seed := range []string{"", "garbage", "e30", "eyJsIjoiY3JlZGVudGlhbCIsImQiOiIyMDI2LTAzLTAyVDA5OjE1OjMwLjEyMDAwMCswMDAwIiwiaSI6IngifQ", "\x00", "%"} {
		f.Add(seed)
	}
	w, _ := furnished(f, nil)
	f.Fuzz(func(t *testing.T, token string) {
		for _, path := range []string{"/v1/credentials", "/v1/archive/credentials", "/v1/services", "/v1/archive/blind_credentials"} {
			q := w.request(request{method: http.MethodGet, path: path + "?limit=1&page=" + url.QueryEscape(token), as: "ada"})
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, q)
			a := answer{t: t, what: path, status: rec.Code, header: rec.Result().Header, body: rec.Body.Bytes()}
			describe(t, q, a)
			if a.status != http.StatusOK && (a.status != http.StatusBadRequest || !strings.Contains(string(a.body), "Failed to parse page")) {
				t.Fatalf("%s with token %q: %d %s", path, token, a.status, a.body)
			}
		}
	})
}

// The corpora that were found are kept, and a test that reads nothing says so.
func TestFuzz_CorporaAreThere(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"FuzzParseObject", "FuzzFastJSON", "FuzzWriteRoutes", "FuzzPageToken", "FuzzAppendString"} {
		files, err := filepath.Glob(filepath.Join("testdata", "fuzz", target, "*"))
		if err != nil || len(files) == 0 {
			t.Errorf("no corpus of %s: %v", target, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil || !strings.HasPrefix(string(text), "go test fuzz v1\n") {
				t.Errorf("%s is no corpus file: %v", file, err)
			}
		}
	}
}
