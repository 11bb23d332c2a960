package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/telemetry"
)

// ServeOptions say how Serve starts.
type ServeOptions struct {
	Version     string
	Program     string // how the program was called, for what it tells people to type
	LockTimeout time.Duration
	Passphrase  func() (string, error) // as in Options
	AuditTo     io.Writer              // likewise
	Log         *slog.Logger
	// Say tells the operator one line.
	Say func(format string, args ...any)
}

// Bounds of connections. The time for a request itself is the transport's.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	// writeGrace is what a slow client gets beyond the time for its request.
	writeGrace = 30 * time.Second
	// shutdownTimeout bounds how long requests in hand may take when the server
	// stops.
	shutdownTimeout = 20 * time.Second
)

// Serve runs the server until ctx ends, and then ends it in order: no new
// requests, those in hand finished, events delivered, log and store closed.
// Errors are as those of Open.
func Serve(ctx context.Context, cfg *config.Config, o ServeOptions) (err error) {
	tune()
	certificate, err := loadCertificate(cfg)
	if err != nil {
		return err
	}
	metrics, err := newMetrics(cfg, o.Log)
	if err != nil {
		return err
	}
	defer metrics.Close()
	a, err := Open(ctx, cfg, config.ForData|config.ForStore|config.ForAudit|config.ForVault, Options{
		Lock:        maintenance.Shared,
		LockTimeout: o.LockTimeout,
		Create:      true,
		MakeKey:     true,
		Key:         true,
		Passphrase:  o.Passphrase,
		AuditTo:     o.AuditTo,
		Metrics:     metrics,
		Log:         o.Log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()

	handler, err := a.assemble(ctx, o.Version)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Server.Address())
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	if certificate != nil {
		listener = tls.NewListener(listener, certificate)
	}
	a.announce(listener.Addr(), certificate != nil, o)
	return a.run(ctx, handler, listener)
}

// How the garbage collector weighs time against memory. The live heap of a server
// is small and every request makes garbage: collecting half as often gives a
// tenth more requests. The limit, which is soft, keeps that from costing memory
// where the heap is larger.
const (
	gcPercent   = 200
	memoryLimit = 64 << 20
)

// tune sets both, unless GOGC or GOMEMLIMIT say otherwise, and, unless GOMAXPROCS
// does, lets twice as many goroutines run as there are processors. One that waits
// for a flush to the disk keeps its share of the processors for a while, on a
// small machine half of them.
var tune = sync.OnceFunc(func() {
	set := runtime.GOMAXPROCS(0)
	runtime.SetDefaultGOMAXPROCS()
	if set == runtime.GOMAXPROCS(0) {
		set *= 2
	}
	runtime.GOMAXPROCS(set)

	const goDefault = 100
	if set := debug.SetGCPercent(gcPercent); set != goDefault {
		debug.SetGCPercent(set)
	}
	if set := debug.SetMemoryLimit(memoryLimit); set != math.MaxInt64 {
		debug.SetMemoryLimit(set)
	}
})

// loadCertificate returns what TLS needs; nil where none is configured.
func loadCertificate(cfg *config.Config) (*tls.Config, error) {
	if cfg.Server.TLSCertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cfg.Server.TLSCertFile, cfg.Server.TLSKeyFile)
	if err != nil {
		return nil, &StartError{Message: "TLS_CERT_FILE and TLS_KEY_FILE do not load", Cause: err}
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}

func newMetrics(cfg *config.Config, log *slog.Logger) (*telemetry.Metrics, error) {
	o := telemetry.Options{Log: log}
	if host := cfg.Events.StatsdHost; host != "" {
		o.Statsd = net.JoinHostPort(host, strconv.Itoa(cfg.Events.StatsdPort))
	}
	return telemetry.NewMetrics(o)
}

// announce tells the operator where the server is, where the data lies and, on
// the first start, what to do next.
func (a *App) announce(addr net.Addr, secure bool, o ServeOptions) {
	say := o.Say
	scheme := "http"
	if secure {
		scheme = "https"
	}
	say("Confidant listens on %s://%s", scheme, addr)
	say("Data: %s", a.where())
	if !a.madeKey {
		return
	}
	say("")
	say("First run: a new encryption key was written to %s.", a.cfg.Keys.File)
	say("Keep a copy of it somewhere else: without it nobody can read what is stored.")
	say("Next, in another terminal and the same directory:")
	say("  %s admin add NAME --no-password", o.Program)
	say("  %s api create-token --username NAME", o.Program)
	say("")
}

func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// run serves until ctx ends or a listener fails.
func (a *App) run(ctx context.Context, handler http.Handler, listener net.Listener) error {
	failed := make(chan error, 2)
	main := a.newServer(handler, a.cfg.Server.RequestTimeout+writeGrace)
	servers := []*http.Server{main}
	go func() { failed <- main.Serve(listener) }()

	if address := a.cfg.Server.MetricsListen; address != "" {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return errors.Join(fmt.Errorf("listening for metrics: %w", err), main.Close())
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.Gatherer(), promhttp.HandlerOpts{}))
		side := a.newServer(mux, writeGrace)
		servers = append(servers, side)
		go func() { failed <- side.Serve(listener) }()
	}

	var err error
	select {
	case <-ctx.Done():
		a.log.Info("stopping")
	case err = <-failed:
		err = fmt.Errorf("serving: %w", err)
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	for _, s := range servers {
		if shutdown := s.Shutdown(stopping); shutdown != nil {
			a.log.Warn("requests in hand were cut off", "error", shutdown)
			_ = s.Close()
		}
	}
	return err
}

func (a *App) newServer(handler http.Handler, writeTimeout time.Duration) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
}
