package operations

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// inCloud is the section of the page whose examples run over DynamoDB and KMS.
const inCloud = "Over DynamoDB and KMS"

// step is an example of the page: command lines, and what they print if the page
// shows it.
type step struct {
	line    int // of the page
	section string
	shell   string
	shows   string
}

var (
	fence   = regexp.MustCompile("(?ms)^```(.*?)\n(.*?)^```\n")
	heading = regexp.MustCompile(`(?m)^## (.*)$`)
)

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// steps returns the examples of the page in order. A block in "text" right below
// one in "sh" is what that prints; the page has no other blocks.
func steps(t *testing.T) []step {
	t.Helper()
	text := page(t)
	var all []step
	end := 0 // of the block before
	for _, at := range fence.FindAllStringSubmatchIndex(text, -1) {
		language, block := text[at[2]:at[3]], text[at[4]:at[5]]
		line := 1 + strings.Count(text[:at[0]], "\n")
		switch last := len(all) - 1; {
		case language == "sh":
			s := step{line: line, shell: block}
			for _, m := range heading.FindAllStringSubmatch(text[:at[0]], -1) {
				s.section = m[1]
			}
			all = append(all, s)
		case language == "text" && last >= 0 && all[last].shows == "" && strings.TrimSpace(text[end:at[0]]) == "":
			all[last].shows = block
		default:
			t.Fatalf("line %d: a block in %q that belongs to no command", line, language)
		}
		end = at[1]
	}
	if len(all) < 30 || strings.Count(text, "```") != 2*len(fence.FindAllString(text, -1)) {
		t.Fatalf("%d examples, some of which may be missed: the pattern does not fit", len(all))
	}
	return all
}

// varying is what differs from run to run: moments, hashes and ids, and what the
// page leaves out.
var varying = regexp.MustCompile(`…|\b\d{8}-\d{6}\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\b[0-9a-f]{16,}\b`)

// printed reports whether a command printed what the page shows. Columns may be
// wider or narrower.
func printed(shows, output string) bool {
	shows = evened(shows)
	var b strings.Builder
	end := 0
	for _, at := range varying.FindAllStringIndex(shows, -1) {
		b.WriteString(regexp.QuoteMeta(shows[end:at[0]]))
		switch shown := shows[at[0]:at[1]]; {
		case shown == "…":
			b.WriteString(`.*?`)
		case strings.Contains(shown, "T"):
			b.WriteString(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
		case strings.Contains(shown, "-"):
			b.WriteString(`\d{8}-\d{6}`)
		default:
			fmt.Fprintf(&b, `[0-9a-f]{%d}`, len(shown))
		}
		end = at[1]
	}
	b.WriteString(regexp.QuoteMeta(shows[end:]))
	return regexp.MustCompile(`(?s)^` + b.String() + `$`).MatchString(evened(output))
}

// evened makes one blank of several and removes those at the ends of lines.
func evened(s string) string { return trailing.ReplaceAllString(blanks.ReplaceAllString(s, " "), "") }

var (
	blanks   = regexp.MustCompile(` {2,}`)
	trailing = regexp.MustCompile(`(?m) +$`)
)

func TestPrinted_TellsTheSameFromOther(t *testing.T) {
	t.Parallel()
	const shows = "Name    Made\na.tgz   2026-11-24T12:00:00Z\n…\nfile-20261124-120000, key 0123456789abcdef\n"
	for output, want := range map[string]bool{
		shows: true,
		"Name  Made  \na.tgz  2027-01-02T03:04:05Z\nmore\nfile-20270102-030405, key fedcba9876543210\n": true,
		"Name  Made\na.tgz  2027-01-02T03:04:05Z\nmore\nfile-20270102, key fedcba9876543210\n":          false,
		"Name  Made\na.tgz  2027-01-02T03:04:05Z\nmore\nfile-20270102-030405, key fedcba98\n":           false,
		"Name  Made\nb.tgz  2027-01-02T03:04:05Z\nmore\nfile-20270102-030405, key fedcba9876543210\n":   false,
		shows + "more\n": false,
	} {
		if got := printed(shows, output); got != want {
			t.Errorf("printed(%q) = %v, want %v", output, got, want)
		}
	}
}

// What the page names in passing is what it runs somewhere, so that no command
// line in it is left to its reader to try.
func TestPage_RunsEveryCommandThatItNames(t *testing.T) {
	t.Parallel()
	var run []string
	for _, s := range steps(t) {
		run = append(run, strings.ReplaceAll(s.shell, "\\\n", " "))
	}
	names := regexp.MustCompile("`((?:confidant|systemctl|curl) [^`]*)`").FindAllStringSubmatch(fence.ReplaceAllString(page(t), ""), -1)
	if len(names) < 5 {
		t.Fatalf("only %d commands are named in the text: the pattern does not fit", len(names))
	}
	for _, m := range names {
		command := strings.Join(strings.Fields(m[1]), " ")
		if !slices.ContainsFunc(run, func(shell string) bool { return strings.Contains(evened(shell), command) }) {
			t.Errorf("`%s` stands in the text, but in no example", command)
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
