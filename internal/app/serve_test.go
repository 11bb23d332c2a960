package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/config"
)

// serve starts a server and returns its URL and a function that stops it and
// returns what Serve did.
func serve(t *testing.T, cfg *config.Config, change ...func(*ServeOptions)) (base string, stop func() error) {
	t.Helper()
	said := make(chan string, 20)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	o := ServeOptions{
		Version: "v0",
		Log:     slog.New(slog.DiscardHandler),
		Say:     func(format string, args ...any) { said <- fmt.Sprintf(format, args...) },
	}
	for _, f := range change {
		f(&o)
	}
	go func() { ended <- Serve(ctx, cfg, o) }()
	stop = func() error { cancel(); return <-ended }
	select {
	case line := <-said:
		_, base, _ = strings.Cut(line, "listens on ")
	case err := <-ended:
		t.Fatalf("the server does not start: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the server does not start")
	}
	return base, stop
}

func status(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func TestServe_AnswersAndStops(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	base, stop := serve(t, cfg)
	for _, path := range []string{"/healthcheck", "/readiness"} {
		if got := status(t, http.DefaultClient, base+path); got != http.StatusOK {
			t.Errorf("%s: status %d, want 200", path, got)
		}
	}
	if got := status(t, http.DefaultClient, base+"/v1/services"); got != http.StatusUnauthorized {
		t.Errorf("without a proof: status %d, want 401", got)
	}
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if _, err := http.Get(base + "/healthcheck"); err == nil {
		t.Error("the server answers after it stopped")
	}
}

func TestServe_FinishesRequestsInHand(t *testing.T) {
	t.Parallel()
	base, stop := serve(t, settings(t, "USE_AUTH=false"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"name": "late", "credential_pairs": {"key": "value"}}`
	fmt.Fprintf(conn, "POST /v1/credentials HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:10])
	time.Sleep(50 * time.Millisecond) // so that the request is in hand

	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	time.Sleep(50 * time.Millisecond)
	fmt.Fprint(conn, body[10:])
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("the request in hand is cut off: %v", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		t.Errorf("status %d, want 200: %s", response.StatusCode, text)
	}
	if err := <-ended; err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func TestServe_TLS(t *testing.T) {
	t.Parallel()
	files := newPairFiles(t)
	files.write(1)
	cfg := settings(t, "TLS_CERT_FILE="+files.cert, "TLS_KEY_FILE="+files.key)
	base, stop := serve(t, cfg)
	if !strings.HasPrefix(base, "https://") {
		t.Fatalf("the server says that it is at %s", base)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	if got := status(t, client, base+"/healthcheck"); got != http.StatusOK {
		t.Errorf("status %d, want 200", got)
	}
	if response, err := http.Get(strings.Replace(base, "https", "http", 1) + "/healthcheck"); err == nil && response.StatusCode == http.StatusOK {
		t.Error("it answers without TLS too")
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(base, "https://"))
	asked := *cfg
	asked.Server.Port, _ = strconv.Atoi(port)
	if url, err := CheckHealth(t.Context(), &asked); err != nil || !strings.HasPrefix(url, "https://127.0.0.1:") {
		t.Errorf("CheckHealth asked %s: %v", url, err)
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if _, err := CheckHealth(t.Context(), &asked); err == nil {
		t.Error("CheckHealth finds a server that stopped")
	}
}

func TestServe_RefusesACertificateThatDoesNotLoad(t *testing.T) {
	t.Parallel()
	files := newPairFiles(t)
	files.write(1)
	cfg := settings(t, "TLS_CERT_FILE="+files.cert, "TLS_KEY_FILE="+files.cert)
	err := Serve(t.Context(), cfg, ServeOptions{Log: slog.New(slog.DiscardHandler)})
	if _, ok := err.(*StartError); !ok {
		t.Errorf("Serve = %v, want a StartError", err)
	}
	if exists(cfg.Storage.DataDir) {
		t.Error("something was made before the settings were checked")
	}
}

func TestServe_Metrics(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	base, stop := serve(t, settings(t, "METRICS_LISTEN="+address))
	status(t, http.DefaultClient, base+"/healthcheck")
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"confidant_requests_total", "confidant_event_waiting 0", "confidant_audit_unflushed_seconds"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if got := status(t, http.DefaultClient, base+"/metrics"); got == http.StatusOK {
		t.Error("the metrics can be read where the API is")
	}
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}
