package cli

import (
	"strings"
	"testing"
	"time"
)

func TestProgress_SaysHowFarALongCommandIs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		bar   bool
		total int
		want  string
	}{
		"lines":                {false, 100, "credentials: 30 of 100, 10/s, 7s left\ncredentials: 100 of 100, 7.7/s\n"},
		"lines without an end": {false, 0, "credentials: 30, 10/s\ncredentials: 100, 7.7/s\n"},
		"a bar": {true, 100, "\r\x1b[K[=========                     ] credentials: 30 of 100, 10/s, 7s left" +
			"\r\x1b[K[===========                   ] credentials: 39 of 100, 9.7/s, 6s left" +
			"\r\x1b[K[==============================] credentials: 100 of 100, 7.7/s\r\x1b[K"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
			p := &progress{to: &out, bar: tt.bar, what: "credentials", now: func() time.Time { return now }, began: now}
			for _, step := range []struct {
				after time.Duration
				done  int
			}{{0, 0}, {time.Second, 10}, {2 * time.Second, 30}, {time.Millisecond, 31}, {time.Second, 39}, {9 * time.Second, 100}} {
				now = now.Add(step.after)
				p.show(step.done, tt.total)
			}
			p.hide()
			p.hide()
			if out.String() != tt.want {
				t.Errorf("it writes %q, want %q", out.String(), tt.want)
			}
		})
	}
}

func TestProgress_IsSilentWhenAsked(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	c := &console{err: &out, quiet: true}
	p := c.progress("credentials")
	p.began = p.began.Add(-time.Hour)
	p.show(1, 2)
	p.hide()
	if out.String() != "" {
		t.Errorf("it writes %q", out.String())
	}
}
