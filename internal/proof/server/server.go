// Package server builds the program, runs it as a process of its own and talks
// to it from outside, for tests that judge the whole: the proofs beside this
// package. It knows the program's command line, its settings and its readiness
// page, and nothing of its insides.
package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	readyWithin = 60 * time.Second // generous: the machine may be busy with other tests
	stopWithin  = 15 * time.Second // less than the program itself gives requests in hand
	readyPoll   = time.Millisecond
)

// Program is the binary together with a data directory and settings. Nothing of
// the test's own environment reaches it.
type Program struct {
	DataDir string // CONFIDANT_DATA_DIR
	// Settings are all others; host and port are chosen at the start. "{{base}}"
	// in a value stands for the root URL of the server.
	Settings map[string]string
	// Attributes, if not nil, start the server process in a namespace of its own.
	Attributes *syscall.SysProcAttr
	// Shell, if not empty, is what a shell runs in the server process before it
	// becomes the program.
	Shell string

	tb   testing.TB
	path string
}

// New builds the program, once for all tests of a process, and gives it a fresh
// data directory.
func New(tb testing.TB, settings map[string]string) *Program {
	tb.Helper()
	return with(tb, settings, binary)
}

// NewPlain is New without the race detector, for tests of a program that is run
// many hundred times and does one thing at a time.
func NewPlain(tb testing.TB, settings map[string]string) *Program {
	tb.Helper()
	return with(tb, settings, plain)
}

func with(tb testing.TB, settings map[string]string, build func() (string, error)) *Program {
	tb.Helper()
	path, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	return &Program{
		DataDir:  filepath.Join(tb.TempDir(), "data"),
		Settings: maps.Clone(settings),
		tb:       tb,
		path:     path,
	}
}

// environment returns the settings as a process gets them.
func (p *Program) environment(base string, more ...string) []string {
	env := []string{"CONFIDANT_DATA_DIR=" + p.DataDir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR=" + os.TempDir()}
	for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
		env = append(env, name+"="+strings.ReplaceAll(p.Settings[name], "{{base}}", base))
	}
	return append(env, more...)
}

// Result is how a command ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs a command of the program to its end. It fails the test only when
// the command cannot be started or hangs; the exit code is for the caller.
func (p *Program) Run(args ...string) Result {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.tb.Context(), readyWithin)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := p.Command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		p.tb.Fatalf("confidant %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// Command returns a command of the program that is not started yet. It is killed
// when ctx ends.
func (p *Program) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env = p.environment("http://127.0.0.1")
	return cmd
}

