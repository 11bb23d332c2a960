package operations

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// systemd does for one unit, configs/confidant.service, what systemctl start, stop,
// restart and reload ask for. The command systemctl of a machine asks it over HTTP.
type systemd struct {
	start, reload []string // command lines of the unit
	state         string   // the unit's state directory
	env           []string
	log           log

	mu      sync.Mutex
	process *os.Process // nil: not running
	exited  chan error
}

func newSystemd(t *testing.T, m *machine) *systemd {
	t.Helper()
	unit, err := os.ReadFile("../../../configs/confidant.service")
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string) string {
		found := regexp.MustCompile(`(?m)^` + name + `=(.*)$`).FindSubmatch(unit)
		if found == nil {
			t.Fatalf("the unit has no %s", name)
		}
		return string(found[1])
	}
	s := &systemd{
		start: strings.Fields(m.here(value("ExecStart"))), reload: strings.Fields(value("ExecReload")),
		state: m.here("/var/lib/" + value("StateDirectory")), env: m.env,
	}
	door := httptest.NewServer(s)
	t.Cleanup(func() {
		door.Close()
		if err := s.act("stop"); err != nil {
			t.Error(err)
		}
	})
	shim := "#!/bin/sh\nexec curl -sS --fail-with-body -X POST " + door.URL + "/$1/$2\n"
	if err := os.WriteFile(filepath.Join(m.root, "bin", "systemctl"), []byte(shim), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *systemd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	verb, ours := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/confidant")
	err := errors.New("there is no such unit: " + r.URL.Path)
	if ours {
		err = s.act(verb)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (s *systemd) act(verb string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch verb {
	case "start":
		return s.begin()
	case "stop":
		return s.end()
	case "restart":
		return errors.Join(s.end(), s.begin())
	case "reload":
		if s.process == nil {
			return errors.New("the unit is not active, it cannot be reloaded")
		}
		words := strings.Fields(strings.ReplaceAll(strings.Join(s.reload, " "), "$MAINPID", strconv.Itoa(s.process.Pid)))
		return exec.Command(words[0], words[1:]...).Run()
	}
	return fmt.Errorf("unknown verb %q", verb)
}

func (s *systemd) begin() error {
	if s.process != nil {
		return nil
	}
	if err := os.MkdirAll(s.state, 0o700); err != nil {
		return err
	}
	cmd := exec.Command(s.start[0], s.start[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.state, s.env, &s.log, &s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, exited := make(chan error), make(chan error, 1)
	go func() {
		// The kernel ends the process with the thread that started it, should this one
		// end without stopping it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			exited <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.exited = cmd.Process, exited
	return nil
}

func (s *systemd) end() error {
	if s.process == nil {
		return nil
	}
	_ = s.process.Signal(syscall.SIGTERM) // an error means that it is gone, which exited tells
	defer func() { s.process = nil }()
	select {
	case err := <-s.exited:
		return err
	case <-time.After(30 * time.Second):
		_ = s.process.Kill()
		return errors.Join(errors.New("the server does not stop"), <-s.exited)
	}
}

// log is what the unit prints.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// freePort returns a port of the loopback address that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
