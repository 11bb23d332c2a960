package credential_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
)

func parse(t testing.TB, text string) credential.Pairs {
	t.Helper()
	p, err := credential.ParsePairs([]byte(text))
	if err != nil {
		t.Fatalf("ParsePairs(%s): %v", text, err)
	}
	return p
}

func TestParsePairs_FoldsSortsAndKeepsValues(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{`{}`, `{}`},
		{` null `, `{}`},
		{`{"B":"x","a":"y"}`, `{"a":"y","b":"x"}`},
		{` { "k" : "v" } `, `{"k":"v"}`},
		{`{"k":1.0,"l":1e5,"m":-0,"n":123456789012345678901234567890}`, `{"k":1.0,"l":1e5,"m":-0,"n":123456789012345678901234567890}`},
		{`{"t":true,"f":false,"n":null}`, `{"f":false,"n":null,"t":true}`},
		{`{"k":"\u00e9\/\ud83d\ude00\u0007\u000a<&>"}`, `{"k":"é/😀\u0007\n<&>"}`},
		{"{\"k\":\"a\u2028b\u2029c\u007f\"}", `{"k":"a\u2028b\u2029c` + "\u007f" + `"}`},
		{`{"ÄÖ":"x"}`, `{"äö":"x"}`},
		{`{"q\"q":"x","q\\":"y"}`, `{"q\"q":"x","q\\":"y"}`},
		{`{"k":"\ud800 \udc00x"}`, `{"k":"\ud800 \udc00x"}`},
	}
	for _, tt := range tests {
		if got := string(parse(t, tt.in).Encode()); got != tt.want {
			t.Errorf("ParsePairs(%s) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestParsePairs_FirstOffendingPairWins(t *testing.T) {
	t.Parallel()
	const (
		nested = "credential pairs must be key: value"
		space  = "credential key must not contain whitespace"
	)
	tests := []struct{ in, want string }{
		{`[]`, nested},
		{`"x"`, nested},
		{`1`, nested},
		{``, nested},
		{`{`, nested},
		{`{"a":1} x`, nested},
		{`{"a":1,}`, nested},
		{`{,}`, nested},
		{`{"a" 1}`, nested},
		{`{"a":}`, nested},
		{`{"a":01}`, nested},
		{`{"a":NaN}`, nested},
		{`{"a":"\x"}`, nested},
		{`{"a":"\u12"}`, nested},
		{"{\"a\":\"\x01\"}", nested},
		{"{\"a\":\"\xff\"}", nested},
		{`{"a":{}}`, nested},
		{`{"a":["x"]}`, nested},
		{`{"a b":{}}`, nested},
		{`{"a b":"x","c":{}}`, space},
		{`{"c":{},"a b":"x"}`, nested},
		{`{"a\tb":1}`, space},
		{`{"a\u00a0b":1}`, space},
		{`{"a\u2003b":1}`, space},
		{`{"a\u001fb":1}`, space},
		{`{" ":1}`, space},
		{`{"":1}`, "credential key must not be empty"},
		{`{"A":1,"a":2}`, `credential key "a" is given more than once`},
		{`{"a":1,"a":2}`, `credential key "a" is given more than once`},
		{`{"\ud800":1}`, "credential key must be valid Unicode text"},
	}
	for _, tt := range tests {
		_, err := credential.ParsePairs([]byte(tt.in))
		f := fault.As(err)
		if f == nil || f.Kind != fault.Invalid || f.Message != tt.want {
			t.Errorf("ParsePairs(%q) = %v, want Invalid %q", tt.in, err, tt.want)
		}
	}
}

func TestOpenPairs_ReadsWhatOthersSealed(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{`{"api_key": "s3cr3t", "user": "svc"}`, `{"api_key":"s3cr3t","user":"svc"}`},
		{`{"b": NaN, "a": Infinity, "c": -Infinity}`, `{"a":"Infinity","b":"NaN","c":"-Infinity"}`},
		{`{"k": "caf\u00e9"}`, `{"k":"café"}`},
		{`{"K":1,"k":2}`, `{"k":2}`},
		{`{"k":2,"K":1}`, `{"k":1}`},
		{`{"a b":1,"":2}`, `{"":2,"a b":1}`},
		{`{"n": 1.50}`, `{"n":1.50}`},
		{`{}`, `{}`},
	}
	for _, tt := range tests {
		p, err := credential.OpenPairs([]byte(tt.in))
		if err != nil {
			t.Errorf("OpenPairs(%s): %v", tt.in, err)
			continue
		}
		if got := string(p.Encode()); got != tt.want {
			t.Errorf("OpenPairs(%s) = %s, want %s", tt.in, got, tt.want)
		}
	}
	for _, in := range []string{``, `[]`, `{"a":[1]}`, `{"a":"\xff"}`, `secret`} {
		if _, err := credential.OpenPairs([]byte(in)); err == nil {
			t.Errorf("OpenPairs(%s) succeeded", in)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("OpenPairs(%s) tells the plaintext: %v", in, err)
		}
	}
}

func TestOpenPairs_CanonicalTextIsKeptAsItIs(t *testing.T) { // not parallel: it counts allocations
	text := []byte(`{"a":"x\n\t\"\\","b":-1.5e+7,"c":true,"d":null,"e":"é😀"}`)
	p, err := credential.OpenPairs(text)
	if err != nil {
		t.Fatal(err)
	}
	if &p.Encode()[0] != &text[0] {
		t.Error("canonical pairs were copied")
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := credential.OpenPairs(text); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("opening canonical pairs allocates %v times", n)
	}
}

func TestPairs_KeysAndValues(t *testing.T) {
	t.Parallel()
	p := parse(t, `{"Text":"a\nb","number":1.0,"flag":true}`)
	if got, want := p.Keys(), []string{"flag", "number", "text"}; !slices.Equal(got, want) {
		t.Errorf("Keys() = %q, want %q", got, want)
	}
	for key, want := range map[string]string{"text": "a\nb", "number": "1.0", "flag": "true"} {
		if got, ok := p.Get(key); !ok || got != want {
			t.Errorf("Get(%q) = %q, %v, want %q", key, got, ok, want)
		}
	}
	if _, ok := p.Get("Text"); ok {
		t.Error(`Get("Text") found a key in other case`)
	}
	none := credential.Pairs{}
	if !none.Empty() || none.Keys() == nil || len(none.Keys()) != 0 || string(none.Encode()) != "{}" {
		t.Errorf("the zero value is not an empty set: %q %s", none.Keys(), none.Encode())
	}
	if !none.Equal(parse(t, "{}")) || p.Equal(none) {
		t.Error("Equal tells the zero value from an empty object, or does not tell pairs from none")
	}
	if parse(t, `{"a":1}`).Equal(parse(t, `{"a":"1"}`)) {
		t.Error("Equal does not tell a number from its text")
	}
}

func TestPairs_NothingButAppendJSONTellsThem(t *testing.T) {
	t.Parallel()
	p := parse(t, `{"k":"hunter2"}`)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "pairs", p, "pointer", &p)
	body, err := json.Marshal(map[string]any{"p": p, "q": &p, "s": []credential.Pairs{p}})
	if err != nil {
		t.Fatal(err)
	}
	forms := []string{log.String(), string(body), p.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		forms = append(forms, fmt.Sprintf(verb, p), fmt.Sprintf(verb, &p), fmt.Sprintf(verb, struct{ P credential.Pairs }{p}))
	}
	for _, form := range forms {
		for _, leak := range []string{"hunter2", "68756e74657232", "104 117"} {
			if strings.Contains(form, leak) {
				t.Errorf("the pairs stand in %q", form)
			}
		}
	}
	if got := string(p.AppendJSON([]byte("x"))); got != `x{"k":"hunter2"}` {
		t.Errorf("AppendJSON = %q", got)
	}
}

