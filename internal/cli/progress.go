package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// How a long command tells how far it is.
const (
	progressAfter = 2 * time.Second        // short commands say nothing
	progressDraw  = 100 * time.Millisecond // between two pictures of the bar
	progressLine  = 10 * time.Second       // between two lines where there is no terminal
	progressWidth = 30                     // characters of the bar
)

// progress tells on standard error how far a command is: on a terminal by a bar
// that is drawn over itself, elsewhere by a line now and then. It is silent with
// --quiet. Its methods are not called side by side.
type progress struct {
	to    io.Writer // nil: silent
	bar   bool
	what  string
	now   func() time.Time
	began time.Time
	told  time.Time // when it was last drawn or written
	drawn bool      // the bar stands on the terminal
}

// progress returns the progress of what is done, for example "archiving". Its
// hide must be called before anything else is printed and at the end.
func (c *console) progress(what string) *progress {
	p := &progress{to: c.err, what: what, now: time.Now, began: time.Now()}
	if c.quiet {
		p.to = nil
	}
	if f, ok := c.err.(*os.File); ok {
		p.bar = term.IsTerminal(int(f.Fd()))
	}
	return p
}

// show is told how much is done and of how much; a total of 0 is not known.
func (p *progress) show(done, total int) {
	now := p.now()
	every := progressLine
	if p.bar {
		every = progressDraw
	}
	passed := now.Sub(p.began)
	if p.to == nil || passed < progressAfter || !p.told.IsZero() && now.Sub(p.told) < every {
		return
	}
	p.told = now
	text := p.what + ": " + measure(done, total, passed)
	if !p.bar {
		fmt.Fprintln(p.to, text)
		return
	}
	if total > 0 {
		filled := progressWidth * min(done, total) / total
		text = "[" + strings.Repeat("=", filled) + strings.Repeat(" ", progressWidth-filled) + "] " + text
	}
	fmt.Fprint(p.to, "\r\x1b[K"+text)
	p.drawn = true
}

// hide removes the bar from the terminal.
func (p *progress) hide() {
	if p.drawn {
		fmt.Fprint(p.to, "\r\x1b[K")
		p.drawn = false
	}
}

// measure says how much is done, how fast, and how long it will take.
func measure(done, total int, passed time.Duration) string {
	rate := float64(done) / passed.Seconds()
	if total == 0 {
		return fmt.Sprintf("%d, %s/s", done, perSecond(rate))
	}
	text := fmt.Sprintf("%d of %d, %s/s", done, total, perSecond(rate))
	if left := total - done; left > 0 && done > 0 {
		text += ", " + (time.Duration(float64(left)/rate*float64(time.Second)) + time.Second/2).Truncate(time.Second).String() + " left"
	}
	return text
}

func perSecond(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.1f", rate)
	}
	return fmt.Sprintf("%.0f", rate)
}
