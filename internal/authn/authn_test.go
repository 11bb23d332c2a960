package authn_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// fixed is an authenticator that always answers the same.
type fixed struct {
	principal authz.Principal
	err       error
}

func (fixed) Name() string                                          { return "fixed" }
func (f fixed) Authenticate(*http.Request) (authz.Principal, error) { return f.principal, f.err }

func TestChain_TheFirstThatFindsItsProofDecides(t *testing.T) {
	t.Parallel()
	none := fixed{err: authn.ErrNoProof}
	wrong := fixed{err: fault.New(fault.BadProof, "no")}
	away := fixed{err: fault.New(fault.Unavailable, "later")}
	alice := fixed{principal: authz.Principal{Type: authz.User, Name: "alice"}}
	bob := fixed{principal: authz.Principal{Type: authz.User, Name: "bob"}}
	for name, tt := range map[string]struct {
		chain authn.Chain
		want  string
		kind  fault.Kind
	}{
		"first":                  {authn.Chain{alice, bob}, "alice", 0},
		"second":                 {authn.Chain{none, bob}, "bob", 0},
		"wrong proof ends":       {authn.Chain{wrong, alice}, "", fault.BadProof},
		"outage ends":            {authn.Chain{none, away, alice}, "", fault.Unavailable},
		"nobody finds any":       {authn.Chain{none, none}, "", fault.Unauthenticated},
		"nobody asked":           {authn.Chain{}, "", fault.Unauthenticated},
		"found before the wrong": {authn.Chain{alice, wrong}, "alice", 0},
	} {
		p, err := tt.chain.Authenticate(httptest.NewRequest("GET", "/", nil))
		if tt.want != "" {
			if err != nil || p.Name != tt.want {
				t.Errorf("%s: %+v, %v; want %s", name, p, err, tt.want)
			}
			continue
		}
		if fault.KindOf(err) != tt.kind || p != (authz.Principal{}) {
			t.Errorf("%s: %+v, %v; want a fault of kind %v", name, p, err, tt.kind)
		}
		if got, want := errors.Is(err, authn.ErrNoProof), tt.kind == fault.Unauthenticated; got != want {
			t.Errorf("%s: is ErrNoProof: %v, want %v", name, got, want)
		}
	}
}

func TestOff_LetsEverybodyInAsOneUserWithoutPowers(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Auth-From", "x")
	got, err := authn.Off{}.Authenticate(r)
	want := authz.Principal{Type: authz.User, Name: "unauthenticated user", Method: "null"}
	if err != nil || got != want {
		t.Errorf("Authenticate = %+v, %v; want %+v", got, err, want)
	}
}

