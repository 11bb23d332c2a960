package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// StreamOptions say how a stream log is kept.
type StreamOptions struct {
	To    io.Writer        // one Write per record
	Chain string           // tells the chains of several processes apart, for example a random text
	Now   func() time.Time // nil: time.Now
}

// StreamLog writes the log as JSON lines to a stream, for whoever collects the
// output of processes. The lines are those of Record, with the chain's name in
// each; the chain begins with the process. When a record is on a disk is the
// collector's business, so Wait of a receipt returns at once.
type StreamLog struct {
	to    io.Writer
	now   func() time.Time
	chain []byte

	turn   chan struct{} // holds one token: the right to write
	head   head
	buf    []byte
	broken bool // the stream may stand in the middle of a line
}

// NewStream returns a log that begins a chain on a stream.
func NewStream(o StreamOptions) (*StreamLog, error) {
	if o.To == nil || o.Chain == "" {
		return nil, errors.New("an audit stream needs a writer and a name for its chain")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &StreamLog{
		to:    o.To,
		now:   o.Now,
		chain: appendMember(nil, `,"chain":`, o.Chain),
		turn:  make(chan struct{}, 1),
		head:  head{hash: genesis()},
	}
	s.turn <- struct{}{}
	return s, nil
}

// Append implements Log.
func (s *StreamLog) Append(ctx context.Context, e Entry) (Receipt, error) {
	body := appendBody(nil, &e)
	select {
	case <-s.turn:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: wait for the stream: %w", ErrUnavailable, ctx.Err())
	}
	defer func() { s.turn <- struct{}{} }()
	h := s.head
	s.buf = s.buf[:0]
	if s.broken {
		s.buf = append(s.buf, '\n')
	}
	s.buf = h.appendLine(s.buf, appendDate(nil, s.now()), s.chain, body)
	if _, err := s.to.Write(s.buf); err != nil {
		s.broken = true
		return nil, fmt.Errorf("%w: write to the stream: %w", ErrUnavailable, err)
	}
	s.head, s.broken = h, false
	return streamReceipt(h.number), nil
}

type streamReceipt uint64

func (r streamReceipt) Number() uint64           { return uint64(r) }
func (streamReceipt) Wait(context.Context) error { return nil }
