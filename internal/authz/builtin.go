package authz

import "slices"

// Names of the built-in rules, as they stand in a Decision. No policy may bear
// a name that begins like them.
const (
	builtInPrefix         = "built-in-"
	builtInNobody         = builtInPrefix + "nobody"
	builtInMetadataOnly   = builtInPrefix + "metadata-only"
	builtInCleanupOnly    = builtInPrefix + "cleanup-only"
	builtInUnmappedValues = builtInPrefix + "unmapped-values"
	builtInOperators      = builtInPrefix + "operators"
)

// builtIn applies the rules that stand above the policies, so that no policy
// can open what they close or close what they open. It reports false where they
// say nothing. They are Go and not Cedar because the last one must win over a
// policy that forbids everything, which no Cedar permit can.
func builtIn(r *Request) (Decision, bool) {
	switch {
	case r.Name == "":
		return forbidden(builtInNobody), true
	case r.MetadataOnly && r.Action != List && r.Action != Metadata:
		return forbidden(builtInMetadataOnly), true
	case r.CleanupOnly && r.Resource.Type != Cleanup:
		return forbidden(builtInCleanupOnly), true
	case r.Principal.Type == Service && r.Action == Get && !mapped(r):
		return forbidden(builtInUnmappedValues), true
	case r.Principal.Type == Operator && r.Resource.Type == PolicyResource:
		return Decision{Allowed: true, By: []string{builtInOperators}}, true
	default:
		return Decision{}, false
	}
}

// mapped reports whether the values that a service asks for are mapped to it:
// of credentials those that name it, of services its own. Other resources hold
// no value in this sense, blind credentials among them, for the server cannot
// open them.
func mapped(r *Request) bool {
	switch r.Resource.Type {
	case Credential:
		return slices.Contains(r.Resource.MappedBy, r.Name)
	case ServiceResource:
		return r.Resource.ID == r.Name
	default:
		return true
	}
}

func forbidden(by string) Decision { return Decision{By: []string{by}} }
