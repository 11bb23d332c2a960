package policy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/policy"
)

var exampleForm = regexp.MustCompile("(?s)<!-- example ([a-z-]+)\\.(cedar|yaml) -->\n```[a-z]+\n(.*?)```\n")

// TestDocument_ExamplesDoWhatTheySay makes each policy of docs/policies.md the only
// one beside the shipped ones and holds it to the expectations beside it.
func TestDocument_ExamplesDoWhatTheySay(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	policies, expectations := map[string]string{}, map[string]string{}
	for _, m := range exampleForm.FindAllStringSubmatch(string(text), -1) {
		if m[2] == "cedar" {
			policies[m[1]] = m[3]
		} else {
			expectations[m[1]] = m[3]
		}
	}
	if len(policies) != 3 || len(expectations) != 3 {
		t.Fatalf("%d policies and %d lists of expectations, want 3 of each", len(policies), len(expectations))
	}
	for name, cedar := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.mustCreate(t, name, cedar)
			list, err := policy.ReadExpectations(strings.NewReader(expectations[name]))
			if err != nil {
				t.Fatal(err)
			}
			results, err := r.Test(t.Context(), operator, list)
			if err != nil {
				t.Fatal(err)
			}
			for i, result := range results {
				if !result.OK() {
					t.Errorf("expectation %d: %+v, want %s by %v", i+1, result.Decision, result.Expectation.Expect, result.Expectation.By)
				}
			}
		})
	}
}

func TestDocument_SimpleFormIsOne(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```yaml\neffect:")
	if !ok {
		t.Fatal("the simple form is not there")
	}
	form, _, _ := strings.Cut(rest, "```")
	e, err := simple(t, "effect:"+form).Entry()
	if err != nil {
		t.Fatal(err)
	}
	r := newRoom(t)
	r.mustCreate(t, e.Name, e.Cedar)
	d, err := r.Explain(t.Context(), operator, policy.Question{
		User: "mallory@contractor.example", Action: authz.Update, Type: authz.Credential, ID: "prod-1",
		Client: "10.1.2.3", At: "2026-11-24T09:00:00Z", Attributes: &policy.Attributes{},
	})
	if err != nil || d.Allowed || len(d.By) != 1 || d.By[0] != e.Name {
		t.Errorf("Explain = %+v, %v, want denied by the policy\n%s", d, err, e.Cedar)
	}
}
