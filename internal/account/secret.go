package account

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a password or the text of a token. However it is formatted, logged
// or encoded, it does not show; string(s) turns it into text where that is
// meant.
type Secret string

const redacted = "********"

// String returns the redacted form.
func (Secret) String() string { return redacted }

// Format prints the redacted form whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is the redacted form.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON encodes the redacted form.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
