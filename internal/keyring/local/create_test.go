package local_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/confidant-secrets/confidant/internal/keyring/local"
)

const passphrase = "correct horse battery"

// quick is a work factor for tests.
const quick = 1

func counting() []byte {
	raw := make([]byte, 96)
	for i := range raw {
		raw[i] = byte(i)
	}
	return raw
}

func countingKey() local.Secret {
	return local.Secret(base64.StdEncoding.EncodeToString(counting()))
}

func says(text string) func() (string, error) {
	return func() (string, error) { return text, nil }
}

func create(t *testing.T, o local.CreateOptions) *local.File {
	t.Helper()
	f, err := local.Create(filepath.Join(t.TempDir(), "enckey"), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// content reads a file and checks what holds of every file made here: its mode,
// its owner, and that no temporary file stays beside it.
func content(t *testing.T, path string) []byte {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o400 {
		t.Errorf("%s has mode %v, want 0400", path, info.Mode())
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	mine, its := info.Sys().(*syscall.Stat_t), dir.Sys().(*syscall.Stat_t)
	if mine.Uid != its.Uid || os.Geteuid() == 0 && mine.Gid != its.Gid {
		t.Errorf("%s belongs to %d:%d, its directory to %d:%d", path, mine.Uid, mine.Gid, its.Uid, its.Gid)
	}
	wantNoTemporary(t, filepath.Dir(path))
	return got
}

func wantNoTemporary(t *testing.T, dir string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCreate_MakesDifferentRandomKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if os.Geteuid() == 0 { // then the file must go to the directory's owner
		if err := os.Chown(dir, 4321, 8765); err != nil {
			t.Fatal(err)
		}
	}
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, path := range []string{a, b} {
		made, err := local.Create(path, local.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		opened, err := local.Open(path, nil)
		if err != nil || opened.Fingerprint() != made.Fingerprint() || opened.Encrypted() || made.Encrypted() {
			t.Errorf("Open = %v, %v; want the plain %v", opened, err, made)
		}
	}
	if x, y := content(t, a), content(t, b); len(x) != 96 || bytes.Equal(x, y) {
		t.Errorf("%d bytes, equal to another file's: %v", len(x), bytes.Equal(x, y))
	}
}

func TestCreate_TakesAGivenKey(t *testing.T) {
	t.Parallel()
	wrapped := countingKey()[:76] + "\r\n" + countingKey()[76:] + "\n"
	for _, given := range []local.Secret{countingKey(), wrapped} {
		path := filepath.Join(t.TempDir(), "enckey")
		if _, err := local.Create(path, local.CreateOptions{Base64: given}); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); !bytes.Equal(got, counting()) {
			t.Errorf("the file holds %x", got)
		}
	}
}

func TestCreate_RefusesAnUnusableKeyBeforeMakingAnything(t *testing.T) {
	t.Parallel()
	encode := func(raw []byte) local.Secret { return local.Secret(base64.StdEncoding.EncodeToString(raw)) }
	slotZero, twins := counting(), counting()
	clear(slotZero[32:64])
	copy(twins[64:], twins[:32])
	for name, given := range map[string]local.Secret{
		"95 bytes":            encode(counting()[:95]),
		"97 bytes":            encode(append(counting(), 1)),
		"no base64":           "no base64!",
		"url-safe base64":     local.Secret(base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xfb, 0xff}, 48))),
		"nothing but blanks":  " \n",
		"all zero":            encode(make([]byte, 96)),
		"one slot zero":       encode(slotZero),
		"three equal slots":   encode(bytes.Repeat(counting()[:32], 3)),
		"two equal slots":     encode(twins),
		"bits behind the end": countingKey()[:127] + "=",
	} {
		dir := t.TempDir()
		got, err := local.Create(filepath.Join(dir, "enckey"), local.CreateOptions{Base64: given})
		if !errors.Is(err, local.ErrBadKey) || got != nil {
			t.Errorf("%s: Create = %v, %v; want ErrBadKey", name, got, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("%s: Create left %v", name, entries)
		}
	}
}

func TestCreate_NeverReplaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, dangling := filepath.Join(dir, "file"), filepath.Join(dir, "dangling")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), dangling); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, dangling, dir} {
		if _, err := local.Create(path, local.CreateOptions{}); !errors.Is(err, local.ErrExists) {
			t.Errorf("Create(%s) = %v, want ErrExists", path, err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "mine" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Create wrote through a symbolic link: %v", err)
	}
	wantNoTemporary(t, dir)
}

func TestCreate_OneOfManyWins(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "enckey")
	var wg sync.WaitGroup
	var winner atomic.Pointer[local.File]
	for range 16 {
		wg.Go(func() {
			f, err := local.Create(path, local.CreateOptions{})
			switch {
			case err == nil:
				if winner.Swap(f) != nil {
					t.Error("two calls made the same file")
				}
			case !errors.Is(err, local.ErrExists):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f, err := local.Open(path, nil)
	if err != nil || winner.Load() == nil || f.Fingerprint() != winner.Load().Fingerprint() {
		t.Errorf("Open = %v, %v; want %v", f, err, winner.Load())
	}
	content(t, path)
}

func TestCreate_SaysThatTheDirectoryIsMissing(t *testing.T) {
	t.Parallel()
	_, err := local.Create(filepath.Join(t.TempDir(), "nowhere", "enckey"), local.CreateOptions{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Create = %v, want that something does not exist", err)
	}
}

func TestCreate_WithAPassphraseWritesNoPlainKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "enckey")
	made, err := local.Create(path, local.CreateOptions{Base64: countingKey(), Passphrase: passphrase, WorkFactor: quick})
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); !bytes.HasPrefix(got, []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")) {
		t.Errorf("the file begins %q", got[:40])
	}
	opened, err := local.Open(path, says(passphrase))
	if err != nil || opened.Fingerprint() != made.Fingerprint() || !opened.Encrypted() || !made.Encrypted() {
		t.Errorf("Open = %v, %v; want the encrypted %v", opened, err, made)
	}
}

func TestCreate_RefusesAShortPassphrase(t *testing.T) {
	t.Parallel()
	for text, want := range map[local.Secret]error{
		"12345678901":  local.ErrShortPassphrase,
		"ääääääääääü":  local.ErrShortPassphrase, // 22 bytes
		"123456789012": nil,
	} {
		dir := t.TempDir()
		_, err := local.Create(filepath.Join(dir, "enckey"), local.CreateOptions{Passphrase: text, WorkFactor: quick})
		if !errors.Is(err, want) {
			t.Errorf("%q: Create = %v, want %v", string(text), err, want)
		}
		if entries, _ := os.ReadDir(dir); want != nil && len(entries) != 0 {
			t.Errorf("%q: Create left %v", string(text), entries)
		}
	}
}

func TestCreate_RefusesAFileTooCostlyToOpen(t *testing.T) {
	t.Parallel()
	for _, workFactor := range []int{-1, 21} {
		dir := t.TempDir()
		o := local.CreateOptions{Passphrase: passphrase, WorkFactor: workFactor}
		if _, err := local.Create(filepath.Join(dir, "enckey"), o); err == nil {
			t.Errorf("work factor %d: no error", workFactor)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("work factor %d: Create left %v", workFactor, entries)
		}
	}
}
