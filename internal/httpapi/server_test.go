package httpapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/fault"
)

func TestStatusOf_CoversEveryKind(t *testing.T) {
	t.Parallel()
	want := map[fault.Kind]int{
		fault.Internal: 500, fault.Invalid: 400, fault.Unauthenticated: 401, fault.BadProof: 403, fault.Denied: 403,
		fault.ReadOnly: 403, fault.NotFound: 404, fault.Exists: 409, fault.Stale: 409, fault.TooLarge: 413,
		fault.RateLimited: 429, fault.Unavailable: 503,
	}
	for _, kind := range fault.Kinds() {
		if got := statusOf(kind); got != want[kind] {
			t.Errorf("statusOf(%v) = %d, want %d", kind, got, want[kind])
		}
		if kind != fault.Internal && wordsFor(kind) == wordsFor(fault.Internal) {
			t.Errorf("%v has no words of its own", kind)
		}
	}
}

func TestFailureFor_TellsTheWordsAndHidesTheCause(t *testing.T) {
	t.Parallel()
	secret := errDown
	for _, tt := range []struct {
		err        error
		want       string
		status     int
		retryAfter string
	}{
		{errDown, `{"error":"Internal server error."}`, 500, ""},
		{fault.Wrap(fault.Internal, "", secret), `{"error":"Internal server error."}`, 500, ""},
		{fault.Wrap(fault.Internal, "Decryption error.", secret), `{"error":"Decryption error."}`, 500, ""},
		{fault.Wrap(fault.Unavailable, "The store does not answer.", secret), `{"error":"The store does not answer."}`, 503, "2"},
		{&fault.Error{Kind: fault.RateLimited, RetryIn: 1500 * time.Millisecond}, `{"error":"Too many requests, try again later."}`, 429, "2"},
		{fault.New(fault.ReadOnly, "Server in maintenance mode."), `{"error":"Server in maintenance mode."}`, 403, "60"},
		{&fault.Error{Kind: fault.Denied, Message: "No.", Reference: "x", By: "default-users"}, `{"error":"No.","reference":"x"}`, 403, ""},
		{context.DeadlineExceeded, `{"error":"The service is not available at the moment, try again later."}`, 503, "2"},
		{context.Canceled, `{"error":"The service is not available at the moment, try again later."}`, 503, "2"},
	} {
		f := failureFor(tt.err)
		if got := string(f.append(nil)); got != tt.want || f.status != tt.status || f.retryAfter != tt.retryAfter {
			t.Errorf("failureFor(%v) = %d %s, retry after %q; want %d %s, %q", tt.err, f.status, got, f.retryAfter, tt.status, tt.want, tt.retryAfter)
		}
	}
}

func TestPaths_UnknownOnesAreNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, path := range []string{
		"/v1/", "/v1/nope", "/v1/Credentials", "/v1/credentials/", "/v1/credentials//services", "/v1/credentials//1/2",
		"/v1/credentials/a%2Fb", "/v1/credentials/a%2fb/services", "/v1/services/x/", "/v1/roles", "/v1/grants/x", "/v1/jwks/token",
		"/v1/cas", "/v1/samples/metadata", "/v1/datakey",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, "BREW", http.MethodOptions} {
			a := w.do(request{method: method, path: path, as: "ada"})
			if a.status != http.StatusNotFound || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s: %d %s, want a 404 in JSON", method, path, a.status, a.header.Get("Content-Type"))
			}
		}
	}
	w.get("ada", "/v1/services/"+strings.Repeat("x", 5000)).want(404)
	w.get("ada", "/v1/services/%ff%00").want(404)
	for _, path := range []string{"/nope", "/Styles/confidant.css", "/styles/nope.css", "/styles/", "/styles/%2e%2e/robots.txt", "/healthcheck/"} {
		a := w.get("", path)
		if a.status != http.StatusNotFound || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("GET %s: %d %s, want a 404 as a page", path, a.status, a.header.Get("Content-Type"))
		}
	}
}

func TestPaths_AnEscapeThatIsNotNeededNamesTheSameThing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.service("svc-a")
	w.get("ada", "/v1/services/%73vc-a").want(200).wantAt("id", `"svc-a"`)
}

