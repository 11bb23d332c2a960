package contract

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

func TestReadPending_ReadsNumbersWithReasons(t *testing.T) {
	t.Parallel()
	got, err := ReadPending(strings.NewReader("# what is left\n\n 12 needs a key service \n13 routes to come\n"))
	if want := (Pending{12: "needs a key service", 13: "routes to come"}); err != nil || !maps.Equal(got, want) {
		t.Errorf("ReadPending = %v, %v; want %v", got, err, want)
	}
}

func TestReadPending_RefusesLinesThatSayTooLittle(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"12", "twelve reason", "12 a\n12 b"} {
		if got, err := ReadPending(strings.NewReader(text)); err == nil {
			t.Errorf("ReadPending(%q) = %v, want an error", text, got)
		}
	}
}

func TestPending_HoldsOnlyWhatIsCompared(t *testing.T) {
	t.Parallel()
	var r Recording
	if err := json.Unmarshal([]byte(`{"exchanges": [{"n": 1, "request": {}, "response": {}}, {"n": 2, "request": {}, "response": {}}],
		"expected": {"skip": [{"n": 2}]}}`), &r); err != nil {
		t.Fatal(err)
	}
	for n, ok := range map[int]bool{1: true, 2: false, 3: false} {
		if err := (Pending{n: "reason"}).Check(&r); (err == nil) != ok {
			t.Errorf("exchange %d pending: %v", n, err)
		}
	}
}
