package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/confidant-secrets/confidant/internal/keyring/local"
)

func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "enckey")
	if err := os.WriteFile(path, content, 0o400); err != nil {
		t.Fatal(err)
	}
	return path
}

// armoured encrypts by the age library alone, as somebody with its tool would.
func armoured(t *testing.T, plain []byte, recipient age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, recipient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func scrypt(t *testing.T, workFactor int) age.Recipient {
	t.Helper()
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(workFactor)
	return r
}

func TestOpen_ReadsBothForms(t *testing.T) {
	t.Parallel()
	unix := armoured(t, counting(), scrypt(t, quick))
	for name, tt := range map[string]struct {
		content   []byte
		encrypted bool
	}{
		"plain":                 {counting(), false},
		"age":                   {unix, true},
		"age, other line ends":  {bytes.ReplaceAll(unix, []byte("\n"), []byte("\r\n")), true},
		"age, lines around":     {[]byte("\n" + string(unix) + "\n\n"), true},
		"age, no last line end": {bytes.TrimSpace(unix), true},
	} {
		f, err := local.Open(writeFile(t, tt.content), says(passphrase))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.Encrypted() != tt.encrypted || f.Fingerprint() != "a7cb6e78e2a27180" {
			t.Errorf("%s: Open = %v, encrypted %v", name, f, f.Encrypted())
		}
	}
}

func TestOpen_AsksForAPassphraseOnlyWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	asked := 0
	ask := func() (string, error) { asked++; return passphrase, nil }
	if _, err := local.Open(writeFile(t, counting()), ask); err != nil || asked != 0 {
		t.Errorf("plain: %v, asked %d times", err, asked)
	}
	if _, err := local.Open(writeFile(t, armoured(t, counting(), scrypt(t, quick))), ask); err != nil || asked != 1 {
		t.Errorf("encrypted: %v, asked %d times", err, asked)
	}
}

func TestOpen_TellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	unreadable := errors.New("no terminal")
	sealed := armoured(t, counting(), scrypt(t, quick))
	for name, tt := range map[string]struct {
		content    []byte
		passphrase func() (string, error)
		want       error
		words      string
	}{
		"empty":                   {nil, nil, local.ErrEmpty, "shell"},
		"a line end too much":     {append(counting(), '\n'), nil, local.ErrDamaged, "97 bytes"},
		"cut":                     {counting()[:95], nil, local.ErrDamaged, "95 bytes"},
		"zeros":                   {make([]byte, 96), nil, local.ErrDamaged, "zero"},
		"huge":                    {make([]byte, 1<<20), nil, local.ErrDamaged, "larger"},
		"text":                    {[]byte("key"), nil, local.ErrDamaged, "no armoured age file"},
		"no one to ask":           {sealed, nil, local.ErrNeedsPassphrase, ""},
		"empty passphrase":        {sealed, says(""), local.ErrNeedsPassphrase, ""},
		"asking fails":            {sealed, func() (string, error) { return "", unreadable }, unreadable, "passphrase"},
		"wrong passphrase":        {sealed, says("correct horse batterz"), local.ErrWrongPassphrase, ""},
		"line end in passphrase":  {sealed, says(passphrase + "\n"), local.ErrWrongPassphrase, ""},
		"too much work":           {costly(t, sealed), says(passphrase), local.ErrDamaged, "work factor"},
		"not to a passphrase":     {armoured(t, counting(), key.Recipient()), says(passphrase), local.ErrDamaged, "not to a passphrase"},
		"short key inside":        {armoured(t, counting()[:95], scrypt(t, quick)), says(passphrase), local.ErrDamaged, "95 bytes"},
		"long key inside":         {armoured(t, append(counting(), 0), scrypt(t, quick)), says(passphrase), local.ErrDamaged, "97 bytes"},
		"zeros inside":            {armoured(t, make([]byte, 96), scrypt(t, quick)), says(passphrase), local.ErrDamaged, "zero"},
		"armour without contents": {[]byte(armor.Header + "\n" + armor.Footer + "\n"), says(passphrase), local.ErrDamaged, ""},
		"something behind it":     {append(bytes.Clone(sealed), "more"...), says(passphrase), local.ErrDamaged, "trailing"},
	} {
		f, err := local.Open(writeFile(t, tt.content), tt.passphrase)
		if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.words) || f != nil {
			t.Errorf("%s: Open = %v, %v; want %v with %q", name, f, err, tt.want, tt.words)
		}
	}
	if _, err := local.Open(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of no file = %v, want that it does not exist", err)
	}
	if _, err := local.Open(t.TempDir(), nil); err == nil {
		t.Error("Open of a directory: no error")
	}
}

// costly forges a file that asks for more work than is allowed. If the bound
// were looked at after the work, the test would run out of memory.
func costly(t *testing.T, sealed []byte) []byte {
	t.Helper()
	raw, err := io.ReadAll(armor.NewReader(bytes.NewReader(sealed)))
	if err != nil {
		t.Fatal(err)
	}
	first, rest, ok := bytes.Cut(raw, []byte(" 1\n"))
	if !ok {
		t.Fatalf("no work factor in %q", raw)
	}
	var out bytes.Buffer
	w := armor.NewWriter(&out)
	if _, err := fmt.Fprintf(w, "%s 29\n%s", first, rest); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestOpen_RefusesEveryChangedByte(t *testing.T) {
	t.Parallel()
	sealed := armoured(t, counting(), scrypt(t, quick))
	for i, c := range sealed {
		if c == '\n' {
			continue // line ends may differ
		}
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if f, err := local.Open(writeFile(t, bad), says(passphrase)); err == nil {
			t.Errorf("byte %d, %q instead of %q: Open = %v", i, bad[i], c, f)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(counting())
	f.Add([]byte(armor.Header + "\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCg==\n" + armor.Footer + "\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(dir, "enckey")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := local.Open(path, says(passphrase))
		if (file == nil) == (err == nil) {
			t.Errorf("Open = %v, %v", file, err)
		}
	})
}
