package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestStatsd_SendsTheLinesOfTheOlderService(t *testing.T) {
	t.Parallel()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	m, err := NewMetrics(Options{Statsd: socket.LocalAddr().String(), Now: func() time.Time { return testNow }})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"confidant.at_rest_action:1|c", "confidant.at_rest_action:2|c",
		"confidant.get_service_by_id:1.234567|ms", "confidant.get_service_by_id.build_response:0.000000|ms",
	}
	var got []string
	receive := func() {
		b := make([]byte, 65536)
		if err := socket.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, _, err := socket.ReadFrom(b); err == nil {
			got = append(got, strings.Split(string(b[:n]), "\n")...)
		}
	}
	// What is counted before the host is found is lost, so ask until it is.
	for deadline := time.Now().Add(10 * time.Second); len(got) == 0 && time.Now().Before(deadline); {
		m.Count("restore.save.success", 1)
		receive()
	}
	m.Count("at_rest_action", 1)
	m.Count("at_rest_action", 2)
	m.Time("get_service_by_id", testNow.Add(-1234567*time.Nanosecond))
	m.Time("get_service_by_id.build_response", testNow)
	m.Request("GET /", 200, testNow) // Prometheus alone
	m.Close()                        // sends what waits
	for deadline := time.Now().Add(10 * time.Second); len(got) < len(want) && time.Now().Before(deadline); {
		receive()
		got = slices.DeleteFunc(got, func(s string) bool { return s == "confidant.restore.save.success:1|c" })
	}
	if !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
}

// pipe is a connection that keeps what is written to it.
type pipe struct {
	net.Conn
	datagrams []string
	closed    bool
}

func (p *pipe) Write(b []byte) (int, error) {
	p.datagrams = append(p.datagrams, string(b))
	return len(b), nil
}

func (p *pipe) Close() error {
	p.closed = true
	return nil
}

func dropped() prometheus.Counter { return prometheus.NewCounter(prometheus.CounterOpts{Name: "d"}) }

func count(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families[0].GetMetric()[0].GetCounter().GetValue()
}

func TestStatsd_PutsManyLinesInOneDatagram(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := &pipe{}
		s := startStatsd(slog.New(slog.DiscardHandler), dropped(), func(context.Context) (net.Conn, error) { return conn, nil })
		synctest.Wait()
		for range 200 {
			s.send(sample{"confidant.list_services", Timer, 1})
		}
		s.close()
		lines := 0
		for _, d := range conn.datagrams {
			if len(d) > statsdDatagram {
				t.Errorf("a datagram of %d bytes", len(d))
			}
			lines += strings.Count(d, "\n") + 1
		}
		if lines != 200 || len(conn.datagrams) > 20 || !conn.closed {
			t.Errorf("%d lines in %d datagrams, closed %v", lines, len(conn.datagrams), conn.closed)
		}
	})
}

func TestStatsd_AMissingHostHoldsNobodyUpAndIsFoundLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var found atomic.Bool
		conn, lost := &pipe{}, dropped()
		s := startStatsd(slog.New(slog.NewTextHandler(&log, nil)), lost, func(ctx context.Context) (net.Conn, error) {
			if found.Load() {
				return conn, nil
			}
			<-ctx.Done() // a resolver that does not answer
			return nil, errors.New("no such host")
		})
		start := time.Now()
		for range 2 * statsdQueue {
			s.send(sample{"a", Counter, 1})
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("sending took %v", took)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings in a minute, want 1", n)
		}
		if n := count(t, lost); n != 2*statsdQueue {
			t.Errorf("%v values counted as dropped, want %d", n, 2*statsdQueue)
		}
		found.Store(true)
		time.Sleep(2 * statsdRetry)
		synctest.Wait()
		s.send(sample{"a", Counter, 1})
		s.close()
		if want := []string{"a:1|c"}; !slices.Equal(conn.datagrams, want) {
			t.Errorf("sent %q, want %q", conn.datagrams, want)
		}
	})
}

func TestStatsd_LooksTheHostUpAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var conns []*pipe
		s := startStatsd(slog.New(slog.DiscardHandler), dropped(), func(context.Context) (net.Conn, error) {
			conns = append(conns, &pipe{})
			return conns[len(conns)-1], nil
		})
		time.Sleep(statsdRefresh + time.Second)
		synctest.Wait()
		s.send(sample{"a", Counter, 1})
		s.close()
		if len(conns) != 2 || !conns[0].closed || len(conns[1].datagrams) != 1 {
			t.Errorf("%d connections", len(conns))
		}
	})
}
