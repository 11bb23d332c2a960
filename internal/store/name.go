package store

import (
	"crypto/sha256"
	"encoding/hex"
)

// NameID returns the id of a name's claim document: the hex SHA-256 of the
// name's UTF-8 bytes, so that any name fits a key.
func NameID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}
