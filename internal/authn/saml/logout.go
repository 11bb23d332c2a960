package saml

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
)

// loggedOut is the page that a log-out ends at.
const loggedOut = "/loggedout"

// maxLogoutAge is how long a message about a log-out may travel.
const maxLogoutAge = 10 * time.Minute

// Leave implements authn.Leaver.
func (s *SAML) Leave(_ *http.Request, provider string) (string, error) {
	destination := s.settings.IDP.Logout.URL
	if destination == "" || provider == "" {
		return "", nil
	}
	var who subject
	if err := json.Unmarshal([]byte(provider), &who); err != nil {
		return "", fmt.Errorf("reading the provider's part of a session: %w", err)
	}
	id, err := s.newID()
	if err != nil {
		return "", err
	}
	request := saml.LogoutRequest{
		ID: id, Version: samlVersion, IssueInstant: s.now().UTC(), Destination: destination,
		Issuer: s.issuer(), NameID: who.nameID(),
	}
	if who.SessionIndex != "" {
		request.SessionIndex = &saml.SessionIndex{Value: who.SessionIndex}
	}
	return s.redirect(destination, "SAMLRequest", request.Element(), "", s.settings.Security.LogoutRequestsSigned)
}

// Left implements authn.Leaver.
func (s *SAML) Left(r *http.Request) (string, error) {
	a, err := s.receive(r.URL.RawQuery)
	if a.field == "SAMLResponse" {
		if err == nil {
			err = s.checkLogout(a.root, "LogoutResponse")
		}
		if err != nil {
			return "", refuse("invalid_logout_response", notValid, "", err)
		}
		if err := checkStatus(a.root); err != nil {
			return "", refuse("logout_not_success", notValid, "", err)
		}
		return loggedOut, nil
	}
	if err == nil {
		err = s.checkLogout(a.root, "LogoutRequest")
	}
	if err == nil {
		err = checkLeaving(a.root, s.now())
	}
	if err != nil {
		return "", refuse("invalid_logout_request", notValid, "", err)
	}
	return s.answer(attr(a.root, "ID"), a.relayState)
}

// checkLogout checks what a request and a response about a log-out have in
// common.
func (s *SAML) checkLogout(root *etree.Element, tag string) error {
	switch {
	case !is(root, nsProtocol, tag):
		return fmt.Errorf("the message is a %s", root.Tag)
	case attr(root, "Version") != samlVersion:
		return errors.New("the version of the message is not 2.0")
	case attr(root, "ID") == "":
		return errors.New("the message has no ID")
	case attr(root, "Destination") != s.settings.SP.Logout.URL:
		return fmt.Errorf("the destination of the message is %.100q", attr(root, "Destination"))
	}
	now := s.now()
	if err := checkIssued(root, now.Add(-maxLogoutAge), now); err != nil {
		return err
	}
	return s.checkIssuer(root)
}

// checkLeaving checks a request that a session be ended. Whose it is needs no
// look: it is the one of the browser that brings the request.
func checkLeaving(root *etree.Element, now time.Time) error {
	if err := checkWindow(root, now); err != nil {
		return err
	}
	names := len(children(root, nsAssertion, "NameID")) + len(children(root, nsAssertion, "EncryptedID")) +
		len(children(root, nsAssertion, "BaseID"))
	if names != 1 {
		return errors.New("the request does not name one subject")
	}
	return nil
}

// answer returns the URL that tells the provider that its request was followed.
func (s *SAML) answer(request, relayState string) (string, error) {
	logout := s.settings.IDP.Logout
	destination := logout.URL
	if logout.ResponseURL != "" {
		destination = logout.ResponseURL
	}
	if destination == "" {
		return loggedOut, nil
	}
	id, err := s.newID()
	if err != nil {
		return "", err
	}
	response := saml.LogoutResponse{
		ID: id, InResponseTo: request, Version: samlVersion, IssueInstant: s.now().UTC(), Destination: destination,
		Issuer: s.issuer(), Status: saml.Status{StatusCode: saml.StatusCode{Value: saml.StatusSuccess}},
	}
	return s.redirect(destination, "SAMLResponse", response.Element(), relayState, s.settings.Security.LogoutResponsesSigned)
}
