package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// Namespaces of the standards.
const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
	nsEncrypted = "http://www.w3.org/2001/04/xmlenc#"
)

const samlVersion = "2.0"

// Bounds of a document. They are far above what providers send and keep the work
// of canonicalization, which is more than linear in some of them, small.
const (
	maxDocument   = 512 << 10 // bytes
	maxDepth      = 32
	maxElements   = 10_000
	maxAttributes = 64 // of one element
	maxPrefixes   = 64 // different ones that are declared
	maxNameBytes  = 256
)

// parse reads a document and returns its root. It takes less than XML allows:
// UTF-8, no document type and so no entities, no comments and no processing
// instructions, which other readers of the same text might see differently or
// not at all.
func parse(text []byte) (*etree.Element, error) {
	switch {
	case len(text) > maxDocument:
		return nil, errors.New("the document is too large")
	case !utf8.Valid(text):
		return nil, errors.New("the document is not UTF-8")
	}
	if err := scan(text); err != nil {
		return nil, err
	}
	doc := etree.NewDocument()
	doc.ReadSettings.ValidateInput = true
	doc.ReadSettings.MaxDepth = maxDepth + 1
	if err := doc.ReadFromBytes(text); err != nil {
		return nil, fmt.Errorf("reading the document: %w", err)
	}
	root := doc.Root()
	if root == nil {
		return nil, errors.New("the document is empty")
	}
	return root, checkIDs(root)
}

// scan walks over the tokens of a document and refuses what parse does not take.
func scan(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	depth, roots, elements := 0, 0, 0
	prefixes := map[string]bool{}
	for {
		at := d.InputOffset()
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the document: %w", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			elements++
			if roots > 1 || depth > maxDepth || elements > maxElements {
				return errors.New("the document has too many elements, or too many in each other")
			}
			if err := checkNames(token, prefixes); err != nil {
				return err
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(token)) > 0 {
				return errors.New("the document has text beside its root")
			}
		case xml.ProcInst:
			// What the XML declaration says of version and encoding the decoder
			// has judged.
			if token.Target != "xml" || at != 0 {
				return errors.New("the document has a processing instruction")
			}
		case xml.Comment:
			return errors.New("the document has a comment")
		default:
			return errors.New("the document has a document type")
		}
	}
	if roots != 1 || depth != 0 {
		return errors.New("the document is not whole")
	}
	return nil
}

// checkNames refuses names that are read differently by different readers, and
// attributes that stand twice, which package xml does not mind.
func checkNames(token xml.StartElement, prefixes map[string]bool) error {
	if len(token.Attr) > maxAttributes {
		return errors.New("an element has too many attributes")
	}
	seen := map[xml.Name]bool{}
	names := []xml.Name{token.Name}
	for _, a := range token.Attr {
		if seen[a.Name] {
			return errors.New("an attribute stands twice")
		}
		seen[a.Name] = true
		names = append(names, a.Name)
		if a.Name.Space == "xmlns" {
			prefixes[a.Name.Local] = true
		}
		if a.Name.Space != "" && strings.EqualFold(a.Name.Local, "id") {
			return errors.New("an ID has a prefix")
		}
	}
	if len(prefixes) > maxPrefixes {
		return errors.New("the document declares too many prefixes")
	}
	for _, n := range names {
		if n.Local == "" || strings.Contains(n.Local, ":") || len(n.Local) > maxNameBytes {
			return errors.New("a name has a colon without a prefix, or is too long")
		}
	}
	return nil
}

// checkIDs wants every ID to stand once, whichever way it is written: a
// signature must not have a choice.
func checkIDs(root *etree.Element) error {
	seen := map[string]bool{}
	for el := range walk(root) {
		for _, a := range el.Attr {
			if !strings.EqualFold(a.Key, "id") {
				continue
			}
			if seen[a.Value] {
				return errors.New("an ID stands twice")
			}
			seen[a.Value] = true
		}
	}
	return nil
}

// walk yields an element and all those in it, in the order of the document.
func walk(el *etree.Element) func(yield func(*etree.Element) bool) {
	return func(yield func(*etree.Element) bool) { visit(el, yield) }
}

func visit(el *etree.Element, yield func(*etree.Element) bool) bool {
	if !yield(el) {
		return false
	}
	for child := range el.ChildElementsSeq() {
		if !visit(child, yield) {
			return false
		}
	}
	return true
}

// is reports whether an element has a name in a namespace.
func is(el *etree.Element, namespace, tag string) bool {
	return el.Tag == tag && el.NamespaceURI() == namespace
}

// children returns the children of a name.
func children(el *etree.Element, namespace, tag string) []*etree.Element {
	var found []*etree.Element
	for child := range el.ChildElementsSeq() {
		if is(child, namespace, tag) {
			found = append(found, child)
		}
	}
	return found
}

// optional returns the one child of a name, nil if there is none.
func optional(el *etree.Element, namespace, tag string) (*etree.Element, error) {
	found := children(el, namespace, tag)
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	default:
		return nil, fmt.Errorf("there are several %s in the %s", tag, el.Tag)
	}
}

// one returns the one child of a name.
func one(el *etree.Element, namespace, tag string) (*etree.Element, error) {
	found, err := optional(el, namespace, tag)
	if err == nil && found == nil {
		err = fmt.Errorf("there is no %s in the %s", tag, el.Tag)
	}
	return found, err
}

// attr returns the value of an attribute without a prefix, "" if there is none.
func attr(el *etree.Element, name string) string {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value
		}
	}
	return ""
}

// content returns the text of an element, without white space at its ends; ""
// if there are elements in it.
func content(el *etree.Element) string {
	var text strings.Builder
	for _, token := range el.Child {
		switch token := token.(type) {
		case *etree.CharData:
			text.WriteString(token.Data)
		default:
			return ""
		}
	}
	return strings.TrimSpace(text.String())
}

// instant reads an attribute that is a moment. SAML core 1.3.3 has them in UTC,
// with Z or without a zone. ok is false if there is no such attribute.
func instant(el *etree.Element, name string) (t time.Time, ok bool, err error) {
	text := attr(el, name)
	if text == "" {
		return time.Time{}, false, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err = time.Parse(layout, text); err == nil {
			return t, true, nil
		}
	}
	return time.Time{}, false, fmt.Errorf("%s of the %s is not a moment", name, el.Tag)
}
