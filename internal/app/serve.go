package app

import (
	"cmp"
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
	"strings"
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
	// SetLevel sets the level of Log from the settings as they are now; nil: it
	// stays as it is.
	SetLevel func() error
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
	hangup, release := hangups()
	defer release()
	certificate, err := openCertificate(cfg, o.Log)
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
	metricsListener, err := listenForMetrics(cfg)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if o.SetLevel != nil {
		a.onReload("log level", o.SetLevel)
	}
	if certificate != nil {
		listener = tls.NewListener(listener, certificate.config())
		a.onReload("TLS certificate", certificate.reload)
		a.background(ctx, certificate.follow)
	}
	a.background(ctx, func(ctx context.Context) { a.reloadAt(ctx, hangup) })
	a.announce(ctx, listener.Addr(), certificate != nil, o)
	return a.run(ctx, handler, listener, metricsListener)
}

// listenForMetrics returns where metrics are asked for; nil: nowhere.
func listenForMetrics(cfg *config.Config) (net.Listener, error) {
	if cfg.Server.MetricsListen == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", cfg.Server.MetricsListen)
	if err != nil {
		return nil, fmt.Errorf("listening for metrics: %w", err)
	}
	return listener, nil
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

func newMetrics(cfg *config.Config, log *slog.Logger) (*telemetry.Metrics, error) {
	o := telemetry.Options{Log: log}
	if host := cfg.Events.StatsdHost; host != "" {
		o.Statsd = net.JoinHostPort(host, strconv.Itoa(cfg.Events.StatsdPort))
	}
	return telemetry.NewMetrics(o)
}

// announce tells the operator where the server is, where the data lies and, on
// the first start, what to do next.
func (a *App) announce(ctx context.Context, addr net.Addr, secure bool, o ServeOptions) {
	say := o.Say
	scheme := "http"
	if secure {
		scheme = "https"
	}
	root := fmt.Sprintf("%s://%s", scheme, addr)
	say("Confidant listens on %s", root)
	say("Data: %s", a.where())
	if a.madeKey {
		say("")
		say("First run: a new encryption key was written to %s.", a.cfg.Keys.File)
		say("Keep a copy of it somewhere else: without it nobody can read what is stored.")
		say("Next, in another terminal and the same directory:")
		say("  %s admin add NAME --no-password", o.Program)
		say("  %s api create-token --username NAME", o.Program)
	}
	a.offerSetup(ctx, cmp.Or(strings.TrimRight(a.cfg.Server.PublicURL, "/"), root), say)
	if a.madeKey {
		say("")
	}
}

// offerSetup tells the operator the link that makes the first account with a
// browser, as long as there is none. Nobody else is told: not the log.
func (a *App) offerSetup(ctx context.Context, root string, say func(format string, args ...any)) {
	if set := a.cfg.Login; !set.UseAuth || set.Module != "local" || len(a.sessionSecrets()[0]) == 0 {
		return
	}
	link, err := a.Accounts.SetupLink(ctx)
	if err != nil {
		a.log.Warn("there is no link to make the first account with; use the command admin add", "error", err)
		return
	}
	if link != "" {
		say("There is no account yet. Make the first one with a browser, within 15 minutes:")
		say("  %s/setup?token=%s", root, string(link))
	}
}

func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// run serves until ctx ends or a listener fails. That for metrics may be nil.
func (a *App) run(ctx context.Context, handler http.Handler, listener, metricsListener net.Listener) error {
	failed := make(chan error, 2)
	main := a.newServer(handler, a.cfg.Server.RequestTimeout+writeGrace)
	servers := []*http.Server{main}
	go func() { failed <- main.Serve(listener) }()

	if metricsListener != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.Gatherer(), promhttp.HandlerOpts{}))
		side := a.newServer(mux, writeGrace)
		servers = append(servers, side)
		go func() { failed <- side.Serve(metricsListener) }()
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
