package service

import "slices"

// Conflicts lists, by key name, who would hand a service the same key. Its
// JSON form is the member "conflicts" of the refusal.
type Conflicts map[string]Conflict

// Conflict is one key's entry; every list is sorted and without duplicates.
// Services is nil for conflicts within the mapping of one known service.
type Conflict struct {
	Services         []string `json:"services,omitempty"`
	Credentials      []string `json:"credentials"`
	BlindCredentials []string `json:"blind_credentials"`
}

// Holder is a credential, blind or not, with the key names that it hands to
// the services that map it.
type Holder struct {
	ID       string
	Blind    bool
	KeyNames []string
}

// ConflictsAmong returns the keys that more than one of the holders has, each
// with all who have it. It is nil if there is none.
func ConflictsAmong(holders []Holder) Conflicts {
	first := map[string]Holder{}
	var out Conflicts
	for _, h := range holders {
		for _, key := range h.KeyNames {
			other, taken := first[key]
			if !taken {
				first[key] = h
				continue
			}
			if out == nil {
				out = Conflicts{}
			}
			out.add(key, "", other)
			out.add(key, "", h)
		}
	}
	return out
}

// ConflictsWith returns those of the keys that a service maps from somebody
// else than the credential with the id; holders are found by their id. Each
// comes with the services and the others concerned. It is nil if there is none.
func ConflictsWith(id string, keys []string, services []*Service, holders []Holder) Conflicts {
	byID := make(map[string]Holder, len(holders))
	for _, h := range holders {
		byID[h.ID] = h
	}
	var out Conflicts
	check := func(s *Service, other string) {
		if other == id {
			return
		}
		h := byID[other]
		for _, key := range h.KeyNames {
			if !slices.Contains(keys, key) {
				continue
			}
			if out == nil {
				out = Conflicts{}
			}
			out.add(key, s.ID, h)
		}
	}
	for _, s := range services {
		for _, other := range s.Credentials {
			check(s, other)
		}
		for _, other := range s.BlindCredentials {
			check(s, other)
		}
	}
	return out
}

// add notes that a holder has a key that conflicts, in a service if one is
// named.
func (c Conflicts) add(key, service string, h Holder) {
	entry, ok := c[key]
	if !ok {
		entry = Conflict{Credentials: []string{}, BlindCredentials: []string{}}
	}
	if service != "" {
		entry.Services = insert(entry.Services, service)
	}
	if h.Blind {
		entry.BlindCredentials = insert(entry.BlindCredentials, h.ID)
	} else {
		entry.Credentials = insert(entry.Credentials, h.ID)
	}
	c[key] = entry
}

// insert puts s into a sorted list unless it is there.
func insert(list []string, s string) []string {
	i, found := slices.BinarySearch(list, s)
	if found {
		return list
	}
	return slices.Insert(list, i, s)
}
