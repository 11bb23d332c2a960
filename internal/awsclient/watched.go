package awsclient

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// watched ends an exchange whose answer has begun and does not go on, which the
// transport itself does not see to, and does not take nothing for an answer: a
// service says at least "{}", and the SDK would read nothing as "not found".
type watched struct {
	next     http.RoundTripper
	patience time.Duration // 0: without end
}

// RoundTrip watches over the body of the answer.
func (t watched) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	answer, err := t.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	answer.Body = &watchedBody{ReadCloser: answer.Body, cancel: cancel, patience: t.patience, empty: answer.StatusCode == http.StatusOK}
	return answer, nil
}

// errStalled is the end of an answer that does not go on. The SDK tells by
// Timeout that it may ask again.
type errStalled struct{}

func (errStalled) Error() string { return "the answer does not go on" }
func (errStalled) Timeout() bool { return true }

type watchedBody struct {
	io.ReadCloser
	cancel   context.CancelCauseFunc
	patience time.Duration
	empty    bool // so far, where something has to come
}

// Read waits for the next bytes as long as patience allows.
func (b *watchedBody) Read(p []byte) (n int, err error) {
	stalled := false
	if b.patience > 0 {
		timer := time.AfterFunc(b.patience, func() { b.cancel(errStalled{}) })
		n, err = b.ReadCloser.Read(p)
		stalled = !timer.Stop()
	} else {
		n, err = b.ReadCloser.Read(p)
	}
	b.empty = b.empty && n == 0
	switch {
	case err == io.EOF && b.empty:
		err = io.ErrUnexpectedEOF
	case err != nil && err != io.EOF && stalled:
		err = errStalled{}
	}
	return n, err
}

// Close ends the exchange.
func (b *watchedBody) Close() error {
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}

// impatientConn ends a connection that takes no more bytes.
type impatientConn struct {
	net.Conn
	patience time.Duration
}

// Write waits for room as long as patience allows.
func (c impatientConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
