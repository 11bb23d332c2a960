package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testDate = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

// lineOf returns the line of the record that follows h, and moves h.
func lineOf(h *head, e Entry) string {
	return string(h.appendLine(nil, appendDate(nil, testDate), nil, appendBody(nil, &e)))
}

// decodeLine reads one line, with or without its line end.
func decodeLine(line []byte) (Record, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	f, err := parseFrame(line)
	if err != nil {
		return Record{}, err
	}
	return f.decode(line)
}

func TestRecord_LineIsExactlyTheDocumentedOne(t *testing.T) {
	t.Parallel()
	h := head{16, digest(bytes.Repeat([]byte("a"), 64))}
	got := lineOf(&h, Entry{
		Phase: Failed, Action: "update", User: "ann\"\n", UserType: "user", Administrator: true,
		Client: "10.0.0.1", RequestID: "r-1", Door: "v1",
		ResourceType: "credential", ResourceID: "c1", ResourceName: "dürr \xff", Revision: 3,
		Info:     map[string]any{"b": []string{"x", "y"}, "a": 1, "c": map[string]any{"d": nil}},
		Policies: []string{"p", "q"}, Duration: 1500042 * time.Microsecond, Of: 12,
	})
	hashed := `{"id":17,"date":"2026-01-02T03:04:05.000006Z","prev":"` + strings.Repeat("a", 64) + `"` +
		`,"phase":"failed","action":"update","success":false,"user":"ann\"\n","user_type":"user","administrator":true` +
		`,"client":"10.0.0.1","request_id":"r-1","door":"v1"` +
		`,"resource_type":"credential","resource_id":"c1","resource_name":"dürr ` + "\uFFFD" + `","revision":3` +
		`,"info":{"a":1,"b":["x","y"],"c":{"d":null}},"policies":["p","q"],"duration":1.500042,"of":12}`
	sum := sha256.Sum256([]byte(hashed))
	want := hashed[:len(hashed)-1] + `,"hash":"` + hex.EncodeToString(sum[:]) + "\"}\n"
	if got != want {
		t.Errorf("line\n got %s\nwant %s", got, want)
	}
}

func TestRecord_EmptyMembersAreLeftOut(t *testing.T) {
	t.Parallel()
	h := head{hash: genesis()}
	got := lineOf(&h, Entry{Phase: Done, Action: "list", Success: true, User: "u", UserType: "user"})
	want := `{"id":1,"date":"2026-01-02T03:04:05.000006Z","prev":"` + strings.Repeat("0", 64) + `"` +
		`,"phase":"done","action":"list","success":true,"user":"u","user_type":"user","administrator":false,"hash":"`
	if !strings.HasPrefix(got, want) {
		t.Errorf("line\n got %s\nwant it to begin with %s", got, want)
	}
}

