package envelope_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/envelope"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
	"github.com/confidant-secrets/confidant/internal/sealed"
)

// withKeyFile returns a sealer over the local provider.
func withKeyFile(t testing.TB, cacheSize int) *envelope.Sealer {
	t.Helper()
	file, err := local.Create(t.TempDir()+"/enckey", local.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return newSealer(t, envelope.Options{
		Keyring: file.Keyring(local.SlotData), CacheSize: cacheSize, CacheTTL: time.Hour,
	})
}

// BenchmarkOpen opens five values of 200 bytes in turn, as a request for a
// service with five credentials does.
func BenchmarkOpen(b *testing.B) {
	for name, cacheSize := range map[string]int{"key cached": 4096, "key unwrapped": 0} {
		s := withKeyFile(b, cacheSize)
		var ids [5]string
		var values [5]sealed.Value
		for i := range values {
			ids[i] = fmt.Sprintf("%032x", i)
			values[i] = seal(b, s, ids[i], strings.Repeat("x", 200))
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := s.Open(b.Context(), ids[i%5], values[i%5]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+", all cores", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, err := s.Open(b.Context(), ids[i%5], values[i%5]); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	s := withKeyFile(b, 4096)
	plaintext := []byte(strings.Repeat("x", 200))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Seal(b.Context(), id, plaintext); err != nil {
			b.Fatal(err)
		}
	}
}
