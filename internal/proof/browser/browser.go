// Package browser lets tests sit at a real browser: Debian's Chromium without a
// window, driven by playwright-core, with axe-core to judge its pages. It knows pages as people see them, and
// nothing of what is tested.
package browser

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/part"
)

// chromium is where Debian's package puts it.
const chromium = "/usr/bin/chromium"

// Browser is a running browser. Tests may share it.
type Browser struct {
	process *part.Process

	mu      sync.Mutex
	in      io.Writer
	last    int // id that was given last
	waiting map[int]chan answer
}

type request struct {
	ID      int    `json:"id"`
	Visitor string `json:"visitor"`
	Command string `json:"command"`
	Args    any    `json:"args"`
}

type answer struct {
	ID     int
	Result json.RawMessage
	Error  string
}

// Start starts a browser for the time of the test.
func Start(tb testing.TB) *Browser {
	tb.Helper()
	if _, err := os.Stat(chromium); err != nil {
		tb.Fatalf("Chromium is not installed: %v", err)
	}
	cmd := exec.Command("node", part.Source(tb, "internal/proof/browser/driver.mjs"), part.Package(tb, "playwright-core"),
		filepath.Join(part.Package(tb, "axe-core"), "axe.min.js"), chromium)
	in, toDriver, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	defer in.Close() // it is the driver's, as out
	fromDriver, out, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	defer out.Close()
	cmd.Stdin, cmd.Stdout = in, out

	b := &Browser{in: toDriver, waiting: map[int]chan answer{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(fromDriver)
	}()
	tb.Cleanup(func() { // once the driver is gone
		<-read
		_ = fromDriver.Close()
	})
	b.process = part.Start(tb, cmd)
	tb.Cleanup(func() { _ = toDriver.Close() }) // which ends the driver
	return b
}

// read hands out answers until the driver ends.
func (b *Browser) read(from io.Reader) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			continue // not ours
		}
		b.mu.Lock()
		waiting := b.waiting[a.ID]
		delete(b.waiting, a.ID)
		b.mu.Unlock()
		if waiting != nil {
			waiting <- a
		}
	}
}

// answerWithin is longer than the driver waits for anything.
const answerWithin = 60 * time.Second

// call gives the driver a command and decodes its result, unless into is nil.
func (b *Browser) call(visitor, command string, args, into any) error {
	reply := make(chan answer, 1)
	b.mu.Lock()
	b.last++
	b.waiting[b.last] = reply
	line, err := json.Marshal(request{b.last, visitor, command, args})
	if err == nil {
		_, err = b.in.Write(append(line, '\n'))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case a := <-reply:
		if a.Error != "" {
			return errors.New(a.Error)
		}
		if into == nil {
			return nil
		}
		return json.Unmarshal(a.Result, into)
	case <-b.process.Exited():
		return errors.New("the driver of the browser has ended: " + b.process.Output())
	case <-time.After(answerWithin):
		return errors.New("the browser does not answer")
	}
}