func TestMethods_OtherOnesAreRefusedWithTheListOfThoseThatWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, tt := range []struct{ method, path, allow string }{
		{"DELETE", "/v1/credentials", "GET, HEAD, POST, OPTIONS"},
		{"PATCH", "/v1/credentials/x", "GET, HEAD, PUT, OPTIONS"},
		{"GET", "/v1/credentials/x/1", "PUT, OPTIONS"},
		{"POST", "/v1/credentials/x/services", "GET, HEAD, PUT, OPTIONS"},
		{"GET", "/v1/credentials/x/archive", "POST, PUT, OPTIONS"},
		{"DELETE", "/v1/user/email", "GET, HEAD, POST, OPTIONS"},
		{"POST", "/v1/credentials/x/1/2", "GET, HEAD, OPTIONS"},
		{"BREW", "/v1/services/x", "GET, HEAD, PUT, OPTIONS"},
		{"POST", "/healthcheck", "GET, HEAD, OPTIONS"},
		{"POST", "/", "GET, HEAD, OPTIONS"},
	} {
		a := w.do(request{method: tt.method, path: tt.path, as: "ada"})
		if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q; want 405, %q", tt.method, tt.path, a.status, a.header.Get("Allow"), tt.allow)
		}
		o := w.do(request{method: http.MethodOptions, path: tt.path})
		if o.status != http.StatusOK || o.header.Get("Allow") != tt.allow || len(o.body) > 0 {
			t.Errorf("OPTIONS %s: %d, Allow %q, %q; want 200, %q and nothing", tt.path, o.status, o.header.Get("Allow"), o.body, tt.allow)
		}
	}
	// What looks like a sub-resource is a revision to a PUT.
	w.credential("n", members{"a": "b"})
	w.put("ada", "/v1/credentials/"+w.get("ada", "/v1/credentials").text("credentials/0/id")+"/services", nil).want(404)
}

func TestHEAD_AnswersAsGETWithoutABody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.service("svc-a")
	server := httptest.NewServer(w.handler)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+"/v1/services/svc-a", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer ada")
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || len(body) != 0 || res.ContentLength <= 0 || res.Header.Get("Etag") != `"1"` {
		t.Errorf("HEAD: %d, %d bytes, Content-Length %d, ETag %q, %v", res.StatusCode, len(body), res.ContentLength, res.Header.Get("Etag"), err)
	}
}

func TestHTTPS_PlainRequestsAreSentThereButForProbes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.options.SSLify = true })
	for _, tt := range []struct {
		method, path string
		header       []string
		status       int
		location     string
		hsts         string
	}{
		{"GET", "/v1/credentials?limit=3", nil, 302, "https://confidant.example.com/v1/credentials?limit=3", ""},
		{"HEAD", "/", nil, 302, "https://confidant.example.com/", ""},
		{"POST", "/v1/credentials", nil, 308, "https://confidant.example.com/v1/credentials", ""},
		{"PUT", "/v1/services/a%20b", nil, 308, "https://confidant.example.com/v1/services/a%20b", ""},
		{"GET", "/healthcheck", nil, 200, "", ""},
		{"GET", "/readiness", nil, 200, "", ""},
		{"GET", "/healthcheck", []string{"X-Forwarded-Proto", "https"}, 200, "", ""},
		{"GET", "/v1/value_generator", []string{"X-Forwarded-Proto", "https"}, 200, "", "max-age=31536000"},
		{"GET", "/v1/nope", []string{"X-Forwarded-Proto", "https"}, 404, "", "max-age=31536000"},
	} {
		a := w.do(request{method: tt.method, path: tt.path, header: tt.header})
		if a.status != tt.status || a.header.Get("Location") != tt.location || a.header.Get("Strict-Transport-Security") != tt.hsts {
			t.Errorf("%s %s %v: %d to %q, HSTS %q; want %d to %q, %q", tt.method, tt.path, tt.header,
				a.status, a.header.Get("Location"), a.header.Get("Strict-Transport-Security"), tt.status, tt.location, tt.hsts)
		}
	}
	// Anybody may claim to be a proxy.
	r := w.request(request{method: "GET", path: "/v1/value_generator", header: []string{"X-Forwarded-Proto", "https"}})
	r.RemoteAddr = "192.0.2.7:1234"
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if rec.Code != http.StatusFound {
		t.Errorf("a forwarded protocol from a stranger is believed: %d", rec.Code)
	}
	r.TLS = &tls.ConnectionState{}
	rec = httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK || rec.Header().Get("Strict-Transport-Security") == "" {
		t.Errorf("over TLS: %d, HSTS %q", rec.Code, rec.Header().Get("Strict-Transport-Security"))
	}
}

