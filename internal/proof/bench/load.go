// Package bench measures what the program has to be measured by: how fast it
// answers and how much memory it takes, each against something that was measured
// in the same run on the same machine. Without its flag it measures next to
// nothing and only proves that each measurement can be made.
package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load sends requests over keep-alive connections, one after the other on each.
// It speaks just enough HTTP/1.1 to tell answers apart, so that it takes as
// little as possible from the server it shares the processors with.
type load struct {
	connections []*connection
}

// newLoad opens n connections.
func newLoad(address string, n int) (*load, error) {
	l := &load{}
	for range n {
		c, err := dial(address)
		if err != nil {
			l.close()
			return nil, err
		}
		l.connections = append(l.connections, c)
	}
	return l, nil
}

func (l *load) close() {
	for _, c := range l.connections {
		_ = c.conn.Close() // it was only read from
	}
}

// rate is what one window measured.
type rate struct {
	requests int
	elapsed  time.Duration
}

func (r rate) perSecond() float64 { return float64(r.requests) / r.elapsed.Seconds() }

// run sends requests on all connections until the window is over. request
// appends the next request of a connection. An answer that is not 200 ends the
// run with an error.
func (l *load) run(window time.Duration, request func(b []byte, connection int) []byte) (rate, error) {
	var (
		total atomic.Int64
		over  atomic.Bool
		wg    sync.WaitGroup
	)
	errs := make([]error, len(l.connections))
	began := time.Now()
	timer := time.AfterFunc(window, func() { over.Store(true) })
	defer timer.Stop()
	for i, c := range l.connections {
		wg.Go(func() {
			n := 0
			var b []byte
			for !over.Load() && errs[i] == nil {
				b = request(b[:0], i)
				errs[i] = c.exchange(b)
				n++
			}
			total.Add(int64(n))
		})
	}
	wg.Wait()
	return rate{int(total.Load()), time.Since(began)}, errors.Join(errs...)
}

// connection is one keep-alive connection.
type connection struct {
	conn net.Conn
	r    *bufio.Reader
	keep *bytes.Buffer // nil: bodies are dropped
}

func dial(address string) (*connection, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, r: bufio.NewReaderSize(conn, 16<<10)}, nil
}

// fetch sends a request and returns the body of its answer.
func (c *connection) fetch(request []byte) ([]byte, error) {
	c.keep = &bytes.Buffer{}
	defer func() { c.keep = nil }()
	err := c.exchange(request)
	return c.keep.Bytes(), err
}

// exchange sends a request and reads its answer, which has to be 200.
func (c *connection) exchange(request []byte) error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	const status = len("HTTP/1.1 ")
	if len(line) < status+3 {
		return fmt.Errorf("a strange answer: %q", line)
	}
	ok := string(line[status:status+3]) == "200"
	answer := string(line)
	length, chunked := 0, false
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if value, ok := header(line, "Content-Length: "); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		} else if value, ok := header(line, "Transfer-Encoding: "); ok {
			chunked = string(value) == "chunked"
		}
	}
	if !ok {
		c.keep = &bytes.Buffer{}
	}
	if chunked {
		err = c.chunks()
	} else {
		err = c.take(length)
	}
	if err == nil && !ok {
		err = fmt.Errorf("%s: %s", bytes.TrimSpace([]byte(answer)), c.keep)
		c.keep = nil
	}
	return err
}

// header returns the value of a header line that has the name.
func header(line []byte, name string) ([]byte, bool) {
	if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name):]), true
}

func (c *connection) chunks() error {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return err
		}
		if err := c.take(int(n)); err != nil {
			return err
		}
		if _, err := c.r.Discard(len("\r\n")); err != nil || n == 0 {
			return err
		}
	}
}

// take reads n bytes of a body.
func (c *connection) take(n int) error {
	if c.keep == nil {
		_, err := c.r.Discard(n)
		return err
	}
	for n > 0 {
		if _, err := c.r.Peek(1); err != nil {
			return err
		}
		part, err := c.r.Peek(min(n, c.r.Buffered()))
		if err != nil {
			return err
		}
		c.keep.Write(part)
		if _, err := c.r.Discard(len(part)); err != nil {
			return err
		}
		n -= len(part)
	}
	return nil
}

// appendRequest appends a request without a body when body is nil.
func appendRequest(b []byte, method, path, token string, body []byte) []byte {
	b = append(append(append(append(b, method...), ' '), path...), " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "...)
	b = append(append(b, token...), "\r\n"...)
	if body != nil || method != http.MethodGet {
		b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	}
	return append(append(b, "\r\n"...), body...)
}
