package saml

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/beevik/etree"
)

// deflateEncoding is the one encoding of messages in URLs (bindings 3.4.4.1).
const deflateEncoding = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"

// redirect returns the URL that brings a message to the provider by the
// HTTP-Redirect binding (bindings 3.4). The signature is one over the query, not
// over the message.
func (s *SAML) redirect(destination, field string, message *etree.Element, relayState string, sign bool) (string, error) {
	text, err := deflate(message)
	if err != nil {
		return "", err
	}
	query := field + "=" + url.QueryEscape(text)
	if relayState != "" {
		query += "&RelayState=" + url.QueryEscape(relayState)
	}
	if sign {
		query += "&SigAlg=" + url.QueryEscape(s.settings.Security.SignatureAlgorithm)
		signature, err := s.signText(query)
		if err != nil {
			return "", err
		}
		query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
	}
	if strings.Contains(destination, "?") {
		return destination + "&" + query, nil
	}
	return destination + "?" + query, nil
}

func deflate(message *etree.Element) (string, error) {
	var compressed bytes.Buffer
	w, err := flate.NewWriter(&compressed, flate.BestCompression)
	if err != nil {
		return "", fmt.Errorf("compressing a SAML message: %w", err)
	}
	doc := etree.NewDocument()
	doc.SetRoot(message)
	if _, err := doc.WriteTo(w); err != nil {
		return "", fmt.Errorf("compressing a SAML message: %w", err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("compressing a SAML message: %w", err)
	}
	return base64.StdEncoding.EncodeToString(compressed.Bytes()), nil
}

// arrival is a message that came by the HTTP-Redirect binding.
type arrival struct {
	field      string // SAMLRequest or SAMLResponse
	root       *etree.Element
	relayState string
}

// receive reads a message from the query of a request and verifies its
// signature. The signature is one over the fields as they were sent, so they are
// taken from the query as it stands there.
func (s *SAML) receive(rawQuery string) (arrival, error) {
	raw, err := fields(rawQuery)
	if err != nil {
		return arrival{}, err
	}
	a := arrival{field: "SAMLRequest"}
	if _, ok := raw["SAMLResponse"]; ok {
		a.field = "SAMLResponse"
		if _, ok := raw["SAMLRequest"]; ok {
			return a, errors.New("there is both a request and a response")
		}
	}
	if err := s.checkQuery(a.field, raw); err != nil {
		return a, err
	}
	values := map[string]string{}
	for name, text := range raw {
		if values[name], err = url.QueryUnescape(text); err != nil {
			return a, errors.New("the query is not encoded rightly")
		}
	}
	if encoding, ok := values["SAMLEncoding"]; ok && encoding != deflateEncoding {
		return a, errors.New("the encoding of the message is not known")
	}
	a.relayState = values["RelayState"]
	a.root, err = inflate(values[a.field])
	return a, err
}

// fields splits a query into the fields of the binding, still encoded.
func fields(rawQuery string) (map[string]string, error) {
	if len(rawQuery) > maxDocument {
		return nil, errors.New("the query is too large")
	}
	raw := map[string]string{}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding":
		default:
			continue
		}
		if _, ok := raw[name]; ok {
			return nil, fmt.Errorf("the field %s stands twice", name)
		}
		raw[name] = value
	}
	return raw, nil
}

// checkQuery verifies the signature over the fields of a query. Without one it
// accepts them if messages need not be signed.
func (s *SAML) checkQuery(field string, raw map[string]string) error {
	if raw["Signature"] == "" {
		if s.settings.Security.WantMessagesSigned {
			return errors.New("the message is not signed")
		}
		return nil
	}
	signed := field + "=" + raw[field]
	if relayState, ok := raw["RelayState"]; ok {
		signed += "&RelayState=" + relayState
	}
	signed += "&SigAlg=" + raw["SigAlg"]
	algorithm, err := url.QueryUnescape(raw["SigAlg"])
	if err != nil {
		return errors.New("the query is not encoded rightly")
	}
	text, err := url.QueryUnescape(raw["Signature"])
	if err != nil {
		return errors.New("the query is not encoded rightly")
	}
	signature, err := base64.StdEncoding.DecodeString(withoutSpace(text))
	if err != nil {
		return errors.New("the signature is not base64")
	}
	return s.checkText(algorithm, signed, signature)
}

func inflate(text string) (*etree.Element, error) {
	compressed, err := base64.StdEncoding.DecodeString(withoutSpace(text))
	if err != nil {
		return nil, errors.New("the message is not base64")
	}
	message, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(compressed)), maxDocument+1))
	if err != nil {
		return nil, errors.New("the message is not compressed rightly")
	}
	return parse(message)
}
