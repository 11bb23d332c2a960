package service

import (
	"maps"
	"slices"
)

// Changes returns the members in which two states of a service differ, by their
// names on the wire and in the order in which a page shows them.
func Changes(before, after *Service) []string {
	var out []string
	for _, m := range []struct {
		name string
		same bool
	}{
		{"credentials", slices.Equal(before.Credentials, after.Credentials)},
		{"blind_credentials", slices.Equal(before.BlindCredentials, after.BlindCredentials)},
		{"account", before.Account == after.Account},
		{"enabled", before.Enabled == after.Enabled},
	} {
		if !m.same {
			out = append(out, m.name)
		}
	}
	return out
}

// Receives returns the key names that a service gets from those of the holders
// that it maps, ascending, each with all who hand it to the service.
func Receives(s *Service, holders []Holder) []Received {
	byKey := map[string][]Holder{}
	for _, h := range holders {
		if !slices.Contains(s.Credentials, h.ID) && !slices.Contains(s.BlindCredentials, h.ID) {
			continue
		}
		for _, key := range h.KeyNames {
			byKey[key] = append(byKey[key], h)
		}
	}
	out := make([]Received, 0, len(byKey))
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		out = append(out, Received{key, byKey[key]})
	}
	return out
}

// Received is one key name that a service gets, and from whom. More than one
// holder is a conflict.
type Received struct {
	Key     string
	Holders []Holder
}
