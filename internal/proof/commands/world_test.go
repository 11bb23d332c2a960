package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/proof/server"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

// world is a directory in which a command runs: data, a backup, and files that
// arguments speak of.
type world struct {
	*server.Program
	dir   string
	stdin string
}

// prepared makes the directory that worlds are copies of: a database with
// credentials, archived ones, a service, an account and a policy; a key, a log, a
// backup.
func prepared(t *testing.T) string {
	t.Helper()
	s := embedded(t)
	w := &world{Program: s.Program, dir: filepath.Dir(s.DataDir)}
	s.MustRun("setup", "create-enckey")
	s.with(t, func(st store.Store) {
		fill(t, st, time.Now(), []string{"{{OLD3}}-1", "{{ENABLED}}-1", "{{MAPPED}}-1"}, []string{"{{ONE}}-1"})
	})
	s.MustRun("admin", "add", "ada", "--no-password")
	s.MustRun("config", "policy", "create", "lists", "credential", "list")
	var made struct{ Token, File string }
	for _, args := range [][]string{
		{"api", "create-token", "-u", "ada", "--json"}, {"backup", "create", "--json", "-d", filepath.Join(w.dir, "made")},
	} {
		if err := json.Unmarshal([]byte(s.MustRun(args...)), &made); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(made.File, filepath.Join(w.dir, "backup.tgz")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"token":         made.Token,
		"words":         "correct horse battery staple",
		"misspelt.env":  "DYNAMO_DB_TABLE=t\n",
		"good.yaml":     "- {user: ada, action: list, type: credential, expect: allow}\n",
		"bad.yaml":      "- {user: ada, action: list, type: credential, expect: deny}\n",
		"empty.json":    "{}",
		"half.json":     `{"policy": [{"name": "broken", "active": true, "description": "", "cedar": "permit"}]}`,
		"whole.json":    `{"policy": [{"name": "new", "active": true, "description": "", "cedar": "permit (principal, action, resource is ca);"}]}`,
		"good.env.yaml": "SESSION_SECRET: wonderland-wonderland\n",
	} {
		w.write(t, name, text)
	}
	return w.dir
}

// copied makes a world like the prepared one.
func copied(t *testing.T, template string) *world {
	t.Helper()
	p := server.NewPlain(t, map[string]string{"PORT": "1", "HOST": "127.0.0.1"})
	w := &world{Program: p, dir: filepath.Dir(p.DataDir)}
	if out, err := exec.Command("cp", "-a", template+"/.", w.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.write(t, "signed.env", "AUDIT_SIGNING_KEY_FILE="+filepath.Join(w.dir, "signing.pem")+"\n")
	w.write(t, "misplaced.env", "AUDIT_SIGNING_KEY_FILE="+filepath.Join(w.dir, "absent", "signing.pem")+"\n")
	return w
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *world) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (w *world) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, name)); err != nil {
		t.Fatal(err)
	}
}

// ruined has something else in the place of the database.
func (w *world) ruined(t *testing.T) {
	w.write(t, "data/confidant.db", strings.Repeat("rabbit hole ", 100))
}

// emptied has a new database.
func (w *world) emptied(t *testing.T) {
	w.remove(t, "data/confidant.db")
	w.MustRun("setup", "create-tables")
}

// inUse is locked by this process, until the test ends.
func (w *world) inUse(t *testing.T) {
	lock, err := maintenance.Acquire(t.Context(), w.DataDir, maintenance.Exclusive, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lock.Release(); err != nil {
			t.Error(err)
		}
	})
}

func (w *world) withoutKey(t *testing.T) { w.remove(t, "data/enckey") }

func (w *world) anotherKey(t *testing.T) {
	other := filepath.Join(w.dir, "other")
	w.MustRun("setup", "create-enckey", "--data-dir", other)
	if err := os.Rename(filepath.Join(other, "enckey"), filepath.Join(w.DataDir, "enckey")); err != nil {
		t.Fatal(err)
	}
}

