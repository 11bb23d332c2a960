package authn

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// kindChallenge is the kind of document that a pending log-in is.
const kindChallenge = "challenge"

// challengeLife is how long a log-in may wait for its next step.
const challengeLife = 10 * time.Minute

// ChallengeOptions is what Challenges needs.
type ChallengeOptions struct {
	Documents store.Documents
	Cookie    string // what the names of its cookies begin with
	// Secure reports whether the browser came by HTTPS.
	Secure func(*http.Request) bool
	Now    func() time.Time // nil: time.Now
	Random io.Reader        // nil: crypto/rand
}

// Challenges keeps log-ins that wait for their next step, as documents, so that
// any process finishes what another began. Each is bound to the browser that
// began it by a cookie: a link or form that was stolen or foisted on somebody is
// of no use in another browser.
type Challenges struct {
	ChallengeOptions
}

// NewChallenges returns a keeper of log-ins.
func NewChallenges(o ChallengeOptions) (*Challenges, error) {
	if o.Documents == nil || o.Cookie == "" || o.Secure == nil {
		return nil, errors.New("pending log-ins need documents, a cookie's name and to know what is HTTPS")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &Challenges{o}, nil
}

// Step is one kind of step that a log-in waits for.
type Step struct {
	Name string // in the document and the cookie's name
	Path string // of the cookie: where the step arrives
	// CrossSite says that the step arrives by a POST from another site. Such a
	// cookie is sent over HTTPS alone, and to this machine itself.
	CrossSite bool
	Life      time.Duration // 0: ten minutes
}

// challengeBody is the body of the document. Browser is the SHA-256 of the
// cookie's value in hexadecimal, so that the store alone finishes no log-in.
type challengeBody struct {
	Step    string          `json:"step"`
	Browser string          `json:"browser"`
	State   json.RawMessage `json:"state"`
}

const (
	challengeBytes = 32 // of an id and of a cookie's value
	challengeText  = 43 // the same in base64url
)

// Begin keeps a log-in until the browser comes back with its id, which nobody
// can guess. The state becomes JSON.
func (c *Challenges) Begin(w http.ResponseWriter, r *http.Request, s Step, state any) (id string, err error) {
	var random [2 * challengeBytes]byte
	if _, err := io.ReadFull(c.Random, random[:]); err != nil {
		return "", fmt.Errorf("drawing the id of a log-in: %w", err)
	}
	id = base64.RawURLEncoding.EncodeToString(random[:challengeBytes])
	browser := base64.RawURLEncoding.EncodeToString(random[challengeBytes:])
	text, err := json.Marshal(state)
	if err != nil {
		return "", fmt.Errorf("encoding the state of a log-in: %w", err)
	}
	body, err := json.Marshal(challengeBody{Step: s.Name, Browser: hashHex(browser), State: text})
	if err != nil {
		return "", fmt.Errorf("encoding a log-in: %w", err)
	}
	life := s.Life
	if life == 0 {
		life = challengeLife
	}
	_, err = c.Documents.Put(r.Context(), store.Document{
		Kind: kindChallenge, ID: id, Body: body, Expires: c.Now().Add(life),
	}, 0)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, "The store does not answer.", fmt.Errorf("keeping a log-in: %w", err))
	}
	http.SetCookie(w, c.cookie(r, s, id, browser, int(life/time.Second)))
	return id, nil
}

func (c *Challenges) cookie(r *http.Request, s Step, id, value string, maxAge int) *http.Cookie {
	cookie := &http.Cookie{
		Name: c.cookieName(s, id), Value: value, MaxAge: maxAge,
		Path: s.Path, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.Secure(r),
	}
	if s.CrossSite {
		cookie.SameSite, cookie.Secure = http.SameSiteNoneMode, true
	}
	return cookie
}

// cookieName tells the log-ins of several windows of one browser apart.
func (c *Challenges) cookieName(s Step, id string) string {
	return c.Cookie + "_" + s.Name + "_" + id[:8]
}

// Look reads the state of a log-in without using it up. Unauthenticated: there
// is none with this id, it took too long, it was finished, or this browser did
// not begin it. Unavailable: the store does not answer.
func (c *Challenges) Look(r *http.Request, s Step, id string, state any) error {
	_, err := c.find(r, s, id, state)
	return err
}

// Finish reads the state of a log-in and uses it up: nobody finishes it twice.
// It fails as Look does.
func (c *Challenges) Finish(w http.ResponseWriter, r *http.Request, s Step, id string, state any) error {
	version, err := c.find(r, s, id, state)
	if err != nil {
		return err
	}
	// What has begun is ended even if the browser goes away meanwhile.
	err = c.Documents.Delete(context.WithoutCancel(r.Context()), kindChallenge, id, version)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrStale):
		return foreign("it was finished by another request")
	case err != nil:
		return fault.Wrap(fault.Unavailable, "The store does not answer.", fmt.Errorf("ending a log-in: %w", err))
	}
	http.SetCookie(w, c.cookie(r, s, id, "", -1))
	return nil
}

func (c *Challenges) find(r *http.Request, s Step, id string, state any) (version int, err error) {
	if _, err := base64.RawURLEncoding.Strict().DecodeString(id); err != nil || len(id) != challengeText {
		return 0, foreign("it has no usable id")
	}
	cookies := r.CookiesNamed(c.cookieName(s, id))
	if len(cookies) == 0 {
		return 0, foreign("the browser has no cookie of it")
	}
	d, err := c.Documents.Get(r.Context(), kindChallenge, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, foreign("it is not kept, or no longer")
	case err != nil:
		return 0, fault.Wrap(fault.Unavailable, "The store does not answer.", fmt.Errorf("reading a log-in: %w", err))
	}
	var body challengeBody
	if err := json.Unmarshal(d.Body, &body); err != nil {
		return 0, fmt.Errorf("reading a log-in: %w", err)
	}
	if body.Step != s.Name || !c.Now().Before(d.Expires) {
		return 0, foreign("it waits for something else, or no longer")
	}
	for _, cookie := range cookies {
		if subtle.ConstantTimeCompare([]byte(hashHex(cookie.Value)), []byte(body.Browser)) == 1 {
			if err := json.Unmarshal(body.State, state); err != nil {
				return 0, fmt.Errorf("reading the state of a log-in: %w", err)
			}
			return d.Version, nil
		}
	}
	return 0, foreign("another browser began it")
}

// foreign is the refusal of a step that belongs to no log-in of this browser.
func foreign(cause string) error {
	return fault.Wrap(fault.Unauthenticated,
		"This log-in was not begun in this browser, took too long or is over. Start again.", errors.New(cause))
}

func hashHex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
