package portable_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/portable"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text          string
		admin, policy int // entries; -1: the type does not stand there
	}{
		"nothing":           {"{}", -1, -1},
		"an empty type":     {`{"confidant_version": "1.2.3", "admin": []}`, 0, -1},
		"a type of nothing": {`{"policy": null}`, -1, -1},
		"both":              {`{"admin": [{"name": "ada"}], "policy": [{}, 3]}`, 1, 2},
		"YAML":              {"confidant_version: 1.2.3\nadmin:\n  - name: ada\n  - name: bob\n", 2, -1},
		"YAML's own braces": {"{admin: [{name: ada}]}", 1, -1},
	} {
		d, err := portable.Read([]byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, each := range []struct {
			what    string
			entries int
			absent  bool
			want    int
		}{{"admin", len(d.Admin), d.Admin == nil, tt.admin}, {"policy", len(d.Policy), d.Policy == nil, tt.policy}} {
			if each.absent != (each.want < 0) || !each.absent && each.entries != each.want {
				t.Errorf("%s: %d of type %s, absent: %v, want %d", name, each.entries, each.what, each.absent, each.want)
			}
		}
	}
}

func TestRead_RefusesWhatIsNoExport(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "[]", "{", `{"policy": 3}`, `{"policies": []}`, "a: [", "\x00", "3", "1: 2"} {
		if _, err := portable.Read([]byte(text)); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("Read(%q): %v, want Invalid", text, err)
		}
	}
}

func TestUnmarshal_NamesWhereJSONEnds(t *testing.T) {
	t.Parallel()
	err := portable.Unmarshal([]byte("{\n  \"a\": 1,\n  \"b\" 2\n}"), new(any))
	if err == nil || !strings.Contains(err.Error(), "line 3, column 7") {
		t.Errorf("Unmarshal: %v, want the line and the column", err)
	}
}

// TestFormat_ComesBack holds both forms to texts and moments that YAML takes for
// something else when they stand bare.
func TestFormat_ComesBack(t *testing.T) {
	t.Parallel()
	type entry struct {
		Name    string    `json:"name" yaml:"name"`
		Created time.Time `json:"created" yaml:"created"`
	}
	created := time.Date(2026, 11, 24, 18, 22, 27, 123456789, time.UTC)
	for _, form := range []portable.Format{portable.JSON, portable.YAML} {
		for _, name := range []string{"ada", "yes", "1e3", "0x1f", "2026-11-24", "null", "~", "<&>", "-", "1_000", "a: b"} {
			want := entry{name, created}
			var text bytes.Buffer
			if err := form.Write(&text, map[string]any{"admin": []entry{want}}); err != nil {
				t.Fatal(err)
			}
			d, err := portable.Read(text.Bytes())
			if err != nil {
				t.Fatalf("%s of %q: %v", form, name, err)
			}
			var got entry
			if err := portable.Unmarshal(d.Admin[0], &got); err != nil || got != want {
				t.Errorf("%s: %+v, %v, want %+v\n%s", form, got, err, want, text.Bytes())
			}
		}
	}
	if portable.Format("toml").Known() {
		t.Error("toml counts as a form")
	}
	if err := portable.Format("toml").Write(new(bytes.Buffer), 1); err == nil {
		t.Error("toml is written")
	}
}
