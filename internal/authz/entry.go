package authz

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
)

// Entry is one named set of policies, as it is stored and exported.
type Entry struct {
	Name        string `json:"name"` // 1 to 128 of A-Z, a-z, 0-9, space, ".", "_", "-"
	Active      bool   `json:"active"`
	Description string `json:"description"`
	Cedar       string `json:"cedar"` // any number of policies; empty for shipped entries
}

//go:embed policies/*.cedar
var policyFiles embed.FS

// Shipped returns the entries that every engine holds. They can be disabled,
// not deleted and not changed.
func Shipped() []Entry {
	entries := []Entry{
		{Name: "default-users", Description: "People work with credentials and services."},
		{Name: "default-administrators", Description: "Administrators look after policies, accounts, tokens, audit log and clean-up."},
		{Name: "default-services", Description: "A service reads itself and what is mapped to it."},
		{Name: "default-operators", Description: "The command line may do everything."},
	}
	for i := range entries {
		text, err := policyFiles.ReadFile("policies/" + entries[i].Name + ".cedar")
		if err != nil {
			panic(err) // the file is part of the program
		}
		entries[i].Active = true
		entries[i].Cedar = string(text)
	}
	return entries
}

// withShipped returns the shipped entries, active as stored says, followed by
// the other stored ones.
func withShipped(stored []Entry) ([]Entry, error) {
	entries := Shipped()
	index := make(map[string]int, len(entries)+len(stored))
	for i, e := range entries {
		index[e.Name] = i
	}
	seen := make(map[string]bool, len(stored))
	var errs []error
	for _, e := range stored {
		i, isShipped := index[e.Name]
		switch {
		case seen[e.Name]:
			errs = append(errs, fmt.Errorf("policy %q stands twice", e.Name))
		case isShipped && e.Cedar != "":
			errs = append(errs, fmt.Errorf("policy %q is shipped: it can be disabled, not changed", e.Name))
		case isShipped:
			entries[i].Active = e.Active
		default:
			if err := checkName(e.Name); err != nil {
				errs = append(errs, err)
			}
			entries = append(entries, e)
		}
		seen[e.Name] = true
	}
	return entries, errors.Join(errs...)
}

func checkName(name string) error {
	if len(name) < 1 || len(name) > 128 {
		return fmt.Errorf("the policy name %q does not have 1 to 128 characters", name)
	}
	for _, c := range []byte(name) {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte(" ._-", c) >= 0:
		default:
			return fmt.Errorf("the policy name %q has characters other than A-Z, a-z, 0-9, space, dot, underscore and dash", name)
		}
	}
	if strings.HasPrefix(name, builtInPrefix) {
		return fmt.Errorf("the policy name %q begins like that of a built-in rule", name)
	}
	return nil
}

// parse reads and checks the policies of an entry.
func (s *schema) parse(e Entry) ([]*cedar.Policy, error) {
	list, err := cedar.NewPolicyListFromBytes(e.Name, []byte(e.Cedar))
	if err != nil {
		return nil, syntaxMistake(e, err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("policy %q holds no policy", e.Name)
	}
	for i, p := range list {
		if err := s.check(p); err != nil {
			end := len(e.Cedar)
			if i+1 < len(list) {
				end = list[i+1].Position().Offset
			}
			return nil, schemaMistake(e, p.Position().Offset, end, err)
		}
	}
	return list, nil
}

// Check reports what is wrong with an entry that is to be stored, active or not:
// one that cannot be enabled is not worth keeping. Cedar that does not parse, or
// looks at what the schema does not know, is a *MistakeError.
func (e *Engine) Check(entry Entry) error {
	entries, err := withShipped([]Entry{entry})
	if err != nil {
		return err
	}
	if entries[len(entries)-1] == entry { // not a shipped one
		_, err = e.schema.parse(entry)
	}
	return err
}

// Effects returns what the policies of a Cedar text do, in their order and each
// once: "permit", "forbid". It returns nothing for a text that does not parse.
func Effects(text string) []string {
	list, err := cedar.NewPolicyListFromBytes("", []byte(text))
	if err != nil {
		return nil
	}
	var effects []string
	for _, p := range list {
		effect := "permit"
		if p.Effect() == cedar.Forbid {
			effect = "forbid"
		}
		if !slices.Contains(effects, effect) {
			effects = append(effects, effect)
		}
	}
	return effects
}
