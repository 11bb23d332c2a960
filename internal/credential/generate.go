package credential

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// MaxGenerated is the greatest length of a generated value, in characters.
const MaxGenerated = 1024

// GenerateOptions say what a generated value is made of.
type GenerateOptions struct {
	Length  int  // in characters, 1 to MaxGenerated
	Letters bool // A to Z and a to z
	Digits  bool
	Symbols bool // the graphic characters of ASCII that are neither
	// Legible leaves out characters that are easily taken for one another.
	Legible bool
}

const (
	letters   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	digits    = "0123456789"
	symbols   = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	ambiguous = "B8G6I1l|O0oQDS5Z2'`\",.;:"
)

// maxDraws bounds how often a text is drawn again because it lacks a class. Of
// three classes in three characters, the least likely case, one text in nine
// has all; only a source that is not random gets there.
const maxDraws = 10_000

var errNotRandom = errors.New("the random source repeats itself")

// Generate returns a random text that holds at least one character of each
// class chosen. Every such text is equally likely. Options that ask for the
// impossible are an Invalid fault.
func Generate(random io.Reader, o GenerateOptions) (string, error) {
	classes := o.classes()
	switch {
	case o.Length < 1 || o.Length > MaxGenerated:
		return "", fault.Newf(fault.Invalid, "The length of a value must be 1 to %d characters.", MaxGenerated).On("length")
	case len(classes) == 0:
		return "", fault.New(fault.Invalid, "Letters, digits or symbols must be chosen.").On("letters")
	case o.Length < len(classes):
		return "", fault.Newf(fault.Invalid, "A value with these kinds of characters needs at least %d of them.", len(classes)).On("length")
	}
	alphabet := strings.Join(classes, "")
	source := byteSource{random: random}
	for range maxDraws {
		text, err := draw(&source, alphabet, o.Length)
		if err != nil {
			return "", err
		}
		if hasEach(text, classes) {
			return text, nil
		}
	}
	return "", errNotRandom
}

// classes returns the characters of each class chosen.
func (o GenerateOptions) classes() []string {
	var out []string
	for _, class := range []struct {
		chosen     bool
		characters string
	}{{o.Letters, letters}, {o.Digits, digits}, {o.Symbols, symbols}} {
		if !class.chosen {
			continue
		}
		if o.Legible {
			class.characters = strings.Map(func(r rune) rune {
				if strings.ContainsRune(ambiguous, r) {
					return -1
				}
				return r
			}, class.characters)
		}
		out = append(out, class.characters)
	}
	return out
}

func hasEach(text string, classes []string) bool {
	for _, class := range classes {
		if !strings.ContainsAny(text, class) {
			return false
		}
	}
	return true
}

// draw returns length characters of the alphabet, each equally likely.
func draw(source *byteSource, alphabet string, length int) (string, error) {
	// The largest multiple of the alphabet's length that fits a byte; above it
	// the first characters would be likelier than the rest.
	fair := 256 / len(alphabet) * len(alphabet)
	text := make([]byte, 0, length)
	for len(text) < length {
		b, err := source.next()
		if err != nil {
			return "", err
		}
		if int(b) < fair {
			text = append(text, alphabet[int(b)%len(alphabet)])
		}
	}
	return string(text), nil
}

// byteSource reads random bytes several at a time.
type byteSource struct {
	random io.Reader
	buffer [64]byte
	rest   []byte
}

func (s *byteSource) next() (byte, error) {
	if len(s.rest) == 0 {
		if _, err := io.ReadFull(s.random, s.buffer[:]); err != nil {
			return 0, fmt.Errorf("reading random bytes: %w", err)
		}
		s.rest = s.buffer[:]
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b, nil
}
