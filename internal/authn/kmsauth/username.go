package kmsauth

import (
	"strings"

	"github.com/confidant-secrets/confidant/internal/authz"
)

// claimed is what a user name claims: "name" is version 1 of a service,
// "version/type/name" says all three.
type claimed struct {
	version int
	kind    authz.PrincipalType
	name    string
}

// parseUsername reads a user name. It reports false for any other form.
func parseUsername(username string) (claimed, bool) {
	parts := strings.Split(username, "/")
	switch len(parts) {
	case 1:
		return claimed{1, authz.Service, username}, username != ""
	case 3:
		c := claimed{kind: authz.PrincipalType(parts[1]), name: parts[2]}
		switch parts[0] {
		case "1":
			c.version = 1
		case "2":
			c.version = 2
		}
		return c, c.version != 0 && c.kind != "" && c.name != ""
	default:
		return claimed{}, false
	}
}

// context is the encryption context that the token must have been made with.
// Version 1 does not say what kind of caller it is.
func (c claimed) context(to string) map[string]string {
	ec := map[string]string{"from": c.name, "to": to}
	if c.version > 1 {
		ec["user_type"] = string(c.kind)
	}
	return ec
}
