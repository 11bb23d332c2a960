package credential_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestRotation_Next(t *testing.T) {
	t.Parallel()
	days := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	rules := credential.Rotation{
		Maximum: 30, PerTag: map[string]int{"SHORT": 7, "LONG": 90, "NOW": 0}, Exempt: []string{"EXEMPT"},
	}
	noMaximum := rules
	noMaximum.Maximum = 0
	tests := []struct {
		name      string
		rules     credential.Rotation
		tags      []string
		rotated   time.Time
		decrypted time.Time
		want      time.Time
	}{
		{"no rule at all", credential.Rotation{}, nil, noon, noon, time.Time{}},
		{"no rule, pairs of unknown age", credential.Rotation{}, nil, time.Time{}, time.Time{}, time.Time{}},
		{"the maximum", rules, nil, noon, time.Time{}, days(30)},
		{"a tag below the maximum", rules, []string{"SHORT"}, noon, time.Time{}, days(7)},
		{"a tag above the maximum", rules, []string{"LONG"}, noon, time.Time{}, days(30)},
		{"the smallest of several tags", noMaximum, []string{"LONG", "SHORT"}, noon, time.Time{}, days(7)},
		{"a tag without a maximum", noMaximum, []string{"LONG"}, noon, time.Time{}, days(90)},
		{"no maximum and no known tag", noMaximum, []string{"OTHER"}, noon, time.Time{}, time.Time{}},
		{"a tag of no days", rules, []string{"NOW"}, noon, time.Time{}, noon},
		{"an exempt tag among others", rules, []string{"SHORT", "EXEMPT"}, noon, noon.Add(1), time.Time{}},
		{"pairs of unknown age", rules, nil, time.Time{}, time.Time{}, days(1)},
		{"seen since the last change", rules, nil, noon, noon.Add(time.Hour), noon.Add(time.Hour)},
		{"seen before the last change", rules, nil, noon, noon.Add(-time.Hour), days(30)},
	}
	for _, tt := range tests {
		c := &credential.Credential{Tags: tt.tags, LastRotation: tt.rotated, LastDecrypted: tt.decrypted}
		if got := tt.rules.Next(c, days(1)); !got.Equal(tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestParseMetadata_TakesObjectsOnly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{`{}`: `{}`, ` { "a" : [ 1.0 ] } `: `{"a":[1.0]}`} {
		if got, err := credential.ParseMetadata(json.RawMessage(in)); err != nil || string(got) != want {
			t.Errorf("ParseMetadata(%s) = %s, %v, want %s", in, got, err, want)
		}
	}
	if got, err := credential.ParseMetadata(nil); got != nil || err != nil {
		t.Errorf("ParseMetadata(nil) = %s, %v", got, err)
	}
	for _, in := range []string{``, `null`, `[]`, `"x"`, `1`, `{`, `{} {}`} {
		_, err := credential.ParseMetadata(json.RawMessage(in))
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Message != "metadata must be a dict" {
			t.Errorf("ParseMetadata(%q) = %v", in, err)
		}
	}
}

func row(n int) *credential.Credential {
	return &credential.Credential{
		Meta: revision.Meta{ID: "c", Revision: n, ModifiedDate: noon, ModifiedBy: "ann"},
		Name: "db", Enabled: true, Metadata: json.RawMessage(`{"a":1,"b":{"x":[1]}}`),
		Tags: []string{"B", "A"}, LastRotation: noon,
	}
}

func TestEqual_ComparesWhatARevertWouldChange(t *testing.T) {
	t.Parallel()
	pairs := parse(t, `{"k":"v"}`)
	text := "d"
	tests := []struct {
		name   string
		change func(*credential.Credential)
		pairs  string
		want   bool
	}{
		{"dates, author, spelling and order", func(c *credential.Credential) {
			c.ModifiedBy, c.ModifiedDate, c.LastRotation = "bob", noon.Add(1), time.Time{}
			c.Metadata, c.Tags = json.RawMessage(`{ "b": {"x": [1]}, "a": 1 }`), []string{"A", "B", "A"}
		}, `{"k":"v"}`, true},
		{"name", func(c *credential.Credential) { c.Name = "x" }, `{"k":"v"}`, false},
		{"enabled", func(c *credential.Credential) { c.Enabled = false }, `{"k":"v"}`, false},
		{"documentation", func(c *credential.Credential) { c.Documentation = &text }, `{"k":"v"}`, false},
		{"tags", func(c *credential.Credential) { c.Tags = nil }, `{"k":"v"}`, false},
		{"metadata", func(c *credential.Credential) { c.Metadata = json.RawMessage(`{"a":1}`) }, `{"k":"v"}`, false},
		{"pairs", func(*credential.Credential) {}, `{"k":"w"}`, false},
	}
	for _, tt := range tests {
		a, b := row(1), row(2)
		tt.change(b)
		if got := credential.Equal(a, b, pairs, parse(t, tt.pairs)); got != tt.want {
			t.Errorf("%s: Equal = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestIdentical_IgnoresWhatIsAmended(t *testing.T) {
	t.Parallel()
	a, b := row(1), row(1)
	b.LastDecrypted, b.KeyNames, b.Head.LastAccessed = noon, []string{"k"}, noon
	if !credential.Identical(a, b) {
		t.Error("what may be amended counts")
	}
	for name, change := range map[string]func(*credential.Credential){
		"revision": func(c *credential.Credential) { c.Revision = 2 },
		"date":     func(c *credential.Credential) { c.ModifiedDate = noon.Add(time.Microsecond) },
		"sealed":   func(c *credential.Credential) { c.Sealed = sealed.Value{Ciphertext: "x"} },
		"data key": func(c *credential.Credential) { c.Sealed.DataKey = []byte("x") },
		"metadata": func(c *credential.Credential) { c.Metadata = nil },
		"tags":     func(c *credential.Credential) { c.Tags = []string{"A", "B"} },
	} {
		b := row(1)
		change(b)
		if credential.Identical(a, b) {
			t.Errorf("another %s does not count", name)
		}
	}
}

func TestDiff_WireForm(t *testing.T) {
	t.Parallel()
	older, newer := row(1), row(2)
	text := "why"
	newer.Name, newer.Enabled, newer.Documentation = "db2", false, &text
	newer.Metadata, newer.Tags = json.RawMessage(`{"b":{"x":[2]},"c":0}`), []string{"A", "C", "C"}
	newer.LastRotation, newer.ModifiedDate, newer.ModifiedBy = time.Time{}, noon.Add(time.Microsecond), "bob"
	const want = `{"name":{"added":"db2","removed":"db"},"enabled":{"added":false,"removed":true},` +
		`"documentation":{"added":"why","removed":null},` +
		`"credential_pairs":{"added":["changed","new"],"removed":["changed","gone"]},` +
		`"metadata":{"added":["b","c"],"removed":["a","b"]},` +
		`"tags":{"added":["C"],"removed":["B"]},` +
		`"last_rotation_date":{"added":null,"removed":"2026-01-02T12:00:00.000000+00:00"},` +
		`"modified_by":{"added":"bob","removed":"ann"},` +
		`"modified_date":{"added":"2026-01-02T12:00:00.000001+00:00","removed":"2026-01-02T12:00:00.000000+00:00"}}`
	was := parse(t, `{"same":"s","changed":"hunter1","gone":"g"}`)
	is := parse(t, `{"same":"s","changed":"hunter2","new":"n"}`)
	for _, d := range []credential.Difference{credential.Diff(older, newer, was, is), credential.Diff(newer, older, is, was)} {
		if got, err := json.Marshal(d); err != nil || string(got) != want {
			t.Errorf("got  %s, %v\nwant %s", got, err, want)
		}
	}
}

func TestDiff_TellsTheLeast(t *testing.T) {
	t.Parallel()
	p := parse(t, `{"k":"v"}`)
	for _, tt := range []struct {
		a, b *credential.Credential
		want string
	}{
		{row(1), row(1), `{}`},
		{row(1), row(2), `{"modified_by":{"added":"ann","removed":"ann"},` +
			`"modified_date":{"added":"2026-01-02T12:00:00.000000+00:00","removed":"2026-01-02T12:00:00.000000+00:00"}}`},
	} {
		if got, err := json.Marshal(credential.Diff(tt.a, tt.b, p, p)); err != nil || string(got) != tt.want {
			t.Errorf("got %s, %v, want %s", got, err, tt.want)
		}
	}
	untagged := row(2)
	untagged.Tags = nil
	if got, err := json.Marshal(credential.Diff(row(1), untagged, p, p).Tags); err != nil || string(got) != `{"added":[],"removed":["A","B"]}` {
		t.Errorf("tags: %s, %v", got, err)
	}
	if got, err := json.Marshal(credential.Diff(row(1), row(2), credential.Pairs{}, p).Pairs); err != nil || string(got) != `{"added":["k"]}` {
		t.Errorf("pairs: %s, %v", got, err)
	}
}

func TestClone_SharesNothing(t *testing.T) {
	t.Parallel()
	text := "d"
	a := row(1)
	a.Documentation, a.KeyNames, a.Sealed.DataKey = &text, []string{"k"}, []byte("key")
	a.Head.Stages, a.Memo = map[string]string{"s": "v"}, new(revision.Memo)
	b := a.Clone()
	if !credential.Identical(a, b) || !a.Head.Equal(b.Head) || b.Memo != nil {
		t.Fatalf("Clone = %+v", b)
	}
	*b.Documentation, b.KeyNames[0], b.Sealed.DataKey[0], b.Tags[0], b.Metadata[0] = "x", "x", 'x', "x", 'x'
	b.Head.Stages["s"] = "x"
	if *a.Documentation != "d" || a.KeyNames[0] != "k" || a.Sealed.DataKey[0] != 'k' || a.Tags[0] != "B" ||
		a.Metadata[0] != '{' || a.Head.Equal(b.Head) {
		t.Errorf("the clone changed the original: %+v", a)
	}
}
