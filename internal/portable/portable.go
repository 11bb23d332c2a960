// Package portable is the form of what administrators carry from one installation
// to another, or write by hand: one document, JSON or YAML, of a few types of
// entries. It knows the envelope; what an entry means, and whether it holds, is the
// business of the room whose type it is.
package portable

import (
	"encoding/json"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// Document is an export as it came. A type that does not stand in it is nil, one
// without entries is not.
type Document struct {
	Version string            `json:"confidant_version"` // of the program that made it; empty: it does not say
	Admin   []json.RawMessage `json:"admin"`
	Policy  []json.RawMessage `json:"policy"`
}

// Read reads an export. Entries are taken as they are. Invalid: the text is no
// export.
func Read(text []byte) (Document, error) {
	var d Document
	if len(text) == 0 {
		return d, fault.New(fault.Invalid, "The export is empty; one without anything in it is {}.")
	}
	if err := Unmarshal(text, &d); err != nil {
		return Document{}, fault.Wrap(fault.Invalid, "The export cannot be read", err)
	}
	return d, nil
}

// Options say how entries of a type are imported.
type Options struct {
	Names       []string // if there are any, other entries are passed over
	SkipInvalid bool     // leave out what does not hold, instead of refusing everything
	ReplaceAll  bool     // remove what is stored and not in the import
	DryRun      bool     // change nothing
}

// Report says what an import of a type did, or would do.
type Report struct {
	Created, Changed, Unchanged, Deleted int
	Skipped                              []string // what is wrong with the entries left out
	Warnings                             []string // what an operator should know of those that went in
}

// Moved is how many entries are not as they were.
func (r Report) Moved() int { return r.Created + r.Changed + r.Deleted }

// Format is a form in which exports are written.
type Format string

// The formats.
const (
	JSON Format = "json"
	YAML Format = "yaml"
)

// Known reports whether there is such a format.
func (f Format) Known() bool { return f == JSON || f == YAML }

// Write writes an export. The same value gives the same bytes.
func (f Format) Write(w io.Writer, export any) error {
	switch f {
	case JSON:
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(export)
	case YAML:
		encoder := yaml.NewEncoder(w)
		encoder.SetIndent(2)
		if err := encoder.Encode(export); err != nil {
			return err
		}
		return encoder.Close()
	default:
		return fmt.Errorf("there is no format %q", f)
	}
}
