package saml_test

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/saml"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// checkQuery verifies the signature of a URL that this service made, over the
// query as it stands there.
func checkQuery(t *testing.T, u *url.URL) {
	t.Helper()
	query := u.RawQuery
	if i := strings.Index(query, "SAMLRe"); i >= 0 {
		query = query[i:]
	}
	signed, value, ok := strings.Cut(query, "&Signature=")
	if !ok || u.Query().Get("SigAlg") != rsaSHA256 {
		t.Fatalf("%s is not signed", u)
	}
	text, err := url.QueryUnescape(value)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(signed))
	if err := rsa.VerifyPKCS1v15(certificate(t, "sp").PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature); err != nil {
		t.Errorf("the signature of %s: %v", u, err)
	}
}

func TestLogin_SendsTheBrowserToTheProvider(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method, path, relayState string
	}{
		"GET":           {"GET", "/v1/login", "/v1/login"},
		"POST":          {"POST", "/v1/login", "/v1/login"},
		"by SAML's own": {"GET", "/v1/saml/login", "/"},
	} {
		w := newWorld(t)
		answer := browser{}.send(w, httptest.NewRequest(tt.method, tt.path, nil))
		location := answer.Header().Get("Location")
		if answer.Code != http.StatusFound || w.ended != 0 || answer.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v, ended %d times", name, answer.Code, answer.Header(), w.ended)
		}
		if !strings.HasPrefix(location, signOn+"?SAMLRequest=") || !strings.HasSuffix(location, "&RelayState="+url.QueryEscape(tt.relayState)) {
			t.Errorf("%s: sent to %s", name, location)
		}
		cookie := answer.Result().Cookies()[0]
		if cookie.Path != "/v1/saml/consume" || cookie.SameSite != http.SameSiteNoneMode || !cookie.Secure || !cookie.HttpOnly {
			t.Errorf("%s: cookie %v", name, cookie)
		}
	}
}

func TestLogin_AsksAsTheSettingsWant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	request := message(t, browser{}.begin(w, "/v1/login"), "SAMLRequest")
	got := map[string]string{}
	for _, a := range request.Attr {
		if a.Space == "" {
			got[a.Key] = a.Value
		}
	}
	if id := got["ID"]; len(id) != 44 || id[0] != '_' {
		t.Errorf("ID %q", id)
	}
	delete(got, "ID")
	want := map[string]string{
		"Version": "2.0", "IssueInstant": at(0), "Destination": signOn,
		"ProtocolBinding":             "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
		"AssertionConsumerServiceURL": root + "/v1/saml/consume",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if issuer := find(t, request, "./Issuer").Text(); issuer != root+"/v1/saml/metadata" {
		t.Errorf("issuer %q", issuer)
	}
	policy := find(t, request, "./NameIDPolicy")
	if policy.SelectAttrValue("Format", "") != "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress" || policy.SelectAttrValue("AllowCreate", "") != "true" {
		t.Errorf("policy %v", policy.Attr)
	}
	wanted := find(t, request, "./RequestedAuthnContext")
	if wanted.SelectAttrValue("Comparison", "") != "exact" || find(t, wanted, "./AuthnContextClassRef").Text() != "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport" {
		t.Errorf("context %v", wanted)
	}
	if request.FindElement("./Signature") != nil {
		t.Error("there is a signature in a message of the redirect binding")
	}
}

func TestLogin_SignsRequestsWithAKey(t *testing.T) {
	t.Parallel()
	checkQuery(t, browser{}.begin(newWorld(t, withKey(t)), "/v1/login"))
	// A query of the provider's own is not signed over.
	u := browser{}.begin(newWorld(t, withKey(t), func(o *saml.Options) { o.IDPSignonURL = signOn + "?tenant=a%2Fb" }), "/v1/login")
	if !strings.HasPrefix(u.String(), signOn+"?tenant=a%2Fb&SAMLRequest=") {
		t.Errorf("sent to %s", u)
	}
	checkQuery(t, u)
}

func TestLogin_TheCookieGoesWhereTheResponseArrives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *saml.Options) { o.RootURL = root + "/secrets/" })
	answer := browser{}.send(w, httptest.NewRequest("GET", "/v1/login", nil))
	if path := answer.Result().Cookies()[0].Path; path != "/secrets/v1/saml/consume" {
		t.Errorf("path %q", path)
	}
}

// user is who the usual response speaks of.
func user(change func(*authn.Identity)) authn.Identity {
	id := authn.Identity{
		Principal: authz.Principal{Type: authz.User, Name: "user@example.com", Method: "saml", Ambient: true},
		FirstName: "Una", LastName: "Ser", Next: "/",
		Provider: `{"n":"named@example.com","f":"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress","s":"` + root + `/v1/saml/metadata","i":"_session7"}`,
	}
	if change != nil {
		change(&id)
	}
	return id
}

