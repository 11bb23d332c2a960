package saml

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"
)

// maxIterations bounds the work that a damaged key file can cause.
const maxIterations = 10_000_000

// The ASN.1 of an encrypted key: EncryptedPrivateKeyInfo of RFC 5958, with the
// parameters of PBES2 and PBKDF2 of RFC 8018.
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Parameters struct {
		KDF    pkix.AlgorithmIdentifier
		Cipher pkix.AlgorithmIdentifier
	}
	pbkdf2Parameters struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

var errUnknownScheme = errors.New("the key is encrypted in a way that is not known here; PBES2 with PBKDF2 and AES is (openssl pkcs8 -topk8 -v2 aes-256-cbc)")

// openPKCS8 decrypts an encrypted PKCS #8 key.
func openPKCS8(der, password []byte) ([]byte, error) {
	var (
		box    encryptedKey
		scheme pbes2Parameters
		kdf    pbkdf2Parameters
		iv     []byte
	)
	if _, err := asn1.Unmarshal(der, &box); err != nil {
		return nil, errors.New("the encrypted key cannot be read")
	}
	if box.Algorithm.Algorithm.String() != "1.2.840.113549.1.5.13" {
		return nil, errUnknownScheme
	}
	if _, err := asn1.Unmarshal(box.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, errUnknownScheme
	}
	if scheme.KDF.Algorithm.String() != "1.2.840.113549.1.5.12" {
		return nil, errUnknownScheme
	}
	if _, err := asn1.Unmarshal(scheme.KDF.Parameters.FullBytes, &kdf); err != nil || kdf.Iterations < 1 || kdf.Iterations > maxIterations {
		return nil, errUnknownScheme
	}
	if _, err := asn1.Unmarshal(scheme.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, errUnknownScheme
	}
	newHash, newCipher, keyLength := prf(kdf.PRF.Algorithm), aes.NewCipher, 0
	switch scheme.Cipher.Algorithm.String() {
	case "2.16.840.1.101.3.4.1.2":
		keyLength = 16
	case "2.16.840.1.101.3.4.1.22":
		keyLength = 24
	case "2.16.840.1.101.3.4.1.42":
		keyLength = 32
	case "1.2.840.113549.3.7":
		newCipher, keyLength = des.NewTripleDESCipher, 24
	}
	if newHash == nil || keyLength == 0 {
		return nil, errUnknownScheme
	}
	key, err := pbkdf2.Key(newHash, string(password), kdf.Salt, kdf.Iterations, keyLength)
	if err != nil {
		return nil, errUnknownScheme
	}
	block, err := newCipher(key)
	if err != nil {
		return nil, errUnknownScheme
	}
	if len(iv) != block.BlockSize() || len(box.Data) == 0 || len(box.Data)%block.BlockSize() != 0 {
		return nil, errors.New("the encrypted key is damaged")
	}
	plain := make([]byte, len(box.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, box.Data)
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > block.BlockSize() {
		return nil, errWrongPassword
	}
	for _, b := range plain[len(plain)-padding:] {
		if int(b) != padding {
			return nil, errWrongPassword
		}
	}
	return plain[:len(plain)-padding], nil
}

// prf returns the hash behind a pseudo-random function of PBKDF2, nil for one
// that is not known.
func prf(id asn1.ObjectIdentifier) func() hash.Hash {
	switch id.String() {
	case "", "1.2.840.113549.2.7": // the default of RFC 8018
		return sha1.New
	case "1.2.840.113549.2.9":
		return sha256.New
	case "1.2.840.113549.2.10":
		return sha512.New384
	case "1.2.840.113549.2.11":
		return sha512.New
	default:
		return nil
	}
}
