package provider

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// KeyPair names the files of an RSA key and its self-signed certificate, in PEM.
type KeyPair struct {
	Key, Certificate string
}

// NewKeyPair makes a pair in a directory: NAME.key and NAME.crt.
func NewKeyPair(tb testing.TB, dir, name string) KeyPair {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	pair := KeyPair{filepath.Join(dir, name+".key"), filepath.Join(dir, name+".crt")}
	for path, block := range map[string]*pem.Block{
		pair.Key:         {Type: "PRIVATE KEY", Bytes: private},
		pair.Certificate: {Type: "CERTIFICATE", Bytes: certificate},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return pair
}
