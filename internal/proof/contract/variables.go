package contract

import (
	"encoding/pem"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Variables are the values behind placeholders that name something: captured
// values, the server's address, tokens, cookies ("cookie:NAME").
type Variables map[string]string

// A text of a recording is a sequence of literal parts and placeholders
// "{{name}}". The end of a placeholder is the first "}}" without another "}"
// behind it, so that a regular expression may end in a repetition.
type part struct {
	text        string // the literal text, or the placeholder's name
	placeholder bool
}

func split(text string) []part {
	var parts []part
	for {
		before, rest, found := strings.Cut(text, "{{")
		if before != "" {
			parts = append(parts, part{text: before})
		}
		if !found {
			return parts
		}
		end := strings.Index(rest, "}}")
		for end >= 0 && end+2 < len(rest) && rest[end+2] == '}' {
			end++
		}
		if end < 0 {
			return append(parts, part{text: "{{" + rest})
		}
		parts = append(parts, part{text: rest[:end], placeholder: true})
		text = rest[end+2:]
	}
}

// Fill puts variables into a text that is to be sent. escape is applied to each
// value. A placeholder that is no variable is an error.
func (v Variables) Fill(text string, escape func(string) string) (string, error) {
	var b strings.Builder
	for _, p := range split(text) {
		if !p.placeholder {
			b.WriteString(p.text)
			continue
		}
		value, ok := v[p.text]
		if !ok {
			return "", fmt.Errorf("nothing was captured as %q", p.text)
		}
		b.WriteString(escape(value))
	}
	return b.String(), nil
}

// verbatim is the escape of texts that need none.
func verbatim(s string) string { return s }

// Patterns of the placeholders that name a form and not a value.
var forms = map[string]string{
	"date":      `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)`,
	"date:iso":  `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00`,
	"date:http": `(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT`,
	"page":      `.+`,
	"hex32":     `[0-9a-f]{32}`,
	"hex":       `.+`,
	"opaque":    `.+`,
	"any":       `(?s:.+)`,
	"string":    `(?s:.*)`,
	"jwt":       `[\w-]+\.[\w-]+\.[\w-]+`,
	"unix":      `[1-9]\d*`,
}

// expression returns a regular expression for a text of the recording. literal
// treats its literal parts.
func (v Variables) expression(text string, literal func(string) string) (string, error) {
	var b strings.Builder
	for _, p := range split(text) {
		if !p.placeholder {
			b.WriteString(literal(p.text))
		} else if re, ok := strings.CutPrefix(p.text, "match:"); ok {
			b.WriteString("(?:" + strings.TrimSuffix(strings.TrimPrefix(re, "^"), "$") + ")")
		} else if form, ok := forms[p.text]; ok {
			b.WriteString("(?:" + form + ")")
		} else if value, ok := v[p.text]; ok {
			b.WriteString(regexp.QuoteMeta(value))
		} else {
			return "", fmt.Errorf("nothing was captured as %q", p.text)
		}
	}
	return b.String(), nil
}

// Matches says whether got is what the text of the recording stands for. An
// error means that the text cannot be understood.
func (v Variables) Matches(text, got string) (bool, error) {
	if text == "{{anything}}" {
		return true, nil
	}
	if blocks, ok := strings.CutPrefix(text, "{{pem:"); ok {
		return slices.Equal(pemBlocks(got), strings.Split(strings.TrimSuffix(blocks, "}}"), ",")), nil
	}
	re, err := v.expression(text, regexp.QuoteMeta)
	if err != nil {
		return false, err
	}
	compiled, err := regexp.Compile("^(?:" + re + ")$")
	if err != nil {
		return false, fmt.Errorf("placeholder in %q: %w", text, err)
	}
	return compiled.MatchString(got), nil
}

// Contains says whether the regular expression, in which placeholders may stand,
// occurs in got.
func (v Variables) Contains(expression, got string) (bool, error) {
	re, err := v.expression(expression, verbatim)
	if err != nil {
		return false, err
	}
	compiled, err := regexp.Compile(re)
	if err != nil {
		return false, err
	}
	return compiled.MatchString(got), nil
}

// pemBlocks returns the types of the blocks that a PEM text is made of.
func pemBlocks(text string) []string {
	var types []string
	rest := []byte(text)
	for {
		block, after := pem.Decode(rest)
		if block == nil {
			if strings.TrimSpace(string(rest)) != "" {
				return append(types, "something else")
			}
			return types
		}
		types, rest = append(types, block.Type), after
	}
}
