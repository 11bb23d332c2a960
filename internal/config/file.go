package config

import (
	"fmt"
	"os"
	"strings"
)

// line is one setting of the configuration file.
type line struct {
	name, value string
	number      int
}

// readFile reads a configuration file: lines of KEY=VALUE, blank lines, and
// comments that begin with #. The form is the common part of what systemd and
// container engines read, so that one file serves all of them. A value may stand in
// single or double quotes; within double quotes \" and \\ stand for the
// character itself. Everything behind the equals sign counts, a # too.
//
// Lines that cannot be read are returned as problems beside the others.
func readFile(path string) (lines []line, problems []string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	number := 0
	for row := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		number++
		row = strings.TrimSpace(row)
		if row == "" || row[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(row, "=")
		name = strings.TrimSpace(name)
		if !found || name == "" || strings.ContainsAny(name, " \t") {
			problems = append(problems, fmt.Sprintf("%s, line %d: expected NAME=VALUE", path, number))
			continue
		}
		value, ok := unquote(strings.TrimSpace(value))
		if !ok {
			problems = append(problems, fmt.Sprintf("%s, line %d: the quotes of %s do not close", path, number, name))
			continue
		}
		lines = append(lines, line{name, value, number})
	}
	return lines, problems, nil
}

func unquote(value string) (string, bool) {
	if value == "" || value[0] != '"' && value[0] != '\'' {
		return value, true
	}
	if len(value) < 2 || value[len(value)-1] != value[0] {
		return "", false
	}
	inner := value[1 : len(value)-1]
	if value[0] == '"' {
		inner = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(inner)
	}
	return inner, true
}
