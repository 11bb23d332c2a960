package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
)

// comparison compares one body with what is wanted of it.
type comparison struct {
	variables Variables
	// contain allows members of the outermost object beyond the wanted ones.
	contain bool
	// text, if not nil, judges the outermost member "error" in place of the
	// usual comparison.
	text func(want, got string) (bool, error)
}

// differences lists in which places got is not what is wanted, each with its
// JSON pointer.
func (c comparison) differences(want, got any) []string {
	return c.value("", want, got)
}

func (c comparison) value(at string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		if alternatives, ok := want["$any"].([]any); ok && len(want) == 1 {
			return c.anyOf(at, alternatives, got)
		}
		if want["$object"] == true && len(want) == 1 {
			if _, ok := got.(map[string]any); !ok {
				return differ(at, "an object", got)
			}
			return nil
		}
		return c.object(at, want, got)
	case []any:
		return c.array(at, want, got)
	case string:
		return c.string(at, want, got)
	case json.Number:
		if n, ok := got.(json.Number); !ok || !equalNumbers(want, n) {
			return differ(at, want, got)
		}
		return nil
	default: // bool, nil
		if want != got {
			return differ(at, want, got)
		}
		return nil
	}
}

func (c comparison) anyOf(at string, alternatives []any, got any) []string {
	for _, want := range alternatives {
		if len(c.value(at, want, got)) == 0 {
			return nil
		}
	}
	return differ(at, map[string]any{"$any": alternatives}, got)
}

func (c comparison) object(at string, want map[string]any, got any) []string {
	members, ok := got.(map[string]any)
	if !ok {
		return differ(at, want, got)
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		wanted, optional := want[name], false
		if w, ok := wanted.(map[string]any); ok && len(w) == 1 {
			if inner, ok := w["$optional"]; ok {
				wanted, optional = inner, true
			}
		}
		place := at + "/" + escapeStep(name)
		value, ok := members[name]
		switch {
		case !ok && !optional:
			found = append(found, fmt.Sprintf("%s: missing, want %s", place, show(wanted)))
		case !ok:
		case unordered(name, at, members):
			found = append(found, c.set(place, wanted, value)...)
		default:
			found = append(found, c.value(place, wanted, value)...)
		}
	}
	if c.contain && at == "" {
		return found
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if _, ok := want[name]; !ok {
			found = append(found, fmt.Sprintf("%s/%s: got %s, want no such member", at, escapeStep(name), show(members[name])))
		}
	}
	return found
}

func (c comparison) array(at string, want []any, got any) []string {
	elements, ok := got.([]any)
	if !ok || len(elements) != len(want) {
		return differ(at, want, got)
	}
	var found []string
	for i := range want {
		found = append(found, c.value(at+"/"+strconv.Itoa(i), want[i], elements[i])...)
	}
	return found
}

// set compares arrays whose order the recording left open: each wanted element
// must be matched by an element of its own.
func (c comparison) set(at string, want, got any) []string {
	wanted, ok := want.([]any)
	if !ok {
		return c.value(at, want, got)
	}
	elements, ok := got.([]any)
	if !ok || len(elements) != len(wanted) || !c.pair(wanted, elements, make([]bool, len(elements))) {
		return differ(at, want, got)
	}
	return nil
}

// pair finds for each wanted element another element that is free and equal.
func (c comparison) pair(wanted, elements []any, used []bool) bool {
	if len(wanted) == 0 {
		return true
	}
	for i, e := range elements {
		if used[i] || len(c.value("/*", wanted[0], e)) > 0 {
			continue
		}
		used[i] = true
		if c.pair(wanted[1:], elements, used) {
			return true
		}
		used[i] = false
	}
	return false
}

func (c comparison) string(at, want string, got any) []string {
	if want == "{{anything}}" {
		return nil
	}
	if n, ok := got.(json.Number); ok && want == "{{unix}}" {
		got = n.String()
	}
	text, ok := got.(string)
	if !ok {
		return differ(at, want, got)
	}
	match := c.variables.Matches
	if c.text != nil && at == "/error" {
		match = c.text
	}
	equal, err := match(want, text)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", at, err)}
	}
	if !equal {
		return differ(at, want, got)
	}
	return nil
}

// unordered says whether the recording left the order of an array open. name is
// the member that holds the array, at the place of its object.
func unordered(name, at string, object map[string]any) bool {
	switch name {
	case "credential_keys", "defined_tags", "added", "removed":
		return true
	case "roles", "keys", "cas":
		return at == ""
	case "credentials", "blind_credentials":
		// In a service and in conflicts both stand side by side; a list of
		// credentials has one of them.
		_, both := object["credentials"]
		_, blind := object["blind_credentials"]
		_, services := object["services"]
		return both && blind || services
	case "services":
		// Dependents and conflicts; a list of services has pages.
		_, paged := object["next_page"]
		return !paged
	}
	return false
}

func equalNumbers(a, b json.Number) bool {
	x, ok := new(big.Rat).SetString(a.String())
	y, ok2 := new(big.Rat).SetString(b.String())
	return ok && ok2 && x.Cmp(y) == 0
}

func differ(at string, want, got any) []string {
	if at == "" {
		at = "/"
	}
	return []string{fmt.Sprintf("%s: got %s, want %s", at, show(got), show(want))}
}

// show returns a value as short JSON.
func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%v", v)
	}
	const most = 400
	if len(b) > most {
		return string(b[:most]) + "…"
	}
	return string(b)
}
