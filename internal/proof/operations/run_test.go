package operations

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

func TestMain(m *testing.M) {
	cloud.PassOver()
	server.Main(m)
}

// machine is where the page runs: a directory in place of the root of the file
// system, ports of its own, and a systemd that knows one unit.
type machine struct {
	root    string
	program string // path of the binary
	ports   [2]string
	env     []string
	systemd *systemd
}

// binary builds the program, without the race detector even where tests have it:
// keys are opened by passphrase many times here, which would take minutes.
var binary = sync.OnceValues(func() (string, error) {
	return server.Build("github.com/confidant-secrets/confidant/cmd/confidant")
})

// directories of the page that lie below the machine's root.
var directories = []string{"/etc/confidant", "/var/lib/confidant", "/mnt/", "/srv/"}

func newMachine(t *testing.T) *machine {
	t.Helper()
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{root: t.TempDir(), program: program, ports: [2]string{freePort(t), freePort(t)}}
	for _, dir := range []string{"etc/confidant", "var/lib", "mnt/backup", "mnt/key", "srv", "root", "bin"} {
		if err := os.MkdirAll(filepath.Join(m.root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	m.env = []string{"PATH=" + filepath.Join(m.root, "bin") + ":" + filepath.Dir(program) + ":" + os.Getenv("PATH"), "HOME=" + m.root + "/root"}
	m.systemd = newSystemd(t, m)
	return m
}

// here turns what the page says into what holds on this machine.
func (m *machine) here(text string) string {
	uid, gid := strconv.Itoa(os.Getuid()), strconv.Itoa(os.Getgid())
	differ := []string{
		"8080", m.ports[0], "8081", m.ports[1], "/usr/local/bin/confidant", m.program,
		"confidant:confidant", uid + ":" + gid, "-o confidant", "-o " + uid, "-g confidant", "-g " + gid,
	}
	for _, dir := range directories {
		differ = append(differ, dir, m.root+dir)
	}
	return strings.NewReplacer(differ...).Replace(text)
}

// there is the opposite, for what commands print.
func (m *machine) there(text string) string {
	text = strings.ReplaceAll(text, m.root, "")
	for i, port := range m.ports {
		text = regexp.MustCompile(`\b`+port+`\b`).ReplaceAllString(text, strconv.Itoa(8080+i))
	}
	return text
}

// run runs steps one after the other in one shell, as somebody types them, and
// compares what they print.
func (m *machine) run(t *testing.T, all []step) {
	t.Helper()
	const mark = "\x1e"
	var script strings.Builder
	for i, s := range all {
		fmt.Fprintf(&script, "printf '\\036%d\\036'\n%s", i, m.here(s.shell))
	}
	file := filepath.Join(m.root, "page.sh")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("bash", "-euo", "pipefail", file)
	shell.Dir, shell.Env = filepath.Join(m.root, "root"), m.env
	// What a step that failed leaves running is not waited for, and ends with the
	// shell's group.
	shell.SysProcAttr, shell.WaitDelay = &syscall.SysProcAttr{Setpgid: true}, 5*time.Second
	out, err := shell.CombinedOutput()
	_ = syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) // mostly there is nothing left
	parts := strings.Split(string(out), mark)             // "", number, output, number, output ...
	for i := 1; i+1 < len(parts); i += 2 {
		number, _ := strconv.Atoi(parts[i])
		s, output := all[number], m.there(parts[i+1])
		last := i+3 >= len(parts)
		switch {
		case last && err != nil:
			t.Fatalf("line %d: %v\n%s\n%s\nserver:\n%s", s.line, err, s.shell, output, m.there(m.systemd.log.String()))
		case s.shows != "" && !printed(s.shows, output):
			t.Errorf("line %d:\n%sprints\n%swhere the page shows\n%s", s.line, s.shell, output, s.shows)
		}
		if testing.Verbose() {
			t.Logf("line %d:\n%s%s", s.line, s.shell, output)
		}
	}
	if len(parts) != 1+2*len(all) {
		t.Errorf("%d of %d steps ran: %v", len(parts)/2, len(all), err)
	}
}

// TestPage_Runs is a machine with a database of its own.
func TestPage_Runs(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	furnish(t, m)
	var here []step
	for _, s := range steps(t) {
		if s.section != inCloud {
			here = append(here, s)
		}
	}
	m.run(t, here)
}

// TestPage_RunsOverDynamoDB is one of several machines over one table.
func TestPage_RunsOverDynamoDB(t *testing.T) {
	t.Parallel()
	if !cloud.Wanted() {
		return
	}
	m := newMachine(t)
	c := cloud.New(t)
	furnishTables(t, c)
	var settings strings.Builder
	for name, value := range c.Settings() {
		if name != "HOME" { // which is none
			fmt.Fprintf(&settings, "%s='%s'\n", name, value)
		}
	}
	if err := os.WriteFile(m.here("/etc/confidant/confidant.env"), []byte(settings.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	all := steps(t)
	there := all[:1:1] // what every shell begins with
	for _, s := range all {
		if s.section == inCloud {
			there = append(there, s)
		}
	}
	m.run(t, there)
}
