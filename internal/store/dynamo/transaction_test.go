package dynamo

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPack_FillsTransactionsAndKeepsGroupsWhole(t *testing.T) {
	t.Parallel()
	group := func(actions, bytes int) []*action {
		out := make([]*action, actions)
		for i := range out {
			out[i] = &action{bytes: bytes}
		}
		return out
	}
	for name, tt := range map[string]struct {
		groups [][]*action
		want   []int // groups of each transaction
	}{
		"nothing":                  {nil, nil},
		"one":                      {[][]*action{group(1, 0)}, []int{1}},
		"as many as fit":           {slices.Repeat([][]*action{group(1, 1000)}, 100), []int{100}},
		"one too many":             {slices.Repeat([][]*action{group(1, 1000)}, 101), []int{100, 1}},
		"pairs":                    {slices.Repeat([][]*action{group(2, 0)}, 120), []int{50, 50, 20}},
		"threes, that leave a gap": {slices.Repeat([][]*action{group(3, 0)}, 40), []int{33, 7}},
		"large ones":               {slices.Repeat([][]*action{group(1, 380<<10)}, 20), []int{8, 8, 4}},
		"one larger than fits":     {[][]*action{group(1, 0), group(1, 4<<20), group(1, 0)}, []int{1, 1, 1}},
	} {
		var got []int
		next := 0
		for _, part := range pack(tt.groups) {
			got = append(got, len(part))
			for _, i := range part {
				if i != next {
					t.Errorf("%s: group %d stands where %d should", name, i, next)
				}
				next++
			}
		}
		if d := cmp.Diff(tt.want, got); d != "" || next != len(tt.groups) {
			t.Errorf("%s: %d of %d groups, in transactions of (-want +got):\n%s", name, next, len(tt.groups), d)
		}
	}
}

func TestExpression_NamesNothingByItsOwnName(t *testing.T) {
	t.Parallel()
	var e expression
	got := all(e.is("name", text("x")), either(e.is("size", nil), e.compare("name", "<>", text("y"))), e.oneOf("type", "a", "b"))
	if want := "(#a0 = :v0 AND (attribute_not_exists(#a1) OR #a0 <> :v1) AND #a2 IN (:v2, :v3))"; got != want {
		t.Errorf("expression %q, want %q", got, want)
	}
	if d := cmp.Diff(map[string]string{"#a0": "name", "#a1": "size", "#a2": "type"}, e.names); d != "" {
		t.Error(d)
	}
	// DynamoDB refuses parentheses that are not needed.
	if got := all(either("x")); got != "x" {
		t.Errorf("one condition is written %q", got)
	}
}

func TestWithout_NamesMoreAttributesThanTheAlphabetHasLetters(t *testing.T) {
	t.Parallel()
	var e expression
	names := make([]string, 60)
	for i := range names {
		names[i] = string(rune('a'+i%26)) + string(rune('0'+i/26))
	}
	_ = e.list(names)
	if len(e.names) != len(names) {
		t.Errorf("%d aliases for %d attributes", len(e.names), len(names))
	}
	for alias := range e.names {
		for _, c := range alias[1:] {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				t.Errorf("alias %q", alias)
			}
		}
	}
}
