package oidc

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that does not print itself: however it is formatted, logged or
// encoded, it says only whether there is any.
type Secret string

// String returns the redacted form.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "********"
}

// Format prints the redacted form whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is the redacted form.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON encodes the redacted form.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
