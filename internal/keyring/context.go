package keyring

import (
	"encoding/binary"
	"slices"
)

// AppendCanonical appends the one encoding that a context has to b:
//
//	number of pairs | for each pair, ascending by key: key, value
//
// A text is preceded by its length in bytes; numbers are 32 bits, big-endian.
// Contexts have equal encodings exactly if they are equal, and no encoding is
// the beginning of another one, so that more may follow it unambiguously.
func (c Context) AppendCanonical(b []byte) []byte {
	names := make([]string, 0, 8)
	for name := range c {
		names = append(names, name)
	}
	slices.Sort(names)
	b = binary.BigEndian.AppendUint32(b, uint32(len(c)))
	for _, name := range names {
		b = appendText(b, name)
		b = appendText(b, c[name])
	}
	return b
}

func appendText(b []byte, text string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	return append(b, text...)
}

// clone copies c by hand: maps.Clone would make the caller's map escape to the
// heap even where nothing is cloned.
func (c Context) clone() Context {
	own := make(Context, len(c))
	for name, value := range c {
		own[name] = value
	}
	return own
}
