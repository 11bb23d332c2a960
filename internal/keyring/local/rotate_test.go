package local_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
)

func newFile(t *testing.T) *local.File {
	t.Helper()
	f, err := local.Create(filepath.Join(t.TempDir(), "enckey"), local.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRewrap_OpensUnderTheNewKeyAlone(t *testing.T) {
	t.Parallel()
	from, to := newFile(t), newFile(t)
	for _, slot := range []local.Slot{local.SlotData, local.SlotSecrets} {
		ec := keyring.Context{"id": "x"}
		key := []byte("a data key")
		wrapped, err := from.Keyring(slot).Wrap(t.Context(), key, ec)
		if err != nil {
			t.Fatal(err)
		}
		r := local.NewRewrapper(slot, from, to)
		again, err := r.Rewrap(t.Context(), wrapped, ec)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := to.Keyring(slot).Unwrap(t.Context(), again, ec); err != nil || !bytes.Equal(got, key) {
			t.Errorf("slot %v: the new key opens it as %q, %v", slot, got, err)
		}
		if _, err := from.Keyring(slot).Unwrap(t.Context(), again, ec); !errors.Is(err, keyring.ErrOtherKey) {
			t.Errorf("slot %v: the old key: %v, want ErrOtherKey", slot, err)
		}
		if done, err := r.Rewrap(t.Context(), again, ec); err != nil || done != nil {
			t.Errorf("slot %v: once more: %x, %v; want nothing to do", slot, done, err)
		}
	}
}

func TestRewrap_KeepsCopiesEqualAndOthersApart(t *testing.T) {
	t.Parallel()
	from, to := newFile(t), newFile(t)
	r := local.NewRewrapper(local.SlotData, from, to)
	ec := keyring.Context{"id": "x"}
	seen := map[string]bool{}
	for range 2 {
		wrapped, err := from.Keyring(local.SlotData).Wrap(t.Context(), []byte("a data key"), ec)
		if err != nil {
			t.Fatal(err)
		}
		first, err1 := r.Rewrap(t.Context(), wrapped, ec)
		// A run that is killed is finished by another process.
		second, err2 := local.NewRewrapper(local.SlotData, from, to).Rewrap(t.Context(), wrapped, ec)
		if err1 != nil || err2 != nil || !bytes.Equal(first, second) {
			t.Errorf("one input gives %x, %v and %x, %v", first, err1, second, err2)
		}
		const nonce = 9 // where it begins
		seen[string(first[nonce:nonce+12])] = true
	}
	if len(seen) != 2 {
		t.Error("two inputs have the same nonce")
	}
}

func TestRewrap_RefusesWhatNeitherKeyOpens(t *testing.T) {
	t.Parallel()
	from, to, other := newFile(t), newFile(t), newFile(t)
	ec := keyring.Context{"id": "x"}
	foreign, err := other.Keyring(local.SlotData).Wrap(t.Context(), []byte("k"), ec)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := from.Keyring(local.SlotData).Wrap(t.Context(), []byte("k"), ec)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(mine)
	damaged[len(damaged)-1] ^= 1
	r := local.NewRewrapper(local.SlotData, from, to)
	for name, tt := range map[string]struct {
		wrapped []byte
		ec      keyring.Context
	}{
		"of a third key": {foreign, ec}, "damaged": {damaged, ec}, "other context": {mine, keyring.Context{"id": "y"}}, "no wrapped key": {[]byte("k"), ec},
	} {
		if again, err := r.Rewrap(t.Context(), tt.wrapped, tt.ec); !errors.Is(err, keyring.ErrRefused) || again != nil {
			t.Errorf("%s: %x, %v; want ErrRefused", name, again, err)
		}
	}
}

func TestKeepAndReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, next, kept := filepath.Join(dir, "enckey"), filepath.Join(dir, "enckey.next"), filepath.Join(dir, "enckey.old")
	old, err := local.Create(path, local.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	young, err := local.Create(next, local.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time nothing is left to do
		if err := local.Keep(path, kept); err != nil {
			t.Fatal(err)
		}
	}
	if err := local.Keep(next, kept); !errors.Is(err, local.ErrExists) {
		t.Errorf("a name that is taken: %v, want ErrExists", err)
	}
	if err := local.Replace(path, next); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]*local.File{path: young, kept: old} {
		got, err := local.Open(name, nil)
		if err != nil || got.Fingerprint() != want.Fingerprint() {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("%s: %v, %v; want mode 0400", name, info, err)
		}
	}
	if err := local.Replace(path, next); err == nil {
		t.Error("without a next file: no error")
	}
}
