package access

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is an example of the page.
type block struct {
	language string
	text     string
	line     int
}

// page returns docs/authentication.md.
func page(t *testing.T) string {
	t.Helper()
	return read(t, "../../../docs/authentication.md")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// blocks returns the examples of a language, in order.
func blocks(t *testing.T, language string) []block {
	t.Helper()
	text := page(t)
	var found []block
	for _, at := range fence.FindAllStringSubmatchIndex(text, -1) {
		b := block{text[at[2]:at[3]], text[at[4]:at[5]], 1 + strings.Count(text[:at[0]], "\n")}
		if b.language == language || language == "" {
			found = append(found, b)
		}
	}
	if len(found) == 0 {
		t.Fatalf("the page has no example in %q", language)
	}
	return found
}

// Every example is in a language that a test here makes something of.
func TestPage_EveryExampleIsTested(t *testing.T) {
	t.Parallel()
	tested := []string{"sh", "ini", "yaml", "json", "php", "nginx", "python"}
	for _, b := range blocks(t, "") {
		if !slices.Contains(tested, b.language) {
			t.Errorf("line %d: nothing is done with an example in %q", b.line, b.language)
		}
	}
	if n := strings.Count(page(t), "\n```"); n != 2*len(blocks(t, "")) {
		t.Errorf("%d fences for %d examples", n, len(blocks(t, "")))
	}
}

// settingRow is a row of docs/configuration.md: its name, the name of its form in a
// file if there is one, and the mark of a setting that has no effect.
var settingRow = regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)`(?:, `([A-Z0-9_]+)`)?( [†‡])? \\|")

// The page names settings that there are, and of the sections about callers every
// one that has an effect.
func TestPage_NamesEverySetting(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	var wanted []string
	for section := range strings.SplitSeq(read(t, "../../../docs/configuration.md"), "\n## ") {
		title, _, _ := strings.Cut(section, "\n")
		about := slices.Contains([]string{"Callers", "Log-in through SAML", "Service tokens made with KMS", "Sessions and API tokens"}, title)
		for _, m := range settingRow.FindAllStringSubmatch(section, -1) {
			known[m[1]], known[m[2]] = true, true
			if about && m[3] == "" {
				wanted = append(wanted, m[1])
			}
		}
	}
	if len(wanted) < 40 {
		t.Fatalf("only %d settings are about callers: the patterns do not fit", len(wanted))
	}
	text := page(t)
	for _, name := range wanted {
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(text) {
			t.Errorf("the page does not name %s", name)
		}
	}
	for _, m := range regexp.MustCompile("`([A-Z][A-Z0-9]*_[A-Z0-9_]+)[=`]").FindAllStringSubmatch(text, -1) {
		if !known[m[1]] {
			t.Errorf("the page names %s, which is no setting", m[1])
		}
	}
}

// Links within the page lead to a heading.
func TestPage_LinksLeadToHeadings(t *testing.T) {
	t.Parallel()
	text := page(t)
	headings := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		anchor := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		headings[strings.ReplaceAll(anchor, " ", "-")] = true
	}
	links := regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(text, -1)
	if len(links) < 5 {
		t.Fatalf("only %d links within the page: the pattern does not fit", len(links))
	}
	for _, m := range links {
		if !headings[m[1]] {
			t.Errorf("no heading has the anchor %q", m[1])
		}
	}
}
