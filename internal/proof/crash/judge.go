package crash

import (
	"fmt"
	"maps"
	"slices"
)

// State is what a server tells after a restart: all of the list, and of some
// credentials and all services the details.
type State struct {
	// Listed are all current credentials, by id. Their History is nil.
	Listed map[string]Credential
	// Credentials are those that were looked at closely, by id.
	Credentials map[string]Credential
	// Services are all current services, by name.
	Services map[string]Service
}

// Credential is a credential as the server shows it.
type Credential struct {
	Name          string
	Revision      int
	Documentation string
	Pairs         map[string]string
	History       map[int]string // revision -> documentation
	Dependents    []string       // names of services
}

// Service is a service as the server shows it.
type Service struct {
	Revision int
	Mapped   []string         // sorted
	From     int              // the lowest revision that was looked at
	History  map[int][]string // revision -> mapped ids, from From on
}

// Settled counts what became of the writes whose answer was cut off.
type Settled struct{ CutOff, Done int }

// Settle holds the state of a server against the ledger and says what is wrong.
// Writes that were cut off and are found done count as acknowledged from then
// on; those that are not found must never be found later.
func (l *Ledger) Settle(s State) (Settled, []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := judgement{ledger: l, state: s, open: slices.Clone(l.uncertain)}
	j.names()
	for _, id := range slices.Sorted(maps.Keys(s.Credentials)) {
		j.credential(id, s.Credentials[id])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Services)) {
		j.service(name, s.Services[name])
	}
	for name := range l.services {
		if _, ok := s.Services[name]; !ok {
			j.wrong("service %s is lost", name)
		}
	}
	settled := Settled{CutOff: len(l.uncertain), Done: len(l.uncertain) - len(j.open)}
	l.uncertain = nil
	clear(l.touched)
	return settled, j.found
}

type judgement struct {
	ledger *Ledger
	state  State
	open   []Write // cut off and not found so far
	found  []string
}

func (j *judgement) wrong(format string, args ...any) {
	j.found = append(j.found, fmt.Sprintf(format, args...))
}

// names judges the list: every known credential is in it, no name twice, and
// nothing that nobody asked for.
func (j *judgement) names() {
	bearer := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(j.state.Listed)) {
		name := j.state.Listed[id].Name
		if other, ok := bearer[name]; ok {
			j.wrong("the credentials %s and %s both bear the name %q", other, id, name)
		}
		bearer[name] = id
	}
	for id, c := range j.ledger.credentials {
		switch listed, ok := j.state.Listed[id]; {
		case !ok:
			j.wrong("credential %s (%s) is lost", id, c.name)
		case listed.Name != c.name:
			j.wrong("credential %s is named %q, want %q", id, listed.Name, c.name)
		}
	}
	for id := range j.state.Listed {
		_, close := j.state.Credentials[id]
		if j.ledger.credentials[id] == nil && !close {
			j.wrong("credential %s is new and was not looked at", id)
		}
	}
}

func (j *judgement) credential(id string, c Credential) {
	var known map[int]string
	if entry := j.ledger.credentials[id]; entry != nil {
		known = entry.revisions
	}
	for n := 1; n <= c.Revision; n++ {
		if _, ok := c.History[n]; !ok {
			j.wrong("credential %s is at revision %d and has no revision %d", id, c.Revision, n)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(c.History)) {
		if n < 1 || n > c.Revision {
			j.wrong("credential %s is at revision %d and has a revision %d", id, c.Revision, n)
			continue
		}
		documentation := c.History[n]
		if want, ok := known[n]; ok {
			if documentation != want {
				j.wrong("revision %d of credential %s is %q, acknowledged was %q", n, id, documentation, want)
			}
			continue
		}
		j.adopt(id, c, n, documentation)
	}
	for n, documentation := range known {
		if n > c.Revision {
			j.wrong("credential %s is at revision %d, acknowledged was %d (%q)", id, c.Revision, n, documentation)
		}
	}
	if newest := c.History[c.Revision]; newest != c.Documentation {
		j.wrong("credential %s is %q, its newest revision %d is %q", id, c.Documentation, c.Revision, newest)
	}
	if want := map[string]string{keyOf(c.Name): valueOf(c.Documentation)}; !maps.Equal(c.Pairs, want) {
		j.wrong("credential %s holds %v, want %v", id, c.Pairs, want)
	}
	var dependents []string
	for name, s := range j.state.Services {
		if slices.Contains(s.Mapped, id) {
			dependents = append(dependents, name)
		}
	}
	slices.Sort(dependents)
	if !slices.Equal(c.Dependents, dependents) {
		j.wrong("credential %s says that %v map it, the services say %v", id, c.Dependents, dependents)
	}
}

// adopt finds the write that made a revision which nobody was told of.
func (j *judgement) adopt(id string, c Credential, n int, documentation string) {
	i := slices.IndexFunc(j.open, func(w Write) bool {
		if w.Kind == Map || w.Documentation != documentation {
			return false
		}
		if w.Kind == Create {
			return n == 1 && w.Name == c.Name
		}
		return w.ID == id
	})
	if i < 0 {
		j.wrong("revision %d of credential %s (%q) was never asked for, or refused", n, id, documentation)
		return
	}
	w := j.open[i]
	w.Name = c.Name
	j.open = slices.Delete(j.open, i, i+1)
	if err := j.ledger.enter(w, id, n); err != nil {
		j.wrong("%v", err)
	}
}

func (j *judgement) service(name string, s Service) {
	known := j.ledger.services[name]
	for n := s.From; n <= s.Revision; n++ {
		mapped, seen := s.History[n]
		want, acknowledged := known[n]
		switch {
		case acknowledged && !seen:
			j.wrong("revision %d of service %s is lost", n, name)
		case acknowledged && !slices.Equal(mapped, want):
			j.wrong("revision %d of service %s maps %v, acknowledged was %v", n, name, mapped, want)
		case acknowledged:
		case !seen:
			j.wrong("service %s is at revision %d and has no revision %d", name, s.Revision, n)
		default:
			i := slices.IndexFunc(j.open, func(w Write) bool {
				return w.Kind == Map && w.ID == name && slices.Equal(w.Mapped, mapped)
			})
			if i < 0 {
				j.wrong("revision %d of service %s (%v) was never asked for, or refused", n, name, mapped)
				continue
			}
			w := j.open[i]
			j.open = slices.Delete(j.open, i, i+1)
			if err := j.ledger.enter(w, name, n); err != nil {
				j.wrong("%v", err)
			}
		}
	}
	for n := range known {
		if n > s.Revision {
			j.wrong("service %s is at revision %d, acknowledged was %d", name, s.Revision, n)
		}
	}
	if newest := s.History[s.Revision]; !slices.Equal(newest, s.Mapped) {
		j.wrong("service %s maps %v, its newest revision maps %v", name, s.Mapped, newest)
	}
}
