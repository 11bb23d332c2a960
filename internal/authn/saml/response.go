package saml

import (
	"errors"
	"fmt"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
)

// drift is how far the provider's clock may be from ours.
const drift = 5 * time.Minute

// exchange is what a response must fit to.
type exchange struct {
	request string    // the ID of our AuthnRequest
	begun   time.Time // when that was made
	now     time.Time
}

// accept validates a response and returns what its assertion says of the user.
func (s *SAML) accept(root *etree.Element, x exchange) (claims, error) {
	if err := checkShape(root); err != nil {
		return claims{}, err
	}
	response, err := s.signed(root)
	if err != nil {
		return claims{}, err
	}
	responseSigned := response != nil
	if !responseSigned {
		if s.settings.Security.WantMessagesSigned {
			return claims{}, errors.New("the response is not signed")
		}
		response = root
	}
	sealed, err := optional(response, nsAssertion, "EncryptedAssertion")
	if err != nil {
		return claims{}, err
	}
	if err := s.checkResponse(response, responseSigned || sealed != nil, x); err != nil {
		return claims{}, err
	}
	assertion, err := s.assertion(response, sealed)
	if err != nil {
		return claims{}, err
	}
	verified, err := s.signed(assertion)
	switch {
	case err != nil:
		return claims{}, err
	case verified != nil:
		assertion = verified
	case s.settings.Security.WantAssertionsSigned:
		return claims{}, errors.New("the assertion is not signed")
	case !responseSigned:
		return claims{}, errors.New("neither the response nor the assertion is signed")
	}
	return s.checkAssertion(assertion, x)
}

// assertion returns the one assertion of a response, decrypted if need be.
func (s *SAML) assertion(response, sealed *etree.Element) (*etree.Element, error) {
	if sealed == nil {
		if s.settings.Security.WantAssertionsEncrypted {
			return nil, errors.New("the assertion is not encrypted")
		}
		return one(response, nsAssertion, "Assertion")
	}
	assertion, err := s.decrypt(sealed)
	if err != nil {
		return nil, err
	}
	if !is(assertion, nsAssertion, "Assertion") {
		return nil, errors.New("what was encrypted is not an assertion")
	}
	return assertion, checkShape(assertion)
}

// checkShape wants a response, or an assertion that was encrypted, to be built
// as the profile has it: one assertion, right below the response, and signatures
// nowhere but right below the two. Whatever else has one of these names, in any
// namespace and at any depth, serves only to have one thing verified and another
// one read.
func checkShape(root *etree.Element) error {
	inResponse := is(root, nsProtocol, "Response")
	if !inResponse && !is(root, nsAssertion, "Assertion") {
		return fmt.Errorf("the document is a %s", root.Tag)
	}
	assertions := 0
	for el := range walk(root) {
		misplaced := false
		switch el.Tag {
		case "Response":
			misplaced = el != root
		case "Assertion", "EncryptedAssertion":
			assertions++
			misplaced = el != root && (!inResponse || el.Parent() != root) || el.NamespaceURI() != nsAssertion
		case "Signature":
			parent := el.Parent()
			misplaced = parent != root && !is(parent, nsAssertion, "Assertion") || el.NamespaceURI() != nsSignature
		}
		if misplaced {
			return fmt.Errorf("the document has a %s where none belongs", el.Tag)
		}
	}
	if assertions != 1 {
		return fmt.Errorf("the response has %d assertions instead of one", assertions)
	}
	return nil
}

// checkResponse checks what stands on the response itself (profiles 4.1.4.2 and
// 4.1.4.3). The issuer may be left out where nothing is signed or encrypted.
func (s *SAML) checkResponse(response *etree.Element, needsIssuer bool, x exchange) error {
	switch {
	case attr(response, "Version") != samlVersion:
		return errors.New("the version of the response is not 2.0")
	case attr(response, "ID") == "":
		return errors.New("the response has no ID")
	case attr(response, "Destination") != s.settings.SP.Consume.URL:
		return fmt.Errorf("the destination of the response is %.100q", attr(response, "Destination"))
	case attr(response, "InResponseTo") != x.request:
		return errors.New("the response answers another request")
	}
	if err := checkIssued(response, x.begun, x.now); err != nil {
		return err
	}
	issuer, err := optional(response, nsAssertion, "Issuer")
	if err != nil {
		return err
	}
	if issuer != nil || needsIssuer {
		if err := s.checkIssuer(response); err != nil {
			return err
		}
	}
	return checkStatus(response)
}

// checkIssuer wants an element to name the provider as its issuer.
func (s *SAML) checkIssuer(el *etree.Element) error {
	issuer, err := one(el, nsAssertion, "Issuer")
	if err != nil {
		return err
	}
	if content(issuer) != s.settings.IDP.EntityID {
		return fmt.Errorf("the issuer of the %s is %.100q", el.Tag, content(issuer))
	}
	return nil
}

// checkIssued wants an element to be made between two moments.
func checkIssued(el *etree.Element, earliest, latest time.Time) error {
	issued, ok, err := instant(el, "IssueInstant")
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("the %s does not say when it was made", el.Tag)
	case issued.Before(earliest.Add(-drift)):
		return fmt.Errorf("the %s is too old", el.Tag)
	case issued.After(latest.Add(drift)):
		return fmt.Errorf("the %s is from the future", el.Tag)
	}
	return nil
}

// errNoSuccess says that the provider did not do what it was asked for.
var errNoSuccess = errors.New("the provider reports no success")

// checkStatus wants a message to report success.
func checkStatus(el *etree.Element) error {
	status, err := one(el, nsProtocol, "Status")
	if err != nil {
		return err
	}
	code, err := one(status, nsProtocol, "StatusCode")
	if err != nil {
		return err
	}
	if value := attr(code, "Value"); value != saml.StatusSuccess {
		return fmt.Errorf("%w: %.100q", errNoSuccess, value)
	}
	return nil
}
