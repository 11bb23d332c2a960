package pages_test

import (
	_ "embed"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
)

//go:embed testdata/payloads.txt
var payloadFile string

// payloads returns markup and scripts that must never be run. Each would tell by
// setting window.__fired, by a dialog or by a request to elsewhere. In the file "\n",
// "\t", "\r" and "\u{…}" stand for what cannot be on a line.
func payloads() []string {
	escapes := strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\r`, "\r", `\0`, "\x00",
		`\u{200b}`, "\u200b", `\u{202e}`, "\u202e", `\u{feff}`, "\ufeff", `\u{2028}`, "\u2028", `\u{a0}`, "\u00a0")
	var all []string
	for line := range strings.Lines(payloadFile) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, escapes.Replace(line))
		}
	}
	return all
}

func TestPayloads_AreManyAndDiffer(t *testing.T) {
	t.Parallel()
	all := payloads()
	if len(all) < 200 {
		t.Errorf("there are %d payloads, want at least 200", len(all))
	}
	sorted := slices.Sorted(slices.Values(all))
	for i := range len(sorted) - 1 {
		if sorted[i] == sorted[i+1] {
			t.Errorf("%q is there twice", sorted[i])
		}
	}
}

// isInert checks that nothing on the visitor's pages was run or asked for elsewhere,
// and that the page shows each text as it was typed. White space, and characters
// that have no width, make no difference.
func isInert(t *testing.T, v *browser.Visitor, shown ...string) {
	t.Helper()
	for _, p := range v.Problems() {
		t.Errorf("%s: %s", v.URL(), p)
	}
	for _, r := range v.Requests() {
		if !strings.HasPrefix(r, v.Site()+"/") && !strings.HasPrefix(r, "data:") {
			t.Errorf("%s asks for %s", v.URL(), r)
		}
	}
	written := visible(strings.Join(v.Written(), "\n"))
	for _, s := range shown {
		if !strings.Contains(written, visible(s)) {
			t.Errorf("%s does not show %q", v.URL(), s)
		}
	}
}

// visible returns what is to be seen of a text.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || strings.ContainsRune("\u00a0\u200b\u202e\ufeff\u2028\ufffd", r) {
			return -1
		}
		return r
	}, s)
}

// payloadsAtTheLogin brings every payload to the one form of strangers that takes
// something from the address, and some by typing.
func payloadsAtTheLogin(t *testing.T, w *world) {
	v := w.stranger(t, true)
	for some := range slices.Chunk(payloads(), 20) {
		v.Go("/login?next=" + url.QueryEscape(strings.Join(some, "\n")))
		isInert(t, v)
	}
	for _, p := range []string{payloads()[0], `"><img src=x onerror=alert(1)>`, `</textarea>{{.}}`} {
		v.Fill("name", p)
		v.Fill("password", "a wrong password")
		v.Click("Log in")
		isInert(t, v, p)
	}
}
