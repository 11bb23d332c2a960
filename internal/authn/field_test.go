package authn_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/fault"
)

const purpose = "a test"

func sealed(t *testing.T, f authn.Fields, text string) string {
	t.Helper()
	field, err := f.Seal(purpose, text)
	if err != nil {
		t.Fatal(err)
	}
	return field
}

// opens fails the test unless the field opens as the text.
func opens(t *testing.T, what string, f authn.Fields, field, want string) {
	t.Helper()
	if got, err := f.Open(purpose, field); err != nil || got != want {
		t.Errorf("%s: %q, %v; want %q", what, got, err, want)
	}
}

// ended fails the test unless the field is no longer readable.
func ended(t *testing.T, what string, f authn.Fields, field string) {
	t.Helper()
	if got, err := f.Open(purpose, field); !errors.Is(err, authn.ErrFieldEnded) || !fault.Is(err, fault.Invalid) || got != "" {
		t.Errorf("%s: %q, %v; want ErrFieldEnded and nothing", what, got, err)
	}
}

func TestFields_ComeBackAsTheyWereAndTellNothingMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	f := s.Fields(begun(t, s, "alice@example.com"))
	for _, text := range []string{"", "swordfish", "two\r\nlines\n", "\x00\xff", strings.Repeat("long ", 1<<16)} {
		field, again := sealed(t, f, text), sealed(t, f, text)
		if field == again || text != "" && strings.Contains(field, text) {
			t.Errorf("%.20q is sealed as %.40q and %.40q", text, field, again)
		}
		opens(t, "sealed", f, field, text)
		opens(t, "sent again", f, field, text)
	}
}

func TestFields_OpenInTheirSessionAndForTheirPurposeAlone(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	alice := begun(t, s, "alice@example.com")
	f := s.Fields(alice)
	field := sealed(t, f, "swordfish")
	opens(t, "the same session, asked again", s.Fields(alice), field, "swordfish")
	ended(t, "another session of the same person", s.Fields(begun(t, s, "alice@example.com")), field)
	ended(t, "no session", s.Fields(nil), field)
	if _, err := f.Open("another purpose", field); !errors.Is(err, authn.ErrFieldEnded) {
		t.Errorf("another purpose: %v", err)
	}
	open := sealed(t, s.Fields(nil), "swordfish")
	opens(t, "of callers without a session", s.Fields(nil), open, "swordfish")
	ended(t, "of callers without a session, in one", f, open)
}

func TestFields_EndAfterFifteenMinutes(t *testing.T) {
	t.Parallel()
	var c clock
	s := newSessions(t, at(&c))
	f := s.Fields(begun(t, s, "alice@example.com"))
	field := sealed(t, f, "swordfish")
	c.add(15*time.Minute - time.Second)
	opens(t, "a second before", f, field, "swordfish")
	c.add(time.Second)
	ended(t, "after 15 minutes", f, field)
	c.add(time.Hour)
	ended(t, "an hour later", f, field)
}

func TestFields_ThatWereNotMadeHereAreRefused(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	f := s.Fields(begun(t, s, "alice@example.com"))
	raw, err := base64.RawURLEncoding.DecodeString(sealed(t, f, "swordfish"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		changed := append([]byte(nil), raw...)
		changed[i] ^= 1
		ended(t, "a changed bit", f, base64.RawURLEncoding.EncodeToString(changed))
		ended(t, "the first bytes", f, base64.RawURLEncoding.EncodeToString(raw[:i]))
	}
	for _, field := range []string{"", "x", "!", "swordfish", base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(append(raw, 0))} {
		ended(t, "something else", f, field)
	}
}

func TestFields_OpenUnderAPreviousSecretAndNoOther(t *testing.T) {
	t.Parallel()
	secrets := func(secret string, previous ...string) *authn.Sessions {
		return newSessions(t, func(o *authn.SessionOptions) {
			o.Secret, o.Previous = []byte(secret), nil
			for _, p := range previous {
				o.Previous = append(o.Previous, []byte(p))
			}
		})
	}
	old, rotated, other := secrets("one"), secrets("two", "one"), secrets("two")
	b := browser{}
	b.logIn(t, old, identity("saml", "alice@example.com"))
	in := func(s *authn.Sessions) authn.Fields {
		session, err := rotated.Load(b.request("GET", "/"), identity("saml", "alice@example.com").Principal)
		if err != nil {
			t.Fatal(err)
		}
		return s.Fields(session)
	}
	field := sealed(t, in(old), "swordfish")
	opens(t, "the secret is a previous one", in(rotated), field, "swordfish")
	ended(t, "the secret is gone", in(other), field)
	opens(t, "sealed under the new one", in(other), sealed(t, in(rotated), "swordfish"), "swordfish")
}

// Without a secret there are no sessions, but callers who bring a proof with each
// request, or need none, still fill in forms.
func TestFields_WithoutASecretLastAsLongAsTheProcess(t *testing.T) {
	t.Parallel()
	process := func() authn.Fields {
		return newSessions(t, func(o *authn.SessionOptions) { o.Secret = nil }).Fields(nil)
	}
	one, two := process(), process()
	field := sealed(t, one, "swordfish")
	opens(t, "the process that sealed it", one, field, "swordfish")
	ended(t, "another process", two, field)
	ended(t, "a process with a secret", newSessions(t).Fields(nil), field)
}

// A session cookie is sealed under another key, so that neither passes for the
// other.
func TestFields_AreNoSessionsAndSessionsNoFields(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b := browser{}
	b.logIn(t, s, identity("saml", "alice@example.com"))
	ended(t, "a session cookie", s.Fields(nil), b["confidant_session"].Value)
	b["confidant_session"].Value = sealed(t, s.Fields(nil), `{"n":"root","m":"local"}`)
	if _, err := s.Authenticate(b.request("GET", "/")); !errors.Is(err, authn.ErrNoProof) {
		t.Errorf("a field as a session cookie: %v, want ErrNoProof", err)
	}
}

func TestFields_SayWhenNoRandomBytesCanBeHad(t *testing.T) {
	t.Parallel()
	random := &exhausted{left: 4096}
	s := newSessions(t, func(o *authn.SessionOptions) { o.Random = random })
	session := begun(t, s, "alice@example.com")
	random.left = 0
	if _, err := s.Fields(session).Seal(purpose, "x"); !errors.Is(err, errExhausted) {
		t.Errorf("Seal: %v", err)
	}
	if _, err := s.FormToken(session); !errors.Is(err, errExhausted) {
		t.Errorf("FormToken: %v", err)
	}
	_, err := authn.NewSessions(authn.SessionOptions{Cookie: "a", CSRFCookie: "b", Accounts: accounts{}, Secure: s.Secure, Random: random})
	if !errors.Is(err, errExhausted) {
		t.Errorf("NewSessions without a secret: %v", err)
	}
}

var errExhausted = errors.New("no more random bytes")

// exhausted yields bytes that differ until none are left.
type exhausted struct{ left int }

func (e *exhausted) Read(b []byte) (int, error) {
	if e.left < len(b) {
		return 0, errExhausted
	}
	e.left -= len(b)
	for i := range b {
		b[i] = byte(e.left + i)
	}
	return len(b), nil
}
