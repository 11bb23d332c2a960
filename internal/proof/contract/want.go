package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
)

// Store names the store that the judged server runs on, as members of expected
// entries spell it.
type Store string

// The stores.
const (
	SQLite Store = "sqlite"
	Dynamo Store = "dynamo"
)

// want is what an expected entry says; the zero value says nothing.
type want struct {
	Status       statuses           `json:"status"`
	Set          map[string]any     `json:"set"`
	Unset        []string           `json:"unset"`
	JSON         json.RawMessage    `json:"json"`
	Error        *string            `json:"error"`
	Like         map[string]any     `json:"like"`
	Absent       []string           `json:"absent"`
	Text         *string            `json:"text"`
	ContainsText []string           `json:"contains_text"`
	ContentType  string             `json:"content_type"`
	Headers      map[string]*string `json:"headers"`
	Location     *location          `json:"location"`
	Rotation     json.RawMessage    `json:"rotation_facts"`

	// For people.
	N     int      `json:"n"`
	Block string   `json:"block"`
	Name  string   `json:"name"`
	By    []string `json:"by"`
	Why   string   `json:"why"`
}

type location struct {
	URL   string                     `json:"url"`
	Query map[string]json.RawMessage `json:"query"` // a text, or a list of which one must match
}

// statuses is one status, or several that all count.
type statuses []int

// UnmarshalJSON reads a number or a list of numbers.
func (s *statuses) UnmarshalJSON(b []byte) error {
	one := 0
	if json.Unmarshal(b, &one) == nil {
		*s = statuses{one}
		return nil
	}
	return json.Unmarshal(b, (*[]int)(s))
}

// wanted returns the alternatives of what is wanted of an exchange.
func (r *Recording) wanted(ex Exchange, store Store) ([]want, error) {
	entry := maps.Clone(r.entry(ex.N))
	if entry == nil {
		entry = map[string]json.RawMessage{}
	}
	if of, ok := entry[string(store)]; ok {
		if err := json.Unmarshal(of, &entry); err != nil {
			return nil, fmt.Errorf("expected entry %d: %w", ex.N, err)
		}
	}
	delete(entry, string(SQLite))
	delete(entry, string(Dynamo))

	either := []json.RawMessage{[]byte(`{}`)}
	if list, ok := entry["either"]; ok {
		if err := json.Unmarshal(list, &either); err != nil {
			return nil, fmt.Errorf("expected entry %d: %w", ex.N, err)
		}
		delete(entry, "either")
	}
	var wants []want
	for _, alternative := range either {
		merged := maps.Clone(entry)
		if err := json.Unmarshal(alternative, &merged); err != nil {
			return nil, fmt.Errorf("expected entry %d: %w", ex.N, err)
		}
		w, err := readWant(merged)
		if err != nil {
			return nil, fmt.Errorf("expected entry %d: %w", ex.N, err)
		}
		wants = append(wants, w)
	}
	return wants, nil
}

// readWant refuses members that it does not know.
func readWant(members map[string]json.RawMessage) (want, error) {
	b, err := json.Marshal(members)
	if err != nil {
		return want{}, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	d.DisallowUnknownFields()
	var w want
	return w, d.Decode(&w)
}

// oneOrMore reads a text or a list of texts.
func oneOrMore(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil {
		return nil
	}
	return many
}
