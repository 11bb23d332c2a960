package service

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxID is the longest id of a new service, in characters.
const maxID = 255

// ValidID reports whether a new service may have the id: 1 to 255 printable
// characters without a slash and without white space. Services that exist may
// have any id.
func ValidID(id string) bool {
	return id != "" && utf8.ValidString(id) && utf8.RuneCountInString(id) <= maxID &&
		!strings.ContainsFunc(id, func(r rune) bool {
			return r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r)
		})
}

// Mapping returns ids as a row keeps them: sorted, without duplicates.
func Mapping(ids []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}
