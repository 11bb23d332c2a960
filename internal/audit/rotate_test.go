package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// rotationTime is when the rotations of tests take place.
var rotationTime = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// datedLog makes a closed log with one entry per age, three a segment, and
// returns its directory.
func datedLog(t *testing.T, entries []Entry, ages ...time.Duration) string {
	t.Helper()
	dir := t.TempDir()
	now := rotationTime
	l, err := OpenFile(FileOptions{Dir: dir, SegmentSize: 1000, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for i, age := range ages {
		now = rotationTime.Add(-age)
		e := Entry{Phase: Done, Action: "get", Success: true, User: fmt.Sprint("u", i+1), UserType: "user"}
		if i < len(entries) {
			e = entries[i]
		}
		if _, err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func rotateTest(t *testing.T, o RotateOptions) Rotation {
	t.Helper()
	o.Now = func() time.Time { return rotationTime }
	r, err := Rotate(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// entryNumbers returns the numbers of the entries of a log.
func entryNumbers(t *testing.T, dir string) []uint64 {
	t.Helper()
	segments, err := snapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(segments)
	var list []uint64
	for _, s := range segments[beginning(segments):] {
		_, err := dumpSegment(t.Context(), s, "", func(_ []byte, f frame) error {
			if f.kind == Recorded {
				list = append(list, f.number)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// contents returns the files of a directory but the locks.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		if e.Name() == lockName || e.Name() == rotationLock {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

func watermarks(t *testing.T, high, low int) Selection {
	t.Helper()
	s, err := Watermarks(high, low)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rules(t *testing.T, text string) Selection {
	t.Helper()
	s, err := ParseRules([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// span returns the numbers from first to last.
func span(first, last uint64) []uint64 {
	var list []uint64
	for n := first; n <= last; n++ {
		list = append(list, n)
	}
	return list
}

func TestRotate_WatermarksLeaveExactlyTheLowOne(t *testing.T) {
	t.Parallel()
	const entries = 9
	for low := range entries + 1 {
		t.Run(fmt.Sprint(low), func(t *testing.T) {
			t.Parallel()
			dir := logOf(t, nil)
			r := rotateTest(t, RotateOptions{Dir: dir, Select: watermarks(t, low, low), Chunk: 1})
			if r.Total != entries || r.Deleted != entries-low {
				t.Errorf("rotated %+v, want %d of %d", r, entries-low, entries)
			}
			if got, want := entryNumbers(t, dir), span(uint64(entries-low+1), entries); !slices.Equal(got, want) {
				t.Errorf("entries %v, want %v", got, want)
			}
			report := verifyTest(t, dir)
			if report.Checkpoint != uint64(entries-low) || report.Remains != 0 || report.Last != entries {
				t.Errorf("report %+v", report)
			}
			if got := appendN(t, openTest(t, FileOptions{Dir: dir}), 1); got != entries+1 {
				t.Errorf("the next number is %d, want %d", got, entries+1)
			}
			verifyTest(t, dir)
		})
	}
}

func TestRotate_RemovesNothingUpToTheHighWatermark(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	before := contents(t, dir)
	if r := rotateTest(t, RotateOptions{Dir: dir, Select: watermarks(t, 9, 2)}); r.Deleted != 0 || r.Total != 9 {
		t.Errorf("rotated %+v, want nothing of 9", r)
	}
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Errorf("the log was changed: %v", slices.Sorted(maps.Keys(after)))
	}
}

func TestRotate_WatermarksDoNotCountWhatIsGone(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	rotateTest(t, RotateOptions{Dir: dir, Select: rules(t, "- {rotate: 0, user: '^u[1358]$'}")}) // records 2, 4, 6, 9
	if got, want := entryNumbers(t, dir), []uint64{1, 3, 5, 7, 8}; !slices.Equal(got, want) {
		t.Fatalf("entries %v, want %v", got, want)
	}
	if r := rotateTest(t, RotateOptions{Dir: dir, Select: watermarks(t, 5, 2)}); r.Total != 5 || r.Deleted != 0 {
		t.Errorf("rotated %+v, want nothing of 5", r)
	}
	if r := rotateTest(t, RotateOptions{Dir: dir, Select: watermarks(t, 4, 2)}); r.Total != 5 || r.Deleted != 3 {
		t.Errorf("rotated %+v, want 3 of 5", r)
	}
	if got, want := entryNumbers(t, dir), []uint64{7, 8}; !slices.Equal(got, want) {
		t.Errorf("entries %v, want %v", got, want)
	}
	if r := verifyTest(t, dir); r.Checkpoint != 6 || r.Tombstones != 1 || r.Last != 9 {
		t.Errorf("report %+v, want a checkpoint at 6 and one tombstone", r)
	}
}

func TestRotate_AgeIsStrict(t *testing.T) {
	t.Parallel()
	const edge = 10 * day
	dir := datedLog(t, nil, edge+time.Hour, edge+time.Microsecond, edge, edge-time.Microsecond, edge+time.Microsecond, 0)
	s, err := OlderThan(10)
	if err != nil {
		t.Fatal(err)
	}
	dry := rotateTest(t, RotateOptions{Dir: dir, Select: s, DryRun: true})
	r := rotateTest(t, RotateOptions{Dir: dir, Select: s})
	if dry.Deleted != 3 || r.Deleted != 3 || dry.Total != r.Total {
		t.Errorf("a dry run says %+v, the run %+v; want 3 of 6", dry, r)
	}
	if got, want := entryNumbers(t, dir), []uint64{3, 4, 6}; !slices.Equal(got, want) {
		t.Errorf("entries %v, want %v", got, want)
	}
	if r := verifyTest(t, dir); r.Checkpoint != 2 || r.Tombstones != 1 {
		t.Errorf("report %+v, want a checkpoint and a tombstone", r)
	}
}

func TestRotate_ADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	before := contents(t, dir)
	if r := rotateTest(t, RotateOptions{Dir: dir, Select: watermarks(t, 2, 1), DryRun: true}); r.Deleted != 8 {
		t.Errorf("it would remove %d, want 8", r.Deleted)
	}
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Error("the log was changed")
	}
}

func TestRotate_TheFirstRuleThatMatchesDecides(t *testing.T) {
	t.Parallel()
	who := func(user, action string, success bool) Entry {
		return Entry{Phase: Done, Action: action, Success: success, User: user, UserType: "user", ResourceType: "credential"}
	}
	entries := []Entry{
		who("nils", "get", true), who("friedrich", "get", true), who("nagios", "get", true),
		who("nils", "list", true), who("ada", "list", true), who("ada", "create", true),
		who("ada", "create", false), who("grace", "update", true), who("grace", "update", true),
	}
	dir := datedLog(t, entries, 11*day, 8*day, 0, 11*day, 31*day, 31*day, 31*day, 179*day, 181*day)
	s := rules(t, `
# as an operator would write them
- rotate: 10
  user: nils
  action: get
- rotate: 7
  user: friedrich
  action: g.t
- {rotate: 0, user: ^nagios$}
- {rotate: 30, action: ^list}
- {rotate: 3650, action: create, success: true}
- {rotate: 180, action: .*}
`)
	r := rotateTest(t, RotateOptions{Dir: dir, Select: s, Chunk: 10})
	var counts []int
	for _, rule := range r.Rules {
		counts = append(counts, rule.Deleted)
	}
	if want := []int{1, 1, 1, 1, 0, 1}; !slices.Equal(counts, want) || r.Deleted != 5 || r.Total != 9 {
		t.Errorf("rotated %+v, want %v by rule", r, want)
	}
	if got, want := entryNumbers(t, dir), []uint64{4, 6, 7, 8}; !slices.Equal(got, want) {
		t.Errorf("entries %v, want %v", got, want)
	}
	if got, want := r.Rules[4].Fields, []string{"action", "success"}; !slices.Equal(got, want) {
		t.Errorf("fields %v, want %v", got, want)
	}
	if r := verifyTest(t, dir); r.Checkpoint != 3 || r.Tombstones != 2 || r.Last != 9 {
		t.Errorf("report %+v", r)
	}
}

func TestRotate_RulesSeeTheTextOfEachField(t *testing.T) {
	t.Parallel()
	entry := Entry{
		Phase: Failed, Action: "update", User: "Åsa \"x\"", UserType: "user", Administrator: true, Client: "192.0.2.1",
		RequestID: "r1", Door: "v1", ResourceType: "credential", ResourceID: "c1", ResourceName: "db", Revision: 7,
		Info: map[string]any{"key": "k"}, Policies: []string{"p1"}, Duration: 1500 * time.Millisecond, Of: 3,
	}
	for field, want := range map[string]string{
		"id": "^1$", "date": "^2026-06-01T", "phase": "^failed$", "action": "^update$", "success": "^false$",
		"user": `^Åsa "x"$`, "user_type": "^user$", "administrator": "^true$", "client": `^192\.0\.2\.1$`,
		"request_id": "^r1$", "door": "^v1$", "resource_type": "^credential$", "resource_id": "^c1$",
		"resource_name": "^db$", "revision": "^7$", "info": `^{"key":"k"}$`, "policies": `^\["p1"\]$`,
		"duration": `^1\.500000$`, "of": "^3$",
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			dir := datedLog(t, []Entry{entry, {Phase: Attempt, Success: true}}, 0, 0)
			s := rules(t, "- rotate: 0\n  "+field+": '"+want+"'\n")
			if r := rotateTest(t, RotateOptions{Dir: dir, Select: s}); r.Deleted != 1 && field != "date" || r.Deleted == 0 {
				t.Errorf("rotated %+v, want one entry", r)
			}
		})
	}
}

func TestParseRules_SaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "empty",
		"# nothing\n":                     "empty",
		"rotate: 1\n":                     "line 1: a list",
		"[]\n":                            "line 1: a list",
		"- rotate: 1\n---\n- rotate: 2\n": "more than one document",
		"- 3\n":                           "line 1: a rule is a mapping",
		"- user: x\n":                     "line 1: the rule does not say rotate",
		"- rotate: -1\n":                  "from 0",
		"- rotate: 1.5\n":                 "from 0",
		"- rotate: 999999999\n":           "from 0",
		"- rotate: 1\n  usr: x\n":         `line 2: there is no field "usr"`,
		"- rotate: 1\n  hash: x\n":        `no field "hash"`,
		"- rotate: 1\n  user: '('\n":      "line 2: error parsing regexp",
		"- rotate: 1\n  user: [a]\n":      "not a text",
		"- rotate: 1\n  rotate: 2\n":      "stands twice",
		"- rotate: 1\n  user: {\n":        "line",
	} {
		if _, err := ParseRules([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseRules(%q) = %v, want %q", text, err, want)
		}
	}
	if s, err := ParseRules([]byte(`[{"rotate": 3, "user": "x"}]`)); err != nil || len(s.rules) != 1 {
		t.Errorf("JSON: %v", err)
	}
}

func TestSelections_CheckTheirNumbers(t *testing.T) {
	t.Parallel()
	for _, marks := range [][2]int{{1, 2}, {1, -1}, {-1, -2}} {
		if _, err := Watermarks(marks[0], marks[1]); err == nil {
			t.Errorf("Watermarks%v is taken", marks)
		}
	}
	for _, days := range []int{0, -1, maxDays + 1} {
		if _, err := OlderThan(days); err == nil {
			t.Errorf("OlderThan(%d) is taken", days)
		}
	}
}

func TestRotate_WhatIsRecordedComesLaterAndStays(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	l := openTest(t, FileOptions{Dir: dir})
	var told Rotation
	r, err := Rotate(t.Context(), RotateOptions{Dir: dir, Select: rules(t, "- rotate: 0"), Record: func(found Rotation, remove func() error) error {
		told = found
		if got := appendN(t, l, 1); got != 10 {
			t.Errorf("the record has number %d, want 10", got)
		}
		return remove()
	}})
	if err != nil || r.Deleted != 9 || told.Deleted != 9 {
		t.Errorf("Rotate = %+v, %v, told %+v; want 9 removed", r, err, told)
	}
	appendN(t, l, 1)
	if got, want := entryNumbers(t, dir), []uint64{10, 11}; !slices.Equal(got, want) {
		t.Errorf("entries %v, want %v", got, want)
	}
	if r := verifyTest(t, dir); r.Checkpoint != 9 {
		t.Errorf("report %+v, want a checkpoint at 9", r)
	}
}

func TestRotate_WithoutARecordRemovesNothing(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	before := contents(t, dir)
	refused := errors.New("no record")
	r, err := Rotate(t.Context(), RotateOptions{
		Dir: dir, Select: watermarks(t, 0, 0),
		Record: func(Rotation, func() error) error { return refused },
	})
	if !errors.Is(err, refused) || r.Deleted != 0 {
		t.Errorf("Rotate = %+v, %v", r, err)
	}
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Error("the log was changed")
	}
}

func TestRotate_RefusesABrokenLog(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	edit(t, logSegment(dir, 2, 4), func(s string) string { return strings.Replace(s, `"u4"`, `"x4"`, 1) })
	before := contents(t, dir)
	_, err := Rotate(t.Context(), RotateOptions{Dir: dir, Select: watermarks(t, 0, 0)})
	if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "line 2 (record 5)") {
		t.Errorf("Rotate = %v, want ErrBroken at record 5", err)
	}
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Error("the log was changed")
	}
}

func TestRotate_InterruptedBeforehandChangesNothing(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	before := contents(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Rotate(ctx, RotateOptions{
		Dir: dir, Select: watermarks(t, 1, 1), Chunk: 1,
		Progress: func(done, total int) {
			if done > total/2 {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) || r.Deleted != 0 {
		t.Errorf("Rotate = %+v, %v, want an interruption", r, err)
	}
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Error("the log was changed")
	}
}

func TestRotate_DoesNotReplaceASegmentThatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	first := logSegment(dir, 1, 1)
	r, err := Rotate(t.Context(), RotateOptions{
		Dir: dir, Select: rules(t, "- {rotate: 0, user: u1}"),
		fault: func(point string) {
			if strings.HasPrefix(point, "written") {
				edit(t, first, func(s string) string { return s + "more" })
			}
		},
	})
	if err == nil || !strings.Contains(err.Error(), "was changed") || r.Deleted != 0 {
		t.Errorf("Rotate = %+v, %v, want a refusal", r, err)
	}
	edit(t, first, func(s string) string { return strings.TrimSuffix(s, "more") })
	if got := verifyTest(t, dir); got.Entries != 9 {
		t.Errorf("report %+v, want 9 entries", got)
	}
}

func TestRotate_IsAlone(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	o := RotateOptions{Dir: dir, Select: watermarks(t, 5, 5)}
	second := o
	o.Record = func(_ Rotation, remove func() error) error {
		if _, err := Rotate(t.Context(), second); !errors.Is(err, ErrRotating) {
			t.Errorf("a second rotation: %v, want ErrRotating", err)
		}
		return remove()
	}
	rotateTest(t, o)
	verifyTest(t, dir)
}

func TestRotate_SignaturesStillHold(t *testing.T) {
	t.Parallel()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Selection{
		"from the beginning": watermarks(t, 4, 4),
		"from the middle":    rules(t, "- {rotate: 0, user: '^u[1256]$'}"),
		"the last of each":   rules(t, "- {rotate: 0, user: '^u[258]$'}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := logOf(t, key)
			rotateTest(t, RotateOptions{Dir: dir, Select: s, SigningKey: key})
			r, err := Verify(t.Context(), dir, VerifyOptions{Key: public})
			if err != nil || r.Broken != nil {
				t.Fatalf("Verify = %v, %v", r.Broken, err)
			}
			if r.Unsigned > 0 || r.Signed == 0 {
				t.Errorf("report %+v, want all closed segments signed", r)
			}
			for file := range contents(t, dir) {
				segment, ok := strings.CutSuffix(file, signatureSuffix)
				if _, err := os.Stat(filepath.Join(dir, segment)); ok && err != nil {
					t.Errorf("the signature %s has no segment", file)
				}
			}
		})
	}
}

func TestRotate_DoesNotLeaveOneSegmentUnsigned(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := logOf(t, key)
	// The live segment holds records 7 to 9.
	if _, err := Rotate(t.Context(), RotateOptions{Dir: dir, Select: watermarks(t, 2, 2)}); !errors.Is(err, ErrKeyWanted) {
		t.Errorf("Rotate = %v, want ErrKeyWanted", err)
	}
	if got := entryNumbers(t, dir); len(got) != 9 {
		t.Errorf("entries %v, want all", got)
	}
	if r := rotateTest(t, RotateOptions{Dir: dir, Select: watermarks(t, 3, 3)}); r.Deleted != 6 {
		t.Errorf("rotated %+v, want 6", r)
	}
	if r, err := Verify(t.Context(), dir, VerifyOptions{Key: key.Public()}); err != nil || r.Broken != nil {
		t.Errorf("Verify = %v, %v", r.Broken, err)
	}
}

func TestRotate_TheIndexFollows(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	x := openTestIndex(t, dir)
	l := openTest(t, FileOptions{Dir: dir})
	appendN(t, l, 3) // which the index has not seen
	rotateTest(t, RotateOptions{Dir: dir, Select: rules(t, "- {rotate: 0, user: '^u[0146]$'}")})
	refresh(t, x)
	got := numbers(t, x, Query{Limit: 2})
	slices.Reverse(got)
	if want := entryNumbers(t, dir); !slices.Equal(got, want) {
		t.Errorf("the index finds %v, the log has %v", got, want)
	}
	rotateTest(t, RotateOptions{Dir: dir, Select: watermarks(t, 0, 0)})
	refresh(t, x)
	if got := numbers(t, x, Query{}); len(got) > 0 {
		t.Errorf("the index finds %v in an emptied log", got)
	}
	if r := verifyTest(t, dir); r.Index != IndexAgrees || r.Last != 12 {
		t.Errorf("report %+v, want an index that agrees", r)
	}
}

func TestRotate_AFailedFlushIsMadeGoodThoughTheSegmentWasReplaced(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Selection{"replaced": watermarks(t, 2, 2), "removed": watermarks(t, 1, 1)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := openTest(t, FileOptions{Dir: dir, Interval: time.Hour})
			appendN(t, l, 3)
			failing := true
			sync := l.flush.sync
			l.flush.sync = func(f *os.File) error {
				if failing {
					return errors.New("the disk is gone")
				}
				return sync(f)
			}
			if err := l.flush.wait(t.Context(), 3); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("wait = %v, want ErrUnavailable", err)
			}
			failing = false
			other := openTest(t, FileOptions{Dir: dir, SegmentSize: 500})
			appendN(t, other, 1)
			rotateTest(t, RotateOptions{Dir: dir, Select: s})
			if err := l.flush.wait(t.Context(), 3); err != nil {
				t.Errorf("wait = %v after the segment was taken over", err)
			}
			if got := appendN(t, l, 1); got != 5 {
				t.Errorf("number %d, want 5", got)
			}
			verifyTest(t, dir)
		})
	}
}
