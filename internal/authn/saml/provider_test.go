package saml_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml/xmlenc"
	dsig "github.com/russellhaering/goxmldsig"
)

const (
	root      = "https://confidant.example.com"
	idpEntity = "https://idp.example.com/metadata"
	signOn    = "https://idp.example.com/sso"
	signOut   = "https://idp.example.com/slo"

	rsaSHA256 = dsig.RSASHA256SignatureMethod
	excC14N   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
)

// noon is when everything happens.
var noon = time.Date(2027, 3, 4, 12, 0, 0, 0, time.UTC)

// file reads a file of testdata.
func file(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func der(t testing.TB, name string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(file(t, name)))
	if block == nil {
		t.Fatalf("%s is not PEM", name)
	}
	return block.Bytes
}

func rsaKey(t testing.TB, name string) *rsa.PrivateKey {
	t.Helper()
	key, err := x509.ParsePKCS1PrivateKey(der(t, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der(t, name+".crt"))
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// at returns a moment as it stands in a message.
func at(after time.Duration) string { return noon.Add(after).Format(time.RFC3339) }

// response is what a provider answers to a request, not yet signed.
const responseText = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
	ID="_response" Version="2.0" IssueInstant="NOW" Destination="ROOT/v1/saml/consume" InResponseTo="REQUEST">
	<saml:Issuer>IDP</saml:Issuer>
	<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
	<saml:Assertion ID="_assertion" Version="2.0" IssueInstant="NOW" xmlns:xs="http://www.w3.org/2001/XMLSchema">
		<saml:Issuer>IDP</saml:Issuer>
		<saml:Subject>
			<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress" SPNameQualifier="ROOT/v1/saml/metadata">named@example.com</saml:NameID>
			<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
				<saml:SubjectConfirmationData NotOnOrAfter="SOON" Recipient="ROOT/v1/saml/consume" InResponseTo="REQUEST"/>
			</saml:SubjectConfirmation>
		</saml:Subject>
		<saml:Conditions NotBefore="NOW" NotOnOrAfter="SOON">
			<saml:AudienceRestriction><saml:Audience>ROOT/v1/saml/metadata</saml:Audience></saml:AudienceRestriction>
		</saml:Conditions>
		<saml:AuthnStatement AuthnInstant="NOW" SessionIndex="_session7">
			<saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext>
		</saml:AuthnStatement>
		<saml:AttributeStatement>
			<saml:Attribute Name="email"><saml:AttributeValue>User@Example.com</saml:AttributeValue></saml:Attribute>
			<saml:Attribute Name="FirstName"><saml:AttributeValue>Una</saml:AttributeValue></saml:Attribute>
			<saml:Attribute Name="last_name"><saml:AttributeValue>Ser</saml:AttributeValue></saml:Attribute>
		</saml:AttributeStatement>
	</saml:Assertion>
</samlp:Response>`

// tree parses a document, without any of the suspicion of the package.
func tree(t testing.TB, text string) *etree.Element {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

func newResponse(t testing.TB, request string) *etree.Element {
	t.Helper()
	return tree(t, strings.NewReplacer(
		"ROOT", root, "IDP", idpEntity, "REQUEST", request, "NOW", at(0), "SOON", at(5*time.Minute),
	).Replace(responseText))
}

// find returns the element at a path below another.
func find(t testing.TB, el *etree.Element, path string) *etree.Element {
	t.Helper()
	found := el.FindElement(path)
	if found == nil {
		t.Fatalf("there is no %s", path)
	}
	return found
}

// signer makes signatures as they should be or, by its fields, as they should
// not.
type signer struct {
	key        *rsa.PrivateKey
	cert       *x509.Certificate // in KeyInfo; nil: none
	method     string
	hash       crypto.Hash
	digest     string
	digestHash crypto.Hash
	c14n       string
	transforms []string
	prefixes   string               // that the canonicalization of the element keeps
	uri        string               // "": the ID of the element
	edit       func(*etree.Element) // of SignedInfo
	hmacKey    []byte               // for a signature that is none
}

func goodSigner(t testing.TB) signer {
	return signer{
		key: rsaKey(t, "idp"), cert: certificate(t, "idp"), method: rsaSHA256, hash: crypto.SHA256,
		digest: "http://www.w3.org/2001/04/xmlenc#sha256", digestHash: crypto.SHA256,
		c14n: excC14N, transforms: []string{enveloped, excC14N},
	}
}

func canonical(t testing.TB, el *etree.Element, algorithm, prefixes string) []byte {
	t.Helper()
	c := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(prefixes)
	switch algorithm {
	case excC14N:
	case excC14N + "WithComments":
		c = dsig.MakeC14N10ExclusiveWithCommentsCanonicalizerWithPrefixList("")
	default:
		c = dsig.MakeC14N10RecCanonicalizer()
	}
	text, err := c.Canonicalize(el)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sign puts a signature into an element, behind its issuer if it has one.
func (s signer) sign(t testing.TB, el *etree.Element) {
	t.Helper()
	// The digest is one of the element in its place, so of what the place
	// declares too.
	detached := el.Copy()
	for up := el.Parent(); up != nil; up = up.Parent() {
		for _, a := range up.Attr {
			if a.Space == "xmlns" && detached.SelectAttr("xmlns:"+a.Key) == nil {
				detached.CreateAttr("xmlns:"+a.Key, a.Value)
			}
		}
	}
	h := s.digestHash.New()
	h.Write(canonical(t, detached, s.transforms[len(s.transforms)-1], s.prefixes))

	signature := etree.NewElement("ds:Signature")
	signature.CreateAttr("xmlns:ds", dsig.Namespace)
	info := signature.CreateElement("ds:SignedInfo")
	info.CreateElement("ds:CanonicalizationMethod").CreateAttr("Algorithm", s.c14n)
	info.CreateElement("ds:SignatureMethod").CreateAttr("Algorithm", s.method)
	reference := info.CreateElement("ds:Reference")
	reference.CreateAttr("URI", s.uri)
	if s.uri == "" {
		reference.CreateAttr("URI", "#"+el.SelectAttrValue("ID", ""))
	}
	transforms := reference.CreateElement("ds:Transforms")
	for _, algorithm := range s.transforms {
		transforms.CreateElement("ds:Transform").CreateAttr("Algorithm", algorithm)
	}
	if s.prefixes != "" {
		kept := transforms.ChildElements()[len(s.transforms)-1].CreateElement("ec:InclusiveNamespaces")
		kept.CreateAttr("xmlns:ec", excC14N)
		kept.CreateAttr("PrefixList", s.prefixes)
	}
	reference.CreateElement("ds:DigestMethod").CreateAttr("Algorithm", s.digest)
	reference.CreateElement("ds:DigestValue").SetText(base64.StdEncoding.EncodeToString(h.Sum(nil)))
	if s.edit != nil {
		s.edit(info)
	}
	alone := info.Copy()
	alone.CreateAttr("xmlns:ds", dsig.Namespace)
	signed := canonical(t, alone, s.c14n, "")
	var value []byte
	if s.hmacKey != nil {
		mac := hmac.New(sha1.New, s.hmacKey)
		mac.Write(signed)
		value = mac.Sum(nil)
	} else {
		sum := s.hash.New()
		sum.Write(signed)
		var err error
		if value, err = rsa.SignPKCS1v15(rand.Reader, s.key, s.hash, sum.Sum(nil)); err != nil {
			t.Fatal(err)
		}
	}
	signature.CreateElement("ds:SignatureValue").SetText(base64.StdEncoding.EncodeToString(value))
	if s.cert != nil {
		signature.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
			SetText(base64.StdEncoding.EncodeToString(s.cert.Raw))
	}
	place := 0
	if issuer := el.FindElement("./Issuer"); issuer != nil {
		place = issuer.Index() + 1
	}
	el.InsertChildAt(place, signature)
}

// oaep is how providers encrypt.
func oaep() xmlenc.RSA {
	e := xmlenc.OAEP()
	e.BlockCipher, e.DigestMethod = xmlenc.AES128CBC, xmlenc.SHA1
	return e
}

// encrypt replaces the assertion of a response by its encrypted form.
func encrypt(t testing.TB, response *etree.Element, e xmlenc.RSA) {
	t.Helper()
	hide(t, find(t, response, "./Assertion"), "EncryptedAssertion", e)
}

// hide replaces an element of the assertion namespace by its encrypted form.
func hide(t testing.TB, el *etree.Element, as string, e xmlenc.RSA) {
	t.Helper()
	alone := el.Copy()
	alone.CreateAttr("xmlns:saml", "urn:oasis:names:tc:SAML:2.0:assertion")
	data, err := e.Encrypt(certificate(t, "sp"), []byte(serialize(t, alone)), nil)
	if err != nil {
		t.Fatal(err)
	}
	wrapper := etree.NewElement("saml:" + as)
	wrapper.AddChild(data)
	el.Parent().InsertChildAt(el.Index(), wrapper)
	el.Parent().RemoveChild(el)
}

func serialize(t testing.TB, el *etree.Element) string {
	t.Helper()
	doc := etree.NewDocument()
	doc.SetRoot(el.Copy())
	var text bytes.Buffer
	if _, err := doc.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func base64Of(t testing.TB, name string) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(der(t, name))
}

// pkcs8 returns an elliptic key in the form that holds keys of every kind.
func pkcs8(t testing.TB, name string) []byte {
	t.Helper()
	key, err := x509.ParseECPrivateKey(der(t, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}
