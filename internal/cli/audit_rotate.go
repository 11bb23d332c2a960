package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/config"
)

// rotation is how "audit rotate" was called.
type rotation struct {
	high, low, age int
	file           string
	dry, debug     bool
	chunk          int
}

// rotateDocument is a rotation in results.
type rotateDocument struct {
	Mode    string         `json:"mode"`
	Total   int            `json:"total"`
	Deleted int            `json:"deleted"`
	DryRun  bool           `json:"dry_run"`
	Rules   []ruleDocument `json:"rules"`
}

type ruleDocument struct {
	Rule    int      `json:"rule"`
	Fields  []string `json:"fields"`
	Rotate  int      `json:"rotate"`
	Deleted int      `json:"deleted"`
}

func newAuditRotate(c *console) *cobra.Command {
	var r rotation
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Remove old entries from the log",
		Long: `Remove entries from the log, in one of three ways:

- by watermarks: if there are more than --highwatermark entries, the oldest, so that
  --lowwatermark remain
- by --age: what is older than so many days of 24 hours
- by --config: a YAML list of rules. Each has "rotate", a number of days, and any
  number of fields of "audit dump" with regular expressions. The first rule whose
  expressions all occur decides: what is older than so many days is removed, with 0
  at once, the rest is kept. What no rule matches is kept.

"audit verify" still proves what remains: entries removed leave their numbers and
hashes. A server may write meanwhile. It needs no key file. An interrupted rotation
leaves a whole log, and the next one finishes it. What is removed is recorded.`,
		Example: `  confidant audit rotate --highwatermark 20000 --lowwatermark 18000
  confidant audit rotate --age 365 --dryrun
  confidant audit rotate --config rotation.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := r.options(cmd.Flags())
			if err != nil {
				return err
			}
			if r.debug {
				o.Log = newLog(c.err, true, c.quiet)
			}
			open := shared(config.ForData)
			open.late = config.ForAudit
			if !o.DryRun {
				open.late |= config.ForStore | config.ForVault // stored policies are heard
			}
			return c.open(cmd.Context(), open, func(ctx context.Context, a *app.App) error { return c.rotate(ctx, a, o) })
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&r.high, "highwatermark", 10000, "remove something if there are more entries; -hw is the same")
	flags.IntVar(&r.low, "lowwatermark", 5000, "how many entries remain then; -lw is the same")
	flags.IntVar(&r.age, "age", 0, "remove what is older than so many days")
	flags.StringVar(&r.file, "config", "", "file of rules")
	flags.BoolVar(&r.dry, "dryrun", false, "count only")
	flags.BoolVar(&r.dry, "dry-run", false, "the same as --dryrun")
	flags.IntVar(&r.chunk, "chunksize", 1000, "entries read between two looks at Ctrl-C and progress")
	flags.BoolVar(&r.debug, "debug", false, "tell about each file")
	_ = flags.MarkHidden("dry-run")
	return cmd
}

// watermark returns an argument of "audit rotate" in the spelling that flag
// parsing knows.
func watermark(arg string) string {
	name, value, given := strings.Cut(arg, "=")
	switch name {
	case "-hw":
		name = "--highwatermark"
	case "-lw":
		name = "--lowwatermark"
	}
	if given {
		return name + "=" + value
	}
	return name
}

// options checks the flags.
func (r rotation) options(flags *pflag.FlagSet) (audit.RotateOptions, error) {
	o := audit.RotateOptions{DryRun: r.dry, Chunk: r.chunk}
	byMarks := flags.Changed("highwatermark") || flags.Changed("lowwatermark")
	byAge, byRules := flags.Changed("age"), flags.Changed("config")
	if byMarks && byAge || byMarks && byRules || byAge && byRules {
		return o, usage("watermarks, --age and --config exclude each other")
	}
	if r.chunk < 1 {
		return o, usage("--chunksize must be at least 1, not %d", r.chunk)
	}
	var err error
	switch {
	case byRules:
		text, failed := os.ReadFile(r.file)
		if failed != nil {
			return o, failed
		}
		if o.Select, err = audit.ParseRules(text); err != nil {
			err = fmt.Errorf("%s: %w", r.file, err)
		}
	case byAge:
		o.Select, err = audit.OlderThan(r.age)
	default:
		o.Select, err = audit.Watermarks(r.high, r.low)
	}
	if err != nil {
		return o, usageError{err}
	}
	return o, nil
}

func (c *console) rotate(ctx context.Context, a *app.App, o audit.RotateOptions) error {
	bar := c.progress("MiB read")
	o.Progress = func(done, total int) { bar.show(done>>20, total>>20) }
	found, err := a.RotateAudit(ctx, o)
	bar.hide()
	if err != nil {
		switch {
		case o.DryRun:
		case found.Deleted == 0:
			c.note("Nothing was removed from the audit log.")
		default:
			c.note("%d entries are removed from the audit log, which is whole; run the command again to remove the rest.", found.Deleted)
		}
		return err
	}
	d := rotateDocument{o.Select.Mode(), found.Total, found.Deleted, o.DryRun, []ruleDocument{}}
	for i, rule := range found.Rules {
		d.Rules = append(d.Rules, ruleDocument{i + 1, rule.Fields, rule.Days, rule.Deleted})
	}
	return c.print(d, func(w io.Writer) {
		fmt.Fprintf(w, "%d entries in the log, selected by %s.\n", d.Total, d.Mode)
		for _, rule := range d.Rules {
			fields := strings.Join(rule.Fields, ", ")
			if fields == "" {
				fields = "every entry"
			}
			fmt.Fprintf(w, "Rule %d (%s): %d entries.\n", rule.Rule, fields, rule.Deleted)
		}
		if d.DryRun {
			fmt.Fprintf(w, "Would delete %d entries.\n", d.Deleted)
		} else {
			fmt.Fprintf(w, "%d entries deleted.\n", d.Deleted)
		}
	})
}
