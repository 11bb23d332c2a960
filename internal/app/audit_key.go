package app

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// AuditKey is a key pair that signs the audit log.
type AuditKey struct {
	Path        string
	Bits        int
	Fingerprint string // SHA-256 of the public key in PKIX form, as in signatures
	Public      string // the public key in PEM form
}

// CreateAuditKey makes the key pair that signs the audit log, in the file that
// AUDIT_SIGNING_KEY_FILE names. Exists: there is one.
func (a *App) CreateAuditKey(ctx context.Context, bits int) (AuditKey, error) {
	path := a.cfg.Audit.SigningKeyFile
	if path == "" {
		return AuditKey{}, startError("AUDIT_SIGNING_KEY_FILE is not set; it says where the key belongs")
	}
	if a.cfg.Audit.Dir == "" {
		return AuditKey{}, startError("the audit log goes to standard output, where nothing is signed; set AUDIT_DIR to keep it in files")
	}
	taken := fault.Newf(fault.Exists, "%s already exists. It is not overwritten.", path)
	if exists(path) {
		return AuditKey{}, taken
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return AuditKey{}, fmt.Errorf("making a key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return AuditKey{}, fmt.Errorf("encoding a key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return AuditKey{}, fmt.Errorf("encoding a key: %w", err)
	}
	// Nothing was signed yet, so this is not the time to begin.
	if err := a.openAuditFiles(nil); err != nil {
		return AuditKey{}, err
	}
	made := AuditKey{
		Path:        path,
		Bits:        bits,
		Fingerprint: fingerprintOf(public),
		Public:      string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	}
	e := audit.Entry{
		Action: "create", ResourceType: "key_file", ResourceName: path,
		Info: map[string]any{"bits": bits, "fingerprint": made.Fingerprint},
	}
	err = a.audited(ctx, e, func() error {
		err := placeNew(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
		if errors.Is(err, fs.ErrExist) {
			return taken
		}
		return err
	})
	return made, err
}

func fingerprintOf(public []byte) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:])
}

// placeNew puts a private file under a name that is free, whole and on the disk.
func placeNew(path string, content []byte) error {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	defer os.Remove(file.Name())
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	// Unlike a rename, a link never replaces.
	if err := os.Link(file.Name(), path); err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	names, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("flushing the directory of %s: %w", path, err)
	}
	defer names.Close()
	return names.Sync()
}
