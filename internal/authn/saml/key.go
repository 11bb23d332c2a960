package saml

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// minRSABits is the smallest RSA key that is believed, as the standard library
// has it.
const minRSABits = 1024

// parseCertificates reads certificates of RSA keys, at least one, from PEM or
// bare base64. XML Signature with other kinds of keys is not spoken here.
func parseCertificates(text string) ([]*x509.Certificate, error) {
	der, err := derOf(text, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	certs, err := x509.ParseCertificates(der)
	if err != nil || len(certs) == 0 {
		return nil, errors.New("the certificate cannot be read")
	}
	for _, cert := range certs {
		key, ok := cert.PublicKey.(*rsa.PublicKey)
		if !ok || key.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("the certificate of %s is not one of an RSA key of at least %d bits", cert.Subject, minRSABits)
		}
	}
	return certs, nil
}

// derOf returns the contents of all PEM blocks of a kind, one after the other,
// or of bare base64.
func derOf(text, kind string) ([]byte, error) {
	if !strings.Contains(text, "-----BEGIN") {
		der, err := base64.StdEncoding.DecodeString(withoutSpace(text))
		if err != nil || len(der) == 0 {
			return nil, fmt.Errorf("it is neither PEM nor base64 of a %s", strings.ToLower(kind))
		}
		return der, nil
	}
	var der []byte
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != kind {
			return nil, fmt.Errorf("a PEM block is a %q, not a %q", block.Type, kind)
		}
		der = append(der, block.Bytes...)
	}
	if len(der) == 0 {
		return nil, errors.New("the PEM text is damaged")
	}
	return der, nil
}

// withoutSpace removes the white space that base64 is folded with.
func withoutSpace(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) {
			return -1
		}
		return c
	}, text)
}

// parseKey reads an RSA private key: PKCS #1 or PKCS #8, in PEM or bare base64,
// encrypted with a password or not.
func parseKey(text, password []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		der, err := base64.StdEncoding.DecodeString(withoutSpace(string(text)))
		if err != nil || len(der) == 0 {
			return nil, errors.New("the key is neither PEM nor base64")
		}
		block = &pem.Block{Bytes: der}
	}
	der, err := openKey(block, password)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, errors.New("the key cannot be read")
		}
		var ok bool
		if key, ok = parsed.(*rsa.PrivateKey); !ok {
			return nil, errors.New("the key is not an RSA key")
		}
	}
	if key.N.BitLen() < minRSABits {
		return nil, fmt.Errorf("the key has less than %d bits", minRSABits)
	}
	return key, nil
}

// openKey returns the contents of a key's block, decrypted if need be.
func openKey(block *pem.Block, password []byte) ([]byte, error) {
	pkcs8 := block.Type == "ENCRYPTED PRIVATE KEY"
	//lint:ignore SA1019 the password protects a file that its owner has; whether it was well protected is not decided here
	legacy := x509.IsEncryptedPEMBlock(block)
	switch {
	case !pkcs8 && !legacy:
		return block.Bytes, nil
	case len(password) == 0:
		return nil, errors.New("the key is encrypted and SAML_SP_KEY_FILE_PASSWORD is not set")
	case pkcs8:
		return openPKCS8(block.Bytes, password)
	}
	//lint:ignore SA1019 as above
	der, err := x509.DecryptPEMBlock(block, password)
	if err != nil {
		return nil, errWrongPassword
	}
	return der, nil
}

var errWrongPassword = errors.New("SAML_SP_KEY_FILE_PASSWORD does not open the key")
