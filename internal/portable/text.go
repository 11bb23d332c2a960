package portable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Unmarshal reads JSON or YAML, whichever the text is, into v. Members that v
// does not know are mistakes. The error is for whoever wrote the text and names
// the line where it can.
func Unmarshal(text []byte, v any) error {
	if !json.Valid(text) {
		if first := bytes.TrimLeft(text, " \t\r\n"); len(first) > 0 && (first[0] == '{' || first[0] == '[') {
			// Meant as JSON, unless it is YAML's own form of that.
			if err := yaml.Unmarshal(text, new(any)); err != nil {
				return jsonMistake(text)
			}
		}
		var value any
		if err := yaml.Unmarshal(text, &value); err != nil {
			return err
		}
		var err error
		if text, err = json.Marshal(value); err != nil {
			return errors.New("a member's name is not text")
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(v)
}

// jsonMistake says where a text stops being JSON.
func jsonMistake(text []byte) error {
	err := json.Unmarshal(text, new(any))
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	before := text[:max(0, min(int(syntax.Offset)-1, len(text)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}
