//go:build !race

package envelope_test

import (
	"strings"
	"testing"
)

// The race detector makes pools forget at random, so that this holds without it
// alone. Not parallel: it counts the allocations of the whole process.
func TestOpen_AllocatesThePlaintextAlone(t *testing.T) {
	s := withKeyFile(t, 10)
	v := seal(t, s, id, strings.Repeat("x", 200))
	got := testing.AllocsPerRun(1000, func() {
		if _, err := s.Open(t.Context(), id, v); err != nil {
			t.Error(err)
		}
	})
	if got > 1 {
		t.Errorf("Open allocates %v times, want once", got)
	}
}
