// Package awstest is a wire-level double of the parts of AWS that this product
// talks to and that no emulator covers well: KMS with encryption contexts,
// aliases, disabled keys, limits and grants, and STS. It verifies signatures,
// enforces what AWS enforces and can be told to fail in the ways AWS fails.
//
// It is used by tests only; nothing in the product imports it. It imports
// nothing of the product either, so that a mistake is not made on both sides.
package awstest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Account is the account that everything in the double belongs to.
const Account = "123456789012"

// Root is the access key that may do everything.
var Root = AccessKey{ID: "AKIDROOTROOTROOT", Secret: "root-secret-for-tests", ARN: "arn:aws:iam::" + Account + ":root"}

// AccessKey is a pair that requests are signed with, and whom it speaks for.
type AccessKey struct {
	ID, Secret, ARN string
}

// Call is one request that reached an operation.
type Call struct {
	Service, Operation string
	Number             int // of this operation, from 1
	Input              map[string]any
}

// Fault is how a call shall fail. The zero members do nothing.
type Fault struct {
	Status int           // with Code: the error answered instead of doing anything
	Code   string        // AWS error code
	Delay  time.Duration // before anything else
	// Lose does the work and then breaks the connection without an answer.
	Lose bool
	// Hang never answers; the request ends when the client gives up or the
	// server closes.
	Hang bool
}

// Server is the double. It listens on loopback.
type Server struct {
	URL string

	mu        sync.Mutex
	keys      map[string]AccessKey
	counts    map[string]int
	intercept func(Call) *Fault
	kms       *keyService
	closing   chan struct{}
}

// New starts a double for the time of the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		keys:    map[string]AccessKey{Root.ID: Root},
		counts:  map[string]int{},
		kms:     newKeyService(),
		closing: make(chan struct{}),
	}
	h := httptest.NewServer(s)
	s.URL = h.URL
	t.Cleanup(func() {
		close(s.closing)
		h.Close()
	})
	return s
}

// RootKey makes a further access key that may do everything.
func (s *Server) RootKey() AccessKey { return s.add(Root.ARN) }

// Role makes an access key that speaks for a role. On KMS a role may do only
// what a grant allows.
func (s *Server) Role(name string) AccessKey {
	return s.add("arn:aws:iam::" + Account + ":role/" + name)
}

func (s *Server) add(arn string) AccessKey {
	k := AccessKey{ID: "AKID" + randomHex(8), Secret: randomHex(20), ARN: arn}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[k.ID] = k
	return k
}

// Intercept has f asked before every call; what it returns is done instead. A
// nil f removes it.
func (s *Server) Intercept(f func(Call) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

// Calls returns how often an operation was reached, for example ("kms",
// "Decrypt").
func (s *Server) Calls(service, operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[service+"."+operation]
}

// Operations returns the operations that were reached, as IAM names them
// ("kms:Decrypt").
func (s *Server) Operations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for name := range s.counts {
		out = append(out, strings.Replace(name, ".", ":", 1))
	}
	return out
}

// apiError is an AWS error.
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func refuse(code, message string) *apiError { return &apiError{http.StatusBadRequest, code, message} }

// maxBody is far above what KMS and STS take.
const maxBody = 1 << 20

// ServeHTTP verifies the signature and routes by the service in its scope.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return
	}
	s.mu.Lock()
	keys := make(map[string]AccessKey, len(s.keys))
	for id, k := range s.keys {
		keys[id] = k
	}
	s.mu.Unlock()
	caller, scope, err := verify(r, body, keys, time.Now())
	if err != nil {
		s.fail(w, scope.service, err)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch scope.service {
	case "kms":
		s.serveKMS(w, r, body, caller, scope.region)
	case "sts":
		s.serveSTS(w, body, caller)
	default:
		s.fail(w, scope.service, refuse("UnknownServiceException", "the double does not speak "+scope.service))
	}
}

// begin counts the call and carries out the fault asked for. It reports false
// when the request is over; lose says to break the connection after the work.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, service, operation string, input map[string]any) (lose, ok bool) {
	s.mu.Lock()
	s.counts[service+"."+operation]++
	call := Call{Service: service, Operation: operation, Number: s.counts[service+"."+operation], Input: input}
	f := s.intercept
	s.mu.Unlock()
	if f == nil {
		return false, true
	}
	fault := f(call)
	if fault == nil {
		return false, true
	}
	wait := fault.Delay
	if fault.Hang {
		wait = time.Hour
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return false, false
		case <-s.closing:
			return false, false
		}
	}
	if fault.Code != "" {
		s.fail(w, service, &apiError{fault.Status, fault.Code, "injected"})
		return false, false
	}
	return fault.Lose, true
}

// drop breaks the connection, so that the client learns nothing.
func drop(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = c.Close()
	}
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