func TestOff_LoginGoesHomeWithoutASession(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	for _, method := range []string{"GET", "POST"} {
		w := serve(t, authn.Off{}, s, httptest.NewRequest(method, "/v1/login", nil))
		if w.Code != http.StatusFound || w.Header().Get("Location") != "/" || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
}

// serve lets a flow answer a request as a transport does.
func serve(t *testing.T, flow authn.LoginFlow, s *authn.Sessions, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	router := chi.NewRouter()
	flow.Mount(router, func(w http.ResponseWriter, r *http.Request, id authn.Identity, err error) {
		if err == nil {
			err = s.LogIn(w, r, id)
		}
		if err != nil {
			t.Errorf("log-in: %v", err)
		}
	})
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	return w
}

// prefixes is a set of addresses.
type prefixes []string

func (p prefixes) Contains(addr netip.Addr) bool {
	for _, text := range p {
		if text == "*" || netip.MustParsePrefix(text).Contains(addr) {
			return true
		}
	}
	return false
}

func TestProxies_ClientAddr(t *testing.T) {
	t.Parallel()
	trusted := prefixes{"10.0.0.0/8", "::1/128"}
	for name, tt := range map[string]struct {
		trusted   prefixes
		peer      string
		forwarded []string
		want      string
	}{
		"direct":                          {trusted, "192.0.2.1:5", nil, "192.0.2.1"},
		"direct, header not believed":     {trusted, "192.0.2.1:5", []string{"198.51.100.9"}, "192.0.2.1"},
		"one proxy":                       {trusted, "10.0.0.1:5", []string{"198.51.100.9"}, "198.51.100.9"},
		"one proxy, client lies":          {trusted, "10.0.0.1:5", []string{"127.0.0.1, 198.51.100.9"}, "198.51.100.9"},
		"two proxies":                     {trusted, "10.0.0.1:5", []string{"203.0.113.5, 198.51.100.9, 10.2.2.2"}, "198.51.100.9"},
		"two headers":                     {trusted, "10.0.0.1:5", []string{"198.51.100.9", "10.2.2.2"}, "198.51.100.9"},
		"all are proxies":                 {trusted, "10.0.0.1:5", []string{"10.3.3.3,10.2.2.2"}, "10.3.3.3"},
		"proxy without the header":        {trusted, "10.0.0.1:5", nil, "10.0.0.1"},
		"header empty":                    {trusted, "10.0.0.1:5", []string{""}, "10.0.0.1"},
		"not an address":                  {trusted, "10.0.0.1:5", []string{"198.51.100.9, unknown, 10.2.2.2"}, "10.2.2.2"},
		"with ports":                      {trusted, "10.0.0.1:5", []string{"198.51.100.9:4711"}, "198.51.100.9"},
		"IPv6 with a port":                {trusted, "[::1]:5", []string{"[2001:db8::1]:80"}, "2001:db8::1"},
		"IPv6 with a zone":                {trusted, "[::1]:5", []string{"fe80::1%eth0"}, "fe80::1"},
		"IPv4 in IPv6 form":               {trusted, "[::ffff:10.0.0.1]:5", []string{"::ffff:198.51.100.9"}, "198.51.100.9"},
		"everybody trusted":               {prefixes{"*"}, "192.0.2.1:5", []string{"203.0.113.5, 198.51.100.9"}, "203.0.113.5"},
		"nobody trusted":                  {nil, "10.0.0.1:5", []string{"198.51.100.9"}, "10.0.0.1"},
		"Unix socket":                     {trusted, "@", []string{"198.51.100.9"}, "invalid IP"},
		"Unix socket, everybody trusted":  {prefixes{"*"}, "@", []string{"198.51.100.9"}, "198.51.100.9"},
		"comma at the end of the headers": {trusted, "10.0.0.1:5", []string{"198.51.100.9,"}, "10.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		r.Header["X-Forwarded-For"] = tt.forwarded
		if got := (authn.Proxies{Trusted: tt.trusted}).ClientAddr(r); got.String() != tt.want {
			t.Errorf("%s: %v, want %s", name, got, tt.want)
		}
	}
}

func TestProxies_IsHTTPS(t *testing.T) {
	t.Parallel()
	p := authn.Proxies{Trusted: prefixes{"10.0.0.0/8"}}
	for name, tt := range map[string]struct {
		url, peer, proto string
		want             bool
	}{
		"plain":                {"http://x/", "192.0.2.1:5", "", false},
		"TLS here":             {"https://x/", "192.0.2.1:5", "", true},
		"told by a stranger":   {"http://x/", "192.0.2.1:5", "https", false},
		"told by a proxy":      {"http://x/", "10.0.0.1:5", "https", true},
		"in capitals":          {"http://x/", "10.0.0.1:5", "HTTPS", true},
		"plain, as told":       {"http://x/", "10.0.0.1:5", "http", false},
		"HTTPS at the first":   {"http://x/", "10.0.0.1:5", "https, http", true},
		"HTTPS among proxies":  {"http://x/", "10.0.0.1:5", "http, https", false},
		"something else":       {"http://x/", "10.0.0.1:5", "httpsx", false},
		"proxy says nothing":   {"http://x/", "10.0.0.1:5", "", false},
		"TLS and a proxy's no": {"https://x/", "10.0.0.1:5", "http", true},
	} {
		r := httptest.NewRequest("GET", tt.url, nil)
		r.RemoteAddr = tt.peer
		if tt.proto != "" {
			r.Header.Set("X-Forwarded-Proto", tt.proto)
		}
		if got := p.IsHTTPS(r); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
