package revision

import "sync/atomic"

// Memo is a place beside an immutable row where a reader may keep a form that
// it derived from the row alone, such as its public part in JSON, so that a row
// served from memory is not encoded again. Rows carry one as a pointer, so that
// copying a row stays legal; a row without one is simply encoded each time.
type Memo struct{ v atomic.Pointer[any] }

// Load returns what was kept, or nil. It may be called on a nil Memo.
func (m *Memo) Load() any {
	if m == nil {
		return nil
	}
	if p := m.v.Load(); p != nil {
		return *p
	}
	return nil
}

// Store keeps v; the last of several writers wins. On a nil Memo it does
// nothing.
func (m *Memo) Store(v any) {
	if m != nil {
		m.v.Store(&v)
	}
}
