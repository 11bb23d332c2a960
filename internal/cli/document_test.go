package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "rewrite the documentation instead of comparing it")

const documentHead = `# Commands

<!-- Generated from internal/cli; change it there and run "make generate". -->

Every command takes the settings of the server, from the configuration file, the
environment and flags, but demands only those it uses. Commands open the data
directly, beside a running server or without one. Results go to standard output,
warnings and progress to standard error.

- ` + "`--json`" + ` prints exactly one JSON document; times are RFC 3339 in UTC. Only
  ` + "`audit dump --json`" + ` prints lines.
- Words of a name may be joined by underscores instead of dashes, in flags too.
- ` + "`-h`, `--help` and `-?`" + ` print help.
- Secrets are read from files, standard input (` + "`-`" + `) or the terminal. Given as
  arguments they work, with a warning: arguments show in process lists.
- Every command that changes something leaves an audit record with the user
  ` + "`cli:<user of the operating system>`" + `; without a record nothing is changed.

| exit | meaning |
| --- | --- |
| 0 | done, also when there was nothing to do |
| 1 | refused by a rule, not found, exists already, or some items failed or differ |
| 2 | usage: unknown flag, bad name or value, unparsable input |
| 3 | configuration missing or wrong |
| 4 | storage or file failure |
| 5 | the data is in use by another process |
| 130 | interrupted, after finishing the item in hand |
`

// everyCommand returns the visible commands that do something, in the order of
// the help, and the hidden ones if asked.
func everyCommand(t *testing.T, hidden bool) []*cobra.Command {
	t.Helper()
	root := newRoot(&console{in: strings.NewReader(""), out: io.Discard, err: io.Discard, version: "v0"})
	var all []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if sub.Hidden && !hidden || sub.Name() == "help" || sub.Name() == "completion" {
				continue
			}
			if sub.HasSubCommands() {
				walk(sub)
				continue
			}
			all = append(all, sub)
		}
	}
	walk(root)
	if len(all) < 15 {
		t.Fatalf("only %d commands", len(all))
	}
	return all
}

func document(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(documentHead)
	for _, cmd := range everyCommand(t, false) {
		words := cmd.Long
		if words == "" {
			words = cmd.Short + "."
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```\n%s\n", strings.TrimPrefix(cmd.CommandPath(), "confidant "), words, cmd.UseLine())
		if flags := cmd.NonInheritedFlags().FlagUsages(); flags != "" {
			fmt.Fprintf(&b, "\n%s", flags)
		}
		fmt.Fprintf(&b, "```\n\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(cmd.Example, "  "), "\n  ", "\n"))
	}
	fmt.Fprintf(&b, "\n## Flags of every command\n\n```\n%s```\n", everyCommand(t, false)[0].InheritedFlags().FlagUsages())
	return b.Bytes()
}

//go:generate go test -run ^TestDocumentation_IsUpToDate$ . -update

func TestDocumentation_IsUpToDate(t *testing.T) {
	t.Parallel()
	const path = "../../docs/commands.md"
	want := document(t)
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale; run \"make generate\"", path)
	}
}

func TestHelp_EveryCommandHasWordsAndExamples(t *testing.T) {
	t.Parallel()
	for _, cmd := range everyCommand(t, true) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q", cmd.CommandPath(), cmd.Short)
		}
		if !cmd.Hidden && !strings.Contains(cmd.Example, strings.TrimPrefix(cmd.CommandPath(), "confidant ")) {
			t.Errorf("%s: no example shows it: %q", cmd.CommandPath(), cmd.Example)
		}
		if cmd.InheritedFlags().Lookup("json") == nil {
			t.Errorf("%s: no --json", cmd.CommandPath())
		}
		if strings.Contains(cmd.Name(), "-") && !slices.Contains(cmd.Aliases, strings.ReplaceAll(cmd.Name(), "-", "_")) {
			t.Errorf("%s: the spelling with underscores does not work", cmd.CommandPath())
		}
	}
}