func TestDecode_IsTheReverseOfEncoding(t *testing.T) {
	t.Parallel()
	h := head{41, digest(bytes.Repeat([]byte("b"), 64))}
	e := sampleEntry()
	e.Info = map[string]any{"ids": []any{"a", "b"}, "n": json.Number("12"), "yes": true}
	line := lineOf(&h, e)
	got, err := decodeLine([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	want := Record{
		Kind: Recorded, Number: 42, Date: testDate, Entry: e,
		Previous: strings.Repeat("b", 64), Hash: string(h.hash[:]),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded record (-want +got):\n%s", diff)
	}
}

func TestDecode_ReadsCheckpointsAndTombstones(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("c", 64)
	for kind, line := range map[Kind]string{
		Checkpoint: `{"checkpoint":16,"date":"2026-01-02T03:04:05.000006Z","hash":"` + hash + `"}`,
		Tombstone:  `{"tombstone":16,"date":"2026-01-02T03:04:05.000006Z","hash":"` + hash + `"}`,
	} {
		got, err := decodeLine([]byte(line))
		want := Record{Kind: kind, Number: 16, Date: testDate, Hash: hash}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: error %v (-want +got):\n%s", kind, err, diff)
		}
	}
}

func TestDecode_RefusesWhatIsNoRecord(t *testing.T) {
	t.Parallel()
	h := head{hash: genesis()}
	good := strings.TrimSuffix(lineOf(&h, sampleEntry()), "\n")
	for name, line := range map[string]string{
		"empty":             "",
		"no object":         "x",
		"other object":      `{"user":"x"}`,
		"number 0":          strings.Replace(good, `{"id":1,`, `{"id":0,`, 1),
		"number with zero":  strings.Replace(good, `{"id":1,`, `{"id":01,`, 1),
		"number too large":  strings.Replace(good, `{"id":1,`, `{"id":99999999999999999999,`, 1),
		"no date":           strings.Replace(good, `"2026-01-02T03:04:05.000006Z"`, `"2026-13-02T03:04:05.000006Z"`, 1),
		"short prev":        strings.Replace(good, strings.Repeat("0", 64), strings.Repeat("0", 63), 1),
		"upper case prev":   strings.Replace(good, strings.Repeat("0", 64), strings.Repeat("A", 64), 1),
		"cut":               good[:len(good)-1],
		"behind it":         good + "}",
		"no JSON within":    strings.Replace(good, `"success":true`, `"success":tru`, 1),
		"wrong type within": strings.Replace(good, `"success":true`, `"success":"a"`, 1),
		"tombstone with body": `{"tombstone":16,"date":"2026-01-02T03:04:05.000006Z","user":"x","hash":"` +
			strings.Repeat("c", 64) + `"}`,
	} {
		if got, err := decodeLine([]byte(line)); !errors.Is(err, ErrLine) {
			t.Errorf("%s: Decode = %+v, %v; want ErrLine", name, got, err)
		}
	}
}

func TestEncode_BoundsTheLine(t *testing.T) {
	t.Parallel()
	h := head{hash: genesis()}
	e := sampleEntry()
	e.User = strings.Repeat("u", 1<<20)
	huge := make([]string, 40_000)
	for i := range huge {
		huge[i] = strings.Repeat("x", 36)
	}
	e.Info = map[string]any{"credential_ids": huge}
	line := lineOf(&h, e)
	if len(line) > maxLine {
		t.Fatalf("the line has %d bytes, more than readers take", len(line))
	}
	got, err := decodeLine([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.User) != maxText || got.Info["omitted_bytes"] == nil {
		t.Errorf("user of %d bytes, info %v; want both cut and said so", len(got.User), got.Info)
	}
}

func TestEncode_AnyInfoGivesALine(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]any{
		"channel":  make(chan int),
		"NaN":      math.NaN(),
		"infinite": math.Inf(1),
		"time":     testDate,
		"struct":   struct{ A int }{1},
		"nested":   []any{map[string]any{"x": uint64(math.MaxUint64)}, int64(-1), 1.5, false, nil},
	} {
		h := head{hash: genesis()}
		line := lineOf(&h, Entry{Info: map[string]any{"v": v}})
		if _, err := decodeLine([]byte(line)); err != nil {
			t.Errorf("%s: the line cannot be read: %v\n%s", name, err, line)
		}
	}
}

func TestEncode_DoesNotAllocate(t *testing.T) {
	e := sampleEntry()
	body, line := make([]byte, 0, 4096), make([]byte, 0, 4096)
	h := head{hash: genesis()}
	date := appendDate(nil, testDate)
	got := testing.AllocsPerRun(100, func() {
		body = appendBody(body[:0], &e)
		line = h.appendLine(line[:0], date, nil, body)
	})
	if got != 0 {
		t.Errorf("encoding allocates %v times, want 0", got)
	}
}

// The documented way to check a line with nothing but standard tools.
func TestRecord_HashIsThatOfTheLineWithoutIt(t *testing.T) {
	t.Parallel()
	h := head{hash: genesis()}
	line := strings.TrimSuffix(lineOf(&h, sampleEntry()), "\n")
	rest := regexp.MustCompile(`,"hash":"[0-9a-f]*"}$`).ReplaceAllString(line, "}")
	sum := sha256.Sum256([]byte(rest))
	if want := hex.EncodeToString(sum[:]); string(h.hash[:]) != want {
		t.Errorf("hash %s, want %s", h.hash, want)
	}
}

func TestMembers_SeesWhatEncodingJSONSees(t *testing.T) {
	t.Parallel()
	h := head{hash: genesis()}
	e := sampleEntry()
	e.User, e.Info = `a,"b":}\`, map[string]any{`k"{`: []any{"]", map[string]any{}}, "l": `x\"`}
	line := bytes.TrimSuffix([]byte(lineOf(&h, e)), []byte("\n"))
	f, err := parseFrame(line)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]json.RawMessage{}
	if err := json.Unmarshal(line, &want); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id", "date", "prev", "hash"} {
		delete(want, name)
	}
	got := map[string]json.RawMessage{}
	if !members(f.body, func(name, value []byte) bool {
		got[string(name)] = bytes.Clone(value)
		return true
	}) {
		t.Fatal("members took the body for foreign")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	h := head{hash: genesis()}
	f.Add([]byte(lineOf(&h, sampleEntry())))
	f.Add([]byte(lineOf(&h, Entry{User: `"\`, Info: map[string]any{"a": []any{1.5, nil}}})))
	f.Add([]byte(`{"checkpoint":16,"date":"2026-01-02T03:04:05.000006Z","hash":"` + strings.Repeat("c", 64) + `"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := decodeLine(line)
		frame, bad := parseFrame(bytes.TrimSuffix(line, []byte("\n")))
		if bad == nil {
			termsOf(frame.body, map[string]struct{}{}, new([]byte))
			newMatcher(Query{User: "x", Text: "y"}).frame(frame)
		}
		if err != nil {
			return
		}
		if bad != nil {
			t.Fatalf("Decode takes a line without a frame: %v", bad)
		}
		if r.Kind != Recorded {
			return
		}
		// What was read can be written and read again.
		h := head{r.Number - 1, frame.prev}
		again := h.appendLine(nil, appendDate(nil, r.Date), nil, appendBody(nil, &r.Entry))
		if _, err := decodeLine(again); err != nil {
			t.Errorf("the record %+v is written as %s and cannot be read: %v", r, again, err)
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add("a\"\\\n\x00\u2028\xffü")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(appendText(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		if len(s) > maxText {
			s = s[:maxText]
		}
		// encoding/json replaces each byte that is no UTF-8, as we do.
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("text %q reads as %q, want %q", s, got, want)
		}
	})
}
