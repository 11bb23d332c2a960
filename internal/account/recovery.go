package account

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Recovery codes replace one-time codes when the app is lost. Each has 80 random
// bits, so that its hash needs neither salt nor cost.
const (
	recoveryCodes = 10
	recoveryBytes = 10
	recoveryGroup = 4 // characters between dashes
)

// newRecoveryCodes returns codes of the form abcd-efgh-ijkl-mnop, in base32
// (RFC 4648), which has no digit that looks like a letter.
func newRecoveryCodes(random io.Reader) ([]Secret, error) {
	codes := make([]Secret, recoveryCodes)
	for i := range codes {
		var raw [recoveryBytes]byte
		if _, err := io.ReadFull(random, raw[:]); err != nil {
			return nil, fmt.Errorf("making recovery codes: %w", err)
		}
		text := []byte(strings.ToLower(base32.StdEncoding.EncodeToString(raw[:])))
		groups := make([]string, 0, len(text)/recoveryGroup)
		for group := range slices.Chunk(text, recoveryGroup) {
			groups = append(groups, string(group))
		}
		codes[i] = Secret(strings.Join(groups, "-"))
	}
	return codes, nil
}

// hashRecoveryCode returns the form in which an account's recovery code is
// stored.
func hashRecoveryCode(name, code string) string {
	sum := sha256.Sum256([]byte("confidant recovery code v1/" + fold(name) + "/" + code))
	return hex.EncodeToString(sum[:])
}

// withoutRecoveryCode returns the hashes without one of them, or false if it is
// not there.
func withoutRecoveryCode(hashes []string, spent string) ([]string, bool) {
	i := slices.Index(hashes, spent)
	if i < 0 {
		return hashes, false
	}
	return slices.Concat(hashes[:i], hashes[i+1:]), true
}
