package credential_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
)

func TestChanges_NamesTheMembersThatDiffer(t *testing.T) {
	t.Parallel()
	text := "why"
	for want, change := range map[string]func(*credential.Credential){
		"[]":              func(c *credential.Credential) { c.Tags = []string{"A", "B"}; c.ModifiedBy = "bob" },
		"[name]":          func(c *credential.Credential) { c.Name = "x" },
		"[enabled]":       func(c *credential.Credential) { c.Enabled = false },
		"[documentation]": func(c *credential.Credential) { c.Documentation = &text },
		"[tags]":          func(c *credential.Credential) { c.Tags = nil },
		"[metadata]":      func(c *credential.Credential) { c.Metadata = nil },
	} {
		a, b := row(1), row(2)
		change(b)
		if got := fmt.Sprint(credential.Changes(a, b, false)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPairsMoved(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Hour)
	for _, tt := range []struct {
		name          string
		was, is       string
		rotated, then time.Time
		want          bool
	}{
		{"the same sealed value", "x", "x", noon, noon, false},
		{"other pairs", "x", "y", noon, later, true},
		{"the same pairs, sealed anew", "x", "y", noon, noon, false},
		{"rows of unknown age", "x", "y", time.Time{}, time.Time{}, true},
	} {
		a, b := row(1), row(2)
		a.Sealed.Ciphertext, b.Sealed.Ciphertext, a.LastRotation, b.LastRotation = tt.was, tt.is, tt.rotated, tt.then
		if got := credential.PairsMoved(a, b); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestChange_PreviewFollowsValuesThroughNewNames(t *testing.T) {
	t.Parallel()
	was := parse(t, `{"a":"1","b":"2","c":"3"}`)
	for _, tt := range []struct {
		name   string
		change *credential.Change
		want   string // key, fate and former name
	}{
		{"nothing", credential.Patch(credential.Pairs{}, nil, nil), "a=same b=same c=same"},
		{"a new name", credential.Patch(credential.Pairs{}, nil, map[string]string{"a": "Z"}), "b=same c=same z=same<a"},
		{"two change names", credential.Patch(credential.Pairs{}, nil, map[string]string{"a": "b", "b": "a"}), "a=same<b b=same<a c=same"},
		{"the name of one removed", credential.Patch(credential.Pairs{}, []string{"b"}, map[string]string{"a": "b"}), "b=same<a c=same"},
		{"the old name set anew", credential.Patch(parse(t, `{"a":"9"}`), nil, map[string]string{"a": "z"}), "a=added b=same c=same z=same<a"},
		{"a new name and a new value", credential.Patch(parse(t, `{"z":"9"}`), nil, map[string]string{"a": "z"}), "b=same c=same z=changed<a"},
		{"all others", credential.Whole(parse(t, `{"a":"1","b":"9","d":"4"}`)), "a=same b=changed c=removed d=added"},
	} {
		is, err := tt.change.Apply(was)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range tt.change.Preview(row(1), row(1), was, is, true).Pairs {
			got += " " + f.Key + "=" + string(f.Fate)
			if f.Was != "" {
				got += "<" + f.Was
			}
		}
		if got != " "+tt.want {
			t.Errorf("%s: got%s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestMetadataFates(t *testing.T) {
	t.Parallel()
	got := credential.MetadataFates([]byte(`{"a":1,"b":[1],"c":{}}`), []byte(`{"d":0,"c":{ },"b":[2]}`))
	if want := "[{a removed  0 0} {b changed  0 0} {c same  0 0} {d added  0 0}]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
