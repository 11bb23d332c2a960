// Package crash proves that a killed server loses nothing that it has
// acknowledged and keeps nothing that it has not. Writers change credentials and
// services over HTTP and note in a ledger what they asked for and what was
// acknowledged; the server is killed under them; after the restart everything
// is read back and held against the ledger.
//
// The package sees the server from outside only.
package crash

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// A credential of this proof bears one pair, whose value follows from the
// documentation of the same revision, and each write has a documentation of its
// own. So a revision tells by itself which write made it, and whether it is
// whole.

// keyOf returns the key of the only pair of a credential. Keys differ between
// credentials, so that any of them may be mapped to one service.
func keyOf(name string) string { return "key_" + name }

// valueOf returns the value that belongs to a documentation.
func valueOf(documentation string) string { return "secret of " + documentation }

// Kind is a kind of write.
type Kind string

// The kinds.
const (
	Create Kind = "create"
	Update Kind = "update"
	Revert Kind = "revert"
	Map    Kind = "map"
)

// Write is one change that a writer asks for.
type Write struct {
	Kind          Kind
	ID            string   // of the credential or service; empty for Create
	Name          string   // of the credential, for Create
	Documentation string   // what the new revision will bear, for all but Map
	Mapped        []string // ids of credentials, sorted; for Map
}

// Ledger is what the writers know. It is safe for concurrent use.
type Ledger struct {
	mu          sync.Mutex
	ids         []string // of credentials, oldest first; only appended to
	credentials map[string]*credentialLedger
	services    map[string]map[int][]string // name, revision -> mapped ids
	uncertain   []Write                     // sent, but neither acknowledged nor refused
	touched     map[string]bool             // ids and names written since the last Settle
	counts      Counts
}

// Counts says how the writes of a run were answered.
type Counts struct {
	Acknowledged map[Kind]int
	Of           map[Act]int // acknowledged writes
	Refused      int         // 409, or no difference
	Unavailable  int         // 503
}

// Act is what was done to which credential or service.
type Act struct {
	Kind Kind
	ID   string
}

type credentialLedger struct {
	name      string
	revisions map[int]string // revision -> documentation
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{
		credentials: map[string]*credentialLedger{},
		services:    map[string]map[int][]string{},
		touched:     map[string]bool{},
		counts:      Counts{Acknowledged: map[Kind]int{}, Of: map[Act]int{}},
	}
}

// Counts returns how the writes were answered so far.
func (l *Ledger) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	c.Acknowledged, c.Of = maps.Clone(c.Acknowledged), maps.Clone(c.Of)
	return c
}

// Acknowledged notes that a write was done and became the revision n of id.
func (l *Ledger) Acknowledged(w Write, id string, n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Acknowledged[w.Kind]++
	l.counts.Of[Act{w.Kind, id}]++
	return l.enter(w, id, n)
}

// enter notes a revision. A number that was given out already is an error.
func (l *Ledger) enter(w Write, id string, n int) error {
	l.touched[id] = true
	if w.Kind == Map {
		revisions := l.services[id]
		if revisions == nil {
			revisions = map[int][]string{}
			l.services[id] = revisions
		}
		if _, ok := revisions[n]; ok {
			return fmt.Errorf("revision %d of service %s was acknowledged twice", n, id)
		}
		revisions[n] = w.Mapped
		return nil
	}
	c := l.credentials[id]
	if c == nil {
		c = &credentialLedger{name: w.Name, revisions: map[int]string{}}
		l.credentials[id] = c
		l.ids = append(l.ids, id)
	}
	if _, ok := c.revisions[n]; ok {
		return fmt.Errorf("revision %d of credential %s was acknowledged twice", n, id)
	}
	c.revisions[n] = w.Documentation
	return nil
}

// Refused notes that a write was answered with a refusal: it must not be found.
func (l *Ledger) Refused(Write) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Refused++
}

// Unavailable notes that a write was answered by 503, which leaves open whether
// it was done.
func (l *Ledger) Unavailable(w Write) {
	l.CutOff(w)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Unavailable++
}

// CutOff notes that nothing is known of a write that was sent.
func (l *Ledger) CutOff(w Write) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uncertain = append(l.uncertain, w)
	if w.ID != "" {
		l.touched[w.ID] = true
	}
}

// IDs returns the ids of all known credentials, oldest first.
func (l *Ledger) IDs() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.ids)
}

// Name returns the name of a known credential.
func (l *Ledger) Name(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.credentials[id].name
}

// Revisions returns the known revisions of a credential and their documentation.
func (l *Ledger) Revisions(id string) map[int]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.credentials[id]; c != nil {
		return maps.Clone(c.revisions)
	}
	return nil
}

// Touched returns what was written, or may have been, since the last Settle.
func (l *Ledger) Touched() (credentials, services []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(l.touched)) {
		if l.credentials[id] != nil {
			credentials = append(credentials, id)
		} else {
			services = append(services, id)
		}
	}
	return credentials, services
}
