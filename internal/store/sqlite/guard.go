package sqlite

import (
	"encoding/hex"

	"github.com/confidant-secrets/confidant/internal/store"
)

// checkGuards reports as a StaleError the first guard that does not hold.
func (t *transaction) checkGuards(sp *space, guards []store.Guard) error {
	for _, g := range guards {
		version, err := t.versionOf(sp, g)
		if err != nil {
			return err
		}
		if version != g.Version {
			what := g.ID
			if g.Kind != "" {
				what = g.Kind + "/" + g.ID
			}
			return &store.StaleError{What: what}
		}
	}
	return nil
}

// versionOf returns where a guarded row or document stands now; 0: it is not
// there.
func (t *transaction) versionOf(sp *space, g store.Guard) (version int, err error) {
	switch g.Kind {
	case "":
		_, err = t.row("SELECT revision FROM "+sp.current+" WHERE id = ?", []any{g.ID}, &version)
	case store.KindMapping:
		_, err = t.row("SELECT version FROM mapping_version WHERE credential = ?", []any{g.ID}, &version)
	case store.KindCredentialName, store.KindBlindName:
		n, sum := claimKey(g.Kind, g.ID)
		_, err = t.row("SELECT 1 FROM current WHERE noun = ? AND claim = ?", []any{string(n), sum}, &version)
	default:
		version, _, err = t.documentVersion(g.Kind, g.ID)
	}
	return version, err
}

// claimKey returns the noun and the hash of a claim document's kind and id.
func claimKey(kind, nameID string) (noun, []byte) {
	sum, err := hex.DecodeString(nameID)
	if err != nil {
		sum = nil // no name has this id
	}
	if kind == store.KindBlindName {
		return blindNoun, sum
	}
	return credentialNoun, sum
}
