package telemetry

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var testNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newMetrics(t testing.TB) *Metrics {
	t.Helper()
	m, err := NewMetrics(Options{Now: func() time.Time { return testNow }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// values returns what an exposition shows of our own metrics, without the
// buckets.
func values(t *testing.T, m *Metrics) map[string]string {
	t.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(m.Gatherer(), promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	got := make(map[string]string)
	for line := range strings.Lines(answer.Body.String()) {
		i := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "confidant_") && !strings.Contains(line, "_bucket{") {
			got[line[:i]] = strings.TrimSpace(line[i:])
		}
	}
	return got
}

func TestMetrics_AreExposedUnderTheNamesOfTheTable(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	want := make(map[string]string)
	for _, row := range Table() {
		switch {
		case len(row.Labels) > 0:
		case row.Kind == Counter:
			m.Count(row.Name, 2)
			want[row.Prometheus()] = "2"
		case row.Kind == Timer:
			m.Time(row.Name, testNow.Add(-250*time.Millisecond))
			want[row.Prometheus()+"_count"], want[row.Prometheus()+"_sum"] = "1", "0.25"
		case row.Kind == Gauge:
			if err := m.Gauge(row.Name, func() float64 { return 7 }); err != nil {
				t.Fatal(err)
			}
			want[row.Prometheus()] = "7"
		}
	}
	m.Request("GET /v1/services/{id}", 200, testNow.Add(-time.Second))
	m.Request("GET /v1/services/{id}", 200, testNow.Add(-time.Second))
	m.Request("GET /v1/services/{id}", 404, testNow)
	want[`confidant_requests_total{route="GET /v1/services/{id}",status="200"}`] = "2"
	want[`confidant_requests_total{route="GET /v1/services/{id}",status="404"}`] = "1"
	want[`confidant_request_seconds_count{route="GET /v1/services/{id}"}`] = "3"
	want[`confidant_request_seconds_sum{route="GET /v1/services/{id}"}`] = "2"
	if diff := cmp.Diff(want, values(t, m)); diff != "" {
		t.Errorf("exposed (-want +got):\n%s", diff)
	}
}

func TestMetrics_AMistakenNameIsCountedAsOne(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	m.Count("no_such_counter", 1)
	m.Count("list_services", 1) // a timer
	m.Time("at_rest_action", testNow)
	m.Time("no_such_timer", testNow)
	m.Count("at_rest_action", -1)
	if got := values(t, m)["confidant_metrics_unknown_total"]; got != "5" {
		t.Errorf("%s unknown, want 5", got)
	}
	for _, name := range []string{"no_such_gauge", "at_rest_action"} {
		if err := m.Gauge(name, func() float64 { return 0 }); err == nil {
			t.Errorf("Gauge(%q) succeeds, want an error", name)
		}
	}
}

func TestMetrics_RoutesAreBounded(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	for i := range maxSeries + 10 {
		m.Request(strconv.Itoa(i), 200, testNow)
	}
	if got := values(t, m)[`confidant_requests_total{route="other",status="200"}`]; got != "10" {
		t.Errorf("%s requests under the route other, want 10", got)
	}
}

func TestMetrics_RequestDoesNotAllocate(t *testing.T) {
	m := newMetrics(t)
	route := "GET /v1/services/{id}"
	m.Request(route, 200, testNow)
	if got := testing.AllocsPerRun(100, func() { m.Request(route, 200, testNow) }); got != 0 {
		t.Errorf("Request allocates %v times, want 0", got)
	}
}

func TestTable_NamesAreWellFormedAndUnique(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, row := range Table() {
		if !regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*$`).MatchString(row.Name) || !strings.HasSuffix(row.Help, ".") {
			t.Errorf("row %+v", row)
		}
		for _, name := range []string{row.Name, row.Prometheus()} {
			if seen[name] {
				t.Errorf("%s stands twice", name)
			}
		}
		seen[row.Name], seen[row.Prometheus()] = true, true
	}
}

// Dashboards and alerts are built on these.
func TestTable_KeepsTheNamesOfTheOlderService(t *testing.T) {
	t.Parallel()
	table := make(map[string]Metric)
	for _, row := range Table() {
		table[row.Statsd()] = row
	}
	for name, kind := range map[string]Kind{
		"confidant.at_rest_action": Counter, "confidant.list_credentials": Timer, "confidant.get_credential_by_id": Timer,
		"confidant.create_credential": Timer, "confidant.update_credential": Timer, "confidant.list_services": Timer,
		"confidant.get_service_by_id": Timer, "confidant.get_service_by_id.acl_check_get_service": Timer,
		"confidant.get_service_by_id.db_get_service": Timer, "confidant.get_service_by_id.db_get_credentials": Timer,
		"confidant.get_service_by_id.db_get_blind_credentials": Timer, "confidant.get_service_by_id.acl_check_update_service": Timer,
		"confidant.get_service_by_id.build_response": Timer, "confidant.service_batch_get_credentials": Timer,
		"confidant.service_batch_get_blind_credentials": Timer, "confidant.archive.save.success": Counter,
		"confidant.archive.save.failure": Counter, "confidant.archive.delete.success": Counter,
		"confidant.archive.delete.failure": Counter, "confidant.restore.save.success": Counter,
		"confidant.restore.save.failure": Counter, "confidant.decrypt_token": Timer, "confidant.kms_decrypt_token": Timer,
		"confidant.token_version_1": Counter, "confidant.token_version_2": Counter,
	} {
		if row, ok := table[name]; !ok || row.Kind != kind {
			t.Errorf("%s: %+v, want a %s", name, row, kind)
		}
	}
}

// A name that does not stand in the table is found here and not in production.
func TestTable_HoldsEveryNameThatTheProgramUses(t *testing.T) {
	t.Parallel()
	kinds := map[string]Kind{"Count": Counter, "Time": Timer, "timer": Timer, "Gauge": Gauge}
	table := make(map[string]Kind)
	for _, row := range Table() {
		table[row.Name] = row.Kind
	}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if method, name, ok := metricCall(n); ok && table[name] != kinds[method] {
				t.Errorf("%s: %s(%q): the table has no such %s", set.Position(n.Pos()), method, name, kinds[method])
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// metricCall recognises a call such as v.metrics.Count("name", 1) or
// k.timer("name").
func metricCall(n ast.Node) (method, name string, ok bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", "", false
	}
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", "", false
	}
	receiver := ""
	switch x := function.X.(type) {
	case *ast.Ident:
		receiver = x.Name
	case *ast.SelectorExpr:
		receiver = x.Sel.Name
	}
	literal, ok := call.Args[0].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", "", false
	}
	method = function.Sel.Name
	switch method {
	case "Count", "Time", "Gauge":
		ok = strings.HasSuffix(strings.ToLower(receiver), "metrics")
	default:
		ok = method == "timer"
	}
	name, err := strconv.Unquote(literal.Value)
	return method, name, ok && err == nil
}

func TestMetricCall_RecognisesNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`v.metrics.Count("a", 1)`:      "Count a",
		`m.Metrics.Time("b", start)`:   "Time b",
		`metrics.Gauge("c", f)`:        "Gauge c",
		`k.timer("f")`:                 "timer f",
		`strings.Count("d", "x")`:      "",
		`v.metrics.Request("e", 1, s)`: "",
		`v.metrics.Count(name, 1)`:     "",
	} {
		e, err := parser.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if method, name, ok := metricCall(e); ok {
			got = method + " " + name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	m, err := NewMetrics(Options{})
	if err != nil {
		b.Fatal(err)
	}
	since := time.Now()
	b.ReportAllocs()
	b.Run("1", func(b *testing.B) {
		for b.Loop() {
			m.Request("GET /v1/services/{id}", 200, since)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				m.Request("GET /v1/services/{id}", 200, since)
			}
		})
	})
}

func BenchmarkTime(b *testing.B) {
	for _, address := range []string{"", "127.0.0.1:9"} {
		b.Run("statsd="+address, func(b *testing.B) {
			m, err := NewMetrics(Options{Statsd: address})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			since := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				m.Time("get_service_by_id", since)
			}
		})
	}
}
