package httpapi

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseObject_ReadsMembersInOrder(t *testing.T) {
	t.Parallel()
	got, err := parseObject([]byte(" {\"a\" : 1.50, \"b\":[true , null],\"\\u00fc\\uD83D\\uDE00\":\"x\\n\",\"d\":{}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := object{
		{"a", json.RawMessage(`1.50`)},
		{"b", json.RawMessage(`[true , null]`)},
		{"ü😀", json.RawMessage(`"x\n"`)},
		{"d", json.RawMessage(`{}`)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parseObject = %q, want %q", got, want)
	}
	if got.get("a") == nil || got.get("c") != nil {
		t.Errorf("get(a) = %s, get(c) = %s; want 1.50 and nothing", got.get("a"), got.get("c"))
	}
}

func TestParseObject_RefusesWhatIsNotStrictJSON(t *testing.T) {
	t.Parallel()
	deep := func(n int) string {
		return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	if _, err := parseObject([]byte(deep(maxDepth - 1))); err != nil {
		t.Errorf("an array at the deepest place: %v", err)
	}
	tests := []struct{ text, words string }{
		{``, "it is empty"},
		{` `, "it is empty"},
		{`[]`, "it must be an object"},
		{`null`, "it must be an object"},
		{`"a"`, "it must be an object"},
		{`nul`, "a value is expected"},
		{`<`, "a value is expected"},
		{`{`, "a member name is expected"},
		{`{"a"`, "a colon is expected"},
		{`{"a" 1}`, "a colon is expected"},
		{`{"a":`, `in member "a": it ends too early`},
		{`{"a":}`, `in member "a": a value is expected`},
		{`{"a":1`, "a comma or the end of the object is expected"},
		{`{"a":1,}`, "a member name is expected"},
		{`{a:1}`, "a member name is expected"},
		{`{"a":1}{}`, "something follows the object"},
		{`{"a":1} x`, "something follows the object"},
		{`{"a":1,"a":2}`, `member "a" stands twice`},
		{`{"a":1,"\u0061":2}`, `member "a" stands twice`},
		{`{"a":{"b":1,"b":2}}`, `in member "a": member "b" stands twice`},
		{`{"a":[{"b":1,"b":2}]}`, `member "b" stands twice`},
		{"{\"a\":\"\xff\"}", "not valid UTF-8"},
		{"{\"\xc3\":1}", "not valid UTF-8"},
		{"{\"a\":\"\xed\xa0\x80\"}", "not valid UTF-8"},
		{`{"a":"\ud800"}`, "surrogate"},
		{`{"a":"\ud800x"}`, "surrogate"},
		{`{"a":"\udc00\ud800"}`, "surrogate"},
		{`{"a":"\ud800\ud800"}`, "surrogate"},
		{`{"a":"\u12g4"}`, "four hexadecimal digits"},
		{`{"a":"\x"}`, "no such escape"},
		{"{\"a\":\"\n\"}", "control character"},
		{"{\"a\":\"\\n\x01\"}", "control character"},
		{`{"a":"`, "a string does not end"},
		{`{"a":"\`, "a string does not end"},
		{`{"a":"\n`, "a string does not end"},
		{`{"a":01}`, "a comma or the end"},
		{`{"a":-}`, "a digit is expected"},
		{`{"a":1.}`, "a digit is expected"},
		{`{"a":1e+}`, "a digit is expected"},
		{`{"a":.5}`, "a value is expected"},
		{`{"a":+1}`, "a value is expected"},
		{`{"a":NaN}`, "a value is expected"},
		{`{"a":[1 2]}`, "a comma or the end of the array"},
		{`{"a":[1,]}`, "a value is expected"},
		{"\ufeff{}", "a value is expected"},
		{deep(maxDepth), "nested more than 64 deep"},
		{deep(100_000), "nested more than 64 deep"},
	}
	for _, tt := range tests {
		got, err := parseObject([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("parseObject(%.40q) = %v, %v; want an error with %q", tt.text, got, err, tt.words)
		}
	}
}

func TestParseObject_FindsADoubleAmongManyMembers(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	b.WriteString("{")
	for i := range 1000 {
		b.WriteString(`"k` + strings.Repeat("x", i) + `":1,`)
	}
	b.WriteString(`"kxxx":1}`)
	if _, err := parseObject(b.Bytes()); err == nil {
		t.Error("a member that stands twice among a thousand is accepted")
	}
}

// FuzzParseObject holds the parser to encoding/json: what it accepts that
// accepts too and reads alike; what it refuses although that accepts it breaks
// one of the stricter rules.
func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":[1,{"b":null}],"c":"\ud83d\ude00"}`, `{"a":1,"a":2}`,
		`{"a":"\ud800"}`, `[1]`, `{"a":-0.5e+10}`, "{\"\xff\":1}", `{"a":{"a":{"a":{}}}} `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parseObject(text)
		var want map[string]json.RawMessage
		stdErr := json.Unmarshal(text, &want)
		if err != nil {
			if stdErr == nil && want != nil && utf8.Valid(text) && !stricter(err) {
				t.Fatalf("parseObject(%q): %v, although it is valid", text, err)
			}
			return
		}
		if stdErr != nil {
			t.Fatalf("parseObject(%q) accepts what encoding/json does not: %v", text, stdErr)
		}
		if len(got) != len(want) {
			t.Fatalf("parseObject(%q) has %d members, want %d", text, len(got), len(want))
		}
		for _, m := range got {
			if !bytes.Equal(m.value, want[m.name]) {
				t.Fatalf("member %q of %q = %s, want %s", m.name, text, m.value, want[m.name])
			}
			if s, ok := textOf(m.value); ok {
				var std string
				if err := json.Unmarshal(m.value, &std); err != nil || s != std {
					t.Fatalf("textOf(%s) = %q, want %q (%v)", m.value, s, std, err)
				}
			}
			if list, ok := textsOf(m.value); ok {
				var std []string
				if err := json.Unmarshal(m.value, &std); err != nil || !reflect.DeepEqual(list, std) {
					t.Fatalf("textsOf(%s) = %q, want %q (%v)", m.value, list, std, err)
				}
			}
		}
	})
}

// stricter reports whether an error comes of a rule that encoding/json has not.
func stricter(err error) bool {
	for _, words := range []string{"stands twice", "surrogate", "nested", "UTF-8"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f", "ü😀\u2028", "a\xffb\xc3", "\x7f<>&"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := appendString(nil, s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("appendString(%q) = %s: %v", s, got, err)
		}
		std, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(std, &want); err != nil || back != want {
			t.Errorf("appendString(%q) reads as %q, want %q", s, back, want)
		}
	})
}
