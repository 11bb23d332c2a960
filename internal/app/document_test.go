package app

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/telemetry"
)

var update = flag.Bool("update", false, "rewrite the documentation instead of comparing it")

const metricsHead = `# Metrics

<!-- Generated from internal/telemetry; change it there and run "make generate". -->

The server measures these. ` + "`METRICS_LISTEN`" + ` opens a listener that tells them to
Prometheus under ` + "`/metrics`" + `; ` + "`STATSD_HOST`" + ` sends them over UDP under the names of the
older service. Times are in seconds for Prometheus, in milliseconds for statsd.

| Prometheus | statsd | kind | labels | meaning |
| --- | --- | --- | --- | --- |
`

//go:generate go test -run ^TestMetricsDocumentation_IsUpToDate$ . -update

func TestMetricsDocumentation_IsUpToDate(t *testing.T) {
	t.Parallel()
	const path = "../../docs/metrics.md"
	var b bytes.Buffer
	b.WriteString(metricsHead)
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	for _, m := range telemetry.Table() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Prometheus(), code(m.Statsd()), m.Kind, strings.Join(m.Labels, ", "), m.Help)
	}
	b.WriteString("\nBeside these stand the usual metrics of the Go runtime (`go_*`) and of the process\n(`process_*`).\n")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Errorf("%s is stale; run \"make generate\"", path)
	}
}
