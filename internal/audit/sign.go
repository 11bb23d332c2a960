package audit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

const signatureSuffix = ".sig"

// signature is the content of "<segment>.sig". It is over the bytes
//
//	confidant-audit-1 <id> <hash>
//
// of the segment's last record. Since each hash covers the one before, it
// vouches for everything up to that record. RSA is PKCS #1 v1.5 over SHA-256,
// ECDSA is ASN.1 over SHA-256, Ed25519 signs the bytes themselves.
type signature struct {
	ID        uint64 `json:"id"`
	Hash      string `json:"hash"`
	Algorithm string `json:"algorithm"`
	Key       string `json:"key"` // SHA-256 of the public key in PKIX form
	Signature []byte `json:"signature"`
}

func signedBytes(h head) []byte {
	b := []byte("confidant-audit-1 ")
	b = strconv.AppendUint(b, h.number, 10)
	b = append(b, ' ')
	return append(b, h.hash[:]...)
}

// scheme returns the name of the scheme that fits a public key and the options
// to sign with.
func scheme(public crypto.PublicKey) (string, crypto.Hash, error) {
	switch public.(type) {
	case *rsa.PublicKey:
		return "rsa-pkcs1v15-sha256", crypto.SHA256, nil
	case *ecdsa.PublicKey:
		return "ecdsa-sha256", crypto.SHA256, nil
	case ed25519.PublicKey:
		return "ed25519", 0, nil
	}
	return "", 0, fmt.Errorf("a key of type %T cannot sign the audit log", public)
}

func fingerprint(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("encode the audit log's public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// sign writes the signature of a segment that ends with h.
func sign(dir string, s segment, h head, key crypto.Signer) error {
	algorithm, hash, err := scheme(key.Public())
	if err != nil {
		return err
	}
	mark, err := fingerprint(key.Public())
	if err != nil {
		return err
	}
	message := signedBytes(h)
	if hash != 0 {
		sum := sha256.Sum256(message)
		message = sum[:]
	}
	sig, err := key.Sign(rand.Reader, message, hash)
	if err != nil {
		return fmt.Errorf("sign an audit segment: %w", err)
	}
	b, err := json.Marshal(signature{h.number, string(h.hash[:]), algorithm, mark, sig})
	if err != nil {
		return fmt.Errorf("encode the signature of an audit segment: %w", err)
	}
	return writeFile(filepath.Join(dir, s.name()+signatureSuffix), append(b, '\n'))
}

// writeFile puts a whole file in place and on the disk, or leaves what was
// there.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("create a file beside %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, adopt(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

// errUnsigned reports a segment without a signature.
var errUnsigned = errors.New("no signature")

// checkSignature checks the signature of a segment that ends with h.
func checkSignature(dir string, s segment, h head, public crypto.PublicKey) error {
	b, err := os.ReadFile(filepath.Join(dir, s.name()+signatureSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return errUnsigned
	}
	if err != nil {
		return fmt.Errorf("read the signature: %w", err)
	}
	var sig signature
	if err := json.Unmarshal(b, &sig); err != nil {
		return fmt.Errorf("the signature cannot be read: %w", err)
	}
	if sig.ID != h.number || sig.Hash != string(h.hash[:]) {
		return fmt.Errorf("the signature is for record %d with another hash or number than the segment's last record %d", sig.ID, h.number)
	}
	message := signedBytes(h)
	sum := sha256.Sum256(message)
	good := false
	switch public := public.(type) {
	case *rsa.PublicKey:
		good = rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], sig.Signature) == nil
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(public, sum[:], sig.Signature)
	case ed25519.PublicKey:
		good = ed25519.Verify(public, message, sig.Signature)
	}
	if good {
		return nil
	}
	if mark, err := fingerprint(public); err == nil && mark != sig.Key {
		return fmt.Errorf("the signature was made with another key, fingerprint %.16s", sig.Key)
	}
	return errors.New("the signature does not hold")
}

// ParseSigningKey reads the private key that signs segments: one PEM block in
// PKCS #8, PKCS #1 or SEC 1 form, not encrypted. The error says what is wrong
// and nothing of the content.
func ParseSigningKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the audit signing key is not in PEM form")
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("the audit signing key is a PEM block of type %q, not a private key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("the audit signing key cannot be read: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign the audit log", key)
	}
	if _, _, err := scheme(signer.Public()); err != nil {
		return nil, err
	}
	return signer, nil
}
