package httpapi

import (
	"encoding/json"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// getUserEmail tells a caller who he is.
func getUserEmail(c *call) error {
	var answer struct {
		Email *string `json:"email"`
	}
	if c.caller.Name != "" {
		answer.Email = &c.caller.Name
	}
	return c.sendValue(answer)
}

// clientConfig is what a client needs to know before it does anything.
type clientConfig struct {
	Defined   json.RawMessage `json:"defined"`
	Generated generatedConfig `json:"generated"`
}

type generatedConfig struct {
	ManageGrants     bool                         `json:"kms_auth_manage_grants"`
	Accounts         []string                     `json:"aws_accounts"`
	XSRFCookieName   string                       `json:"xsrf_cookie_name"`
	MaintenanceMode  bool                         `json:"maintenance_mode"`
	HistoryPageLimit *int                         `json:"history_page_limit"`
	DefinedTags      []string                     `json:"defined_tags"`
	Permissions      map[string]vault.Permissions `json:"permissions"`
}

func getClientConfig(c *call) error {
	set := c.s.settings
	answer := clientConfig{
		Defined: set.ClientConfig,
		Generated: generatedConfig{
			ManageGrants:    set.ManageGrants,
			Accounts:        set.Accounts,
			XSRFCookieName:  c.s.sessions.CSRFCookie,
			MaintenanceMode: c.s.readOnly(),
			DefinedTags:     set.DefinedTags,
			Permissions:     c.s.vault.Hints(c.ctx(), c.caller),
		},
	}
	if set.HistoryPageLimit > 0 {
		answer.Generated.HistoryPageLimit = &set.HistoryPageLimit
	}
	return c.sendValue(answer)
}

// valueLength is how many characters a generated value has: with 62 to choose
// from, nearly 298 random bits.
const valueLength = 50

// generateValue answers with a random text for use in credential pairs.
func generateValue(c *call) error {
	value, err := credential.Generate(c.s.random, credential.GenerateOptions{Length: valueLength, Letters: true, Digits: true})
	if err != nil {
		return fmt.Errorf("generating a value: %w", err)
	}
	return c.send(0, func(b []byte) []byte {
		b = append(b, `{"value":"`...)
		b = append(b, value...)
		return append(b, `"}`...)
	})
}
