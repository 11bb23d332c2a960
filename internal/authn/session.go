package authn

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/confidant-secrets/confidant/internal/authz"
)

// Session is what the session cookie holds.
type Session struct {
	name       string
	method     string
	firstName  string
	lastName   string
	generation int64
	provider   string
	began      time.Time // the log-in, to the second once sealed
	expires    time.Time // sliding; zero: with the browser
	ends       time.Time // in any case; zero: never
	csrf       string
	csrfOnly   bool // proves nobody; it goes with a proof that each request carries
}

// CSRFToken returns the token that changes must repeat, 40 hex digits.
func (s *Session) CSRFToken() string { return s.csrf }

// Names returns the first and last name that came with the log-in; either may
// be empty.
func (s *Session) Names() (first, last string) { return s.firstName, s.lastName }

// Provider returns what the identity provider must be told at log-out.
func (s *Session) Provider() string { return s.provider }

// of reports whether the session belongs to a principal.
func (s *Session) of(p authz.Principal) bool { return s.name == p.Name && s.method == p.Method }

// valid reports whether the session has not ended.
func (s *Session) valid(now time.Time) bool {
	return (s.expires.IsZero() || now.Before(s.expires)) && (s.ends.IsZero() || now.Before(s.ends))
}

// sessionBody is a session's sealed form. Times are seconds of Unix time, 0 for
// none.
type sessionBody struct {
	Name       string `json:"n"`
	Method     string `json:"m"`
	FirstName  string `json:"f,omitempty"`
	LastName   string `json:"l,omitempty"`
	Generation int64  `json:"g,omitempty"`
	Provider   string `json:"p,omitempty"`
	Began      int64  `json:"b,omitempty"`
	Expires    int64  `json:"e,omitempty"`
	Ends       int64  `json:"x,omitempty"`
	CSRF       string `json:"t"`
	CSRFOnly   bool   `json:"c,omitempty"`
}

// maxCookieBytes bounds the cookie's value; browsers keep 4096 bytes of name,
// value and attributes.
const maxCookieBytes = 3800

const sealVersion = 1

var (
	errNotOurs  = errors.New("the session cookie was not made here")
	errTooLarge = errors.New("the session does not fit into a cookie")
)

// seal encrypts and authenticates sessions. The cookie's value is
//
//	base64url( version (1 byte) ‖ nonce (24 bytes) ‖ XChaCha20-Poly1305 of the JSON )
//
// with the cookie's name as associated data. Every answer to a browser seals
// anew, so the nonce is one that may be drawn at random without counting.
type seal struct {
	keys   []cipher.AEAD // the first seals, all open
	name   []byte
	random io.Reader
}

func newSeal(cookie string, secrets [][]byte, random io.Reader) (*seal, error) {
	s := &seal{name: []byte(cookie), random: random}
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, "confidant session v1", chacha20poly1305.KeySize)
		if err != nil {
			return nil, fmt.Errorf("deriving the session key: %w", err)
		}
		aead, err := chacha20poly1305.NewX(key)
		if err != nil {
			return nil, fmt.Errorf("preparing the session key: %w", err)
		}
		s.keys = append(s.keys, aead)
	}
	return s, nil
}

// close returns the cookie's value for a session.
func (s *seal) close(session *Session) (string, error) {
	body, err := json.Marshal(sessionBody{
		Name: session.name, Method: session.method, FirstName: session.firstName, LastName: session.lastName,
		Generation: session.generation, Provider: session.provider, Began: seconds(session.began), Expires: seconds(session.expires), Ends: seconds(session.ends),
		CSRF: session.csrf, CSRFOnly: session.csrfOnly,
	})
	if err != nil {
		return "", fmt.Errorf("encoding a session: %w", err)
	}
	sealed := make([]byte, 1+chacha20poly1305.NonceSizeX, 1+chacha20poly1305.NonceSizeX+len(body)+chacha20poly1305.Overhead)
	sealed[0] = sealVersion
	nonce := sealed[1:]
	if _, err := io.ReadFull(s.random, nonce); err != nil {
		return "", fmt.Errorf("drawing a nonce: %w", err)
	}
	value := base64.RawURLEncoding.EncodeToString(s.keys[0].Seal(sealed, nonce, body, s.name))
	if len(value) > maxCookieBytes {
		return "", errTooLarge
	}
	return value, nil
}

// open returns the session of a cookie's value, valid or not.
func (s *seal) open(value string) (*Session, error) {
	if len(value) > maxCookieBytes {
		return nil, errNotOurs
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(sealed) < 1+chacha20poly1305.NonceSizeX || sealed[0] != sealVersion {
		return nil, errNotOurs
	}
	nonce, box := sealed[1:1+chacha20poly1305.NonceSizeX], sealed[1+chacha20poly1305.NonceSizeX:]
	for _, key := range s.keys {
		text, err := key.Open(nil, nonce, box, s.name)
		if err != nil {
			continue
		}
		b := sessionBody{}
		if err := json.Unmarshal(text, &b); err != nil {
			return nil, fmt.Errorf("decoding a session: %w", err)
		}
		if b.Name == "" || len(b.CSRF) != 2*csrfBytes {
			return nil, errNotOurs
		}
		return &Session{
			name: b.Name, method: b.Method, firstName: b.FirstName, lastName: b.LastName,
			generation: b.Generation, provider: b.Provider, began: moment(b.Began), expires: moment(b.Expires), ends: moment(b.Ends),
			csrf: b.CSRF, csrfOnly: b.CSRFOnly,
		}, nil
	}
	return nil, errNotOurs
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
