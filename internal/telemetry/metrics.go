package telemetry

import (
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// maxSeries bounds how many pairs of route and status are told apart; others
// count under the route "other". Routes are patterns, so it is never reached.
const maxSeries = 4096

// Options are what metrics need.
type Options struct {
	Statsd string           // "host:port" to send to; empty: nothing is sent
	Log    *slog.Logger     // nil: silent
	Now    func() time.Time // nil: time.Now
}

// Metrics counts and times what stands in Table. It is safe for concurrent use
// and never makes its caller wait.
type Metrics struct {
	now      func() time.Time
	registry *prometheus.Registry
	metrics  map[string]*metric // read only
	unknown  prometheus.Counter
	statsd   *statsd // nil: none

	requests *prometheus.CounterVec
	request  *prometheus.HistogramVec
	mu       sync.Mutex // orders those who add to series
	series   atomic.Pointer[map[seriesKey]series]
}

// metric is a row of the table at work.
type metric struct {
	Metric
	statsd  string
	counter prometheus.Counter
	timer   prometheus.Observer
}

type seriesKey struct {
	route  string
	status int
}

type series struct {
	count prometheus.Counter
	timer prometheus.Observer
}

// NewMetrics returns metrics that are counted from now on. Close ends the
// sending to statsd.
func NewMetrics(o Options) (*Metrics, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Metrics{
		now:      o.Now,
		registry: prometheus.NewRegistry(),
		metrics:  make(map[string]*metric),
	}
	m.series.Store(&map[seriesKey]series{})
	for _, row := range Table() {
		c := m.add(row)
		if c == nil {
			continue
		}
		if err := m.registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metric %s: %w", row.Name, err)
		}
	}
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := m.registry.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the process: %w", err)
		}
	}
	m.unknown = m.metrics[unknownName].counter
	if o.Statsd != "" {
		m.statsd = newStatsd(o.Statsd, o.Log, m.metrics[statsdDroppedName].counter)
	}
	return m, nil
}

// add makes a row of the table work and returns its collector; a gauge has none
// before it is given what to read.
func (m *Metrics) add(row Metric) prometheus.Collector {
	entry := &metric{Metric: row, statsd: row.Statsd()}
	counter := prometheus.CounterOpts{Name: row.Prometheus(), Help: row.Help}
	timer := prometheus.HistogramOpts{Name: row.Prometheus(), Help: row.Help, Buckets: buckets()}
	switch {
	case row.Name == requestsName:
		m.requests = prometheus.NewCounterVec(counter, row.Labels)
		return m.requests
	case row.Name == requestName:
		m.request = prometheus.NewHistogramVec(timer, row.Labels)
		return m.request
	}
	m.metrics[row.Name] = entry
	switch row.Kind {
	case Counter:
		c := prometheus.NewCounter(counter)
		entry.counter = c
		return c
	case Timer:
		h := prometheus.NewHistogram(timer)
		entry.timer = h
		return h
	}
	return nil
}

// buckets are in seconds. The hot path takes some hundred microseconds, a key
// service some milliseconds, a deadline some seconds.
func buckets() []float64 {
	return []float64{
		.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30,
	}
}

// Count adds n to a counter of the table.
func (m *Metrics) Count(name string, n int) {
	entry := m.metrics[name]
	if entry == nil || entry.counter == nil || n < 0 {
		m.unknown.Inc()
		return
	}
	entry.counter.Add(float64(n))
	if m.statsd != nil {
		m.statsd.send(sample{entry.statsd, Counter, int64(n)})
	}
}

// Time adds what has passed since a moment to a timer of the table.
func (m *Metrics) Time(name string, since time.Time) {
	entry := m.metrics[name]
	if entry == nil || entry.timer == nil {
		m.unknown.Inc()
		return
	}
	took := m.now().Sub(since)
	entry.timer.Observe(took.Seconds())
	if m.statsd != nil {
		m.statsd.send(sample{entry.statsd, Timer, int64(took)})
	}
}

// Gauge says how a gauge of the table is read. It is called once for each.
func (m *Metrics) Gauge(name string, read func() float64) error {
	entry := m.metrics[name]
	if entry == nil || entry.Kind != Gauge {
		return fmt.Errorf("there is no gauge %q", name)
	}
	g := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: entry.Prometheus(), Help: entry.Help}, read)
	if err := m.registry.Register(g); err != nil {
		return fmt.Errorf("register metric %s: %w", name, err)
	}
	return nil
}

// Request counts and times one answered request. The route is its method and
// pattern, for example "GET /v1/services/{id}", never its path.
func (m *Metrics) Request(route string, status int, since time.Time) {
	s, ok := (*m.series.Load())[seriesKey{route, status}]
	if !ok {
		s = m.newSeries(seriesKey{route, status})
	}
	s.count.Inc()
	s.timer.Observe(m.now().Sub(since).Seconds())
}

// newSeries looks the pair up where it costs, and keeps what it found. The map
// is copied, so that readers need no lock.
func (m *Metrics) newSeries(key seriesKey) series {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := *m.series.Load()
	if s, ok := known[key]; ok {
		return s
	}
	route := key.route
	if len(known) >= maxSeries {
		route = "other"
	}
	s := series{
		m.requests.WithLabelValues(route, strconv.Itoa(key.status)),
		m.request.WithLabelValues(route),
	}
	if len(known) < maxSeries {
		more := maps.Clone(known)
		more[key] = s
		m.series.Store(&more)
	}
	return s
}

// Gatherer returns what an exposition reads.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Close sends what waits for statsd and ends.
func (m *Metrics) Close() {
	if m.statsd != nil {
		m.statsd.close()
	}
}