// MustRun is Run for a command that has to end with 0. It returns the output.
func (p *Program) MustRun(args ...string) string {
	p.tb.Helper()
	r := p.Run(args...)
	if r.Code != 0 {
		p.tb.Fatalf("confidant %s: exit %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// UserToken makes an account without password and returns an API token that
// acts as this user. A server must have run on the data directory: it makes the
// key that tokens are made with.
func (p *Program) UserToken(name string) string {
	p.tb.Helper()
	p.MustRun("admin", "add", name, "--no-password")
	return p.token("admin", name)
}

// ServiceToken returns an API token that acts as the service, which must exist.
func (p *Program) ServiceToken(name string) string {
	p.tb.Helper()
	return p.token("service", name)
}

func (p *Program) token(role, name string) string {
	p.tb.Helper()
	out := p.MustRun("api", "create-token", "--json", "-r", role, "-u", name)
	var made struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Token == "" {
		p.tb.Fatalf("api create-token prints no token: %v\n%s", err, out)
	}
	return made.Token
}

// Server is a running server process.
type Server struct {
	BaseURL string // scheme and address, without a slash at the end

	tb     testing.TB
	cmd    *exec.Cmd
	log    *log
	exited chan struct{} // closed when the process is gone and waited for
	port   string
}

// Start starts a server and waits until it is ready. It is stopped when the
// test ends, if it still runs.
func (p *Program) Start() *Server {
	p.tb.Helper()
	for attempt := 1; ; attempt++ {
		s := p.Launch()
		err := s.Ready()
		if err == nil {
			return s
		}
		s.Kill()
		// Between choosing a free port and listening somebody else may take it.
		if attempt == 3 || !strings.Contains(s.Log(), "address already in use") {
			p.tb.Fatalf("the server does not become ready: %v\n%s", err, s.Log())
		}
	}
}

// Launch starts a server and returns at once.
func (p *Program) Launch() *Server {
	p.tb.Helper()
	port, err := freePort()
	if err != nil {
		p.tb.Fatal(err)
	}
	cmd := exec.Command(p.path, "serve")
	if p.Shell != "" {
		cmd = exec.Command("/bin/sh", "-ec", p.Shell+`; exec "$0" serve`, p.path)
	}
	s := &Server{
		BaseURL: "http://127.0.0.1:" + port,
		tb:      p.tb,
		cmd:     cmd,
		log:     &log{},
		exited:  make(chan struct{}),
		port:    port,
	}
	cmd.Env = p.environment(s.BaseURL, "HOST=127.0.0.1", "PORT="+port)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if p.Attributes != nil {
		*cmd.SysProcAttr = *p.Attributes
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	go func() {
		// A test that runs into its time limit must not leave servers behind. The
		// kernel ends them with the thread that started them, which is kept for
		// that long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // ExitCode tells
			close(s.exited)
		}
	}()
	if err := <-started; err != nil {
		p.tb.Fatal(err)
	}
	p.tb.Cleanup(s.Stop)
	return s
}

// Ready waits until the server says that it is ready, and returns an error if it
// ends first or takes too long.
func (s *Server) Ready() error {
	deadline := time.Now().Add(readyWithin)
	for {
		select {
		case <-s.exited:
			return fmt.Errorf("the process ended with exit code %d", s.ExitCode())
		default:
		}
		status, err := s.readiness()
		if status == http.StatusOK {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no answer 200 of the readiness page within %v: status %d, %v", readyWithin, status, err)
		}
		time.Sleep(readyPoll)
	}
}

func (s *Server) readiness() (status int, err error) {
	req, err := http.NewRequest(http.MethodGet, s.BaseURL+"/readiness", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-Forwarded-Proto", "https") // so that no redirect hides the page
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// Pid returns the process id.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Log returns what the process has written so far.
func (s *Server) Log() string { return s.log.String() }

// Exited is closed when the process is gone.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// ExitCode returns the exit code of a process that is gone, -1 if a signal
// ended it.
func (s *Server) ExitCode() int { return s.cmd.ProcessState.ExitCode() }

// Kill ends the process as a power cut would and waits until it is gone.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // an error means that it is gone already
	<-s.exited
}

// Stop asks the process to end, waits for it, and fails the test if it does not
// end in time and cleanly. A process that is gone is left alone.
func (s *Server) Stop() {
	s.tb.Helper()
	select {
	case <-s.exited:
	default:
		_ = s.cmd.Process.Signal(syscall.SIGTERM) // an error means that it is gone already
		select {
		case <-s.exited:
			if code := s.ExitCode(); code != 0 {
				s.tb.Errorf("stopped by SIGTERM the server ends with exit code %d, want 0\n%s", code, s.Log())
			}
		case <-time.After(stopWithin):
			_ = s.cmd.Process.Signal(syscall.SIGQUIT) // has the runtime say what it is doing
			select {
			case <-s.exited:
			case <-time.After(stopWithin):
				s.Kill()
			}
			s.tb.Errorf("the server does not stop within %v\n%s", stopWithin, s.Log())
		}
	}
	if strings.Contains(s.Log(), "WARNING: DATA RACE") {
		s.tb.Errorf("the server has a data race\n%s", s.Log())
	}
}

// freePort returns a port of the loopback address that nobody listens on now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// log keeps the beginning and the end of what a process writes.
type log struct {
	mu         sync.Mutex
	head, tail []byte
}

const logPart = 64 << 10

var _ io.Writer = (*log)(nil)

// Write never fails, so that a talkative process is not held up.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := p
	if room := logPart - len(l.head); room > 0 {
		n := min(room, len(rest))
		l.head, rest = append(l.head, rest[:n]...), rest[n:]
	}
	l.tail = append(l.tail, rest...)
	if len(l.tail) > 2*logPart {
		l.tail = append(l.tail[:0], l.tail[len(l.tail)-logPart:]...)
	}
	return len(p), nil
}

// String returns what is kept.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.head) + string(l.tail)
}
