package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// console is where a command reads, prints and talks, with the flags that every
// command has.
type console struct {
	in       io.Reader
	out, err io.Writer
	version  string
	program  string

	configFile, dataDir string
	json, quiet         bool
	lockTimeout         time.Duration

	running bool // flags and arguments were understood
	printed bool // the JSON document is out
}

// print writes the result of a command: the document with --json, else what
// human writes.
func (c *console) print(document any, human func(w io.Writer)) error {
	if !c.json {
		if human != nil {
			human(c.out)
		}
		return nil
	}
	c.printed = true
	encoder := json.NewEncoder(c.out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return nil
}

// say returns a human form that is one line.
func say(format string, args ...any) func(io.Writer) {
	return func(w io.Writer) { fmt.Fprintf(w, format+"\n", args...) }
}

// warn tells what an operator should know although the command goes on.
func (c *console) warn(format string, args ...any) { c.note("warning: "+format, args...) }

// note tells what happens beside the result.
func (c *console) note(format string, args ...any) {
	if !c.quiet {
		fmt.Fprintf(c.err, format+"\n", args...)
	}
}

// table writes rows under a header, columns two blanks apart.
func table(w io.Writer, header string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(header, "  ", "\t"))
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // the error of the output shows in what follows
}

// when is the form of a moment in results.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
