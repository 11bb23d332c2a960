package saml

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
)

const bearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer"

// claims is what an assertion says of a user.
type claims struct {
	nameID       saml.NameID // Value may be empty
	sessionIndex string
	attributes   map[string][]string
}

// checkAssertion checks an assertion whose text is the provider's and returns
// what it says (profiles 4.1.4.2 and 4.1.4.3).
func (s *SAML) checkAssertion(assertion *etree.Element, x exchange) (claims, error) {
	var c claims
	switch {
	case attr(assertion, "Version") != samlVersion:
		return c, errors.New("the version of the assertion is not 2.0")
	case attr(assertion, "ID") == "":
		return c, errors.New("the assertion has no ID")
	}
	if err := checkIssued(assertion, x.begun, x.now); err != nil {
		return c, err
	}
	if err := s.checkIssuer(assertion); err != nil {
		return c, err
	}
	if err := s.checkConditions(assertion, x.now); err != nil {
		return c, err
	}
	subject, err := one(assertion, nsAssertion, "Subject")
	if err != nil {
		return c, err
	}
	if err := s.checkConfirmation(subject, x); err != nil {
		return c, err
	}
	if c.nameID, err = s.readNameID(subject); err != nil {
		return c, err
	}
	if c.sessionIndex, err = readAuthentication(assertion, x.now); err != nil {
		return c, err
	}
	c.attributes, err = s.readAttributes(assertion)
	return c, err
}

// checkWindow wants now to lie between the moments that an element names, if it
// does.
func checkWindow(el *etree.Element, now time.Time) error {
	from, ok, err := instant(el, "NotBefore")
	if err != nil {
		return err
	}
	if ok && now.Add(drift).Before(from) {
		return fmt.Errorf("the %s does not hold yet", el.Tag)
	}
	to, ok, err := instant(el, "NotOnOrAfter")
	if err != nil {
		return err
	}
	if ok && !now.Add(-drift).Before(to) {
		return fmt.Errorf("the %s holds no longer", el.Tag)
	}
	return nil
}

// checkConditions wants the assertion to hold now and for this service. A
// condition that is not known is one that is not met (core 2.5.1).
func (s *SAML) checkConditions(assertion *etree.Element, now time.Time) error {
	conditions, err := one(assertion, nsAssertion, "Conditions")
	if err != nil {
		return err
	}
	if err := checkWindow(conditions, now); err != nil {
		return err
	}
	restricted := false
	for condition := range conditions.ChildElementsSeq() {
		switch {
		case is(condition, nsAssertion, "AudienceRestriction"):
			named := slices.ContainsFunc(children(condition, nsAssertion, "Audience"), func(audience *etree.Element) bool {
				return content(audience) == s.settings.SP.EntityID
			})
			if !named {
				return errors.New("the assertion is for another audience")
			}
			restricted = true
		case is(condition, nsAssertion, "OneTimeUse"), is(condition, nsAssertion, "ProxyRestriction"):
			// Every assertion is used once, and none is passed on.
		default:
			return fmt.Errorf("the assertion has a condition %s, which is not known", condition.Tag)
		}
	}
	if !restricted {
		return errors.New("the assertion names no audience")
	}
	return nil
}

// checkConfirmation wants one confirmation of the subject, as bearer, that fits
// to the exchange.
func (s *SAML) checkConfirmation(subject *etree.Element, x exchange) error {
	reason := errors.New("the subject is not confirmed as bearer")
	for _, confirmation := range children(subject, nsAssertion, "SubjectConfirmation") {
		if attr(confirmation, "Method") != bearer {
			continue
		}
		if reason = s.checkConfirmationData(confirmation, x); reason == nil {
			return nil
		}
	}
	return reason
}

func (s *SAML) checkConfirmationData(confirmation *etree.Element, x exchange) error {
	data, err := one(confirmation, nsAssertion, "SubjectConfirmationData")
	if err != nil {
		return err
	}
	switch {
	case attr(data, "Recipient") != s.settings.SP.Consume.URL:
		return fmt.Errorf("the recipient of the assertion is %.100q", attr(data, "Recipient"))
	case attr(data, "InResponseTo") != x.request:
		return errors.New("the assertion answers another request")
	case attr(data, "NotOnOrAfter") == "":
		return errors.New("the confirmation of the subject has no end")
	}
	return checkWindow(data, x.now)
}

// readNameID reads the name of the subject.
func (s *SAML) readNameID(subject *etree.Element) (saml.NameID, error) {
	el, err := optional(subject, nsAssertion, "NameID")
	if err != nil {
		return saml.NameID{}, err
	}
	encrypted, err := optional(subject, nsAssertion, "EncryptedID")
	if err != nil {
		return saml.NameID{}, err
	}
	switch {
	case el != nil && encrypted != nil:
		return saml.NameID{}, errors.New("the subject has two names")
	case encrypted != nil:
		if el, err = s.decrypt(encrypted); err != nil {
			return saml.NameID{}, err
		}
		if !is(el, nsAssertion, "NameID") {
			return saml.NameID{}, errors.New("what was encrypted is not a name")
		}
	}
	var name saml.NameID
	if el != nil {
		name = saml.NameID{
			NameQualifier:   attr(el, "NameQualifier"),
			SPNameQualifier: attr(el, "SPNameQualifier"),
			Format:          attr(el, "Format"),
			Value:           content(el),
		}
	}
	switch {
	case name.Value == "" && s.settings.Security.WantNameID:
		return saml.NameID{}, errors.New("the subject has no name")
	case name.SPNameQualifier != "" && name.SPNameQualifier != s.settings.SP.EntityID:
		return saml.NameID{}, errors.New("the name of the subject is one for another service")
	}
	return name, nil
}

// readAuthentication wants the assertion to say that the user has authenticated,
// and returns the provider's session.
func readAuthentication(assertion *etree.Element, now time.Time) (sessionIndex string, err error) {
	statement, err := one(assertion, nsAssertion, "AuthnStatement")
	if err != nil {
		return "", err
	}
	end, ok, err := instant(statement, "SessionNotOnOrAfter")
	if err != nil {
		return "", err
	}
	if ok && !now.Add(-drift).Before(end) {
		return "", errors.New("the session at the provider is over")
	}
	return attr(statement, "SessionIndex"), nil
}

// readAttributes reads the attributes of all statements by their names.
func (s *SAML) readAttributes(assertion *etree.Element) (map[string][]string, error) {
	attributes := map[string][]string{}
	for _, statement := range children(assertion, nsAssertion, "AttributeStatement") {
		for _, attribute := range children(statement, nsAssertion, "Attribute") {
			name := attr(attribute, "Name")
			if _, repeated := attributes[name]; repeated && !s.settings.Security.AllowRepeatedAttributes {
				return nil, fmt.Errorf("the attribute %.100q stands twice", name)
			}
			values := attributes[name]
			for _, value := range children(attribute, nsAssertion, "AttributeValue") {
				values = append(values, content(value))
			}
			attributes[name] = values
		}
	}
	if len(attributes) == 0 && s.settings.Security.WantAttributeStatement {
		return nil, errors.New("the assertion has no attributes")
	}
	return attributes, nil
}
