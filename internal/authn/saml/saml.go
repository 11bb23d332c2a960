// Package saml logs browsers in through a SAML 2.0 identity provider, and out
// again: the service provider's side of the Web Browser SSO and Single Logout
// profiles, with HTTP-Redirect on the way out and HTTP-POST on the way back.
//
// Messages are read with more suspicion than the SAML library does. A document
// must have exactly the shape that the profile wants, with one assertion at one
// place, no comments, no document type and no identifier twice. Signatures are
// verified by the configured certificates alone, whatever key a message brings
// along, and what is read afterwards is the text that was signed, parsed anew,
// never the document that carried it. The names of elements in this package are
// those of the standards: SAML core, bindings, profiles and metadata (OASIS,
// 2005), XML Signature and XML Encryption (W3C).
//
// The package knows nothing of sessions, of the users' rights, or of where
// pending log-ins are kept.
package saml

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/authn"
)

// Challenges keeps log-ins between the two visits of a browser; *authn.Challenges
// does.
type Challenges interface {
	Begin(w http.ResponseWriter, r *http.Request, s authn.Step, state any) (id string, err error)
	Finish(w http.ResponseWriter, r *http.Request, s authn.Step, id string, state any) error
}

// Options is what the module needs. Certificates and keys are texts, in PEM or
// as bare base64.
type Options struct {
	RootURL string // of this service, as browsers see it; slashes at its end do not count

	Cert        string // of this service, as the key; none: nothing of ours is signed
	Key         []byte // PKCS #1 or PKCS #8
	KeyPassword []byte // of an encrypted key

	IDPEntityID  string
	IDPSignonURL string
	IDPLogoutURL string // empty: the provider takes no part in log-outs
	IDPCert      string // one or several; any of them may sign

	SignatureAlgorithm      string // of our own signatures
	LogoutResponseSigned    bool   // sign our answers to log-outs
	MessagesSigned          bool   // responses and log-out messages must be signed as a whole
	AssertionsSigned        bool   // assertions must be signed
	WantAttributeStatements bool   // assertions must carry attributes

	// RawSettings is a JSON object that is merged over the settings above, in the
	// shape that the OneLogin toolkits know; null or empty: none.
	RawSettings json.RawMessage

	Challenges Challenges
	// Administrator reports whether an e-mail address is an administrator's.
	Administrator func(email string) bool
	Now           func() time.Time // nil: time.Now
	Random        io.Reader        // nil: crypto/rand
	Log           *slog.Logger     // told at the start about settings that are doubtful
}

// SAML is the log-in and the log-out through one identity provider.
type SAML struct {
	challenges    Challenges
	administrator func(email string) bool
	now           func() time.Time
	random        io.Reader

	settings settings
	step     authn.Step
	key      *rsa.PrivateKey     // of this service; nil: none
	cert     *x509.Certificate   // of the key
	trusted  []*x509.Certificate // of the provider
}

var _ authn.Leaver = (*SAML)(nil)

// New returns the module. The error lists every setting that is not usable; what
// is merely doubtful is logged.
func New(o Options) (*SAML, error) {
	if o.Challenges == nil || o.Administrator == nil || o.Log == nil {
		return nil, errors.New("log-in through SAML needs challenges, to know administrators, and a log")
	}
	s := &SAML{challenges: o.Challenges, administrator: o.Administrator, now: o.Now, random: o.Random}
	if s.now == nil {
		s.now = time.Now
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	if err := s.configure(o); err != nil {
		return nil, err
	}
	consume, err := url.Parse(s.settings.SP.Consume.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the URL that responses are sent to: %w", err)
	}
	s.step = authn.Step{Name: s.Name(), Path: consume.Path, CrossSite: true}
	return s, nil
}

// Name implements authn.LoginFlow.
func (s *SAML) Name() string { return "saml" }

// Mount implements authn.LoginFlow.
func (s *SAML) Mount(router chi.Router, done authn.Done) {
	begin := func(relayState string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := s.begin(w, r, relayState); err != nil {
				done(w, r, authn.Identity{}, err)
			}
		}
	}
	router.Get(loginPath, begin(loginPath))
	router.Post(loginPath, begin(loginPath))
	router.Get("/v1/saml/login", begin("/"))
	router.Post(consumePath, func(w http.ResponseWriter, r *http.Request) {
		id, err := s.consume(w, r)
		done(w, r, id, err)
	})
	router.Get(metadataPath, s.serveMetadata)
}

// The paths below the root URL that stand in messages and metadata.
const (
	loginPath    = "/v1/login"
	consumePath  = "/v1/saml/consume"
	logoutPath   = "/v1/saml/logout"
	metadataPath = "/v1/saml/metadata"
)

// pending is what a log-in remembers until the browser comes back.
type pending struct {
	Begun time.Time `json:"begun"`
	Next  string    `json:"next,omitempty"` // local path
}

// begin sends the browser to the identity provider.
func (s *SAML) begin(w http.ResponseWriter, r *http.Request, relayState string) error {
	p := pending{Begun: s.now().UTC()}
	if next := authn.LocalPath(r.URL.Query().Get("next")); next != "/" {
		p.Next = next
	}
	challenge, err := s.challenges.Begin(w, r, s.step, p)
	if err != nil {
		return err
	}
	target, err := s.redirect(s.settings.IDP.SignOn.URL, "SAMLRequest",
		s.authnRequest(requestID(challenge), p.Begun), relayState, s.settings.Security.AuthnRequestsSigned)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, target, http.StatusFound)
	return nil
}

// requestID returns the ID of the AuthnRequest that belongs to a challenge. It
// is an NCName, as the type of the attribute wants.
func requestID(challenge string) string { return "_" + challenge }

// authnRequest asks for a log-in of the kind that the settings want.
func (s *SAML) authnRequest(id string, now time.Time) *etree.Element {
	allowCreate := true
	request := saml.AuthnRequest{
		ID:                          id,
		Version:                     samlVersion,
		IssueInstant:                now,
		Destination:                 s.settings.IDP.SignOn.URL,
		ProtocolBinding:             saml.HTTPPostBinding,
		AssertionConsumerServiceURL: s.settings.SP.Consume.URL,
		Issuer:                      s.issuer(),
		NameIDPolicy:                &saml.NameIDPolicy{Format: &s.settings.SP.NameIDFormat, AllowCreate: &allowCreate},
	}
	el := request.Element()
	if classes := s.settings.Security.AuthnContext; len(classes) > 0 {
		wanted := el.CreateElement("samlp:RequestedAuthnContext")
		wanted.CreateAttr("Comparison", s.settings.Security.AuthnContextComparison)
		for _, class := range classes {
			wanted.CreateElement("saml:AuthnContextClassRef").SetText(class)
		}
	}
	return el
}

// issuer names this service in a message.
func (s *SAML) issuer() *saml.Issuer { return &saml.Issuer{Value: s.settings.SP.EntityID} }

// newID returns an ID for a message that nobody has to know beforehand.
func (s *SAML) newID() (string, error) {
	var b [20]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return "", fmt.Errorf("drawing the id of a message: %w", err)
	}
	return "_" + hex.EncodeToString(b[:]), nil
}