func TestHTTPS_WithoutSSLifyNothingIsRedirectedOrPinned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, header := range [][]string{nil, {"X-Forwarded-Proto", "https"}} {
		a := w.do(request{method: "GET", path: "/v1/value_generator", header: header})
		if a.want(200).header.Get("Strict-Transport-Security") != "" {
			t.Error("HSTS is sent although SSLIFY is off")
		}
	}
}

func TestBody_TooLargeIs413(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.options.BodyLimit = 1000 })
	body := `{"name":"` + strings.Repeat("x", 1000) + `"}`
	w.post("ada", "/v1/credentials", body).wantError(413, "The request body is too large.")
	// Without a length it shows only while reading.
	r := w.request(request{method: "POST", path: "/v1/credentials", as: "ada", body: body})
	r.ContentLength = -1
	r.Body = io.NopCloser(strings.NewReader(body))
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if rec.Code != 413 {
		t.Errorf("a body without a length: %d, want 413", rec.Code)
	}
	w.post("ada", "/v1/credentials", `{"name":"n","credential_pairs":{"a":"b"}}`).want(200)
}

func TestDeadline_EndsACallWith503(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.options.Timeout = 20 * time.Millisecond
		s.options.Pages = slowPages{}
	})
	a := w.get("browser", "/")
	if a.status != 503 {
		t.Errorf("status %d, want 503", a.status)
	}
	if !strings.Contains(w.log.String(), `"level":"ERROR"`) {
		t.Error("a call that took too long is not logged as an error")
	}
}

func TestDeadline_ABodyThatTricklesInDoesNotHoldTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.options.Timeout = 200 * time.Millisecond })
	server := httptest.NewServer(w.handler)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "POST /v1/credentials HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"name\":"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) {
		t.Errorf("answer %.80q, %v; want a 400 and the end of the connection", answer, err)
	}
}

func TestPanic_IsAnsweredWith500AndLoggedWithItsStack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.options.Pages = panickingPages{} })
	a := w.get("ada", "/")
	if a.status != 500 || !strings.Contains(string(a.body), "Internal server error.") {
		t.Errorf("%d %s", a.status, a.body)
	}
	log := w.log.String()
	for _, want := range []string{"panic while answering", `"request_id":"` + a.header.Get("X-Request-Id") + `"`, "server_test.go", `"route":"GET /"`, `"status":500`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

func TestPanic_AfterTheAnswerHasBegunCutsTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.options.Pages = panickingPages{begun: true} })
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("recovered %v, want http.ErrAbortHandler", v)
		}
	}()
	w.handler.ServeHTTP(httptest.NewRecorder(), w.request(request{method: "GET", path: "/", as: "ada"}))
}

func TestRequestID_OfATrustedProxyIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := func(given, peer string) string {
		r := w.request(request{method: "GET", path: "/v1/user/email", as: "ada", header: []string{"X-Request-Id", given}})
		r.RemoteAddr = peer
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		return rec.Header().Get("X-Request-Id")
	}
	if got := id("edge-7f.1_x", "127.0.0.1:1"); got != "edge-7f.1_x" {
		t.Errorf("the id of a trusted proxy became %q", got)
	}
	seen := map[string]bool{}
	for _, given := range []string{"edge-7f", "", "a b", "ü", strings.Repeat("x", 129), "x\"y"} {
		peer := "127.0.0.1:1"
		if given == "edge-7f" {
			peer = "192.0.2.7:1"
		}
		got := id(given, peer)
		if got == given || len(got) != 32 || seen[got] {
			t.Errorf("id %q from %s became %q", given, peer, got)
		}
		seen[got] = true
	}
}

func TestRequestID_StandsInLogAndAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.service("svc-a")
	before := w.audit.len()
	a := w.get("svc-a", "/v1/services/svc-a?metadata_only=false&x=never-logged").want(200)
	id := a.header.Get("X-Request-Id")
	entries := w.audit.since(before)
	if len(entries) != 1 || entries[0].RequestID != id || entries[0].Client != "127.0.0.1" || entries[0].Door != "v1" {
		t.Errorf("audit: %+v, want one entry with request id %s", entries, id)
	}
	log := w.log.String()
	if !strings.Contains(log, `"request_id":"`+id+`"`) || !strings.Contains(log, `"principal":"svc-a"`) || !strings.Contains(log, `"route":"GET /v1/services/{id}"`) {
		t.Errorf("the log lacks the call:\n%s", log)
	}
	if strings.Contains(log, "never-logged") {
		t.Error("the log holds a query")
	}
}

