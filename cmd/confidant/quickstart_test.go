package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestQuickstart runs what README.md has a newcomer paste, against a fresh
// build and an empty directory; only the port differs.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "bin", "confidant")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	port := freePort(t)
	environment := append(cleanEnvironment(), "PORT="+port)

	var log bytes.Buffer
	server := exec.Command(binary, "serve")
	server.Dir, server.Env, server.Stdout, server.Stderr = dir, environment, &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() error {
		_ = server.Process.Signal(syscall.SIGTERM) // an error means that it is gone, which Wait tells
		return server.Wait()
	}
	if err := awaitReady("http://127.0.0.1:" + port); err != nil {
		_ = stop()
		t.Fatalf("%v\n%s", err, log.String())
	}

	script := strings.ReplaceAll(strings.Join(quickstart(t), "\n"), "8080", port)
	shell := exec.Command("bash", "-euo", "pipefail")
	shell.Dir, shell.Env, shell.Stdin = dir, environment, strings.NewReader(script)
	out, err := shell.CombinedOutput()
	if stopped := stop(); stopped != nil {
		t.Errorf("the server does not end well: %v", stopped)
	}
	if err != nil {
		t.Fatalf("%v\n%s\nserver:\n%s", err, out, log.String())
	}
	for _, want := range []string{"wonderland", "looking-glass", "\n403\n", "\nok, head "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(log.String(), "wonderland") {
		t.Error("a secret stands in the server's output")
	}
	if info, err := os.Stat(filepath.Join(dir, "confidant-data")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v, %v; want mode 0700", info, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "confidant-data", "enckey")); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("key file: %v, %v; want mode 0400", info, err)
	}
}

// quickstart returns the shell blocks of README.md's quickstart.
func quickstart(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n## Quickstart\n")
	section, _, ends := strings.Cut(section, "\n## ")
	if !found || !ends {
		t.Fatal("README.md has no quickstart")
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) < 4 {
		t.Fatalf("the quickstart has only %d blocks", len(blocks))
	}
	return blocks
}

// cleanEnvironment is the test's own without any setting of ours.
func cleanEnvironment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// awaitReady waits until a server says that it is ready.
func awaitReady(base string) error {
	client := http.Client{Timeout: 5 * time.Second}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := client.Get(base + "/readiness")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server does not become ready: %w", err)
		}
	}
}
