package blind_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/confidant-secrets/confidant/internal/blind"
)

func TestChanges_NamesTheMembersThatDiffer(t *testing.T) {
	t.Parallel()
	text := "d"
	for want, change := range map[string]func(*blind.Credential){
		"[]":                 func(c *blind.Credential) { c.Pairs = json.RawMessage(`{ "r": "x" }`); c.ModifiedBy = "bob" },
		"[name]":             func(c *blind.Credential) { c.Name = "x" },
		"[enabled]":          func(c *blind.Credential) { c.Enabled = true },
		"[credential_pairs]": func(c *blind.Credential) { c.DataKey = json.RawMessage(`{"r":"y"}`) },
		"[credential_keys]":  func(c *blind.Credential) { c.KeyNames = []string{"l"} },
		"[cipher_type]":      func(c *blind.Credential) { c.CipherType = "x" },
		"[cipher_version]":   func(c *blind.Credential) { c.CipherVersion = 9 },
		"[documentation]":    func(c *blind.Credential) { c.Documentation = &text },
		"[metadata]":         func(c *blind.Credential) { c.Metadata = json.RawMessage(`{"a":1}`) },
	} {
		a := &blind.Credential{Pairs: json.RawMessage(`{"r":"x"}`), DataKey: json.RawMessage(`{"r":"k"}`), KeyNames: []string{"k"}}
		b := a.Clone()
		change(b)
		if got := fmt.Sprint(blind.Changes(a, b)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
