package oidc

import (
	"encoding/json"
	"testing"
)

// FuzzCheckMembers holds what passes to its promise: a reader that looks for
// names exactly sees what one that overlooks case sees.
func FuzzCheckMembers(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"email":"a@b"}`, `{"email":"a","email":"b"}`, `{"EMAIL":"a"}`, `{"email":"a","E\u006dail":"b"}`, `{"\u017fub":"x"}`,
		`{"a":{"b":[{"c":1,"c":2}]}}`, `[]`, `null`, `{"a":1}{`, `{"a"}`, `{"a":}`, "{\"\xff\":1,\"\xfe\":2}", `[[[[[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if checkMembers(text) != nil {
			return
		}
		var exact map[string]json.RawMessage
		if err := json.Unmarshal(text, &exact); err != nil {
			t.Fatalf("%q passes and is no object: %v", text, err)
		}
		var lax struct {
			Subject json.RawMessage `json:"sub"`
			Email   json.RawMessage `json:"email"`
		}
		if err := json.Unmarshal(text, &lax); err != nil {
			t.Fatal(err)
		}
		if string(lax.Subject) != string(exact["sub"]) || string(lax.Email) != string(exact["email"]) {
			t.Errorf("%q is read in two ways", text)
		}
	})
}
