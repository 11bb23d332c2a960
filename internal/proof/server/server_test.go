package server

import (
	"strings"
	"testing"
)

func TestLog_KeepsTheBeginningAndTheEnd(t *testing.T) {
	t.Parallel()
	l := &log{}
	for _, part := range []string{"first line\n", strings.Repeat("x", 5*logPart), "last line\n"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write = %d, %v; want %d, nil", n, err, len(part))
		}
	}
	got := l.String()
	if !strings.HasPrefix(got, "first line\n") || !strings.HasSuffix(got, "last line\n") {
		t.Errorf("the log is %q … %q", got[:20], got[len(got)-20:])
	}
	if len(got) > 3*logPart {
		t.Errorf("the log keeps %d bytes, want at most %d", len(got), 3*logPart)
	}
}

func TestLog_OfLittleIsWhole(t *testing.T) {
	t.Parallel()
	l := &log{}
	for _, part := range []string{"a", "b", "c"} {
		if _, err := l.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.String(); got != "abc" {
		t.Errorf("String() = %q, want abc", got)
	}
}
