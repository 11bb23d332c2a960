package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pairFiles are the files of a certificate in a test.
type pairFiles struct {
	t         *testing.T
	cert, key string
}

func newPairFiles(t *testing.T) pairFiles {
	dir := t.TempDir()
	return pairFiles{t, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
}

// issue returns a new certificate and its key in PEM.
func issue(t *testing.T, serial int64, begins, ends time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: begins, NotAfter: ends,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// write puts a new pair of the next ninety days into the files.
func (f pairFiles) write(serial int64) {
	f.t.Helper()
	f.writeFor(serial, time.Now().Add(-time.Hour), time.Now().Add(90*24*time.Hour))
}

func (f pairFiles) writeFor(serial int64, begins, ends time.Time) {
	f.t.Helper()
	cert, key := issue(f.t, serial, begins, ends)
	f.put(f.cert, cert)
	f.put(f.key, key)
}

// put replaces a file.
func (f pairFiles) put(path string, text []byte) {
	f.t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
}

// open loads the pair and returns it with its log.
func (f pairFiles) open() (*certificate, *bytes.Buffer) {
	f.t.Helper()
	log := &bytes.Buffer{}
	cfg := settings(f.t, "TLS_CERT_FILE="+f.cert, "TLS_KEY_FILE="+f.key)
	c, err := openCertificate(cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		f.t.Fatal(err)
	}
	return c, log
}

// serveTLS serves with a certificate and returns the address.
func serveTLS(t *testing.T, c *certificate) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Proto))
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // clients go without a word
	server.Listener = tls.NewListener(server.Listener, c.config())
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// handshake returns the serial number that a new connection is shown.
func handshake(t *testing.T, address string) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestCertificate_NewHandshakesGetTheNewOneAndOldConnectionsLive(t *testing.T) {
	t.Parallel()
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		files := newPairFiles(t)
		files.write(1)
		c, _ := files.open()
		address := serveTLS(t, c)

		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: h2}}
		defer client.CloseIdleConnections()
		get := func() (reused bool) {
			t.Helper()
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
			})
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address, nil)
			response, err := client.Do(r)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			defer response.Body.Close()
			if response.Proto != name {
				t.Errorf("spoke %s, want %s", response.Proto, name)
			}
			var body [16]byte
			for {
				if _, err := response.Body.Read(body[:]); err != nil {
					return reused
				}
			}
		}
		get()
		files.write(2)
		c.look()
		if !get() {
			t.Errorf("%s: the old connection was dropped", name)
		}
		if got := handshake(t, address); got != 2 {
			t.Errorf("%s: a new handshake is shown certificate %d, want 2", name, got)
		}
	}
}

func TestCertificate_ABadPairKeepsTheOldOne(t *testing.T) {
	t.Parallel()
	month := 30 * 24 * time.Hour
	tests := map[string]struct {
		spoil func(pairFiles)
		want  string // in the log
	}{
		"half written": {func(f pairFiles) {
			cert, _ := issue(f.t, 2, time.Now().Add(-time.Hour), time.Now().Add(month))
			f.put(f.cert, cert)
		}, "private key does not match"},
		"cut off": {func(f pairFiles) {
			cert, key := issue(f.t, 2, time.Now().Add(-time.Hour), time.Now().Add(month))
			f.put(f.key, key)
			f.put(f.cert, cert[:len(cert)/2])
		}, "failed to find any PEM data"},
		"key gone":     {func(f pairFiles) { _ = os.Remove(f.key) }, "no such file"},
		"ended":        {func(f pairFiles) { f.writeFor(2, time.Now().Add(-month), time.Now().Add(-time.Hour)) }, "it ended at"},
		"not yet good": {func(f pairFiles) { f.writeFor(2, time.Now().Add(time.Hour), time.Now().Add(month)) }, "it begins at"},
	}
	for name, tt := range tests {
		files := newPairFiles(t)
		files.write(1)
		c, log := files.open()
		address := serveTLS(t, c)
		tt.spoil(files)
		for range 3 {
			c.look()
		}
		if got := handshake(t, address); got != 1 {
			t.Errorf("%s: certificate %d is in force, want 1", name, got)
		}
		if strings.Count(log.String(), "level=ERROR") != 1 || !strings.Contains(log.String(), tt.want) {
			t.Errorf("%s: want one error with %q, got\n%s", name, tt.want, log)
		}
		if err := c.reload(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: reload returned %v", name, err)
		}
		files.write(3)
		c.look()
		if got := handshake(t, address); got != 3 {
			t.Errorf("%s: when it is in order again, certificate %d is in force, want 3", name, got)
		}
	}
}

func TestCertificate_OneThatBeginsLaterWaits(t *testing.T) {
	t.Parallel()
	files := newPairFiles(t)
	files.write(1)
	c, _ := files.open()
	files.writeFor(2, time.Now().Add(time.Hour), time.Now().Add(90*24*time.Hour))
	c.look()
	if got := c.pair.Load().Leaf.SerialNumber.Int64(); got != 1 {
		t.Errorf("certificate %d is in force before its time", got)
	}
	c.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	c.look()
	if got := c.pair.Load().Leaf.SerialNumber.Int64(); got != 2 {
		t.Errorf("certificate %d is in force, want 2", got)
	}
}

func TestCertificate_WarnsOnceADayBeforeItEnds(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	start := time.Now()
	files := newPairFiles(t)
	files.writeFor(1, start.Add(-day), start.Add(30*day))
	c, log := files.open()
	tests := []struct {
		after time.Duration
		want  int // warnings so far
	}{
		{0, 0}, {15 * day, 0}, {16*day + time.Minute, 1}, {16*day + 2*time.Hour, 1}, {17*day + 2*time.Hour, 2}, {40 * day, 3},
	}
	for _, tt := range tests {
		c.now = func() time.Time { return start.Add(tt.after) }
		for range 3 {
			c.look()
		}
		if got := strings.Count(log.String(), "level=WARN"); got != tt.want {
			t.Errorf("after %v: %d warnings, want %d", tt.after, got, tt.want)
		}
	}
	files.writeFor(2, start, start.Add(90*day))
	log.Reset()
	c.look()
	if strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "in force") {
		t.Errorf("after the renewal the log says\n%s", log)
	}
}

func TestCertificate_TLS12AtLeast(t *testing.T) {
	t.Parallel()
	files := newPairFiles(t)
	files.write(1)
	c, _ := files.open()
	address := serveTLS(t, c)
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) != want {
			t.Errorf("%s: %v, want accepted %v", tls.VersionName(version), err, want)
		}
	}
}

func TestCertificate_TellsOnlyOfANewOne(t *testing.T) {
	t.Parallel()
	files := newPairFiles(t)
	files.write(1)
	c, log := files.open()
	if err := c.reload(); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("reading the same again logs\n%s", log)
	}
	files.write(2)
	if err := c.reload(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "serial=2") {
		t.Errorf("the log does not tell of the new one:\n%s", log)
	}
}

// Handshakes and changes at once: every handshake is shown a whole certificate.
func TestCertificate_HandshakesWhileItChanges(t *testing.T) {
	t.Parallel()
	files := newPairFiles(t)
	files.write(1)
	c, log := files.open()
	address := serveTLS(t, c)
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		for serial := range int64(20) {
			files.write(serial + 2)
			c.look()
		}
	}()
	for done := false; !done; {
		select {
		case <-changed:
			done = true
		default:
		}
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the log says\n%s", log)
	}
	if got := handshake(t, address); got != 21 {
		t.Errorf("certificate %d is in force, want 21", got)
	}
}
