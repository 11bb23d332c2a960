package bench

import (
	"flag"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

var (
	full   = flag.Bool("full", false, "measure in full, which takes minutes, instead of proving that it can be measured")
	window = flag.Duration("window", 2*time.Second, "with -full: length of one measurement")
)

func TestMain(m *testing.M) { server.Main(m) }

// scale says how much is measured.
type scale struct {
	window          time.Duration
	repeats         int // of each pair of measurements
	tiny, few, many int // credentials
	services        int
	archived        int // credentials
}

// run measures at one scale.
type run struct {
	*testing.T
	scale
	table *table
}

// TestTable measures every line of the table, one after the other. Only the full
// scale says anything about speed; no scale fails because of it.
func TestTable(t *testing.T) {
	size := scale{window: 20 * time.Millisecond, repeats: 1, tiny: 5, few: 150, many: 300, services: 20, archived: 20}
	if *full {
		size = scale{window: *window, repeats: 5, tiny: 100, few: 1000, many: 100_000, services: 5000, archived: 10_000}
	}
	lines := &table{}
	for _, part := range []struct {
		name    string
		measure func(*run)
	}{
		{"services", (*run).services},
		{"changes", (*run).changes},
		{"lists", (*run).lists},
		{"archive", (*run).archive},
	} {
		t.Run(part.name, func(t *testing.T) { part.measure(&run{T: t, scale: size, table: lines}) })
	}
	if err := lines.print(t.Output()); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines.lines {
		if l.ratio <= 0 {
			t.Errorf("%s was not measured: %+v", l.what, l)
		}
	}
}

// address returns what to dial.
func address(s *server.Server) string { return strings.TrimPrefix(s.BaseURL, "http://") }

// ask sends a request that has to succeed and returns the body.
func (r *run) ask(s *server.Server, method, path, token, body string) string {
	r.Helper()
	c, err := dial(address(s))
	if err != nil {
		r.Fatal(err)
	}
	defer c.conn.Close()
	got, err := c.fetch(appendRequest(nil, method, path, token, []byte(body)))
	if err != nil {
		r.Fatalf("%s %s: %v\n%s", method, path, err, s.Log())
	}
	return string(got)
}

var idOf = regexp.MustCompile(`"id": ?"([0-9a-f]{32})"`)

// create makes a credential and returns its id.
func (r *run) create(s *server.Server, token, name, pairs string) string {
	r.Helper()
	body := r.ask(s, http.MethodPost, "/v1/credentials", token, fmt.Sprintf(`{"name":%q,"credential_pairs":%s}`, name, pairs))
	m := idOf.FindStringSubmatch(body)
	if m == nil {
		r.Fatalf("a new credential without an id: %s", body)
	}
	return m[1]
}

// loading returns a measurement of a server under load.
func (r *run) loading(address string, connections int, request func(b []byte, connection int) []byte) func() rate {
	r.Helper()
	l, err := newLoad(address, connections)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(l.close)
	return func() rate {
		got, err := l.run(r.window, request)
		if err != nil {
			r.Fatal(err)
		}
		return got
	}
}

// pair is what two things measured in turns gave: the median rate of each per
// second, and the median of the ratios of one turn, which what else the machine
// does disturbs less.
type pair struct{ a, b, ratio float64 }

// alternate measures two things in turns, after one turn that does not count.
func (r *run) alternate(a, b func() rate) pair {
	var as, bs, ratios []float64
	a()
	b()
	for range r.repeats {
		x, y := a().perSecond(), b().perSecond()
		as, bs, ratios = append(as, x), append(bs, y), append(ratios, x/y)
	}
	return pair{median(as), median(bs), median(ratios)}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
