package app

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReload_WhatFailsKeepsNothingElseFromIt(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := &App{log: slog.New(slog.NewTextHandler(&log, nil))}
	var read []string
	for _, what := range []string{"one", "two", "three"} {
		a.onReload(what, func() error {
			read = append(read, what)
			if what == "two" {
				return errors.New("it is broken")
			}
			return nil
		})
	}
	a.reload()
	if got := strings.Join(read, " "); got != "one two three" {
		t.Errorf("read %s", got)
	}
	for _, want := range []string{"reloaded what=one", `"reload failed" what=two error="it is broken"`, "reloaded what=three"} {
		if !strings.Contains(strings.ReplaceAll(log.String(), "msg=", ""), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
}

// A running server answers a SIGHUP with a reload and goes on. The signal reaches
// every server of this process, so no other test runs beside this one.
func TestServe_ReloadsAtAHangup(t *testing.T) {
	files := newPairFiles(t)
	files.write(1)
	levels := make(chan struct{}, 10)
	base, stop := serve(t, settings(t, "TLS_CERT_FILE="+files.cert, "TLS_KEY_FILE="+files.key), func(o *ServeOptions) {
		o.SetLevel = func() error { levels <- struct{}{}; return nil }
	})
	address := strings.TrimPrefix(base, "https://")
	if got := handshake(t, address); got != 1 {
		t.Errorf("certificate %d, want 1", got)
	}
	files.write(2)
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	select {
	case <-levels:
	case <-time.After(10 * time.Second):
		t.Fatal("the log level is not set anew")
	}
	for deadline := time.Now().Add(10 * time.Second); handshake(t, address) != 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not in force")
		}
	}
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

// Without a signal the files alone are enough.
func TestServe_FollowsTheFilesOfTheCertificate(t *testing.T) {
	t.Parallel()
	files := newPairFiles(t)
	files.write(1)
	base, stop := serve(t, settings(t, "TLS_CERT_FILE="+files.cert, "TLS_KEY_FILE="+files.key))
	address := strings.TrimPrefix(base, "https://")
	files.write(2)
	for deadline := time.Now().Add(4 * certificatePoll); handshake(t, address) != 2; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not in force")
		}
	}
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}
