package keyring_test

import (
	"bytes"
	"testing"

	"github.com/confidant-secrets/confidant/internal/keyring"
)

func TestContext_CanonicalFormIsFixed(t *testing.T) {
	t.Parallel()
	got := keyring.Context{"type": "", "id": "ü"}.AppendCanonical([]byte("before "))
	want := "before \x00\x00\x00\x02" +
		"\x00\x00\x00\x02id\x00\x00\x00\x02ü" +
		"\x00\x00\x00\x04type\x00\x00\x00\x00"
	if string(got) != want {
		t.Errorf("AppendCanonical = %q, want %q", got, want)
	}
}

func TestContext_DifferentContextsHaveDifferentForms(t *testing.T) {
	t.Parallel()
	contexts := []keyring.Context{
		{},
		{"": ""},
		{"id": ""},
		{"": "id"},
		{"id": "one"},
		{"i": "done"},
		{"ido": "ne"},
		{"id": "one", "": ""},
		{"id": "one", "type": "x"},
		{"id": "x", "type": "one"},
		{"id": "one\x00\x00\x00\x04type\x00\x00\x00\x01x"},
	}
	for i, a := range contexts {
		for j, b := range contexts {
			// More may follow the form, so one may not even begin another.
			if begins := bytes.HasPrefix(b.AppendCanonical(nil), a.AppendCanonical(nil)); begins != (i == j) {
				t.Errorf("the form of %v begins that of %v: %v", a, b, begins)
			}
		}
	}
	if !bytes.Equal(keyring.Context(nil).AppendCanonical(nil), keyring.Context{}.AppendCanonical(nil)) {
		t.Error("no context and an empty one have different forms")
	}
}
