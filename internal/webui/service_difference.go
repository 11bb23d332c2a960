package webui

import (
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// serviceDifference puts how two states of a service differ into words.
func serviceDifference(c vault.ServiceComparison, beforeHead, afterHead string) *difference {
	out := newServiceDifference(beforeHead, afterHead)
	out.field("State", stateWord(c.Before.Enabled), stateWord(c.After.Enabled))
	out.field("Account", c.Before.Account, c.After.Account)
	for _, m := range c.Mapped {
		out.Pairs = append(out.Pairs, mappingChange(m, "on", "Mapped"))
	}
	for _, m := range c.Unmapped {
		out.Pairs = append(out.Pairs, mappingChange(m, "bad", "No longer mapped"))
	}
	return out.close("They are the same.")
}

// newServiceDifference returns the frame of how two states of a service differ.
func newServiceDifference(beforeHead, afterHead string) *difference {
	return &difference{
		BeforeHead: beforeHead, AfterHead: afterHead,
		PairsHead: "Mapped credentials", KeyHead: "Credential", LengthHead: "Kind",
	}
}

// mappingChange says what became of a credential in the mapping of a service.
func mappingChange(m vault.Mapped, class, words string) pairChange {
	if m.Gone {
		return pairChange{Key: m.ID, Class: class, Words: words, Length: "There is no such credential any more"}
	}
	link := holderLink(m.Ref)
	return pairChange{Key: link.Name, Link: link.Link, Class: class, Words: words, Length: kindOfRef(m.Ref)}
}

// kindOfRef names the noun of a credential.
func kindOfRef(r vault.Ref) string {
	if r.Blind {
		return nounWords[store.BlindCredential]
	}
	return nounWords[store.Credential]
}
