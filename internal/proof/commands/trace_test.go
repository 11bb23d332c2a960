package commands

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// changing are the system calls that change what is on the disk, with the
// argument that says where: a file descriptor, or the address of a name.
var changing = map[uint64]struct {
	name  string
	where int
	path  bool
}{
	unix.SYS_WRITE:     {"write", 0, false},
	unix.SYS_PWRITE64:  {"write", 0, false},
	unix.SYS_FSYNC:     {"sync", 0, false},
	unix.SYS_FDATASYNC: {"sync", 0, false},
	unix.SYS_FTRUNCATE: {"truncate", 0, false},
	unix.SYS_RENAMEAT:  {"rename", 1, true},
	unix.SYS_RENAMEAT2: {"rename", 1, true},
	unix.SYS_LINKAT:    {"link", 3, true},
	unix.SYS_UNLINKAT:  {"remove", 1, true},
	unix.SYS_MKDIRAT:   {"make", 1, true},
}

// trace runs a command and sends it a signal before the first of its system calls
// that makes a change, for example "rename data/confidant.db", to a file below
// dir. It reports whether there was one.
func trace(t *testing.T, cmd *exec.Cmd, dir, point string, signal syscall.Signal) (reached bool, r server.Result) {
	t.Helper()
	output := func() *os.File {
		f, err := os.CreateTemp(t.TempDir(), "output")
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	stdout, stderr := output(), output()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	var status syscall.WaitStatus
	var err error
	ended := make(chan struct{})
	go func() { // one thread has to do it all
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err = cmd.Start(); err == nil {
			reached, status, err = follow(cmd.Process.Pid, dir, point, signal)
			err = errors.Join(err, cmd.Process.Release())
		}
	}()
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	read := func(f *os.File) string {
		text, err := os.ReadFile(f.Name())
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	return reached, server.Result{Stdout: read(stdout), Stderr: read(stderr), Code: status.ExitStatus()}
}

// follow follows a new process, which is stopped, to its end.
func follow(pid int, dir, point string, signal syscall.Signal) (reached bool, end syscall.WaitStatus, err error) {
	if _, err := syscall.Wait4(pid, &end, 0, nil); err != nil {
		return false, end, fmt.Errorf("waiting for the start: %w", err)
	}
	const options = syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(pid, options); err != nil {
		return false, end, fmt.Errorf("tracing: %w", err)
	}
	for stopped, with := pid, 0; ; {
		if err := syscall.PtraceSyscall(stopped, with); err != nil && !errors.Is(err, syscall.ESRCH) {
			return reached, end, fmt.Errorf("going on: %w", err)
		}
		stopped, err = syscall.Wait4(-pid, &end, syscall.WALL, nil)
		for errors.Is(err, syscall.EINTR) {
			stopped, err = syscall.Wait4(-pid, &end, syscall.WALL, nil)
		}
		with = 0
		switch {
		case err != nil:
			return reached, end, fmt.Errorf("waiting: %w", err)
		case end.Exited() || end.Signaled():
			if stopped == pid {
				return reached, end, nil
			}
		case end.StopSignal() == syscall.SIGTRAP|0x80:
			if reached || change(stopped, dir) != point {
				continue
			}
			reached = true
			if err := syscall.Kill(pid, signal); err != nil {
				return reached, end, fmt.Errorf("sending the signal: %w", err)
			}
		case end.StopSignal() != syscall.SIGTRAP && end.StopSignal() != syscall.SIGSTOP:
			with = int(end.StopSignal())
		}
	}
}

// change says what the system call before which a thread is stopped would change
// below dir; "" if nothing.
func change(thread int, dir string) string {
	var info [88]byte // struct ptrace_syscall_info
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO,
		uintptr(thread), uintptr(len(info)), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 || info[0] != 1 { // 1: on entry
		return ""
	}
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(info[24+8*i:]) }
	call, changes := changing[word(0)]
	if !changes {
		return ""
	}
	argument := word(1 + call.where)
	path := ""
	if call.path {
		path = text(thread, argument)
	} else {
		path, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", thread, argument)) // "" is outside
	}
	below, err := filepath.Rel(dir, path)
	if err != nil || strings.HasPrefix(below, "..") {
		return ""
	}
	return call.name + " " + below
}

// text reads a name from the memory of a thread.
func text(thread int, at uint64) string {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", thread))
	if err != nil {
		return ""
	}
	defer memory.Close()
	name := make([]byte, 4096)
	n, _ := memory.ReadAt(name, int64(at)) // short at the end of a page
	name, _, _ = bytes.Cut(name[:n], []byte{0})
	return string(name)
}
