package authn_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// begun returns the session of somebody who has just logged in.
func begun(t *testing.T, s *authn.Sessions, name string) *authn.Session {
	t.Helper()
	b := browser{}
	b.logIn(t, s, identity("saml", name))
	session, err := s.Load(b.request("GET", "/"), identity("saml", name).Principal)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func formToken(t *testing.T, s *authn.Sessions, session *authn.Session) string {
	t.Helper()
	token, err := s.FormToken(session)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// sentForm returns a request with a parsed form that holds the token.
func sentForm(t *testing.T, token string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(url.Values{authn.FormTokenField: {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFormToken_IsGoodInItsSessionAndDiffersOnEachPage(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	session := begun(t, s, "alice@example.com")
	var seen []string
	for range 20 {
		token := formToken(t, s, session)
		if slices.Contains(seen, token) {
			t.Fatalf("two pages carry %q", token)
		}
		if strings.Contains(token, session.CSRFToken()) {
			t.Fatal("a page carries the token without a mask")
		}
		seen = append(seen, token)
	}
	for _, token := range append(seen, seen...) { // and each as often as it is sent
		if err := s.CheckCSRF(sentForm(t, token), session); err != nil {
			t.Fatalf("%q: %v", token, err)
		}
	}
}

func TestFormToken_OnlyTheSessionsOwnUnderItsMaskIsGood(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	session := begun(t, s, "alice@example.com")
	good := formToken(t, s, session)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := hex.DecodeString(session.CSRFToken())
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.RawURLEncoding.EncodeToString
	flipped := slices.Clone(raw)
	flipped[len(flipped)-1] ^= 1
	for name, token := range map[string]string{
		"none":                     "",
		"without a mask":           session.CSRFToken(),
		"without a mask, encoded":  encoded(plain),
		"of another session":       formToken(t, s, begun(t, s, "alice@example.com")),
		"with a changed bit":       encoded(flipped),
		"too short":                encoded(raw[:len(raw)-1]),
		"too long":                 encoded(append(slices.Clone(raw), 0)),
		"a mask and nothing":       encoded(raw[:20]),
		"nothing but zeros":        encoded(make([]byte, 40)),
		"in the other alphabet":    "+/" + good[2:],
		"with a blank behind":      good + " ",
		"the words of a beginner":  "token",
		"twice":                    good + good,
		"a long one":               strings.Repeat("A", 1<<16),
		"not base64, right length": strings.Repeat("!", len(good)),
	} {
		if err := s.CheckCSRF(sentForm(t, token), session); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	// Nor does the address carry it, nor a body that nobody has parsed.
	r := httptest.NewRequest(http.MethodPost, "/?"+url.Values{authn.FormTokenField: {good}}.Encode(), nil)
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckCSRF(r, session); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("in the query: %v, want a refusal", err)
	}
}

func TestFormToken_ComesInAFormOfSeveralPartsToo(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	session := begun(t, s, "alice@example.com")
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	if err := m.WriteField(authn.FormTokenField, formToken(t, s, session)); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", &body)
	r.Header.Set("Content-Type", m.FormDataContentType())
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckCSRF(r, session); err != nil {
		t.Error(err)
	}
}

// A header is what a script sends; what it says counts, whatever the form says.
func TestFormToken_GoesBehindTheHeader(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	session := begun(t, s, "alice@example.com")
	r := sentForm(t, formToken(t, s, session))
	r.Header.Set(authn.CSRFHeader, strings.Repeat("0", 40))
	if err := s.CheckCSRF(r, session); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("%v, want a refusal", err)
	}
}

func TestSessions_ExpiresIsWhenTheVisitorHasToComeBack(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	for name, tt := range map[string]struct {
		lifetime, longest, later, want time.Duration // want after the log-in; 0: with the browser
	}{
		"slides":                   {12 * hour, 24 * hour, 3 * hour, 15 * hour},
		"ends in any case":         {12 * hour, 24 * hour, 11*hour + 12*hour, 24 * hour},
		"without another maximum":  {12 * hour, 0, 3 * hour, 12 * hour},
		"with the browser":         {0, 0, 3 * hour, 0},
		"with the browser, capped": {0, 24 * hour, 3 * hour, 0},
	} {
		var c clock
		s := newSessions(t, at(&c), func(o *authn.SessionOptions) { o.Lifetime, o.MaxLifetime = tt.lifetime, tt.longest })
		began := c.now
		session := begun(t, s, "alice@example.com")
		c.add(tt.later)
		want := time.Time{}
		if tt.want > 0 {
			want = began.Add(tt.want)
		}
		if got := s.Expires(session); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
