package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confidant-secrets/confidant/internal/config"
)

const (
	// certificatePoll is how often the files of the certificate are looked at.
	certificatePoll = 2 * time.Second
	// expiresSoon is how long before its end a certificate is warned about, and
	// warnEvery how often.
	expiresSoon = 14 * 24 * time.Hour
	warnEvery   = 24 * time.Hour
)

// certificate is what the listener proves itself with. It follows its files: new
// handshakes get a new pair as soon as it stands there whole, connections that
// are open go on. A pair that is no good, such as one that is half written, leaves
// the old one in force.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	pair atomic.Pointer[tls.Certificate]

	mu     sync.Mutex // held while the files are looked at
	loaded [2]os.FileInfo
	failed string    // why the files, as they are now, do not load
	warned time.Time // of the last warning about the end
}

// openCertificate loads the certificate; nil where none is configured.
func openCertificate(cfg *config.Config, log *slog.Logger) (*certificate, error) {
	if cfg.Server.TLSCertFile == "" {
		return nil, nil
	}
	c := &certificate{certFile: cfg.Server.TLSCertFile, keyFile: cfg.Server.TLSKeyFile, log: log, now: time.Now}
	if err := c.reload(); err != nil {
		return nil, &StartError{Message: "TLS_CERT_FILE and TLS_KEY_FILE do not load", Cause: err}
	}
	return c, nil
}

// config returns what TLS needs.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil },
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
	}
}

// follow looks at the files until ctx ends.
func (c *certificate) follow(ctx context.Context) {
	ticker := time.NewTicker(certificatePoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.look()
		}
	}
}

// look loads the pair if its files have changed, and warns before it ends. It
// says once why a pair does not load, and tries again each time: what is wrong
// may be mended without a trace in the files.
func (c *certificate) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.warn()
	files, err := c.stat()
	if err == nil && sameFiles(files, c.loaded) {
		c.failed = ""
		return
	}
	if err == nil {
		err = c.load(files)
	}
	if err != nil && err.Error() != c.failed {
		c.failed = err.Error()
		c.log.Error("the new TLS certificate does not load; the old one stays in force", "error", err)
	}
}

// reload loads the pair, whether its files seem to have changed or not. On an
// error the old one stays in force.
func (c *certificate) reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.warn()
	files, err := c.stat()
	if err == nil {
		err = c.load(files)
	}
	if err != nil {
		c.failed = err.Error() // whoever gets it tells it
	}
	return err
}

// stat describes the files. It is asked before they are read, so that a change in
// between shows the next time.
func (c *certificate) stat() (files [2]os.FileInfo, err error) {
	for i, path := range []string{c.certFile, c.keyFile} {
		if files[i], err = os.Stat(path); err != nil {
			return files, fmt.Errorf("looking at the TLS certificate: %w", err)
		}
	}
	return files, nil
}

func (c *certificate) load(files [2]os.FileInfo) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err == nil && c.pair.Load() != nil {
		err = c.inTime(pair.Leaf)
	}
	if err != nil {
		return fmt.Errorf("loading the TLS certificate: %w", err)
	}
	c.loaded, c.failed, c.warned = files, "", time.Time{}
	if before := c.pair.Swap(&pair); before != nil && !before.Leaf.Equal(pair.Leaf) {
		c.log.Info("a new TLS certificate is in force", "serial", pair.Leaf.SerialNumber.Text(16), "ends", pair.Leaf.NotAfter.UTC())
	}
	return nil
}

// inTime returns an error for a certificate that clients would not take now. One
// that begins later is loaded when it does.
func (c *certificate) inTime(leaf *x509.Certificate) error {
	switch now := c.now(); {
	case now.Before(leaf.NotBefore):
		return errors.New("it begins at " + leaf.NotBefore.UTC().Format(time.RFC3339))
	case now.After(leaf.NotAfter):
		return errors.New("it ended at " + leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// warn says once a day that the certificate ends soon, or has ended.
func (c *certificate) warn() {
	pair, now := c.pair.Load(), c.now()
	if pair == nil || pair.Leaf.NotAfter.Sub(now) > expiresSoon || now.Sub(c.warned) < warnEvery {
		return
	}
	c.warned = now
	c.log.Warn("the TLS certificate ends soon or has ended; put a new one in its files", "ends", pair.Leaf.NotAfter.UTC(), "file", c.certFile)
}

func sameFiles(a, b [2]os.FileInfo) bool {
	for i := range a {
		if !os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()) {
			return false
		}
	}
	return true
}