func TestLog_SuccessIsVerboseRefusalIsInformationFailureIsAnErrorWithItsCause(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.credential("n", members{"a": "top-secret-value"})
	lines := func(do func()) string {
		before := len(w.log.String())
		do()
		return w.log.String()[before:]
	}
	if got := lines(func() { w.get("ada", "/v1/credentials").want(200) }); !strings.Contains(got, `"level":"DEBUG","msg":"request"`) {
		t.Errorf("a success: %s", got)
	}
	got := lines(func() { w.get("svc-a", "/v1/credentials").want(403) })
	if !strings.Contains(got, `"level":"INFO","msg":"request"`) || !strings.Contains(got, "does not have access") {
		t.Errorf("a refusal: %s", got)
	}
	w.sealer.fail(errDown)
	got = lines(func() { w.get("ada", "/v1/credentials/"+id).wantError(500, "Decryption error.") })
	if !strings.Contains(got, `"level":"ERROR","msg":"request"`) || !strings.Contains(got, errDown.Error()) {
		t.Errorf("a failure: %s", got)
	}
	if strings.Contains(w.log.String(), "top-secret-value") {
		t.Error("the log holds a value")
	}
}

func TestMetrics_HearOfEveryAnswer(t *testing.T) {
	t.Parallel()
	m := &heard{}
	w := newWorld(t, func(s *setup) { s.options.Metrics = m })
	w.get("ada", "/v1/user/email")
	w.get("", "/v1/user/email")
	w.get("", "/v1/nope")
	want := []string{"GET /v1/user/email 200", "GET /v1/user/email 401", "none 404"}
	if !slices.Equal(m.lines, want) {
		t.Errorf("heard %q, want %q", m.lines, want)
	}
}

func TestCompression_ListsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var ids []string
	for range 10 {
		ids = append(ids, w.credential("name "+strings.Repeat("x", len(ids)), members{"k" + strings.Repeat("k", len(ids)): strings.Repeat("v", 200)}))
	}
	w.service("svc-a", ids...)
	for path, want := range map[string]string{
		"/v1/credentials": "gzip", "/v1/archive/credentials": "gzip", "/v1/archive/credentials/" + ids[0]: "",
		"/v1/services/svc-a": "", "/v1/credentials/" + ids[0]: "", "/v1/client_config": "",
	} {
		plain := w.get("ada", path).want(200)
		a := w.do(request{method: "GET", path: path, as: "ada", header: []string{"Accept-Encoding", "br, gzip;q=0.5"}}).want(200)
		if got := a.header.Get("Content-Encoding"); got != want {
			t.Errorf("%s: Content-Encoding = %q, want %q", path, got, want)
			continue
		}
		if want == "" {
			continue
		}
		r, err := gzip.NewReader(bytes.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		sameJSON(t, path, body, plain.body)
		if a.header.Get("Vary") != "Accept-Encoding" || plain.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: Vary = %q and %q", path, a.header.Get("Vary"), plain.header.Get("Vary"))
		}
		refused := w.do(request{method: "GET", path: path, as: "ada", header: []string{"Accept-Encoding", "gzip;q=0"}})
		if refused.header.Get("Content-Encoding") != "" {
			t.Errorf("%s is compressed for a client that does not want it", path)
		}
	}
}

func TestNew_NamesEverythingThatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := New(Options{Settings: Settings{ClientConfig: []byte("{")}})
	if err == nil {
		t.Fatal("New without anything succeeds")
	}
	for _, what := range []string{"vault", "pages", "authenticators", "sessions", "proxies", "log-in", "audit log", "maintenance", "readiness", "logger", "valid JSON"} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%q is not named: %v", what, err)
		}
	}
}

// slowPages take until the deadline.
type slowPages struct{ Pages }

func (slowPages) Has(string) bool { return true }

func (slowPages) Serve(_ http.ResponseWriter, r *http.Request, _ string, _ authn.Visit) (bool, error) {
	<-r.Context().Done()
	return false, r.Context().Err()
}

func (slowPages) Problem(w http.ResponseWriter, _ *http.Request, _ authn.Visit, status int, message string) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := io.WriteString(w, message)
	return err
}

type panickingPages struct {
	slowPages
	begun bool
}

func (p panickingPages) Serve(w http.ResponseWriter, _ *http.Request, _ string, _ authn.Visit) (bool, error) {
	if p.begun {
		w.WriteHeader(http.StatusOK)
	}
	panic("the page is broken")
}

type heard struct{ lines []string }

func (h *heard) Request(route string, status int, _ time.Time) {
	h.lines = append(h.lines, fmt.Sprint(route, " ", status))
}
