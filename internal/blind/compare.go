package blind

import "slices"

// Changes returns the members in which two states differ, by their names on the
// wire and in the order in which a page shows them. Of "credential_pairs" it can
// only say that another ciphertext or data key stands there.
func Changes(before, after *Credential) []string {
	var out []string
	for _, m := range []struct {
		name string
		same bool
	}{
		{"name", before.Name == after.Name},
		{"enabled", before.Enabled == after.Enabled},
		{"credential_pairs", equalSealed(before, after)},
		{"credential_keys", slices.Equal(Names(before.KeyNames), Names(after.KeyNames))},
		{"cipher_type", before.CipherType == after.CipherType},
		{"cipher_version", before.CipherVersion == after.CipherVersion},
		{"documentation", equalText(before.Documentation, after.Documentation)},
		{"metadata", equalJSON(before.Metadata, after.Metadata)},
	} {
		if !m.same {
			out = append(out, m.name)
		}
	}
	return out
}

func equalSealed(a, b *Credential) bool {
	return equalJSON(a.Pairs, b.Pairs) && equalJSON(a.DataKey, b.DataKey)
}