func TestChange_PatchKeepsUntouchedPairs(t *testing.T) {
	t.Parallel()
	current := parse(t, `{"a":1.0,"b":"x\u00e9","c":true}`)
	tests := []struct {
		name   string
		change *credential.Change
		want   string
	}{
		{"whole", credential.Whole(parse(t, `{"z":1}`)), `{"z":1}`},
		{"nothing", credential.Patch(credential.Pairs{}, nil, nil), `{"a":1.0,"b":"xé","c":true}`},
		{"set", credential.Patch(parse(t, `{"b":2,"d":3}`), nil, nil), `{"a":1.0,"b":2,"c":true,"d":3}`},
		{"remove", credential.Patch(credential.Pairs{}, []string{"a", "unknown"}, nil), `{"b":"xé","c":true}`},
		{"rename", credential.Patch(credential.Pairs{}, nil, map[string]string{"a": "Z"}), `{"b":"xé","c":true,"z":1.0}`},
		{"remove one and give another its name", credential.Patch(credential.Pairs{}, []string{"a"}, map[string]string{"b": "a"}), `{"a":"xé","c":true}`},
		{"swap", credential.Patch(credential.Pairs{}, nil, map[string]string{"a": "c", "c": "a"}), `{"a":true,"b":"xé","c":1.0}`},
		{"rename and set the old name", credential.Patch(parse(t, `{"a":9}`), nil, map[string]string{"a": "z"}), `{"a":9,"b":"xé","c":true,"z":1.0}`},
	}
	for _, tt := range tests {
		got, err := tt.change.Apply(current)
		if err != nil || string(got.Encode()) != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.name, got.Encode(), err, tt.want)
		}
	}
	for name, rename := range map[string]map[string]string{
		"unknown": {"x": "y"}, "in use": {"a": "b"}, "blank": {"a": "x y"}, "empty": {"a": ""},
	} {
		if _, err := credential.Patch(credential.Pairs{}, nil, rename).Apply(current); !fault.Is(err, fault.Invalid) {
			t.Errorf("renaming, %s: %v, want Invalid", name, err)
		}
	}
}

