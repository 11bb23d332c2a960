package audit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

type failingWriter struct {
	bytes.Buffer
	fail bool
}

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.fail {
		n, _ := w.Buffer.Write(b[:len(b)/2])
		return n, io.ErrShortWrite
	}
	return w.Buffer.Write(b)
}

func TestStreamLog_EachLineNamesItsChain(t *testing.T) {
	t.Parallel()
	var out failingWriter
	s, err := NewStream(StreamOptions{To: &out, Chain: "c-1", Now: func() time.Time { return testDate }})
	if err != nil {
		t.Fatal(err)
	}
	appendN(t, s, 2)
	out.fail = true
	if _, err := s.Append(t.Context(), Entry{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Append = %v, want ErrUnavailable", err)
	}
	out.fail = false
	if got := appendN(t, s, 1); got != 3 {
		t.Errorf("number %d after a failure, want 3", got)
	}
	c := chain{head: head{hash: genesis()}}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want 4, the third incomplete:\n%s", len(lines), out.String())
	}
	for i, line := range lines {
		if i == 2 {
			continue
		}
		if _, err := c.step([]byte(line)); err != nil {
			t.Errorf("line %d: %v", i+1, err)
		}
		if r, err := decodeLine([]byte(line)); err != nil || r.Chain != "c-1" {
			t.Errorf("line %d: chain %q, %v", i+1, r.Chain, err)
		}
	}
}

func TestStreamLog_WaitsNoLongerThanItsCaller(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe() // nobody reads
	defer r.Close()
	s, err := NewStream(StreamOptions{To: w, Chain: "c"})
	if err != nil {
		t.Fatal(err)
	}
	go s.Append(context.WithoutCancel(t.Context()), Entry{})
	eventually(t, "the first writes", func() bool { return len(s.turn) == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Append(ctx, Entry{}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Append = %v, want ErrUnavailable because of the deadline", err)
	}
}

func TestNewStream_ChecksItsOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []StreamOptions{{Chain: "c"}, {To: io.Discard}} {
		if _, err := NewStream(o); err == nil {
			t.Errorf("NewStream(%+v) succeeds, want an error", o)
		}
	}
}
