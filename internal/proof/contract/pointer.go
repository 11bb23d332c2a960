package contract

import (
	"fmt"
	"strconv"
	"strings"
)

// pointer returns the value at a JSON pointer (RFC 6901).
func pointer(v any, p string) (any, error) {
	for step := range strings.SplitSeq(strings.TrimPrefix(p, "/"), "/") {
		if p == "" {
			break
		}
		name := unescapeStep(step)
		switch node := v.(type) {
		case map[string]any:
			next, ok := node[name]
			if !ok {
				return nil, fmt.Errorf("there is no %q", p)
			}
			v = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(node) {
				return nil, fmt.Errorf("there is no %q", p)
			}
			v = node[i]
		default:
			return nil, fmt.Errorf("there is no %q", p)
		}
	}
	return v, nil
}

// change replaces the value at a JSON pointer by what with returns; remove takes
// a member of an object out instead. The parent must exist.
func change(v any, p string, value any, remove bool) error {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return fmt.Errorf("pointer %q names the whole body", p)
	}
	parent, err := pointer(v, p[:i])
	if err != nil {
		return err
	}
	last := unescapeStep(p[i+1:])
	switch node := parent.(type) {
	case map[string]any:
		if remove {
			delete(node, last)
		} else {
			node[last] = value
		}
		return nil
	case []any:
		if i, err := strconv.Atoi(last); err == nil && i >= 0 && i < len(node) && !remove {
			node[i] = value
			return nil
		}
	}
	return fmt.Errorf("there is no place %q", p)
}

func unescapeStep(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
}

func escapeStep(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}
