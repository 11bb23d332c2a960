package telemetry

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	statsdQueue    = 4096             // values that may wait
	statsdDatagram = 1400             // bytes in one datagram, about; fits an Ethernet frame
	statsdRetry    = 10 * time.Second // between two tries to find the host
	statsdRefresh  = 5 * time.Minute  // after which the host is looked up again
	statsdLookup   = 5 * time.Second  // for one look-up
)

// sample is one value for statsd.
type sample struct {
	name string
	kind Kind
	n    int64 // a count, or nanoseconds
}

// statsd sends values over UDP in the background. Until the host is found, and
// whenever it is too slow, values are dropped.
type statsd struct {
	log     *slog.Logger
	dropped prometheus.Counter
	dial    func(context.Context) (net.Conn, error)
	queue   chan sample
	conns   chan net.Conn
	stop    context.CancelFunc
	done    sync.WaitGroup
}

func newStatsd(address string, log *slog.Logger, dropped prometheus.Counter) *statsd {
	return startStatsd(log, dropped, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", address)
	})
}

func startStatsd(log *slog.Logger, dropped prometheus.Counter, dial func(context.Context) (net.Conn, error)) *statsd {
	ctx, stop := context.WithCancel(context.Background())
	s := &statsd{
		log: log, dropped: dropped, dial: dial, stop: stop,
		queue: make(chan sample, statsdQueue),
		conns: make(chan net.Conn),
	}
	s.done.Go(func() { s.find(ctx) })
	s.done.Go(func() { s.run(ctx) })
	return s
}

// send never waits.
func (s *statsd) send(v sample) {
	select {
	case s.queue <- v:
	default:
		s.dropped.Inc()
	}
}

func (s *statsd) close() {
	s.stop()
	s.done.Wait()
}

// find keeps looking the host up: it may come later than we do, and move.
func (s *statsd) find(ctx context.Context) {
	missing := false
	for {
		lookup, cancel := context.WithTimeout(ctx, statsdLookup)
		conn, err := s.dial(lookup)
		cancel()
		pause := statsdRefresh
		switch {
		case err == nil:
			missing = false
			select {
			case s.conns <- conn:
			case <-ctx.Done():
				conn.Close()
				return
			}
		case ctx.Err() != nil:
			return
		default:
			pause = statsdRetry
			if !missing {
				missing = true
				s.log.Warn("statsd is not reachable; its metrics are dropped until it is", "error", err)
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (s *statsd) run(ctx context.Context) {
	var conn net.Conn
	buf := make([]byte, 0, 2*statsdDatagram)
	for {
		select {
		case c := <-s.conns:
			if conn != nil {
				conn.Close()
			}
			conn = c
		case v := <-s.queue:
			buf = s.datagram(buf[:0], conn, v)
		case <-ctx.Done():
			for len(s.queue) > 0 {
				buf = s.datagram(buf[:0], conn, <-s.queue)
			}
			if conn != nil {
				conn.Close()
			}
			return
		}
	}
}

// datagram sends a value and as many of those that wait as fit beside it, one a
// line.
func (s *statsd) datagram(buf []byte, conn net.Conn, v sample) []byte {
	buf = appendSample(buf, v)
	values := 1
	for waits := true; waits && len(buf) < statsdDatagram-100; {
		select {
		case v := <-s.queue:
			buf = appendSample(append(buf, '\n'), v)
			values++
		default:
			waits = false
		}
	}
	if conn != nil {
		if _, err := conn.Write(buf); err == nil {
			return buf
		}
	}
	s.dropped.Add(float64(values))
	return buf
}

// appendSample appends "name:2|c" or "name:1.234567|ms".
func appendSample(b []byte, v sample) []byte {
	b = append(append(b, v.name...), ':')
	if v.kind == Counter {
		return append(strconv.AppendInt(b, v.n, 10), "|c"...)
	}
	return append(strconv.AppendFloat(b, float64(v.n)/1e6, 'f', 6, 64), "|ms"...)
}
