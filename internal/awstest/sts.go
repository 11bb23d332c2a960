package awstest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

type callerIdentity struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	Arn     string   `xml:"GetCallerIdentityResult>Arn"`
	UserID  string   `xml:"GetCallerIdentityResult>UserId"`
	Account string   `xml:"GetCallerIdentityResult>Account"`
	Request string   `xml:"ResponseMetadata>RequestId"`
}

type xmlError struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
	Request string   `xml:"RequestId"`
}

func (s *Server) serveSTS(w http.ResponseWriter, body []byte, caller AccessKey) {
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "GetCallerIdentity" || form.Get("Version") != "2011-06-15" {
		s.fail(w, "sts", refuse("InvalidAction", "the double answers GetCallerIdentity alone"))
		return
	}
	s.mu.Lock()
	s.counts["sts.GetCallerIdentity"]++
	s.mu.Unlock()
	writeXML(w, http.StatusOK, callerIdentity{Arn: caller.ARN, UserID: caller.ID, Account: Account, Request: randomHex(8)})
}

func writeXML(w http.ResponseWriter, status int, v any) {
	b, err := xml.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("awstest: %T does not marshal: %v", v, err))
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// fail answers an error in the service's own form.
func (s *Server) fail(w http.ResponseWriter, service string, err error) {
	e, ok := err.(*apiError)
	if !ok {
		e = &apiError{http.StatusInternalServerError, "InternalFailure", err.Error()}
	}
	if service == "sts" {
		kind := "Sender"
		if e.status >= http.StatusInternalServerError {
			kind = "Receiver"
		}
		writeXML(w, e.status, xmlError{Type: kind, Code: e.code, Message: e.message, Request: randomHex(8)})
		return
	}
	writeJSON(w, e.status, map[string]string{"__type": strings.TrimSpace(e.code), "message": e.message})
}