func TestConsume_TakesWhatTheStandardsAllow(t *testing.T) {
	t.Parallel()
	raw := func(text string) func(*saml.Options) {
		return func(o *saml.Options) { o.RawSettings = []byte(text) }
	}
	for name, tt := range map[string]struct {
		options func(*saml.Options)
		signs   what
		signer  func(*signer)
		before  func(*testing.T, *etree.Element)
		after   func(*testing.T, *etree.Element)
		want    func(*authn.Identity)
	}{
		"with prefixes that are kept": {options: signedAssertions, signs: assertion, signer: func(s *signer) { s.prefixes = "xs" }},
		"without the certificate":     {signer: func(s *signer) { s.cert = nil }},
		"SHA-512": {signer: func(s *signer) {
			s.method, s.hash = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", crypto.SHA512
			s.digest, s.digestHash = "http://www.w3.org/2001/04/xmlenc#sha512", crypto.SHA512
		}},
		"response signed":  {},
		"both signed":      {options: func(o *saml.Options) { o.AssertionsSigned = true }, signs: response | assertion},
		"assertion signed": {options: signedAssertions, signs: assertion},
		"any signature":    {options: anySignature, signs: assertion},
		"no issuer of a response that is not signed": {options: signedAssertions, signs: assertion, after: remove("./Issuer")},
		"encrypted": {options: encrypting(t), signs: assertion, after: func(t *testing.T, root *etree.Element) { encrypt(t, root, oaep()) }},
		"encrypted and signed as a whole": {options: withKey(t), before: func(t *testing.T, root *etree.Element) {
			goodSigner(t).sign(t, find(t, root, "./Assertion"))
			encrypt(t, root, oaep())
		}},
		"encrypted, signed only as a whole": {options: withKey(t), before: func(t *testing.T, root *etree.Element) { encrypt(t, root, oaep()) }},
		"encrypted as demanded": {options: func(o *saml.Options) {
			withKey(t)(o)
			o.RawSettings = []byte(`{"security":{"wantAssertionsEncrypted":true}}`)
		}, before: func(t *testing.T, root *etree.Element) { encrypt(t, root, oaep()) }},
		"encrypted with AES-GCM": {options: encrypting(t), signs: assertion, after: encryptGCM},
		"name encrypted": {options: withKey(t), before: func(t *testing.T, root *etree.Element) {
			hide(t, find(t, root, ".//NameID"), "EncryptedID", oaep())
		}},
		"another certificate of the provider": {options: func(o *saml.Options) { o.IDPCert = file(t, "other.crt") + file(t, "idp.crt") }},
		"the certificate as bare base64":      {options: func(o *saml.Options) { o.IDPCert = base64.StdEncoding.EncodeToString(der(t, "idp.crt")) }},
		"clocks apart, just so": {before: func(t *testing.T, root *etree.Element) {
			set(data, "NotOnOrAfter", at(-5*time.Minute+time.Second))(t, root)
			set(".//Conditions", "NotOnOrAfter", at(-5*time.Minute+time.Second))(t, root)
			set(".//Conditions", "NotBefore", at(5*time.Minute))(t, root)
			set("", "IssueInstant", at(5*time.Minute))(t, root)
			set("./Assertion", "IssueInstant", at(-5*time.Minute))(t, root)
		}},
		"moments without a zone and with fractions": {before: func(t *testing.T, root *etree.Element) {
			set("", "IssueInstant", "2027-03-04T12:00:00")(t, root)
			set("./Assertion", "IssueInstant", "2027-03-04T12:00:00.123456Z")(t, root)
		}},
		"one confirmation of two": {before: func(t *testing.T, root *etree.Element) {
			good := find(t, root, ".//SubjectConfirmation")
			bad := good.Copy()
			set("./SubjectConfirmationData", "Recipient", "https://other.example.com")(t, bad)
			good.Parent().InsertChildAt(good.Index(), bad)
		}},
		"one audience of two": {before: add(".//AudienceRestriction", `<saml:Audience>https://other.example.com</saml:Audience>`)},
		"used once":           {before: add(".//Conditions", `<saml:OneTimeUse/>`)},
		"no email attribute": {before: set(".//Attribute", "Name", "mail"), want: func(id *authn.Identity) {
			id.Name = "named@example.com"
		}},
		"email in capitals is another attribute": {before: set(".//Attribute", "Name", "Email"), want: func(id *authn.Identity) {
			id.Name = "named@example.com"
		}},
		"two addresses": {before: add(".//Attribute", `<saml:AttributeValue>second@example.com</saml:AttributeValue>`)},
		"a text in CDATA": {after: func(t *testing.T, root *etree.Element) {
			find(t, root, ".//AttributeValue").SetCData("User@Example.com")
		}},
		"an administrator": {before: setText(".//AttributeValue", "Chief@example.com"), want: func(id *authn.Identity) {
			id.Name, id.Administrator = chief, true
		}},
		"no attributes where none are demanded": {options: func(o *saml.Options) { o.WantAttributeStatements = false }, before: remove(".//AttributeStatement"), want: func(id *authn.Identity) {
			id.Name, id.FirstName, id.LastName = "named@example.com", "", ""
		}},
		"repeated attributes where they are allowed": {
			options: raw(`{"security":{"allowRepeatAttributeName":true}}`),
			before:  add(".//AttributeStatement", `<saml:Attribute Name="email"><saml:AttributeValue>b@example.com</saml:AttributeValue></saml:Attribute>`),
		},
		"no name where none is demanded": {options: raw(`{"security":{"wantNameId":false}}`), before: remove(".//NameID"), want: func(id *authn.Identity) {
			id.Provider = ""
		}},
		"another entity id of ours": {options: raw(`{"sp":{"entityId":"urn:confidant"}}`), before: func(t *testing.T, root *etree.Element) {
			setText(audience, "urn:confidant")(t, root)
			set(".//NameID", "SPNameQualifier", "")(t, root)
		}, want: func(id *authn.Identity) {
			id.Provider = strings.Replace(id.Provider, `"s":"`+root+`/v1/saml/metadata",`, "", 1)
		}},
		"a member of many groups":       {before: add(".//AttributeStatement", `<saml:Attribute Name="groups">`+strings.Repeat(`<saml:AttributeValue>x</saml:AttributeValue>`, 3000)+`</saml:Attribute>`)},
		"a name too long for a session": {before: setText(".//NameID", strings.Repeat("n", 1001)), want: func(id *authn.Identity) { id.Provider = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := newWorld(t, func(o *saml.Options) {
				if tt.options != nil {
					tt.options(o)
				}
			}), browser{}
			doc := newResponse(t, b.request(w))
			if tt.before != nil {
				tt.before(t, doc)
			}
			s := goodSigner(t)
			if tt.signer != nil {
				tt.signer(&s)
			}
			if tt.signs&assertion != 0 {
				s.sign(t, find(t, doc, "./Assertion"))
			}
			if tt.signs == 0 || tt.signs&response != 0 {
				s.sign(t, doc)
			}
			if tt.after != nil {
				tt.after(t, doc)
			}
			b.post(w, form(serialize(t, doc)))
			if w.err != nil || w.ended != 1 {
				t.Fatalf("%v, ended %d times", w.err, w.ended)
			}
			if d := cmp.Diff(user(tt.want), w.identity); d != "" {
				t.Error(d)
			}
			if len(b) != 0 {
				t.Errorf("the browser still has %v", b)
			}
		})
	}
}

