package webui

import (
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/vault"
)

// receivedKey is a key that a service receives, or does no longer, ready to print.
type receivedKey struct {
	Key  string
	From []linked // in the order of names; more than one is a conflict
	// What there is to say about it. Gone ones come from nothing any more.
	New, Conflict, Gone bool
}

// receivedKeys puts what a service receives into words, ascending by key; added
// and removed tell it from what it received before.
func receivedKeys(keys []vault.Receipt, added, removed []string) []receivedKey {
	out := make([]receivedKey, 0, len(keys)+len(removed))
	for _, key := range keys {
		words := receivedWords(key)
		words.New, words.Conflict = slices.Contains(added, key.Key), len(key.From) > 1
		out = append(out, words)
	}
	for _, key := range removed {
		out = append(out, receivedKey{Key: key, Gone: true})
	}
	slices.SortStableFunc(out, func(a, b receivedKey) int { return strings.Compare(a.Key, b.Key) })
	return out
}

func receivedWords(key vault.Receipt) receivedKey {
	words := receivedKey{Key: key.Key}
	for _, from := range key.From {
		words.From = append(words.From, holderLink(from))
	}
	return words
}

// conflictsOf puts the keys that a service would get more than once into words.
func conflictsOf(collisions []vault.Collision) []conflict {
	var out []conflict
	for _, c := range collisions {
		words := conflict{Key: c.Key, Service: c.Service, ServiceLink: serviceLink(c.Service)}
		for _, with := range c.With {
			words.Holders = append(words.Holders, holderLink(with))
		}
		out = append(out, words)
	}
	return out
}
