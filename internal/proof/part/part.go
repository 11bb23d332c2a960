// Package part starts programs of other people that tests run the whole against:
// identity providers and a browser. "make test-login" and "make test-pages" fetch them
// and run those tests, for which a missing part is a failure. Everywhere else they do not run.
package part

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// wanted is the setting that says that the parts are there.
const wanted = "CONFIDANT_PARTS"

// Wanted reports whether tests with these parts shall run here.
func Wanted() bool { return os.Getenv(wanted) == "1" }

// PassOver says on standard error that tests do not run here. It is what a
// package's TestMain calls first.
func PassOver() {
	if !Wanted() {
		_, _ = os.Stderr.WriteString("Identity providers and a browser are not opted in to; run make test-login or make test-pages. Tests with them do not run.\n")
	}
}

// Source returns the path of a file of this module.
func Source(tb testing.TB, path string) string {
	tb.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		tb.Fatalf("finding the module: %v", err)
	}
	return filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), path)
}

// Package returns the directory of an npm package that make test-login and make test-pages fetch.
func Package(tb testing.TB, name string) string {
	tb.Helper()
	dir := Source(tb, ".cache/parts/node_modules/"+name)
	if _, err := os.Stat(dir); err != nil {
		tb.Fatalf("%s is not installed: run make test-login or make test-pages (%v)", name, err)
	}
	return dir
}

// Address returns an address of the loopback interface that nobody listens on now.
func Address(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Process is a running part.
type Process struct {
	tb     testing.TB
	name   string
	out    output
	exited chan struct{} // closed when the process is gone and waited for
}

// Start starts a program for the time of the test. At its end it is told to stop
// by SIGTERM. If the test failed, what the program wrote is in the test's log.
func Start(tb testing.TB, cmd *exec.Cmd) *Process {
	tb.Helper()
	p := &Process{tb: tb, name: filepath.Base(cmd.Path), exited: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.out
	}
	cmd.Stderr = &p.out
	// A test that runs into its time limit must not leave processes behind. The
	// kernel ends them with the thread that started them, which is kept for that
	// long.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is ended by a signal
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		tb.Fatalf("starting %s: %v", p.name, err)
	}
	tb.Cleanup(func() { p.stop(cmd.Process) })
	return p
}

const stopWithin = 10 * time.Second

func (p *Process) stop(process *os.Process) {
	_ = process.Signal(syscall.SIGTERM) // an error means that it is gone already
	select {
	case <-p.exited:
	case <-time.After(stopWithin):
		_ = process.Kill() // likewise
		<-p.exited
		p.tb.Errorf("%s does not stop within %v", p.name, stopWithin)
	}
	if p.tb.Failed() {
		p.tb.Logf("%s wrote:\n%s", p.name, p.Output())
	}
}

// Output returns what the process has written so far.
func (p *Process) Output() string { return p.out.String() }

// Exited is closed when the process is gone.
func (p *Process) Exited() <-chan struct{} { return p.exited }

const readyWithin = 30 * time.Second // generous: the machine may be busy with other tests

// Ready waits until the process answers 200 to a GET of url.
func (p *Process) Ready(url string) {
	p.tb.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	for deadline := time.Now().Add(readyWithin); ; time.Sleep(5 * time.Millisecond) {
		resp, err := client.Get(url)
		if err == nil {
			_ = resp.Body.Close() // nothing is read
			if resp.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("status %s", resp.Status)
		}
		select {
		case <-p.exited:
			p.tb.Fatalf("%s has ended:\n%s", p.name, p.Output())
		default:
		}
		if time.Now().After(deadline) {
			p.tb.Fatalf("%s is not ready within %v: %v\n%s", p.name, readyWithin, err, p.Output())
		}
	}
}

// output keeps what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
