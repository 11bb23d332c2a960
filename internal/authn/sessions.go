package authn

import (
	"cmp"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// LocalMethod is the Method of those who logged in with a local account.
const LocalMethod = "local"

// CSRFHeader is the request header that repeats the CSRF token, whatever the
// cookie's name.
const CSRFHeader = "X-XSRF-TOKEN"

// csrfBytes is the length of a CSRF token before it is written in hex.
const csrfBytes = 20

// Accounts is what sessions ask of local accounts, without I/O.
type Accounts interface {
	// Generation returns the generation of the enabled account of a name.
	Generation(name string) (int64, bool)
	// ListedAdministrator reports whether an e-mail address is an administrator's.
	ListedAdministrator(email string) bool
}

// SessionOptions is what Sessions needs.
type SessionOptions struct {
	// Secret is what the keys are derived from. Empty: there are no sessions
	// and nobody can log in.
	Secret []byte
	// Previous secrets still open sessions.
	Previous   [][]byte
	Cookie     string // name of the session cookie
	CSRFCookie string // name of the cookie that scripts read the CSRF token from
	// Lifetime after the last request; 0: as long as the browser runs.
	Lifetime time.Duration
	// MaxLifetime after log-in, in any case; 0: Lifetime.
	MaxLifetime time.Duration
	Accounts    Accounts
	// Since returns the moment before which every session has ended, zero for
	// none; it is asked on each request. Nil: none ever has.
	Since func() time.Time
	// Admit says whether an e-mail address may still be logged in with; it is
	// asked on each request of who logged in through a provider. Denied: no.
	// Nil: everybody may.
	Admit func(email string) error
	// Secure reports whether the browser came by HTTPS.
	Secure func(*http.Request) bool
	Now    func() time.Time // nil: time.Now
	Random io.Reader        // nil: crypto/rand
}

// Sessions keeps browsers logged in with a sealed cookie, and is the
// authenticator that reads it. Nothing is stored on the server: a session ends
// by its own times, by a changed secret, by a moment that ends all that began
// before it, or, with a local account, when that account's generation moves.
//
// A transport that has a principal with Ambient set calls Load, then CheckCSRF
// on routes that change something, and Extend before it writes its answer, also
// a refusal.
type Sessions struct {
	SessionOptions
	seal      *seal
	fieldKeys []cipher.AEAD
}

var _ Authenticator = (*Sessions)(nil)

// NewSessions returns sessions.
func NewSessions(o SessionOptions) (*Sessions, error) {
	switch {
	case o.Cookie == "" || o.CSRFCookie == "" || o.Cookie == o.CSRFCookie:
		return nil, errors.New("sessions need two cookies of different names")
	case o.Accounts == nil || o.Secure == nil:
		return nil, errors.New("sessions need accounts and to know what is HTTPS")
	case o.Lifetime < 0 || o.MaxLifetime < 0:
		return nil, errors.New("sessions cannot end before they start")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	s := &Sessions{SessionOptions: o}
	var secrets [][]byte
	if len(o.Secret) > 0 {
		secrets = append([][]byte{o.Secret}, o.Previous...)
	}
	var err error
	if s.fieldKeys, err = newFieldKeys(secrets, o.Random); err != nil || secrets == nil {
		return s, err
	}
	s.seal, err = newSeal(o.Cookie, secrets, o.Random)
	return s, err
}

// Name implements Authenticator.
func (s *Sessions) Name() string { return "session" }

// Authenticate implements Authenticator. A session that has ended is no proof,
// so that another authenticator may find one.
func (s *Sessions) Authenticate(r *http.Request) (authz.Principal, error) {
	session := s.find(r, func(x *Session) bool { return !x.csrfOnly })
	if session == nil {
		return authz.Principal{}, ErrNoProof
	}
	if err := s.admit(session.name, session.method); err != nil {
		return authz.Principal{}, err
	}
	return authz.Principal{
		Type:          authz.User,
		Name:          session.name,
		Method:        session.method,
		Administrator: session.method == LocalMethod || s.Accounts.ListedAdministrator(session.name),
		Ambient:       true,
	}, nil
}

// Admits returns Denied if who has proven an identity may not log in with it.
// Local accounts are their own list of who may, and a proxy that proves each
// request decides itself.
func (s *Sessions) Admits(id Identity) error {
	if id.ProvenOtherwise {
		return nil
	}
	return s.admit(id.Name, id.Method)
}

func (s *Sessions) admit(name, method string) error {
	if s.Admit == nil || method == LocalMethod {
		return nil
	}
	return s.Admit(name)
}

// find returns the first session among the cookies that has not ended and is
// wanted; nil if there is none. Browsers may send several cookies of one name.
func (s *Sessions) find(r *http.Request, wanted func(*Session) bool) *Session {
	if s.seal == nil {
		return nil
	}
	for _, cookie := range r.CookiesNamed(s.Cookie) {
		session, err := s.seal.open(cookie.Value)
		if err == nil && session.valid(s.Now()) && s.current(session) && wanted(session) {
			return session
		}
	}
	return nil
}

// current reports whether a session has not been ended with all others, and
// whether the local account behind it, if there is one, is still what it was.
func (s *Sessions) current(session *Session) bool {
	if s.Since != nil && session.began.Before(s.Since()) {
		return false
	}
	if session.method != LocalMethod {
		return true
	}
	generation, ok := s.Accounts.Generation(session.name)
	return ok && generation == session.generation
}

// Load returns the session of a principal who was authenticated by the request:
// the one that proves it or goes with another proof, else a new one that carries
// a CSRF token alone.
func (s *Sessions) Load(r *http.Request, p authz.Principal) (*Session, error) {
	if session := s.find(r, func(x *Session) bool { return x.of(p) }); session != nil {
		return session, nil
	}
	return s.begin(Identity{Principal: p, ProvenOtherwise: true})
}

// begin returns a new session.
func (s *Sessions) begin(id Identity) (*Session, error) {
	if s.seal == nil {
		return nil, fault.New(fault.Unavailable, "There are no browser sessions here: SESSION_SECRET is not set.")
	}
	token := make([]byte, csrfBytes)
	if _, err := io.ReadFull(s.Random, token); err != nil {
		return nil, fmt.Errorf("drawing a CSRF token: %w", err)
	}
	session := &Session{
		name: id.Name, method: id.Method, firstName: id.FirstName, lastName: id.LastName,
		generation: id.Generation, provider: id.Provider, csrf: hex.EncodeToString(token), csrfOnly: id.ProvenOtherwise,
		began: s.Now(),
	}
	// What proves nobody needs no end in any case.
	if longest := cmp.Or(s.MaxLifetime, s.Lifetime); longest > 0 && !session.csrfOnly {
		session.ends = s.Now().Add(longest)
	}
	return session, nil
}

// CheckCSRF returns Unauthenticated unless the request repeats the session's
// CSRF token, in the header or in a form that has been parsed.
func (s *Sessions) CheckCSRF(r *http.Request, session *Session) error {
	if subtle.ConstantTimeCompare([]byte(csrfOf(r)), []byte(session.csrf)) != 1 {
		return fault.New(fault.Unauthenticated, "The CSRF token is missing or wrong.")
	}
	return nil
}

// Expires returns when a session that is extended now ends, unless it is extended
// again; zero: with the browser.
func (s *Sessions) Expires(session *Session) time.Time {
	if s.Lifetime <= 0 {
		return time.Time{}
	}
	expires := s.Now().Add(s.Lifetime)
	if !session.ends.IsZero() && session.ends.Before(expires) {
		return session.ends
	}
	return expires
}

// Extend sets both cookies on the answer, with the session's end moved on.
func (s *Sessions) Extend(w http.ResponseWriter, r *http.Request, session *Session) error {
	extended := *session
	extended.expires = s.Expires(session)
	value, err := s.seal.close(&extended)
	if err != nil {
		return err
	}
	secure := s.Secure(r)
	http.SetCookie(w, &http.Cookie{
		Name: s.CSRFCookie, Value: extended.csrf,
		Path: "/", SameSite: http.SameSiteLaxMode, Secure: secure,
	})
	http.SetCookie(w, &http.Cookie{
		Name: s.Cookie, Value: value, Expires: extended.expires,
		Path: "/", SameSite: http.SameSiteLaxMode, Secure: secure, HttpOnly: true,
	})
	return nil
}

// Start begins the session of who has just logged in, with a new CSRF token,
// whatever session the browser had. Unavailable: there are no sessions here.
func (s *Sessions) Start(w http.ResponseWriter, r *http.Request, id Identity) error {
	session, err := s.begin(id)
	if err != nil {
		return err
	}
	return s.Extend(w, r, session)
}

// End removes the session cookie.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{
		Name: s.Cookie, Expires: time.Unix(1, 0), MaxAge: -1,
		Path: "/", SameSite: http.SameSiteLaxMode, Secure: s.Secure(r), HttpOnly: true,
	})
}

// LogIn ends a log-in that succeeded: it starts a session, if the identity is
// one that a browser keeps, and sends the browser on.
func (s *Sessions) LogIn(w http.ResponseWriter, r *http.Request, id Identity) error {
	if id.Ambient {
		if err := s.Start(w, r, id); err != nil {
			return err
		}
	}
	http.Redirect(w, r, LocalPath(id.Next), http.StatusFound)
	return nil
}
