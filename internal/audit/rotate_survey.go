package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// part is a segment as a survey found it.
type part struct {
	segment
	size    int64
	before  head // of the chain
	entries int
	removed int // of these
	leading int // of these, before the first entry that stays
}

// beginning returns the place of the segment with which a log begins: the last
// one that begins with a checkpoint. Earlier ones are remains of a rotation.
func beginning(segments []opened) int {
	start := make([]byte, len(checkpointStart))
	for i := len(segments) - 1; i > 0; i-- {
		n, _ := segments[i].file.ReadAt(start, 0) // an error shows when it is read
		if n == len(start) && bytes.Equal(start, []byte(checkpointStart)) {
			return i
		}
	}
	return 0
}

// survey proves the log and counts what is to be removed from it.
func (r *rotation) survey(ctx context.Context) error {
	segments, err := snapshot(r.Dir)
	if err != nil {
		return err
	}
	defer closeAll(segments)
	segments = segments[beginning(segments):]
	for _, s := range segments {
		r.toRead += int(s.size)
	}
	r.found.Rules = r.Select.counts()
	c := chain{head: head{hash: genesis()}}
	for i, s := range segments {
		p := part{segment: s.segment, size: s.size, before: c.head}
		staying := false
		err := r.each(ctx, s, &c, i == 0, i < len(segments)-1, func(_ []byte, f frame, _ head) error {
			if f.kind != Recorded {
				return nil
			}
			p.entries++
			rule, yes := r.judge.removes(f)
			switch {
			case !yes:
				staying = true
				return nil
			case !staying:
				p.leading++
			}
			p.removed++
			if len(r.found.Rules) > 0 {
				r.found.Rules[rule].Deleted++
			}
			return nil
		})
		if err != nil {
			return err
		}
		r.found.Total += p.entries
		r.found.Deleted += p.removed
		r.parts = append(r.parts, p)
	}
	r.last = c.head.number
	if excess := r.Select.excess(r.found.Total); excess > 0 {
		r.found.Deleted = excess
		return r.cut(ctx, segments, excess)
	}
	return nil
}

// cut notes that so many entries are to be removed from the beginning.
func (r *rotation) cut(ctx context.Context, segments []opened, excess int) error {
	for i := range r.parts {
		p := &r.parts[i]
		p.removed = min(excess, p.entries)
		p.leading = p.removed
		excess -= p.removed
		if excess > 0 {
			continue
		}
		left := p.removed
		c := chain{head: p.before}
		return r.each(ctx, segments[i], &c, i == 0, i < len(segments)-1, func(_ []byte, f frame, _ head) error {
			if f.kind == Recorded && left > 0 {
				left--
				r.judge.through = f.number
			}
			return nil
		})
	}
	return nil
}

// each proves the lines of a segment and calls f with each, without its line
// end, and with the head of the chain before it. The first segment may begin
// with a checkpoint; in one that is not closed an incomplete end is passed over.
func (r *rotation) each(ctx context.Context, s opened, c *chain, first, closed bool, f func(line []byte, f frame, before head) error) error {
	lines := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, s.size), maxLine)
	broken := func(n int, reason string) error {
		return fmt.Errorf("%w: %s", ErrBroken, &Break{s.name(), n, c.head.number + 1, reason})
	}
	for n := 1; ; n++ {
		if n%r.Chunk == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.Progress(r.read, r.toRead)
		}
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && (len(line) == 0 || !closed):
			return nil
		case errors.Is(err, io.EOF):
			return broken(n, "the line is incomplete")
		case errors.Is(err, bufio.ErrBufferFull):
			return broken(n, "the line is too long for a record")
		case err != nil:
			return fmt.Errorf("read %s: %w", s.name(), err)
		}
		r.read += len(line)
		line = line[:len(line)-1]
		before := c.head
		parsed, err := parseFrame(line)
		if first && n == 1 && err == nil && parsed.kind == Checkpoint {
			c.head = parsed.head()
		} else if parsed, err = c.step(line); err != nil {
			return broken(n, err.Error())
		}
		if err := f(line, parsed, before); err != nil {
			return err
		}
	}
}
