package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestInterrupt holds a command that waits for its input to end with 130 when
// it is interrupted, and the server to end with 0.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	// The test binary is the program when it is called by the program's name.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "confidant")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	start := func(t *testing.T, port string, args ...string) (cmd *exec.Cmd, stdout, stderr *bufio.Reader) {
		t.Helper()
		cmd = exec.Command(program, args...)
		// The unknown name has every command say something before it works.
		cmd.Dir, cmd.Env = t.TempDir(), append(cleanEnvironment(), "PORT="+port, "CONFIDANT_NOTHING=x")
		pipe := func(open func() (io.ReadCloser, error)) *bufio.Reader {
			r, err := open()
			if err != nil {
				t.Fatal(err)
			}
			return bufio.NewReader(r)
		}
		stdout, stderr = pipe(cmd.StdoutPipe), pipe(cmd.StderrPipe)
		in, err := cmd.StdinPipe() // that never ends
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = in.Close() })
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, stdout, stderr
	}
	end := func(t *testing.T, cmd *exec.Cmd, signal os.Signal, want int) {
		t.Helper()
		if err := cmd.Process.Signal(signal); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Errorf("exit code %d, want %d", code, want)
		}
	}
	t.Run("a command", func(t *testing.T) {
		t.Parallel()
		cmd, stdout, stderr := start(t, "0", "admin", "add", "ada", "--password-file", "-", "--json")
		if line, err := stderr.ReadString('\n'); err != nil {
			t.Fatalf("the command says %q, %v", line, err)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		text, err := io.ReadAll(stdout)
		if want := "{\n  \"error\": \"interrupted\"\n}\n"; err != nil || string(text) != want {
			t.Errorf("output %q, %v; want %q", text, err, want)
		}
		end(t, cmd, syscall.Signal(0), 130)
	})
	t.Run("a server", func(t *testing.T) {
		t.Parallel()
		port := freePort(t)
		cmd, _, stderr := start(t, port, "serve")
		go func() { _, _ = io.Copy(io.Discard, stderr) }()
		if err := awaitReady("http://127.0.0.1:" + port); err != nil {
			t.Error(err)
		}
		end(t, cmd, syscall.SIGTERM, 0)
	})
}