// encryptGCM encrypts the assertion of a response with AES-256-GCM under a key
// wrapped by RSA-OAEP with SHA-256, the key beside the data.
func encryptGCM(t *testing.T, doc *etree.Element) {
	a := find(t, doc, "./Assertion")
	a.CreateAttr("xmlns:saml", "urn:oasis:names:tc:SAML:2.0:assertion")
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	text := aead.Seal(nil, nil, []byte(serialize(t, a)), nil)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, certificate(t, "sp").PublicKey.(*rsa.PublicKey), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	value := func(b []byte) string {
		return `<x:CipherData><x:CipherValue>` + base64.StdEncoding.EncodeToString(b) + `</x:CipherValue></x:CipherData>`
	}
	doc.RemoveChild(a)
	doc.AddChild(tree(t, `<saml:EncryptedAssertion xmlns:x="http://www.w3.org/2001/04/xmlenc#" xmlns:y="http://www.w3.org/2009/xmlenc11#">
		<x:EncryptedData><x:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes256-gcm"/>`+value(text)+`</x:EncryptedData>
		<x:EncryptedKey><x:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#rsa-oaep">
			<d:DigestMethod xmlns:d="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>
			<y:MGF Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"/>
		</x:EncryptionMethod>`+value(wrapped)+`</x:EncryptedKey>
	</saml:EncryptedAssertion>`))
}

