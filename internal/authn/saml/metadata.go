package saml

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"
)

// How long the metadata is good for, and how long it may be kept.
const (
	metadataLife  = 48 * time.Hour
	metadataCache = "PT604800S"
)

// serveMetadata answers with the description of this service that the provider
// is set up with.
func (s *SAML) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	text, err := s.metadata(s.now())
	if err != nil {
		http.Error(w, "The metadata cannot be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // a client that has gone away misses it
}

// metadata returns the document (metadata 2.4.4), signed if there is a key.
func (s *SAML) metadata(now time.Time) ([]byte, error) {
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	entity := etree.NewElement("md:EntityDescriptor")
	entity.CreateAttr("xmlns:md", nsMetadata)
	entity.CreateAttr("ID", id)
	entity.CreateAttr("validUntil", now.Add(metadataLife).UTC().Format(time.RFC3339))
	entity.CreateAttr("cacheDuration", metadataCache)
	entity.CreateAttr("entityID", s.settings.SP.EntityID)
	role := entity.CreateElement("md:SPSSODescriptor")
	role.CreateAttr("AuthnRequestsSigned", strconv.FormatBool(s.settings.Security.AuthnRequestsSigned))
	role.CreateAttr("WantAssertionsSigned", strconv.FormatBool(s.settings.Security.WantAssertionsSigned))
	role.CreateAttr("protocolSupportEnumeration", nsProtocol)
	if s.cert != nil {
		s.describeKey(role, "signing")
		s.describeKey(role, "encryption")
	}
	logout := role.CreateElement("md:SingleLogoutService")
	logout.CreateAttr("Binding", saml.HTTPRedirectBinding)
	logout.CreateAttr("Location", s.settings.SP.Logout.URL)
	role.CreateElement("md:NameIDFormat").SetText(s.settings.SP.NameIDFormat)
	consumer := role.CreateElement("md:AssertionConsumerService")
	consumer.CreateAttr("Binding", saml.HTTPPostBinding)
	consumer.CreateAttr("Location", s.settings.SP.Consume.URL)
	consumer.CreateAttr("index", "1")

	if s.settings.Security.SignMetadata {
		signature, err := s.sign(entity)
		if err != nil {
			return nil, err
		}
		entity.InsertChildAt(0, signature) // where the schema wants it
	}
	doc := etree.NewDocument()
	doc.CreateProcInst("xml", `version="1.0"`)
	doc.SetRoot(entity)
	text, err := doc.WriteToBytes()
	if err != nil {
		return nil, fmt.Errorf("writing the metadata: %w", err)
	}
	return text, nil
}

// describeKey adds the key of this service for a use.
func (s *SAML) describeKey(role *etree.Element, use string) {
	key := role.CreateElement("md:KeyDescriptor")
	key.CreateAttr("use", use)
	info := key.CreateElement("ds:KeyInfo")
	info.CreateAttr("xmlns:ds", nsSignature)
	info.CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
		SetText(base64.StdEncoding.EncodeToString(s.cert.Raw))
	if use == "encryption" {
		for _, algorithm := range []string{
			nsEncryption11 + "aes256-gcm", nsEncryption11 + "aes128-gcm",
			nsEncrypted + "aes256-cbc", nsEncrypted + "aes128-cbc",
			nsEncrypted + "rsa-oaep-mgf1p",
		} {
			key.CreateElement("md:EncryptionMethod").CreateAttr("Algorithm", algorithm)
		}
	}
}

// sign returns the enveloped signature of an element.
func (s *SAML) sign(el *etree.Element) (*etree.Element, error) {
	c, err := dsig.NewSigningContext(s.key, [][]byte{s.cert.Raw})
	if err != nil {
		return nil, fmt.Errorf("preparing a signature: %w", err)
	}
	if err := c.SetSignatureMethod(s.settings.Security.SignatureAlgorithm); err != nil {
		return nil, fmt.Errorf("preparing a signature: %w", err)
	}
	c.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	signature, err := c.ConstructSignature(el, true)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return signature, nil
}
