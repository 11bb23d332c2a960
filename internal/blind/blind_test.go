package blind_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/revision"
)

func row() *blind.Credential {
	text := "d"
	return &blind.Credential{
		Meta: revision.Meta{ID: "b", Revision: 1, ModifiedBy: "ann"}, Name: "n", Enabled: true,
		Pairs: json.RawMessage(`{"r":"x"}`), DataKey: json.RawMessage(`{"r":"k"}`), KeyNames: []string{"a", "b"},
		CipherType: "fernet", CipherVersion: 2, Metadata: json.RawMessage(`{"context":{"r":{}}}`), Documentation: &text,
	}
}

func TestEqual_ComparesWhatARevertWouldChange(t *testing.T) {
	t.Parallel()
	same := row()
	same.Revision, same.ModifiedBy, same.ModifiedDate = 2, "bob", time.Now()
	same.Pairs, same.KeyNames = json.RawMessage(`{ "r" : "x" }`), []string{"b", "a"}
	if !blind.Equal(row(), same) {
		t.Error("date, author, spelling or order counts")
	}
	for name, change := range map[string]func(*blind.Credential){
		"name":          func(c *blind.Credential) { c.Name = "x" },
		"enabled":       func(c *blind.Credential) { c.Enabled = false },
		"pairs":         func(c *blind.Credential) { c.Pairs = json.RawMessage(`{"r":"y"}`) },
		"data key":      func(c *blind.Credential) { c.DataKey = json.RawMessage(`{"r":"l"}`) },
		"keys":          func(c *blind.Credential) { c.KeyNames = []string{"a"} },
		"type":          func(c *blind.Credential) { c.CipherType = "x" },
		"version":       func(c *blind.Credential) { c.CipherVersion = 3 },
		"metadata":      func(c *blind.Credential) { c.Metadata = nil },
		"documentation": func(c *blind.Credential) { c.Documentation = nil },
	} {
		other := row()
		change(other)
		if blind.Equal(row(), other) {
			t.Errorf("another %s does not count", name)
		}
	}
	a, b := row(), row()
	a.Metadata, b.Metadata = nil, json.RawMessage(`{}`)
	if !blind.Equal(a, b) {
		t.Error("absent metadata differs from an empty object")
	}
}

func TestFilledAndIsObject(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value          string
		filled, object bool
	}{
		{`null`, false, false},
		{`false`, false, false},
		{`0`, false, false},
		{`0.0`, false, false},
		{`""`, false, false},
		{`[]`, false, false},
		{`{}`, false, true},
		{`true`, true, false},
		{`2`, true, false},
		{`1e999`, true, false},
		{`"x"`, true, false},
		{`[0]`, true, false},
		{`{"r":null}`, true, true},
		{`{`, false, false},
	}
	for _, tt := range tests {
		value := json.RawMessage(tt.value)
		if got := blind.Filled(value); got != tt.filled {
			t.Errorf("Filled(%s) = %v", value, got)
		}
		if got := blind.IsObject(value); got != tt.object {
			t.Errorf("IsObject(%s) = %v", value, got)
		}
	}
	if blind.Filled(nil) {
		t.Error("an absent value is filled")
	}
}

func TestNames_AreASet(t *testing.T) {
	t.Parallel()
	given := []string{"b", "a", "b"}
	if got, want := blind.Names(given), []string{"a", "b"}; !slices.Equal(got, want) || given[0] != "b" {
		t.Errorf("Names = %q, want %q; given %q", got, want, given)
	}
}

func TestClone_SharesNothing(t *testing.T) {
	t.Parallel()
	a := row()
	a.Memo = new(revision.Memo)
	b := a.Clone()
	if !blind.Equal(a, b) || b.Memo != nil {
		t.Fatalf("Clone = %+v", b)
	}
	b.Pairs[0], b.DataKey[0], b.KeyNames[0], b.Metadata[0], *b.Documentation = 'x', 'x', "x", 'x', "x"
	if !blind.Equal(a, row()) {
		t.Errorf("the clone changed the original: %+v", a)
	}
}
