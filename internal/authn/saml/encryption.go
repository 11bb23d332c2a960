package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/beevik/etree"
)

// errDecrypt is the one reason for everything that goes wrong with a key or a
// ciphertext: telling them apart would help who tries ciphertexts out.
var errDecrypt = errors.New("the encrypted part cannot be decrypted")

// decrypt opens an EncryptedAssertion or EncryptedID and returns the element in
// it. Keys are wrapped by RSA-OAEP; PKCS #1 v1.5 is refused, for its padding
// gives the plaintext away to who may ask often (Bleichenbacher). Contents are
// AES in GCM or CBC mode.
func (s *SAML) decrypt(el *etree.Element) (*etree.Element, error) {
	if s.key == nil {
		return nil, errors.New("a part is encrypted and there is no key to decrypt it")
	}
	data, err := one(el, nsEncrypted, "EncryptedData")
	if err != nil {
		return nil, err
	}
	wrapped, err := wrappedKey(el, data)
	if err != nil {
		return nil, err
	}
	key, err := s.unwrap(wrapped)
	if err != nil {
		return nil, err
	}
	text, err := cipherValue(data)
	if err != nil {
		return nil, err
	}
	plain, err := openContent(algorithmOf(data), key, text)
	if err != nil {
		return nil, err
	}
	return parse(plain)
}

// wrappedKey finds the one key of a piece of encrypted data: in it, or beside it.
func wrappedKey(el, data *etree.Element) (*etree.Element, error) {
	keys := children(el, nsEncrypted, "EncryptedKey")
	for _, info := range children(data, nsSignature, "KeyInfo") {
		keys = append(keys, children(info, nsEncrypted, "EncryptedKey")...)
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("the %s has %d keys instead of one", el.Tag, len(keys))
	}
	return keys[0], nil
}

// unwrap decrypts a content key (XML Encryption 1.1, 5.5.2).
func (s *SAML) unwrap(wrapped *etree.Element) ([]byte, error) {
	method, err := one(wrapped, nsEncrypted, "EncryptionMethod")
	if err != nil {
		return nil, err
	}
	options := rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	for child := range method.ChildElementsSeq() {
		switch {
		case is(child, nsSignature, "DigestMethod"):
			options.Hash = oaepHash(attr(child, "Algorithm"))
		case is(child, nsEncryption11, "MGF") && attr(method, "Algorithm") == nsEncryption11+"rsa-oaep":
			options.MGFHash = mgfHash(attr(child, "Algorithm"))
		default:
			return nil, errors.New("the encryption of a key has a parameter that is not known")
		}
	}
	switch attr(method, "Algorithm") {
	case nsEncrypted + "rsa-oaep-mgf1p", nsEncryption11 + "rsa-oaep":
	default:
		return nil, errors.New("the encryption of a key is not accepted")
	}
	if options.Hash == 0 || options.MGFHash == 0 {
		return nil, errors.New("the encryption of a key uses a hash that is not known")
	}
	text, err := cipherValue(wrapped)
	if err != nil {
		return nil, err
	}
	key, err := s.key.Decrypt(nil, text, &options)
	if err != nil {
		return nil, errDecrypt
	}
	return key, nil
}

const nsEncryption11 = "http://www.w3.org/2009/xmlenc11#"

// oaepHash returns a digest of RSA-OAEP. SHA-1 holds there: nothing depends on
// its collisions.
func oaepHash(algorithm string) crypto.Hash {
	switch algorithm {
	case nsSignature + "sha1":
		return crypto.SHA1
	case nsEncrypted + "sha256":
		return crypto.SHA256
	case nsEncrypted + "sha512":
		return crypto.SHA512
	default:
		return 0
	}
}

func mgfHash(algorithm string) crypto.Hash {
	switch algorithm {
	case nsEncryption11 + "mgf1sha1":
		return crypto.SHA1
	case nsEncryption11 + "mgf1sha256":
		return crypto.SHA256
	case nsEncryption11 + "mgf1sha512":
		return crypto.SHA512
	default:
		return 0
	}
}

// openContent decrypts with a content key.
func openContent(algorithm string, key, text []byte) ([]byte, error) {
	var size int
	var gcm bool
	switch algorithm {
	case nsEncrypted + "aes128-cbc":
		size = 16
	case nsEncrypted + "aes192-cbc":
		size = 24
	case nsEncrypted + "aes256-cbc":
		size = 32
	case nsEncryption11 + "aes128-gcm":
		size, gcm = 16, true
	case nsEncryption11 + "aes192-gcm":
		size, gcm = 24, true
	case nsEncryption11 + "aes256-gcm":
		size, gcm = 32, true
	default:
		return nil, errors.New("the encryption of a part is not accepted")
	}
	if len(key) != size {
		return nil, errDecrypt
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errDecrypt
	}
	if gcm {
		return openGCM(block, text)
	}
	return openCBC(block, text)
}

// openGCM opens nonce, ciphertext and tag (XML Encryption 1.1, 5.2.4).
func openGCM(block cipher.Block, text []byte) ([]byte, error) {
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, errDecrypt
	}
	plain, err := aead.Open(nil, nil, text, nil)
	if err != nil {
		return nil, errDecrypt
	}
	return plain, nil
}

// openCBC opens an initialization vector and ciphertext, whose last byte says
// how many bytes of padding there are (XML Encryption 1.1, 5.2).
func openCBC(block cipher.Block, text []byte) ([]byte, error) {
	if len(text) < 2*aes.BlockSize || len(text)%aes.BlockSize != 0 {
		return nil, errDecrypt
	}
	plain := make([]byte, len(text)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, text[:aes.BlockSize]).CryptBlocks(plain, text[aes.BlockSize:])
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > aes.BlockSize {
		return nil, errDecrypt
	}
	return plain[:len(plain)-padding], nil
}

// algorithmOf returns the algorithm of a piece of encrypted data.
func algorithmOf(data *etree.Element) string {
	method, err := one(data, nsEncrypted, "EncryptionMethod")
	if err != nil {
		return ""
	}
	return attr(method, "Algorithm")
}

// cipherValue returns the bytes of a piece of encrypted data or a key. They
// stand in the document, never elsewhere.
func cipherValue(el *etree.Element) ([]byte, error) {
	data, err := one(el, nsEncrypted, "CipherData")
	if err != nil {
		return nil, err
	}
	value, err := one(data, nsEncrypted, "CipherValue")
	if err != nil {
		return nil, err
	}
	text, err := base64.StdEncoding.DecodeString(withoutSpace(content(value)))
	if err != nil {
		return nil, errors.New("an encrypted part is not base64")
	}
	return text, nil
}
