package keyringtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"sync"

	"github.com/confidant-secrets/confidant/internal/keyring"
)

// Memory is a keyring for tests: it remembers what it wrapped under which
// context, and what was asked of it. The wrapped form is a random handle, so it
// opens in the Memory that made it alone.
type Memory struct {
	mu      sync.Mutex
	boxes   map[string]box
	wraps   []keyring.Context
	unwraps []keyring.Context
	failure error
}

type box struct {
	key []byte
	ec  keyring.Context
}

var _ keyring.Keyring = (*Memory)(nil)

// NewMemory returns a Memory that holds nothing.
func NewMemory() *Memory { return &Memory{boxes: map[string]box{}} }

// Wrap implements keyring.Keyring.
func (m *Memory) Wrap(_ context.Context, key []byte, ec keyring.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wraps = append(m.wraps, maps.Clone(ec))
	if m.failure != nil {
		return nil, m.failure
	}
	handle := rand.Text()
	m.boxes[handle] = box{bytes.Clone(key), maps.Clone(ec)}
	return []byte(handle), nil
}

// Unwrap implements keyring.Keyring.
func (m *Memory) Unwrap(_ context.Context, wrapped []byte, ec keyring.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unwraps = append(m.unwraps, maps.Clone(ec))
	if m.failure != nil {
		return nil, m.failure
	}
	b, ok := m.boxes[string(wrapped)]
	if !ok || !maps.Equal(b.ec, ec) {
		return nil, keyring.ErrRefused
	}
	return bytes.Clone(b.key), nil
}

// Fail lets every call from now on answer err; nil ends it.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

// Wraps returns the contexts of all calls of Wrap so far, in order, also of
// those that failed.
func (m *Memory) Wraps() []keyring.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.wraps)
}

// Unwraps returns the contexts of all calls of Unwrap so far, in order, also of
// those that were refused.
func (m *Memory) Unwraps() []keyring.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.unwraps)
}
