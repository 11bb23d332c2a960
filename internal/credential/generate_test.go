package credential_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
)

func fixedRandom() io.Reader { return rand.NewChaCha8([32]byte{1}) }

func TestGenerate_HoldsEachClassChosenAndNoOther(t *testing.T) {
	t.Parallel()
	const (
		letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		digits  = "0123456789"
	)
	is := func(class string) func(rune) bool {
		return func(r rune) bool {
			switch class {
			case "letters":
				return strings.ContainsRune(letters, r)
			case "digits":
				return strings.ContainsRune(digits, r)
			default:
				return r > ' ' && r < 0x7f && !strings.ContainsRune(letters+digits, r)
			}
		}
	}
	random := fixedRandom()
	for bits := 1; bits < 8; bits++ {
		chosen := map[string]bool{"letters": bits&1 > 0, "digits": bits&2 > 0, "symbols": bits&4 > 0}
		for _, length := range []int{3, 50, credential.MaxGenerated} {
			for _, legible := range []bool{false, true} {
				text, err := credential.Generate(random, credential.GenerateOptions{
					Length: length, Letters: chosen["letters"], Digits: chosen["digits"], Symbols: chosen["symbols"], Legible: legible,
				})
				if err != nil || len(text) != length {
					t.Fatalf("%v: %d characters, %v, want %d", chosen, len(text), err, length)
				}
				for class, want := range chosen {
					if got := strings.ContainsFunc(text, is(class)); got != want {
						t.Errorf("%v: %q has %s: %v", chosen, text, class, got)
					}
				}
				if legible && strings.ContainsAny(text, "0O1lI|") {
					t.Errorf("%q is not legible", text)
				}
			}
		}
	}
}

func TestGenerate_EveryCharacterIsEquallyLikely(t *testing.T) {
	t.Parallel()
	random, count := fixedRandom(), map[rune]int{}
	const texts = 620
	for range texts {
		text, err := credential.Generate(random, credential.GenerateOptions{Length: 1000, Letters: true, Digits: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range text {
			count[r]++
		}
	}
	// 10,000 each, with a deviation of about 100; a plain remainder of bytes by
	// 62 would give the first eight characters a quarter more than the others.
	if len(count) != 62 {
		t.Errorf("%d different characters", len(count))
	}
	for r, n := range count {
		if n < 9_500 || n > 10_500 {
			t.Errorf("%c came %d times, want about 10000", r, n)
		}
	}
}

func TestGenerate_RefusesTheImpossible(t *testing.T) {
	t.Parallel()
	all := func(length int) credential.GenerateOptions {
		return credential.GenerateOptions{Length: length, Letters: true, Digits: true, Symbols: true}
	}
	for name, tt := range map[string]struct {
		o      credential.GenerateOptions
		member string
	}{
		"no length":          {all(0), "length"},
		"a negative length":  {all(-1), "length"},
		"too long":           {all(credential.MaxGenerated + 1), "length"},
		"no class":           {credential.GenerateOptions{Length: 10, Legible: true}, "letters"},
		"more kinds than it": {all(2), "length"},
	} {
		text, err := credential.Generate(fixedRandom(), tt.o)
		if f := fault.As(err); text != "" || f == nil || f.Kind != fault.Invalid || f.Member != tt.member {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

func TestGenerate_ABadSourceIsAnError(t *testing.T) {
	t.Parallel()
	o := credential.GenerateOptions{Length: 5, Letters: true, Digits: true}
	down := errors.New("down")
	if _, err := credential.Generate(iotest.ErrReader(down), o); !errors.Is(err, down) {
		t.Errorf("a broken source: %v", err)
	}
	if text, err := credential.Generate(bytes.NewReader(nil), o); err == nil {
		t.Errorf("an empty source gives %q", text)
	}
	if text, err := credential.Generate(constant('A'), o); err == nil {
		t.Errorf("a constant source gives %q", text)
	}
}

type constant byte

func (c constant) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}
