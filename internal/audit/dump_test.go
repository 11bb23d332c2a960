package audit

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDump_CSVHasAHeaderAndNoFormulas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openTest(t, FileOptions{Dir: dir, Now: func() time.Time { return testDate }})
	for _, e := range []Entry{
		sampleEntry(),
		{Phase: Failed, Action: "=cmd()", User: "+49", UserType: "-1", Door: "@door", ResourceName: "a \"b\",\nc", Of: 1},
	} {
		if _, err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	n, err := Dump(t.Context(), dir, &out, DumpOptions{Format: CSV})
	if err != nil || n != 2 {
		t.Fatalf("Dump = %d, %v; want 2 records", n, err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v; want 3", len(rows), err)
	}
	cell := func(row int, column string) string {
		for i, name := range rows[0] {
			if name == column {
				return rows[row][i]
			}
		}
		t.Fatalf("no column %s in %v", column, rows[0])
		return ""
	}
	for _, tt := range []struct {
		row          int
		column, want string
	}{
		{1, "id", "1"},
		{1, "date", "2026-01-02T03:04:05.000006Z"},
		{1, "phase", "done"},
		{1, "success", "true"},
		{1, "policies", `["default-services"]`},
		{1, "duration", "0.000180"},
		{1, "revision", "12"},
		{1, "of", ""},
		{2, "action", "'=cmd()"},
		{2, "user", "'+49"},
		{2, "user_type", "'-1"},
		{2, "door", "'@door"},
		{2, "resource_name", "a \"b\",\nc"},
		{2, "of", "1"},
		{2, "info", ""},
	} {
		if got := cell(tt.row, tt.column); got != tt.want {
			t.Errorf("row %d, %s: %q, want %q", tt.row, tt.column, got, tt.want)
		}
	}
	if got := cell(1, "info"); !strings.HasPrefix(got, `{"credential_ids":["9f0c`) {
		t.Errorf("info %q", got)
	}
	if got := cell(2, "prev"); got != cell(1, "hash") {
		t.Errorf("prev %q, want the hash before, %q", got, cell(1, "hash"))
	}
}

func TestDump_LinesAreThoseOfTheLog(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	var want bytes.Buffer
	for _, name := range segmentNames(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want.Write(b)
	}
	edit(t, logSegment(dir, 3, 7), func(s string) string { return s + `{"id":10` }) // torn
	var got bytes.Buffer
	if n, err := Dump(t.Context(), dir, &got, DumpOptions{Format: Lines}); err != nil || n != 9 {
		t.Fatalf("Dump = %d, %v; want 9 records", n, err)
	}
	if got.String() != want.String() {
		t.Errorf("dump\n%s\nwant\n%s", got.String(), want.String())
	}
}

func TestDump_LeavesOutWhatIsOlder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := testDate
	l := openTest(t, FileOptions{Dir: dir, SegmentSize: 700, Now: func() time.Time { return now }})
	for range 10 {
		appendN(t, l, 1)
		now = now.Add(time.Hour)
	}
	var out bytes.Buffer
	n, err := Dump(t.Context(), dir, &out, DumpOptions{Format: Lines, Since: testDate.Add(7 * time.Hour)})
	if err != nil || n != 3 || !strings.HasPrefix(out.String(), `{"id":8,`) {
		t.Errorf("Dump = %d, %v; want records 8 to 10:\n%s", n, err, out.String())
	}
}

func TestDump_ShowsRemovedEntriesByTheirKind(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	edit(t, logSegment(dir, 2, 4), func(s string) string {
		l := strings.SplitAfter(s, "\n")
		return l[0] + removal(t, Tombstone, l[1]) + l[2]
	})
	var out bytes.Buffer
	if _, err := Dump(t.Context(), dir, &out, DumpOptions{Format: CSV}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\n5,2026-01-02T03:04:05.000006Z,tombstone,,") {
		t.Errorf("no tombstone in\n%s", out.String())
	}
}

func TestDump_SaysWhereItCannotRead(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	edit(t, logSegment(dir, 2, 4), func(s string) string { return "x\n" + s })
	_, err := Dump(t.Context(), dir, &bytes.Buffer{}, DumpOptions{Format: CSV})
	if !errors.Is(err, ErrLine) || !strings.Contains(fmt.Sprint(err), segment{2, 4}.name()+" line 1") {
		t.Errorf("Dump = %v, want ErrLine and where", err)
	}
	if _, err := Dump(t.Context(), dir, &bytes.Buffer{}, DumpOptions{Format: "xml"}); err == nil {
		t.Error("Dump takes an unknown format")
	}
}
