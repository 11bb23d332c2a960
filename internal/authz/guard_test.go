package authz_test

import (
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
)

// TestEngine_DecidesAlikeHoweverAConditionIsWritten writes each condition so that
// it can be asked before Cedar is, and so that it cannot.
func TestEngine_DecidesAlikeHoweverAConditionIsWritten(t *testing.T) {
	t.Parallel()
	const hidden = `(true && context.hour >= 0) && `
	requests := []authz.Request{
		ask(user("ada"), authz.Get, authz.Resource{Type: authz.Credential, ID: "c1", Name: "db", Tags: []string{"x", "payments"}}),
		ask(user("eve"), authz.Get, authz.Resource{Type: authz.Credential, ID: "c1", Tags: []string{"pay"}}),
		ask(user("ada"), authz.Get, authz.Resource{Type: authz.Credential, ID: "c2"}),
		ask(user("ada"), authz.Get, authz.Resource{Type: authz.Credential}),
	}
	for _, condition := range []string{
		`resource.tags.contains("payments")`,
		`resource.tags.contains("payments") && principal.name == "eve"`,
		`principal.name == "ada"`,
		`principal.name == "ada" && resource.id == "c2"`,
		`resource.id == "c1" && resource.tags.contains("pay")`,
		`resource.id == ""`,
		`["ada", "bob"].contains(principal.name)`,
		`["c1", "c3"].contains(resource.id) && principal.name == "ada"`,
		`["eve", principal.name].contains(resource.id)`,
		`principal.name like "a*"`,
		`resource.id like "*1" && resource.name like "d*b"`,
		`resource.name like "*" && principal.name == "eve"`,
		`resource.name == "db"`,
		`(principal.name == "ada" || resource.id == "c1") && true`,
		`!(principal.name == "ada")`,
		`principal.name == resource.id`,
		`resource.tags.contains(principal.name)`,
		`9223372036854775807 + resource.revision + 1 > 0 || principal.name == "ada"`,
		`principal.name == "ada" && 9223372036854775807 + resource.revision + 1 > 0`,
	} {
		for _, form := range []string{"when", "unless"} {
			guarded := newEngine(t, append(disabled("default-users"), entry("p", "permit (principal is User, action, resource is credential) "+form+" { "+condition+" };"))...)
			plain := newEngine(t, append(disabled("default-users"), entry("p", "permit (principal is User, action, resource is credential) "+form+" { "+hidden+"("+condition+") };"))...)
			for _, r := range requests {
				got, want := guarded.Decide(t.Context(), r), plain.Decide(t.Context(), r)
				if got.Allowed != want.Allowed || len(got.By) != len(want.By) {
					t.Errorf("%s { %s } on %s, %q: %+v, in another form %+v", form, condition, r.Name, r.Resource.ID, got, want)
				}
			}
		}
	}
}
