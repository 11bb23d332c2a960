package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/portable"
)

// ReadExpectations reads a list of expectations, JSON or YAML. Invalid: it is
// none.
func ReadExpectations(r io.Reader) ([]Expectation, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the expectations: %w", err)
	}
	var list []Expectation
	if err := portable.Unmarshal(text, &list); err != nil {
		return nil, fault.Wrap(fault.Invalid, "The expectations cannot be read", err)
	}
	return list, nil
}

// texts is a list of texts, for which one alone may stand, commas between its
// parts.
type texts []string

// UnmarshalJSON reads either form.
func (t *texts) UnmarshalJSON(text []byte) error {
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		var one string
		if err := json.Unmarshal(text, &one); err != nil {
			return errors.New("a list of texts is expected")
		}
		list = strings.Split(one, ",")
	}
	*t = nil
	for _, item := range list {
		if item = strings.TrimSpace(item); item != "" {
			*t = append(*t, item)
		}
	}
	return nil
}
