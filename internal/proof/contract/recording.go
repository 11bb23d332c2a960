// Package contract replays recorded HTTP exchanges against a running server and
// says in which points its answers are not what is wanted. What is wanted is
// the recorded answer, changed where the recording itself says so, together
// with rules that hold for every answer.
//
// It reads the recording's own format and speaks HTTP; it knows nothing of the
// program's insides, so that it can judge any server of this contract.
package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Recording is the content of an exchanges.json.
type Recording struct {
	CommonSettings map[string]string   `json:"common_settings"`
	Identities     map[string]Identity `json:"identities"`
	Blocks         []Block             `json:"blocks"`
	Exchanges      []Exchange          `json:"exchanges"`
	Expected       Expected            `json:"expected"`
}

// Identity is a caller that the recording authenticates by a KMS token.
type Identity struct {
	Kind     string `json:"kind"`
	Username string `json:"username"` // "<name>" (a service) or "2/<type>/<name>"
	// The token is made under this key and encryption context.
	Key     string            `json:"key_alias"`
	Context map[string]string `json:"encryption_context"`
}

// Block is a sequence of exchanges with one server on an empty store.
type Block struct {
	Name     string            `json:"name"`
	Settings map[string]string `json:"settings_beyond_common"`
}

// Exchange is one request with its recorded answer.
type Exchange struct {
	N             int               `json:"n"`
	Block         string            `json:"block"`
	Name          string            `json:"name"`
	Request       Request           `json:"request"`
	Response      Response          `json:"response"`
	Captures      map[string]string `json:"captures"` // variable -> JSON pointer into the answer's body
	Before        string            `json:"before"`   // an action outside HTTP
	RotationFacts json.RawMessage   `json:"rotation_facts"`
	Defect        bool              `json:"defect_of_the_older_service"`
	Note          string            `json:"note"`

	// Unknown lists members that this package does not understand.
	Unknown []string `json:"-"`
}

// Request is what is sent.
type Request struct {
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Identity string            `json:"identity"`
	JSON     json.RawMessage   `json:"json"`
	RawBody  *string           `json:"raw_body"`
	Headers  map[string]string `json:"headers"`
	Cookies  string            `json:"cookies"` // "session": the block's cookie jar
}

// Response is a recorded answer. At most one of JSON, Text and HTMLTitle is set.
type Response struct {
	Status    int                        `json:"status"`
	Headers   map[string]json.RawMessage `json:"headers"` // a text, or a list of texts for Set-Cookie
	JSON      json.RawMessage            `json:"json"`
	Text      *string                    `json:"text"`
	HTMLTitle string                     `json:"html_title"`
}

// header returns the recorded values of a header.
func (r Response) header(name string) []string {
	return oneOrMore(r.Headers[name])
}

// Expected says where something else than the recorded answer is wanted.
type Expected struct {
	Verbatim []string `json:"denials_kept_verbatim"`
	Skip     []struct {
		N int `json:"n"`
	} `json:"skip"`
	Entries []map[string]json.RawMessage `json:"entries"`
}

// known are the members of an exchange, a request and a response that are
// understood here.
var known = map[string][]string{
	"": {
		"n", "block", "name", "request", "response", "captures", "before", "rotation_facts",
		"defect_of_the_older_service", "note",
	},
	"request":  {"method", "path", "identity", "json", "raw_body", "headers", "cookies"},
	"response": {"status", "headers", "json", "text", "html_title"},
}

// UnmarshalJSON also notes the members it does not know, so that no demand of a
// recording is passed over in silence.
func (e *Exchange) UnmarshalJSON(b []byte) error {
	type plain Exchange
	if err := json.Unmarshal(b, (*plain)(e)); err != nil {
		return err
	}
	parts := map[string]json.RawMessage{"": b}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return err
	}
	parts["request"], parts["response"] = members["request"], members["response"]
	for part, raw := range parts {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return err
		}
		for name := range members {
			if !slices.Contains(known[part], name) {
				e.Unknown = append(e.Unknown, strings.TrimPrefix(part+"."+name, "."))
			}
		}
	}
	slices.Sort(e.Unknown)
	return nil
}

// Load reads a recording and checks that it hangs together.
func Load(path string) (*Recording, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r Recording
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, nil
}

func (r *Recording) check() error {
	if len(r.Exchanges) == 0 {
		return errors.New("there are no exchanges")
	}
	blocks := map[string]bool{}
	for _, b := range r.Blocks {
		blocks[b.Name] = true
	}
	numbers := map[int]bool{}
	for _, ex := range r.Exchanges {
		switch {
		case numbers[ex.N]:
			return fmt.Errorf("exchange %d stands twice", ex.N)
		case !blocks[ex.Block]:
			return fmt.Errorf("exchange %d: there is no block %q", ex.N, ex.Block)
		case ex.Request.Identity != "" && r.Identities[ex.Request.Identity].Username == "":
			return fmt.Errorf("exchange %d: there is no identity %q", ex.N, ex.Request.Identity)
		}
		numbers[ex.N] = true
	}
	for _, entry := range r.Expected.Entries {
		n := 0
		if err := json.Unmarshal(entry["n"], &n); err != nil || !numbers[n] {
			return fmt.Errorf("an expected entry is about no exchange: %s", entry["n"])
		}
	}
	return nil
}

// Of returns the exchanges of a block, in order.
func (r *Recording) Of(block string) []Exchange {
	var list []Exchange
	for _, ex := range r.Exchanges {
		if ex.Block == block {
			list = append(list, ex)
		}
	}
	slices.SortFunc(list, func(a, b Exchange) int { return a.N - b.N })
	return list
}

// Settings returns all settings of a block.
func (r *Recording) Settings(b Block) map[string]string {
	all := maps.Clone(r.CommonSettings)
	maps.Copy(all, b.Settings)
	return all
}

// Skipped says whether the answer of exchange n is not compared.
func (r *Recording) Skipped(n int) bool {
	for _, s := range r.Expected.Skip {
		if s.N == n {
			return true
		}
	}
	return false
}

// entry returns what is expected of exchange n beyond the recording; nil if
// nothing is.
func (r *Recording) entry(n int) map[string]json.RawMessage {
	for _, e := range r.Expected.Entries {
		if got := 0; json.Unmarshal(e["n"], &got) == nil && got == n {
			return e
		}
	}
	return nil
}

// decode reads JSON keeping the text of numbers. Anything behind the value is an
// error.
func decode(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("there is more than one JSON value")
	}
	return v, nil
}
