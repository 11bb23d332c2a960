package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Main is the body of a package's TestMain: it runs the tests and removes what
// was built for them.
func Main(m *testing.M) {
	code := m.Run()
	if err := os.RemoveAll(buildDir()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

const program = "github.com/confidant-secrets/confidant/cmd/confidant"

// binary builds the program when a test first asks for it. Tests that run under
// the race detector get a program with the race detector.
var binary = sync.OnceValues(func() (string, error) {
	if raceDetector {
		return Build(program, "-race")
	}
	return Build(program)
})

// plain builds the program without the race detector, whatever the tests have.
var plain = sync.OnceValues(func() (string, error) { return Build(program) })

// Build builds a program of this module and returns the path of its binary,
// which stands until Main removes it.
func Build(pkg string, flags ...string) (string, error) {
	dir := buildDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(pkg))
	args := append([]string{"build", "-o", path}, flags...)
	if out, err := exec.Command("go", append(args, pkg)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// buildDir is a directory of this test process alone.
func buildDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("confidant-proof-%d", os.Getpid()))
}
