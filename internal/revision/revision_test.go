package revision_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/revision"
)

func TestSplit_IsTheReverseOfKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		key string
		id  string
		n   int
		ok  bool
	}{
		{"foo-1", "foo", 1, true},
		{"foo-bar-12", "foo-bar", 12, true},
		{"foo-1-2", "foo-1", 2, true},
		{"9f0c2b6a4d1e4f7f8b1a2c3d4e5f6071-3", "9f0c2b6a4d1e4f7f8b1a2c3d4e5f6071", 3, true},
		{"foo", "", 0, false},
		{"foo-", "", 0, false},
		{"-1", "", 0, false},
		{"foo-0", "", 0, false},
		{"foo-01", "", 0, false},
		{"foo-+1", "", 0, false},
		{"foo-1a", "", 0, false},
		{"foo-٣", "", 0, false},
		{"foo-99999999999999999999", "", 0, false},
	}
	for _, tt := range tests {
		id, n, ok := revision.Split(tt.key)
		if id != tt.id || n != tt.n || ok != tt.ok {
			t.Errorf("Split(%q) = %q, %d, %v; want %q, %d, %v", tt.key, id, n, ok, tt.id, tt.n, tt.ok)
		}
		if ok && revision.Key(id, n) != tt.key {
			t.Errorf("Key(%q, %d) = %q, want %q", id, n, revision.Key(id, n), tt.key)
		}
	}
}

func TestFormatDate_HasExactlyThirtyOneCharacters(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+0000$`)
	for _, in := range []time.Time{
		time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC),
		time.Date(2020, 1, 2, 3, 4, 5, 999_999_999, time.FixedZone("", 2*3600)),
		time.Date(9999, 12, 31, 23, 59, 59, 1000, time.UTC),
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		got := revision.FormatDate(in)
		if !form.MatchString(got) || len(got) != 31 {
			t.Errorf("FormatDate(%v) = %q", in, got)
		}
		back, err := revision.ParseDate(got)
		if err != nil || !back.Equal(revision.Instant(in)) {
			t.Errorf("ParseDate(%q) = %v, %v; want %v", got, back, err, revision.Instant(in))
		}
	}
}

func TestParseDate_AcceptsNoOtherForm(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "2020-01-02", "2020-01-02T03:04:05+0000", "2020-01-02T03:04:05.000000Z",
		"2020-01-02T03:04:05.000000+00:00", "2020-01-02 03:04:05.000000+0000",
	} {
		if got, err := revision.ParseDate(s); err == nil {
			t.Errorf("ParseDate(%q) = %v, want an error", s, got)
		}
	}
}

func TestMemo_OfNilKeepsNothing(t *testing.T) {
	t.Parallel()
	var none *revision.Memo
	none.Store("x")
	if got := none.Load(); got != nil {
		t.Errorf("nil Memo: Load() = %v, want nil", got)
	}
	m := &revision.Memo{}
	m.Store("x")
	if got := m.Load(); got != "x" {
		t.Errorf("Load() = %v, want x", got)
	}
}