func TestConsume_AnotherProcessMayFinish(t *testing.T) {
	t.Parallel()
	first, second, b := newWorld(t), newWorld(t), browser{}
	second.docs.docs = first.docs.docs
	doc := newResponse(t, b.request(first))
	goodSigner(t).sign(t, doc)
	b.post(second, form(serialize(t, doc)))
	if d := cmp.Diff(user(nil), second.identity); second.err != nil || d != "" {
		t.Errorf("%v %s", second.err, d)
	}
}

func TestConsume_GoesOnToALocalPathAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ path, relayState, want string }{
		"nothing":              {"/v1/login", "", "/"},
		"a path":               {"/v1/login", "/services/x?y=z", "/services/x?y=z"},
		"our own log-in":       {"/v1/login", "/v1/login", "/"},
		"a page of log-in":     {"/v1/login", "/login?next=/x", "/"},
		"the consumer":         {"/v1/login", "/v1/saml/consume", "/"},
		"another server":       {"/v1/login", "https://evil.example.org/", "/"},
		"without scheme":       {"/v1/login", "//evil.example.org/", "/"},
		"with a backslash":     {"/v1/login", `/\evil.example.org/`, "/"},
		"with a tab":           {"/v1/login", "/\t/evil.example.org/", "/"},
		"remembered":           {"/v1/login?next=/services", "/v1/login", "/services"},
		"remembered, not ours": {"/v1/login?next=//evil.example.org", "/v1/login", "/"},
	} {
		w, b := newWorld(t), browser{}
		request := message(t, b.begin(w, tt.path), "SAMLRequest")
		doc := newResponse(t, request.SelectAttrValue("ID", ""))
		goodSigner(t).sign(t, doc)
		f := form(serialize(t, doc))
		f.Set("RelayState", tt.relayState)
		b.post(w, f)
		if w.err != nil || w.identity.Next != tt.want {
			t.Errorf("%s: %q, %v; want %q", name, w.identity.Next, w.err, tt.want)
		}
	}
}

func TestConsume_RefusalsTellNoMoreThanTheContract(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), browser{}

	browser{}.post(w, url.Values{})
	want := map[string]any{
		"message": "SAML request failed", "errors": []string{"invalid_response"},
		"reason": "No AuthNRequest ID from SP found to match with InResponseTo of response",
	}
	if f := fault.As(w.err); f == nil || f.Kind != fault.Unauthenticated || f.Message != "SAML request failed" || !cmp.Equal(f.Details, any(want)) {
		t.Errorf("without a log-in: %#v", f)
	}

	id := b.request(w)
	b.post(w, url.Values{"RelayState": {"/"}})
	if !fault.Is(w.err, fault.Invalid) {
		t.Errorf("without the field: %v; want Invalid", w.err)
	}

	want["reason"] = "The message of the identity provider was refused."
	b.post(w, form("foo"))
	if f := fault.As(w.err); f == nil || !cmp.Equal(f.Details, any(want)) {
		t.Errorf("garbage: %#v", f)
	}

	want["request_id"] = id
	b.post(w, form(serialize(t, newResponse(t, id))))
	if f := fault.As(w.err); f == nil || f.Kind != fault.Unauthenticated || !cmp.Equal(f.Details, any(want)) {
		t.Errorf("not signed: %#v", f)
	}
	b.post(w, form(serialize(t, newResponse(t, id))))
	if f := fault.As(w.err); f == nil || f.Details.(map[string]any)["request_id"] != nil {
		t.Errorf("again: %#v; want the log-in used up", f)
	}

	doc := newResponse(t, b.request(w))
	setText(".//AttributeValue", "a b")(t, doc)
	goodSigner(t).sign(t, doc)
	b.post(w, form(serialize(t, doc)))
	if f := fault.As(w.err); f == nil || f.Kind != fault.Unauthenticated || f.Message != "Not Authenticated" || f.Details != nil {
		t.Errorf("nobody: %#v", f)
	}
}

func TestLogin_AStoreThatDoesNotAnswerIsNoRefusal(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), browser{}
	doc := newResponse(t, b.request(w))
	goodSigner(t).sign(t, doc)
	w.docs.down = errors.New("no answer")
	b.post(w, form(serialize(t, doc)))
	if !fault.Is(w.err, fault.Unavailable) {
		t.Errorf("consume: %v; want Unavailable", w.err)
	}
	b.send(w, httptest.NewRequest("GET", "/v1/login", nil))
	if !fault.Is(w.err, fault.Unavailable) {
		t.Errorf("login: %v; want Unavailable", w.err)
	}
	w.docs.down = nil
	b.post(w, form(serialize(t, doc)))
	if w.err != nil {
		t.Errorf("once it answers: %v", w.err)
	}
}
