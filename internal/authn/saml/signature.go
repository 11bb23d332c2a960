package saml

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

const (
	sha1SignatureMethod = dsig.RSASHA1SignatureMethod
	exclusiveC14N       = string(dsig.CanonicalXML10ExclusiveAlgorithmId)
)

// signingHash returns the hash of an algorithm that we may sign with.
func signingHash(algorithm string) (crypto.Hash, bool) {
	if algorithm == sha1SignatureMethod {
		return crypto.SHA1, true
	}
	return signatureHash(algorithm)
}

// signatureHash returns the hash of an algorithm that others may sign with: RSA
// alone, for a message must not choose another kind of key, and not with SHA-1.
func signatureHash(algorithm string) (crypto.Hash, bool) {
	switch algorithm {
	case dsig.RSASHA256SignatureMethod:
		return crypto.SHA256, true
	case dsig.RSASHA384SignatureMethod:
		return crypto.SHA384, true
	case dsig.RSASHA512SignatureMethod:
		return crypto.SHA512, true
	default:
		return 0, false
	}
}

// goodDigest reports whether an algorithm may digest what is signed.
func goodDigest(algorithm string) bool {
	switch algorithm {
	case "http://www.w3.org/2001/04/xmlenc#sha256",
		"http://www.w3.org/2001/04/xmldsig-more#sha384",
		"http://www.w3.org/2001/04/xmlenc#sha512":
		return true
	default:
		return false
	}
}

var errNotTrusted = errors.New("the signature is not one of the provider's keys over this text")

// signed verifies the signature of an element and returns the element as it was
// signed: parsed anew from the canonical text, without the signature, and
// outside of the document that brought it. It returns nil for an element without
// a signature.
func (s *SAML) signed(el *etree.Element) (*etree.Element, error) {
	signature, err := optional(el, nsSignature, dsig.SignatureTag)
	if signature == nil || err != nil {
		return nil, err
	}
	if err := checkSignature(signature, attr(el, "ID")); err != nil {
		return nil, fmt.Errorf("the signature of the %s: %w", el.Tag, err)
	}
	el = detach(el)
	for _, cert := range s.trusted {
		verified, err := verify(el, cert)
		if err != nil {
			continue
		}
		if verified.Tag != el.Tag || verified.NamespaceURI() != el.NamespaceURI() || attr(verified, "ID") != attr(el, "ID") {
			return nil, errors.New("the signature is one of something else")
		}
		return verified, nil
	}
	return nil, errNotTrusted
}

// detach returns a copy of an element that brings the namespaces along which its
// surroundings declare, without the key that its signature offers.
func detach(el *etree.Element) *etree.Element {
	detached := el.Copy()
	for up := el.Parent(); up != nil; up = up.Parent() {
		for _, a := range up.Attr {
			declares := a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns"
			if declares && detached.SelectAttr(a.FullKey()) == nil {
				detached.CreateAttr(a.FullKey(), a.Value)
			}
		}
	}
	for _, signature := range children(detached, nsSignature, dsig.SignatureTag) {
		for _, info := range children(signature, nsSignature, dsig.KeyInfoTag) {
			signature.RemoveChild(info)
		}
	}
	return detached
}

// verify verifies by one certificate, of which only the key counts.
func verify(el *etree.Element, cert *x509.Certificate) (*etree.Element, error) {
	c := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
	c.Clock = dsig.NewFakeClockAt(cert.NotBefore)
	return c.Validate(el)
}

// checkSignature wants a signature as SAML core 5.4 describes it: one reference,
// to the element with this ID that it stands in, the two transforms that every
// party knows, exclusive canonicalization without comments, and algorithms that
// hold.
func checkSignature(signature *etree.Element, id string) error {
	info, err := one(signature, nsSignature, dsig.SignedInfoTag)
	if err != nil {
		return err
	}
	if _, err := one(signature, nsSignature, dsig.SignatureValueTag); err != nil {
		return err
	}
	if _, err := optional(signature, nsSignature, dsig.KeyInfoTag); err != nil {
		return err
	}
	if err := only(signature, dsig.SignedInfoTag, dsig.SignatureValueTag, dsig.KeyInfoTag); err != nil {
		return err
	}
	if err := only(info, dsig.CanonicalizationMethodTag, dsig.SignatureMethodTag, dsig.ReferenceTag); err != nil {
		return err
	}
	canonicalization, err := one(info, nsSignature, dsig.CanonicalizationMethodTag)
	if err != nil {
		return err
	}
	if attr(canonicalization, dsig.AlgorithmAttr) != exclusiveC14N {
		return errors.New("its canonicalization is not accepted")
	}
	method, err := one(info, nsSignature, dsig.SignatureMethodTag)
	if err != nil {
		return err
	}
	if _, ok := signatureHash(attr(method, dsig.AlgorithmAttr)); !ok || len(method.ChildElements()) > 0 {
		return errors.New("its algorithm is not accepted")
	}
	reference, err := one(info, nsSignature, dsig.ReferenceTag)
	if err != nil {
		return err
	}
	return checkReference(reference, id)
}

func checkReference(reference *etree.Element, id string) error {
	if id == "" || attr(reference, dsig.URIAttr) != "#"+id {
		return errors.New("it refers to something else")
	}
	if err := only(reference, dsig.TransformsTag, dsig.DigestMethodTag, dsig.DigestValueTag); err != nil {
		return err
	}
	transforms, err := one(reference, nsSignature, dsig.TransformsTag)
	if err != nil {
		return err
	}
	list := children(transforms, nsSignature, dsig.TransformTag)
	if len(list) != 2 || len(transforms.ChildElements()) != 2 ||
		attr(list[0], dsig.AlgorithmAttr) != string(dsig.EnvelopedSignatureAltorithmId) || len(list[0].ChildElements()) > 0 ||
		attr(list[1], dsig.AlgorithmAttr) != exclusiveC14N {
		return errors.New("its transforms are not accepted")
	}
	digest, err := one(reference, nsSignature, dsig.DigestMethodTag)
	if err != nil {
		return err
	}
	if !goodDigest(attr(digest, dsig.AlgorithmAttr)) {
		return errors.New("its digest is not accepted")
	}
	_, err = one(reference, nsSignature, dsig.DigestValueTag)
	return err
}

// only wants the children of an element to be of XML Signature and of these
// names.
func only(el *etree.Element, tags ...string) error {
	for child := range el.ChildElementsSeq() {
		known := false
		for _, tag := range tags {
			known = known || is(child, nsSignature, tag)
		}
		if !known {
			return fmt.Errorf("its %s holds a %s", el.Tag, child.Tag)
		}
	}
	return nil
}

// checkText verifies a signature over a text, as the HTTP-Redirect binding has
// it.
func (s *SAML) checkText(algorithm, text string, signature []byte) error {
	hash, ok := signatureHash(algorithm)
	if !ok {
		return errors.New("the algorithm of the signature is not accepted")
	}
	sum := digest(hash, text)
	for _, cert := range s.trusted {
		if rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), hash, sum, signature) == nil {
			return nil
		}
	}
	return errNotTrusted
}

// signText signs a text likewise.
func (s *SAML) signText(text string) ([]byte, error) {
	hash, ok := signingHash(s.settings.Security.SignatureAlgorithm)
	if !ok {
		return nil, errors.New("the signature algorithm is not known")
	}
	signature, err := rsa.SignPKCS1v15(s.random, s.key, hash, digest(hash, text))
	if err != nil {
		return nil, fmt.Errorf("signing a SAML message: %w", err)
	}
	return signature, nil
}

func digest(hash crypto.Hash, text string) []byte {
	h := hash.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}