// misled has a service that maps a credential which does not exist.
func (w *world) misled(t *testing.T) {
	s, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(w.DataDir, "confidant.db"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	row := &service.Service{
		Meta:        revision.Meta{ID: "misled", Revision: 1, ModifiedDate: time.Unix(1e9, 0).UTC(), ModifiedBy: "x"},
		Credentials: []string{idOf("NOBODY")}, Enabled: true,
	}
	if _, err := s.Services().Import(t.Context(), row, []*service.Service{row}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// talkative has a log that is not read at one go.
func (w *world) talkative(t *testing.T) { appended(t, w, slices.Repeat([]string{"ada"}, 1100)...) }

// forbidden has a policy that leaves the operator nothing but the policies.
func (w *world) forbidden(t *testing.T) {
	w.write(t, "nothing.cedar", "forbid (principal, action, resource);")
	w.MustRun("config", "policy", "create", "nothing", "-f", filepath.Join(w.dir, "nothing.cedar"))
}

// forged has a log in which a record is changed.
func (w *world) forged(t *testing.T) {
	logs, err := filepath.Glob(filepath.Join(w.DataDir, "audit", "0*.jsonl"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("segments %v, %v", logs, err)
	}
	name := "data/audit/" + filepath.Base(logs[0])
	w.write(t, name, strings.Replace(w.read(t, name), `"cli:`, `"clj:`, 1))
}

// noLog has a file in the place of the directory of the log.
func (w *world) noLog(t *testing.T) {
	w.remove(t, "data/audit")
	w.write(t, "data/audit", "")
}

// bootstrapped has a blob of settings.
func (w *world) bootstrapped(t *testing.T) {
	blob := filepath.Join(w.dir, "blob.json")
	w.MustRun("generate-secrets-bootstrap", "--in", filepath.Join(w.dir, "good.env.yaml"), "--out", blob)
	w.Settings["SECRETS_BOOTSTRAP"] = "file://" + blob
}

// unreachable keeps its data in DynamoDB, which does not answer.
func (w *world) unreachable(*testing.T) {
	for name, value := range map[string]string{
		"DYNAMODB_TABLE": "t", "DYNAMODB_URL": "http://127.0.0.1:1",
		"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y",
	} {
		w.Settings[name] = value
	}
}

// serving has a server, until the test ends.
func (w *world) serving(*testing.T) {
	s := w.Start()
	w.Settings["PORT"] = s.BaseURL[strings.LastIndex(s.BaseURL, ":")+1:]
}

// running is a command at work.
type running struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr *os.File // what it says comes out here
	stdin  *os.File // what it reads goes in here; closed by the end of it
}

func (w *world) start(t *testing.T, args []string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r := &running{cmd: w.Command(ctx, args...)}
	stderr, said, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read, stdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stderr, r.stdin = stderr, stdin
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = read, &r.stdout, said
	if err := errors.Join(r.cmd.Start(), said.Close(), read.Close()); err != nil {
		t.Fatal(err)
	}
	return r
}

// feed writes the rest of what the command reads, which it need not read.
func (r *running) feed(t *testing.T, text string) {
	t.Helper()
	if _, err := r.stdin.WriteString(text); err != nil && !errors.Is(err, syscall.EPIPE) {
		t.Error(err)
	}
	if err := r.stdin.Close(); err != nil {
		t.Error(err)
	}
}

// end has the command come to its end and returns how it did.
func (r *running) end(t *testing.T) server.Result {
	t.Helper()
	said, err := io.ReadAll(r.stderr)
	if err != nil {
		t.Error(err)
	}
	_ = r.cmd.Wait() // the code tells
	if err := r.stderr.Close(); err != nil {
		t.Error(err)
	}
	return server.Result{Stdout: r.stdout.String(), Stderr: string(said), Code: r.cmd.ProcessState.ExitCode()}
}

// interrupt sends SIGINT and waits until it must have been heard.
func (r *running) interrupt(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
}

// await waits until a number of bytes waits in a pipe.
func await(t *testing.T, pipe *os.File, enough func(held int) bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		held, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the pipe holds %d bytes, %v", held, err)
		}
		if enough(held) {
			return
		}
	}
}

func runToTheEnd(t *testing.T, w *world, args []string) server.Result {
	r := w.start(t, args)
	r.feed(t, w.stdin)
	return r.end(t)
}

// interruptTalking interrupts a command while it warns of its settings: it has
// so much to say that it has to wait for somebody who listens.
func interruptTalking(t *testing.T, w *world, args []string) server.Result {
	const room = 4096
	for i := range 200 {
		w.Settings[fmt.Sprintf("CONFIDANT_NOTHING_%03d", i)] = "x"
	}
	r := w.start(t, args)
	if _, err := unix.FcntlInt(r.stderr.Fd(), unix.F_SETPIPE_SZ, room); err != nil {
		t.Fatal(err)
	}
	r.feed(t, w.stdin)
	await(t, r.stderr, func(held int) bool { return held > room-500 })
	r.interrupt(t)
	return r.end(t)
}

// interruptReading interrupts a command that has read the half of its input.
func interruptReading(t *testing.T, w *world, args []string) server.Result {
	r := w.start(t, args)
	half := len(w.stdin) / 2
	if _, err := r.stdin.WriteString(w.stdin[:half]); err != nil {
		t.Fatal(err)
	}
	await(t, r.stdin, func(held int) bool { return held == 0 })
	r.interrupt(t)
	r.feed(t, w.stdin[half:])
	return r.end(t)
}

// serveAndStop runs the server until it is told to end.
func serveAndStop(_ *testing.T, w *world, _ []string) server.Result {
	s := w.Start()
	s.Stop()
	return server.Result{Stderr: s.Log(), Code: s.ExitCode()}
}
