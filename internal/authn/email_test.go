package authn_test

import (
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authn"
)

func TestFoldEmail(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ada@example.com": "ada@example.com", " Ada@Example.COM ": "ada@example.com", "ädä@example.com": "ädä@example.com", "ÄDA@example.com": "äda@example.com",
	} {
		if got, ok := authn.FoldEmail(text); got != want || !ok {
			t.Errorf("FoldEmail(%q) = %q, %v; want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "  ", "a@x,b@x", "a b@x", "a\n@x", "a\x00@x", "\u212aate@example.com", "\u0130da@example.com", strings.Repeat("a", 321),
	} {
		if got, ok := authn.FoldEmail(text); ok {
			t.Errorf("FoldEmail(%q) = %q, want a refusal", text, got)
		}
	}
}
