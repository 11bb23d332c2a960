package saml_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"net/http/httptest"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/confidant-secrets/confidant/internal/authn/saml"
)

func metadata(t *testing.T, w *world) (string, crewjam.SPSSODescriptor) {
	t.Helper()
	answer := browser{}.send(w, httptest.NewRequest("GET", "/v1/saml/metadata", nil))
	if answer.Code != 200 || answer.Header().Get("Content-Type") != "text/xml" || w.ended != 0 {
		t.Fatalf("%d %v, ended %d", answer.Code, answer.Header(), w.ended)
	}
	got := crewjam.EntityDescriptor{}
	if err := xml.Unmarshal(answer.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.EntityID != root+"/v1/saml/metadata" || !got.ValidUntil.Equal(noon.Add(48*time.Hour)) || got.CacheDuration != 7*24*time.Hour || len(got.SPSSODescriptors) != 1 {
		t.Fatalf("%+v", got)
	}
	return answer.Body.String(), got.SPSSODescriptors[0]
}

func TestMetadata_DescribesTheService(t *testing.T) {
	t.Parallel()
	text, sp := metadata(t, newWorld(t, func(o *saml.Options) { o.AssertionsSigned = true }))
	if *sp.AuthnRequestsSigned || !*sp.WantAssertionsSigned || len(sp.KeyDescriptors) != 0 {
		t.Errorf("%+v", sp)
	}
	if len(sp.AssertionConsumerServices) != 1 || sp.AssertionConsumerServices[0].Location != root+"/v1/saml/consume" || sp.AssertionConsumerServices[0].Binding != crewjam.HTTPPostBinding {
		t.Errorf("consumer %+v", sp.AssertionConsumerServices)
	}
	if len(sp.SingleLogoutServices) != 1 || sp.SingleLogoutServices[0].Location != root+"/v1/saml/logout" || sp.SingleLogoutServices[0].Binding != "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" {
		t.Errorf("log-out %+v", sp.SingleLogoutServices)
	}
	if len(sp.NameIDFormats) != 1 || sp.NameIDFormats[0] != crewjam.EmailAddressNameIDFormat {
		t.Errorf("formats %v", sp.NameIDFormats)
	}
	if tree(t, text).FindElement("./Signature") != nil {
		t.Error("there is a signature without a key")
	}
}

func TestMetadata_IsSignedWithAKey(t *testing.T) {
	t.Parallel()
	text, sp := metadata(t, newWorld(t, withKey(t)))
	cert := certificate(t, "sp")
	if !*sp.AuthnRequestsSigned || *sp.WantAssertionsSigned || len(sp.KeyDescriptors) != 2 {
		t.Fatalf("%+v", sp)
	}
	for i, use := range []string{"signing", "encryption"} {
		key := sp.KeyDescriptors[i]
		if key.Use != use || key.KeyInfo.X509Data.X509Certificates[0].Data != base64.StdEncoding.EncodeToString(cert.Raw) {
			t.Errorf("key %d: %+v", i, key)
		}
	}
	doc := tree(t, text)
	if doc.ChildElements()[0].Tag != "Signature" {
		t.Errorf("the first element is %s; the schema wants the signature there", doc.ChildElements()[0].Tag)
	}
	c := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
	c.Clock = dsig.NewFakeClockAt(cert.NotBefore)
	if _, err := c.Validate(doc); err != nil {
		t.Errorf("the signature: %v", err)
	}
	doc.CreateAttr("entityID", "https://evil.example.org")
	if _, err := c.Validate(doc); err == nil {
		t.Error("the signature holds for changed metadata")
	}
}
