package header_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/header"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// loopback is a set of one proxy.
type loopback struct{}

func (loopback) Contains(addr netip.Addr) bool { return addr == netip.MustParseAddr("127.0.0.1") }

// nobody is that no account exists.
type nobody struct{}

func (nobody) Generation(string) (int64, bool)       { return 0, false }
func (nobody) ListedAdministrator(email string) bool { return email == "chief@example.com" }

func options() header.Options {
	return header.Options{
		Username: "X-Username", Email: "X-Email", FirstName: "X-First", LastName: "X-Last",
		Trusted: loopback{}, Administrator: nobody{}.ListedAdministrator,
	}
}

func newHeader(t *testing.T, o header.Options) *header.Header {
	t.Helper()
	h, err := header.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// request is one that the trusted proxy passed on.
func request(method string, headers http.Header) *http.Request {
	r := httptest.NewRequest(method, "/v1/login", nil)
	r.RemoteAddr = "127.0.0.1:4711"
	r.Header = headers
	return r
}

func rlane() http.Header {
	return http.Header{"X-Username": {"rlane"}, "X-Email": {"RLane@Example.com"}, "X-First": {"R"}, "X-Last": {"Lane"}}
}

func with(name string, values ...string) http.Header {
	h := rlane()
	h[name] = values
	return h
}

func TestAuthenticate_TheEmailIsTheIdentity(t *testing.T) {
	t.Parallel()
	h := newHeader(t, options())
	for name, tt := range map[string]struct {
		headers http.Header
		want    authz.Principal
	}{
		"in lower case":   {rlane(), authz.Principal{Type: authz.User, Name: "rlane@example.com", Method: "header", Ambient: true}},
		"administrator":   {with("X-Email", "Chief@example.com"), authz.Principal{Type: authz.User, Name: "chief@example.com", Method: "header", Ambient: true, Administrator: true}},
		"blanks cut":      {with("X-Email", " a@example.com "), authz.Principal{Type: authz.User, Name: "a@example.com", Method: "header", Ambient: true}},
		"other user name": {with("X-Username", "somebody else"), authz.Principal{Type: authz.User, Name: "rlane@example.com", Method: "header", Ambient: true}},
	} {
		if got, err := h.Authenticate(request("GET", tt.headers)); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, tt.want)
		}
	}
}

func TestAuthenticate_WithoutHeadersOrFromAStrangerThereIsNoProof(t *testing.T) {
	t.Parallel()
	incomplete := options()
	incomplete.Email = ""
	for name, tt := range map[string]struct {
		options header.Options
		headers http.Header
		peer    string
	}{
		"no headers":                {options(), http.Header{}, "127.0.0.1:1"},
		"only the e-mail":           {options(), http.Header{"X-Email": {"a@example.com"}}, "127.0.0.1:1"},
		"only the user name":        {options(), http.Header{"X-Username": {"a"}}, "127.0.0.1:1"},
		"e-mail empty":              {options(), with("X-Email", ""), "127.0.0.1:1"},
		"user name empty":           {options(), with("X-Username", ""), "127.0.0.1:1"},
		"stranger":                  {options(), rlane(), "192.0.2.1:1"},
		"stranger, proxy pretended": {options(), func() http.Header { h := rlane(); h.Set("X-Forwarded-For", "127.0.0.1"); return h }(), "192.0.2.1:1"},
		"settings missing":          {incomplete, rlane(), "127.0.0.1:1"},
	} {
		r := request("GET", tt.headers)
		r.RemoteAddr = tt.peer
		if p, err := newHeader(t, tt.options).Authenticate(r); !errors.Is(err, authn.ErrNoProof) {
			t.Errorf("%s: %+v, %v; want ErrNoProof", name, p, err)
		}
	}
}

func TestAuthenticate_RefusesHeadersThatMayBeTheClientsOwn(t *testing.T) {
	t.Parallel()
	h := newHeader(t, options())
	for name, headers := range map[string]http.Header{
		"two e-mails":           with("X-Email", "mallory@example.com", "rlane@example.com"),
		"two user names":        with("X-Username", "mallory", "rlane"),
		"e-mails joined":        with("X-Email", "mallory@example.com,rlane@example.com"),
		"a blank inside":        with("X-Email", "mallory@example.com rlane@example.com"),
		"only blanks":           with("X-Email", "  "),
		"control character":     with("X-Email", "a\u0085@example.com"),
		"longer than addresses": with("X-Email", strings.Repeat("a", 321)),
	} {
		p, err := h.Authenticate(request("GET", headers))
		if !fault.Is(err, fault.Unauthenticated) || errors.Is(err, authn.ErrNoProof) {
			t.Errorf("%s: %+v, %v; want it refused", name, p, err)
		}
	}
}

