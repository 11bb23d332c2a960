package outage

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/server"
	"golang.org/x/sys/unix"
)

// onSmallDisk lets the program live on a file system of its own, in a mount
// namespace that goes away with the process. That needs the right to mount, which
// root has, and others have in a user namespace of their own; it reports false
// where the machine grants neither.
func onSmallDisk(t *testing.T, p *server.Program, size string) bool {
	t.Helper()
	mount := t.TempDir()
	p.DataDir = filepath.Join(mount, "data")
	p.Shell = "mount -t tmpfs -o size=" + size + " tmpfs " + mount
	p.Attributes = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		p.Attributes = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		}
	}
	probe := exec.Command("/bin/sh", "-c", p.Shell)
	probe.SysProcAttr = p.Attributes
	out, err := probe.CombinedOutput()
	if err != nil {
		t.Logf("no file system can be mounted here: %v %s", err, out)
	}
	return err == nil
}

// inside returns a path as the server process sees it.
func inside(s *server.Server, path string) string {
	return filepath.Join("/proc", strconv.Itoa(s.Pid()), "root", path)
}

// fill leaves no byte free on the file system of a directory and returns the file
// that takes the room.
func fill(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	return name
}

func TestFullDisk_ReadsGoOnAndWritesComeBackByThemselves(t *testing.T) {
	t.Parallel()
	p := server.New(t, open())
	if !onSmallDisk(t, p, "48m") {
		return // what can be shown without it is shown by the next test
	}
	s := p.Start()
	id := prepare(t, s)
	path := "/v1/credentials/" + id
	filler := fill(t, inside(s, filepath.Dir(p.DataDir)))

	// What room the files still have inside themselves is soon used up.
	last, value := 1, ""
	var refused answer
	for n := range 200 {
		value = strconv.Itoa(n) + strings.Repeat("x", 50_000)
		if refused = ask(t, s, http.MethodPut, path, map[string]any{"credential_pairs": map[string]string{"password": value}}); refused.status != http.StatusOK {
			break
		}
		last = refused.body.Revision
	}
	unavailable(t, "a write to a full disk", refused)
	if text := strings.ToLower(refused.body.Error); !strings.Contains(text, "full") && !strings.Contains(text, "space") {
		t.Errorf("the answer %q does not say that the disk is full", refused.body.Error)
	}

	for range 20 {
		read := must(t, s, http.MethodGet, path, nil)
		if read.body.Revision != last || read.body.Pairs["password"] == value {
			t.Fatalf("after a refused write the credential is at revision %d, want %d", read.body.Revision, last)
		}
		must(t, s, http.MethodGet, "/v1/services/shop", nil)
	}
	must(t, s, http.MethodGet, "/healthcheck", nil)

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	var again answer
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if again = ask(t, s, http.MethodPut, path, map[string]any{"credential_pairs": map[string]string{"password": secret}}); again.status == http.StatusOK {
			break
		}
	}
	if again.status != http.StatusOK || again.body.Revision != last+1 {
		t.Errorf("with room again a write is answered by %d, revision %d, want 200, revision %d: %s", again.status, again.body.Revision, last+1, again.text)
	}
	verifyCopy(t, p, inside(s, filepath.Join(p.DataDir, "audit")))
}

// verifyCopy verifies the audit log in a directory that commands do not reach.
func verifyCopy(t *testing.T, p *server.Program, dir string) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(filepath.Join(data, "audit"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	copied := *p
	copied.DataDir = data
	copied.MustRun("audit", "verify")
}

func TestFilesThatCannotBeWritten_GiveNothingAwayAndChangeNothing(t *testing.T) {
	t.Parallel()
	p := server.New(t, open())
	s := p.Start()
	id := prepare(t, s)

	limit(t, s, 0)
	change := map[string]any{"credential_pairs": map[string]string{"password": "new"}}
	unavailable(t, "a read", ask(t, s, http.MethodGet, "/v1/services/shop", nil))
	unavailable(t, "a list", ask(t, s, http.MethodGet, "/v1/credentials", nil))
	unavailable(t, "a change", ask(t, s, http.MethodPut, "/v1/credentials/"+id, change))
	unavailable(t, "a create", ask(t, s, http.MethodPost, "/v1/credentials", map[string]any{"name": "new", "credential_pairs": map[string]string{"k": "v"}}))
	must(t, s, http.MethodGet, "/healthcheck", nil)

	limit(t, s, unix.RLIM_INFINITY)
	var read answer
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if read = ask(t, s, http.MethodGet, "/v1/credentials/"+id, nil); read.status == http.StatusOK {
			break
		}
	}
	if read.status != http.StatusOK || read.body.Revision != 1 || read.body.Pairs["password"] != secret {
		t.Errorf("afterwards the credential is %s (status %d), want revision 1 as it was", read.text, read.status)
	}
	if a := must(t, s, http.MethodPut, "/v1/credentials/"+id, change); a.body.Revision != 2 {
		t.Errorf("the next change makes revision %d, want 2", a.body.Revision)
	}
	p.MustRun("audit", "verify")
}

// limit bounds the size of every file that the server writes, in bytes.
func limit(t *testing.T, s *server.Server, size uint64) {
	t.Helper()
	if err := unix.Prlimit(s.Pid(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAuditDirectoryThatIsGone_StopsEverythingThatNeedsARecord(t *testing.T) {
	t.Parallel()
	p := server.New(t, open())
	s := p.Start()
	id := prepare(t, s)
	audit, aside := filepath.Join(p.DataDir, "audit"), filepath.Join(t.TempDir(), "audit")
	move(t, audit, aside)
	unavailable(t, "a read", ask(t, s, http.MethodGet, "/v1/services/shop", nil))
	unavailable(t, "a change", ask(t, s, http.MethodPut, "/v1/credentials/"+id, map[string]any{"documentation": "new"}))
	must(t, s, http.MethodGet, "/healthcheck", nil)

	s.Stop()
	move(t, aside, audit)
	s = p.Start()
	if a := must(t, s, http.MethodGet, "/v1/credentials/"+id, nil); a.body.Revision != 1 {
		t.Errorf("the refused change made revision %d", a.body.Revision)
	}
	p.MustRun("audit", "verify")
}

// move copies a directory and removes it, so that whoever has a file in it open
// writes to nothing.
func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(from); err != nil {
		t.Fatal(err)
	}
}
