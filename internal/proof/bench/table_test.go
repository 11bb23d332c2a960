package bench

import (
	"strings"
	"testing"
)

func TestLine_MeetsItsTarget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		l    line
		want bool
	}{
		{line{ratio: 0.3, atLeast: true, target: 0.3}, true},
		{line{ratio: 0.31, atLeast: true, target: 0.3}, true},
		{line{ratio: 0.29, atLeast: true, target: 0.3}, false},
		{line{ratio: 2, target: 2}, true},
		{line{ratio: 1.9, target: 2}, true},
		{line{ratio: 2.1, target: 2}, false},
		{line{ratio: 7}, true},
	} {
		if got := tt.l.met(); got != tt.want {
			t.Errorf("%+v: met %v, want %v", tt.l, got, tt.want)
		}
	}
}

func TestTable_ShowsTargetsAndVerdicts(t *testing.T) {
	t.Parallel()
	out := &strings.Builder{}
	table := &table{}
	table.add(line{what: "fetch", value: "3000/s", against: "bare 10000/s", ratio: 0.3, atLeast: true, target: 0.25})
	table.add(line{what: "memory", value: "130 MiB", ratio: 130, target: 120, unit: " MiB"})
	if err := table.print(out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"at least 0.25", "met", "at most 120 MiB", "NOT MET", "bare 10000/s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
}
