package webui

import (
	"slices"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// effects is what a change means for the services that feel it, ready to print.
type effects struct {
	Heading   string
	Services  []effect
	Receives  []receivedKey // of a change to one service: what that receives then
	Nobody    string        // what is said where no service feels it
	Conflicts []conflict
}

type effect struct {
	Name, Link string
	Enabled    bool
	Keys       []effectKey
}

// effectKey is a key that a service receives, or "gone", no longer does.
type effectKey struct {
	Name  string
	State string // in words: "", "new", "new value", "other ciphertext", "gone"
}

// conflict is a key that a service would get more than once.
type conflict struct {
	Key, Service, ServiceLink string
	Holders                   []linked
}

type linked struct{ Name, Link string }

// holderLink returns where a credential of either kind has its pages.
func holderLink(r vault.Ref) linked {
	if r.Blind {
		return linked{r.Name, blindLink(r.ID)}
	}
	return linked{r.Name, credentialLink(r.ID)}
}

// effectsOf puts the effects of a change to a credential into words. Changed are
// the keys whose values change, and how that is called. Services that go on
// receiving the same are not named.
func effectsOf(felt []vault.Effect, collisions []vault.Collision, changed []string, how string) *effects {
	out := &effects{}
	for _, f := range felt {
		e := effect{Name: f.ID, Link: serviceLink(f.ID), Enabled: f.Enabled}
		same := len(f.Added)+len(f.Removed) == 0
		for _, key := range f.Keys {
			state := ""
			switch {
			case slices.Contains(f.Added, key):
				state = "new"
			case slices.Contains(changed, key):
				state, same = how, false
			}
			e.Keys = append(e.Keys, effectKey{key, state})
		}
		for _, key := range f.Removed {
			e.Keys = append(e.Keys, effectKey{key, "gone"})
		}
		if !same {
			out.Services = append(out.Services, e)
		}
	}
	switch len(out.Services) {
	case 0:
		out.Nobody = "No service receives it, so nobody feels this."
		if len(felt) > 0 {
			out.Nobody = receiveIt(len(felt)) + ", and will go on receiving the same."
		}
	case 1:
		out.Heading = "1 service feels this"
	default:
		out.Heading = count(len(out.Services), "service") + " feel this"
	}
	for _, c := range collisions {
		words := conflict{Key: c.Key, Service: c.Service, ServiceLink: serviceLink(c.Service), Holders: []linked{{Name: "this one"}}}
		for _, with := range c.With {
			words.Holders = append(words.Holders, holderLink(with))
		}
		out.Conflicts = append(out.Conflicts, words)
	}
	return out
}

// credentialEffects puts the effects of a change to a credential into words.
func credentialEffects(p vault.CredentialPreview) *effects {
	var changed []string
	for _, pair := range p.Comparison.Pairs {
		if pair.Fate == credential.Changed {
			changed = append(changed, pair.Key)
		}
	}
	return effectsOf(p.Effects, p.Collisions, changed, "new value")
}

// blindEffects puts the effects of a change to a blind credential into words.
// Under another ciphertext any of its values may be another one.
func blindEffects(p vault.BlindPreview) *effects {
	var sealed []string
	if p.Comparison.Sealed {
		sealed = p.Comparison.After.KeyNames
	}
	return effectsOf(p.Effects, p.Collisions, sealed, "other ciphertext")
}

// serviceEffects puts into words what a service receives after a change to it.
func serviceEffects(p vault.ServicePreview) *effects {
	return &effects{
		Heading: "What it receives then", Receives: receivedKeys(p.Keys, p.Added, p.Removed),
		Nobody: "It receives nothing then.", Conflicts: conflictsOf(p.Collisions),
	}
}
