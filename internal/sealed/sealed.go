// Package sealed holds the stored form of encrypted credential pairs. It knows
// neither how a value is sealed (package envelope) nor where it is kept
// (package store).
package sealed

import "log/slog"

// Value is sealed credential pairs as a row carries them. A revert copies all
// three members; they belong together.
type Value struct {
	Ciphertext string // the text of the row: a Fernet token, or the unencrypted form with its prefix
	DataKey    []byte // the wrapped data key as the keyring returned it, without the doubled base64 of DynamoDB
	Version    int    // cipher version; 2 is Fernet, 0 means the row names none
}

// LogValue keeps even ciphertext out of logs.
func (v Value) LogValue() slog.Value { return slog.StringValue("[sealed]") }