func TestPairs_CheckFindsKeysThatTodaysRulesRefuse(t *testing.T) {
	t.Parallel()
	p, err := credential.OpenPairs([]byte(`{"a b":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); !fault.Is(err, fault.Invalid) {
		t.Errorf("Check() = %v, want Invalid", err)
	}
	if err := parse(t, `{"a":1}`).Check(); err != nil {
		t.Errorf("Check() = %v", err)
	}
}

// flat decodes a flat object the way encoding/json does, with keys folded and
// sorted, and encodes it again.
func flat(text []byte) (map[string]any, bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil || m == nil || d.More() || !json.Valid(text) {
		return nil, false
	}
	for _, v := range m {
		switch v.(type) {
		case map[string]any, []any:
			return nil, false
		}
	}
	return m, true
}

func FuzzPairs(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":"b"}`, `{"b":1,"a":2.50}`, `{"A":"\u00e9\ud83d\ude00\n"}`, `{"a":NaN}`, `{"q\"":"\u2028<"}`,
		`{"a":"\ud800"}`, `{"a":[]}`, `{"a":1,"a":2}`, `{ "a" : true }`, `{"a":"x","b":null}`, "{\"a\":\"\xe2\x80\xa8\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := credential.OpenPairs(bytes.Clone(text))
		m, ok := flat(text)
		if !ok {
			// Beyond JSON only the three words of Python are read, and invalid
			// UTF-8, which encoding/json repairs, is not.
			if err == nil && !bytes.Contains(text, []byte("NaN")) && !bytes.Contains(text, []byte("Infinity")) {
				t.Fatalf("OpenPairs reads %q, encoding/json does not", text)
			}
			return
		}
		if err != nil {
			if json.Valid(text) && bytes.Equal(bytes.ToValidUTF8(text, nil), text) {
				t.Fatalf("OpenPairs(%q): %v", text, err)
			}
			return
		}

		// Canonical is a fixed point, and what encoding/json would write.
		again, err := credential.OpenPairs(bytes.Clone(p.Encode()))
		if err != nil || !again.Equal(p) {
			t.Fatalf("reopening %q gives %q, %v", p.Encode(), again.Encode(), err)
		}
		back, ok := flat(p.Encode())
		if !ok {
			t.Fatalf("%q is not what encoding/json reads", p.Encode())
		}
		if !bytes.Contains(p.Encode(), []byte(`\ud`)) {
			var want bytes.Buffer
			e := json.NewEncoder(&want)
			e.SetEscapeHTML(false)
			if err := e.Encode(back); err != nil {
				t.Fatal(err)
			}
			if got := string(p.Encode()) + "\n"; got != want.String() {
				t.Fatalf("canonical text %q, encoding/json writes %q", got, want.String())
			}
		}
		// Values survive, but for those of keys that fold together.
		for _, key := range p.Keys() {
			found := false
			for k, v := range m {
				found = found || strings.ToLower(k) == key && fmt.Sprint(v) == fmt.Sprint(back[key])
			}
			if !found {
				t.Fatalf("the value of %q in %q is none of those in %q", key, p.Encode(), text)
			}
		}

		// What a caller may send is read the same way.
		if parsed, err := credential.ParsePairs(text); err == nil && !parsed.Equal(p) {
			t.Fatalf("ParsePairs gives %q, OpenPairs %q", parsed.Encode(), p.Encode())
		}
	})
}

func BenchmarkOpenPairs(b *testing.B) {
	text := []byte(`{"password":"correct horse battery staple","url":"postgres://db.example.com:5432/app","user":"app"}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := credential.OpenPairs(text); err != nil {
			b.Fatal(err)
		}
	}
}
