package saml

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// Bounds in bytes.
const (
	maxForm     = 1 << 20 // of a request to the consumer
	maxName     = 256     // of a first or last name
	maxProvider = 1000    // of what the session keeps for the log-out
)

// The words of refusals. They do not say which check failed: that is for the
// log, not for who tries.
const (
	refusedMessage = "SAML request failed"
	noRequest      = "No AuthNRequest ID from SP found to match with InResponseTo of response"
	notValid       = "The message of the identity provider was refused."
)

// refuse returns the fault that refuses a message. Its details are the members
// that the body has beside "error".
func refuse(code, reason, request string, cause error) error {
	details := map[string]any{"message": refusedMessage, "errors": []string{code}, "reason": reason}
	if request != "" {
		details["request_id"] = request
	}
	return &fault.Error{Kind: fault.Unauthenticated, Message: refusedMessage, Details: details, Cause: cause}
}

// consume ends a log-in with the response that the provider had the browser
// post.
//
// The log-in is used up before the response is validated: whoever wants to try
// another one begins another log-in.
func (s *SAML) consume(w http.ResponseWriter, r *http.Request) (authn.Identity, error) {
	if len(r.Cookies()) == 0 { // so it did not begin any log-in
		return authn.Identity{}, refuse("invalid_response", noRequest, "", errors.New("the browser has no cookies"))
	}
	root, relayState, err := readForm(w, r)
	if err != nil {
		return authn.Identity{}, err
	}
	request := attr(root, "InResponseTo")
	challenge, ok := strings.CutPrefix(request, requestID(""))
	if !ok {
		return authn.Identity{}, refuse("invalid_response", noRequest, "", errors.New("the response answers no request of ours"))
	}
	var p pending
	if err := s.challenges.Finish(w, r, s.step, challenge, &p); err != nil {
		if fault.Is(err, fault.Unauthenticated) {
			return authn.Identity{}, refuse("invalid_response", noRequest, "", err)
		}
		return authn.Identity{}, err
	}
	c, err := s.accept(root, exchange{request: request, begun: p.Begun, now: s.now()})
	if err != nil {
		return authn.Identity{}, refuse("invalid_response", notValid, request, err)
	}
	id, err := s.identity(c)
	if err != nil {
		return authn.Identity{}, err
	}
	id.Next = p.Next
	if id.Next == "" {
		id.Next = afterLogin(relayState)
	}
	return id, nil
}

// readForm reads the fields that the provider had the browser post. A request
// without the field SAMLResponse is one that nobody's provider made.
func readForm(w http.ResponseWriter, r *http.Request) (root *etree.Element, relayState string, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, "", refuse("invalid_response", notValid, "", fmt.Errorf("reading the form: %w", err))
	}
	switch fields := r.PostForm["SAMLResponse"]; {
	case len(fields) == 0 || fields[0] == "":
		return nil, "", fault.New(fault.Invalid, "The form field SAMLResponse is missing.")
	case len(fields) > 1:
		err = errors.New("there are several responses")
	default:
		root, err = decode(fields[0])
	}
	if err != nil {
		return nil, "", refuse("invalid_response", notValid, "", err)
	}
	return root, r.PostForm.Get("RelayState"), nil
}

// decode reads a message of the HTTP-POST binding.
func decode(text string) (*etree.Element, error) {
	message, err := base64.StdEncoding.DecodeString(withoutSpace(text))
	if err != nil {
		return nil, errors.New("the message is not base64")
	}
	return parse(message)
}

// afterLogin returns where a relay state leads to: a path here, but not back
// into the log-in.
func afterLogin(relayState string) string {
	next := authn.LocalPath(relayState)
	path := next
	if i := strings.IndexAny(next, "?#"); i >= 0 {
		path = next[:i]
	}
	if strings.HasSuffix(path, "/saml/consume") || strings.HasSuffix(path, "/login") {
		return "/"
	}
	return next
}

// identity returns who the claims speak of: the first value of the attribute
// named exactly "email", else the name of the subject.
func (s *SAML) identity(c claims) (authn.Identity, error) {
	email := c.nameID.Value
	if values := c.attributes["email"]; len(values) > 0 && values[0] != "" {
		email = values[0]
	}
	email, ok := authn.FoldEmail(email)
	if !ok {
		return authn.Identity{}, fault.Wrap(fault.Unauthenticated, "Not Authenticated",
			errors.New("the assertion names nobody, or nobody that can be one user"))
	}
	return authn.Identity{
		Principal: authz.Principal{
			Type:          authz.User,
			Name:          email,
			Method:        s.Name(),
			Administrator: s.administrator(email),
			Ambient:       true,
		},
		FirstName: c.name("firstname", "first_name"),
		LastName:  c.name("lastname", "last_name"),
		Provider:  c.provider(),
	}, nil
}

// name returns the first value of the attribute that has one of these names,
// whatever its capitals.
func (c claims) name(names ...string) string {
	for _, key := range slices.Sorted(maps.Keys(c.attributes)) {
		values := c.attributes[key]
		if slices.Contains(names, strings.ToLower(key)) && len(values) > 0 && len(values[0]) <= maxName {
			return values[0]
		}
	}
	return ""
}

// subject is what a session keeps of the provider's, in JSON: the subject must
// be named at the log-out exactly as it was named at the log-in.
type subject struct {
	Name            string `json:"n"`
	Format          string `json:"f,omitempty"`
	NameQualifier   string `json:"q,omitempty"`
	SPNameQualifier string `json:"s,omitempty"`
	SessionIndex    string `json:"i,omitempty"`
}

// provider returns the subject for the session, "" if there is none that fits.
func (c claims) provider() string {
	if c.nameID.Value == "" {
		return ""
	}
	text, err := json.Marshal(subject{
		Name: c.nameID.Value, Format: c.nameID.Format, NameQualifier: c.nameID.NameQualifier,
		SPNameQualifier: c.nameID.SPNameQualifier, SessionIndex: c.sessionIndex,
	})
	if err != nil || len(text) > maxProvider {
		return ""
	}
	return string(text)
}

// nameID returns the subject as it stands in a message.
func (s subject) nameID() *saml.NameID {
	return &saml.NameID{Value: s.Name, Format: s.Format, NameQualifier: s.NameQualifier, SPNameQualifier: s.SPNameQualifier}
}
