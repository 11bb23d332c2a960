package local_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/confidant-secrets/confidant/internal/keyring/local"
)

const another = "another long passphrase"

func newPassphrase(text local.Secret) local.EncryptOptions {
	return local.EncryptOptions{Passphrase: text, WorkFactor: quick}
}

// wantSealed opens a file's content by the age library alone.
func wantSealed(t *testing.T, content []byte, passphrase string) {
	t.Helper()
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(content)), identity)
	if err != nil {
		t.Fatalf("age does not open it: %v", err)
	}
	if plain, err := io.ReadAll(r); err != nil || !bytes.Equal(plain, counting()) {
		t.Errorf("it opens to %x, %v", plain, err)
	}
	if bytes.Contains(content, counting()[:16]) {
		t.Error("it shows key bytes")
	}
}

func TestEncrypt_WritesWhatTheAgeToolOpens(t *testing.T) {
	t.Parallel()
	path := writeFile(t, counting())
	var out bytes.Buffer
	if err := local.Encrypt(&out, path, newPassphrase(passphrase)); err != nil {
		t.Fatal(err)
	}
	wantSealed(t, out.Bytes(), passphrase)
	if got := content(t, path); !bytes.Equal(got, counting()) {
		t.Errorf("the plain file was changed to %q", got)
	}
}

func TestEncryptTo_MakesANewFile(t *testing.T) {
	t.Parallel()
	path := writeFile(t, counting())
	out := filepath.Join(t.TempDir(), "enckey.age")
	if err := local.EncryptTo(out, path, newPassphrase(passphrase)); err != nil {
		t.Fatal(err)
	}
	wantSealed(t, content(t, out), passphrase)
	for _, taken := range []string{out, path} {
		if err := local.EncryptTo(taken, path, newPassphrase(passphrase)); !errors.Is(err, local.ErrExists) {
			t.Errorf("EncryptTo(%s) = %v, want ErrExists", taken, err)
		}
	}
}

func TestEncryptInPlace_ReplacesTheFileBehindALink(t *testing.T) {
	t.Parallel()
	path := writeFile(t, counting())
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := local.EncryptInPlace(link, newPassphrase(passphrase)); err != nil {
		t.Fatal(err)
	}
	wantSealed(t, content(t, path), passphrase)
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("the link leads to %q, %v", target, err)
	}
}

func TestEncrypt_ChangesThePassphrase(t *testing.T) {
	t.Parallel()
	path := writeFile(t, armoured(t, counting(), scrypt(t, quick)))
	for name, tt := range map[string]struct {
		present func() (string, error)
		want    error
	}{
		"nobody asked":  {nil, local.ErrEncrypted},
		"none known":    {says(""), local.ErrNeedsPassphrase},
		"another given": {says(another), local.ErrWrongPassphrase},
	} {
		o := newPassphrase(another)
		o.Present = tt.present
		var out bytes.Buffer
		if err := local.Encrypt(&out, path, o); !errors.Is(err, tt.want) || out.Len() != 0 {
			t.Errorf("%s: Encrypt = %v with %d bytes, want %v", name, err, out.Len(), tt.want)
		}
	}
	o := newPassphrase(another)
	o.Present = says(passphrase)
	if err := local.EncryptInPlace(path, o); err != nil {
		t.Fatal(err)
	}
	wantSealed(t, content(t, path), another)
}

func TestEncrypt_LeavesTheFileWhenItFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		content []byte
		o       local.EncryptOptions
		want    error
	}{
		"short passphrase": {counting(), newPassphrase("too short"), local.ErrShortPassphrase},
		"damaged":          {counting()[:95], newPassphrase(passphrase), local.ErrDamaged},
		"empty":            {nil, newPassphrase(passphrase), local.ErrEmpty},
	} {
		path := writeFile(t, tt.content)
		for how, encrypt := range map[string]func() error{
			"in place":  func() error { return local.EncryptInPlace(path, tt.o) },
			"to a file": func() error { return local.EncryptTo(path+".age", path, tt.o) },
			"out":       func() error { return local.Encrypt(io.Discard, path, tt.o) },
		} {
			if err := encrypt(); !errors.Is(err, tt.want) {
				t.Errorf("%s, %s: %v, want %v", name, how, err, tt.want)
			}
		}
		if got := content(t, path); !bytes.Equal(got, tt.content) {
			t.Errorf("%s: the file holds %q", name, got)
		}
		if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
			t.Errorf("%s: left behind: %v", name, entries)
		}
	}
}

// full is a writer whose disk is full.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestEncrypt_ReportsThatItCouldNotWrite(t *testing.T) {
	t.Parallel()
	if err := local.Encrypt(full{}, writeFile(t, counting()), newPassphrase(passphrase)); !errors.Is(err, errFull) {
		t.Errorf("Encrypt = %v, want %v", err, errFull)
	}
}