// login sends a request through the mounted flow and returns the answer and the
// fault that ended the log-in.
func login(t *testing.T, h *header.Header, s *authn.Sessions, r *http.Request) (*httptest.ResponseRecorder, error) {
	t.Helper()
	var ended error
	router := chi.NewRouter()
	h.Mount(router, func(w http.ResponseWriter, r *http.Request, id authn.Identity, err error) {
		if err == nil {
			err = s.LogIn(w, r, id)
		}
		ended = err
	})
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	return w, ended
}

func newSessions(t *testing.T) *authn.Sessions {
	t.Helper()
	s, err := authn.NewSessions(authn.SessionOptions{
		Secret: []byte("a session secret"), Cookie: "confidant_session", CSRFCookie: "XSRF-TOKEN", Lifetime: 1e12,
		Accounts: nobody{}, Secure: func(*http.Request) bool { return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLogin_SetsBothCookiesAndGoesHome(t *testing.T) {
	t.Parallel()
	h, s := newHeader(t, options()), newSessions(t)
	for _, method := range []string{"GET", "POST"} {
		w, err := login(t, h, s, request(method, rlane()))
		if err != nil || w.Code != http.StatusFound || w.Header().Get("Location") != "/" {
			t.Fatalf("%s: %d %v, %v", method, w.Code, w.Header(), err)
		}
		cookies := w.Result().Cookies()
		if len(cookies) != 2 || cookies[0].Name != "XSRF-TOKEN" || len(cookies[0].Value) != 40 || cookies[1].Name != "confidant_session" {
			t.Fatalf("%s: cookies %v", method, cookies)
		}
		r := request(method, rlane())
		for _, c := range cookies {
			r.AddCookie(c)
		}
		r.Header.Set("X-XSRF-TOKEN", cookies[0].Value)
		p, err := authn.Chain{s, h}.Authenticate(r)
		if err != nil || p.Method != "header" {
			t.Fatalf("the next request: %+v, %v", p, err)
		}
		session, err := s.Load(r, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CheckCSRF(r, session); err != nil {
			t.Errorf("the next request: %v", err)
		}
		if first, last := session.Names(); first != "R" || last != "Lane" {
			t.Errorf("names: %q %q", first, last)
		}
		// The session cookie alone, without the proxy's headers, proves nobody.
		r.Header.Del("X-Email")
		if p, err := (authn.Chain{s, h}).Authenticate(r); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("cookie alone: %+v, %v; want Unauthenticated", p, err)
		}
	}
}

func TestLogin_RefusesWithTheRightKind(t *testing.T) {
	t.Parallel()
	stranger := request("GET", rlane())
	stranger.RemoteAddr = "192.0.2.1:1"
	for name, tt := range map[string]struct {
		username, email string
		request         *http.Request
		kind            fault.Kind
		words           string
	}{
		"no headers":         {"X-Username", "X-Email", request("GET", http.Header{}), fault.Unauthenticated, ""},
		"stranger":           {"X-Username", "X-Email", stranger, fault.Unauthenticated, ""},
		"user name not set":  {"", "X-Email", request("POST", rlane()), fault.Unavailable, "HEADER_AUTH_USERNAME_HEADER."},
		"e-mail not set":     {"X-Username", "", request("GET", rlane()), fault.Unavailable, "HEADER_AUTH_EMAIL_HEADER."},
		"none of them set":   {"", "", request("GET", rlane()), fault.Unavailable, "HEADER_AUTH_USERNAME_HEADER and HEADER_AUTH_EMAIL_HEADER."},
		"two e-mail headers": {"X-Username", "X-Email", request("GET", with("X-Email", "a", "b")), fault.Unauthenticated, ""},
	} {
		o := options()
		o.Username, o.Email = tt.username, tt.email
		h := newHeader(t, o)
		w, err := login(t, h, newSessions(t), tt.request)
		if !fault.Is(err, tt.kind) || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: %v, cookies %v; want a fault of kind %v", name, err, w.Result().Cookies(), tt.kind)
		}
		if tt.words != "" && (!strings.HasSuffix(err.Error(), tt.words) || h.Incomplete() != err.Error()) {
			t.Errorf("%s: log-in says %q, the warning %q; want them to end in %q", name, err, h.Incomplete(), tt.words)
		}
	}
}

func TestNew_NeedsToKnowWhomToTrust(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*header.Options){
		"no proxies":        func(o *header.Options) { o.Trusted = nil },
		"no administrators": func(o *header.Options) { o.Administrator = nil },
	} {
		o := options()
		change(&o)
		if _, err := header.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
