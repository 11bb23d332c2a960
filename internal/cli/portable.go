package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/policy"
)

func newConfig(c *console) *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "config",
		Short: "Policies, export and import",
		Example: `  confidant config policy list
  confidant config export --output policies.json`,
	})
	cmd.AddCommand(newPolicy(c), newExport(c), newImport(c))
	return cmd
}

// portableTypes are the types of things that exports hold.
var portableTypes = []string{"policy"}

// checkTypes refuses types that no export holds.
func checkTypes(types []string) error {
	for _, t := range types {
		if t != "all" && !slices.Contains(portableTypes, t) {
			return usage("there is no type %q; there are all and %s", t, strings.Join(portableTypes, ", "))
		}
	}
	return nil
}

// typesFlag defines --types.
func typesFlag(cmd *cobra.Command, types *[]string) {
	cmd.Flags().StringSliceVarP(types, "types", "t", []string{"all"}, "what: policy or all")
}

func newExport(c *console) *cobra.Command {
	var output, format string
	var types, names []string
	cmd := &cobra.Command{
		Use:     "export",
		Aliases: []string{"exporter"},
		Short:   "Write the policies to a file",
		Long: `Write the policies to a file or to standard output, by name; the same policies give
the same bytes. Of policies that come with the program there is nothing but whether
they are active.`,
		Example: `  confidant config export --output policies.json
  confidant config export --format yaml --name office`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkTypes(types); err != nil {
				return err
			}
			if c.json && !cmd.Flags().Changed("output") && format != "json" {
				return usage("--json and --format %s exclude each other", format)
			}
			encode, ok := formats[format]
			if !ok {
				return usage("there is no format %q; there are json and yaml", format)
			}
			return c.open(cmd.Context(), policies(false), func(ctx context.Context, a *app.App) error {
				list, err := a.Policies.Export(ctx, a.Operator, names...)
				if err != nil {
					return err
				}
				document := policy.Document{Version: c.version, Policy: list}
				if err := c.writeTo(output, func(w io.Writer) error { return encode(w, document) }); err != nil {
					return err
				}
				if output == "" || output == "-" {
					c.printed = true // the export is the document
					return nil
				}
				return c.print(struct {
					File   string `json:"file"`
					Policy int    `json:"policy"`
				}{output, len(list)}, say("%d policies written to %s", len(list), output))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&output, "output", "o", "", "file to write, which must not exist (default: standard output)")
	flags.StringVarP(&format, "format", "f", "json", "json or yaml")
	flags.StringSliceVarP(&names, "name", "n", nil, "only the policy of that name")
	typesFlag(cmd, &types)
	return cmd
}

// formats are the forms of an export.
var formats = map[string]func(io.Writer, any) error{
	"json": func(w io.Writer, document any) error {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(document)
	},
	"yaml": func(w io.Writer, document any) error {
		encoder := yaml.NewEncoder(w)
		encoder.SetIndent(2)
		if err := encoder.Encode(document); err != nil {
			return err
		}
		return encoder.Close()
	},
}

func newImport(c *console) *cobra.Command {
	var input string
	var types []string
	var o policy.ImportOptions
	cmd := &cobra.Command{
		Use:     "import",
		Aliases: []string{"importer"},
		Short:   "Read policies from a file",
		Long: `Read policies from an export, JSON or YAML. A policy takes the place of one with its
name; the others stay, unless --replace-all is given. Everything is checked before
anything is written, and written at once: if one policy does not hold, nothing is
changed (exit 2), or with --skip-invalid the others go in and the exit code is 1.`,
		Example: `  confidant config import --input policies.json --dryrun
  confidant config import --input policies.json
  confidant config export | confidant --data-dir other config import`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkTypes(types); err != nil {
				return err
			}
			text, err := c.readInput(cmd.Context(), input)
			if err != nil {
				return err
			}
			imported, err := policy.ReadDocument(text)
			if err != nil {
				return err
			}
			if minorOf(imported.Version) != minorOf(c.version) {
				c.warn("the export was made by version %q, this is %s", imported.Version, c.version)
			}
			return c.open(cmd.Context(), policies(!o.DryRun), func(ctx context.Context, a *app.App) error {
				r, err := a.Policies.Import(ctx, a.Operator, imported, o)
				if err != nil {
					return err
				}
				if r.Created+r.Changed+r.Deleted > 0 && !o.DryRun {
					if err := c.settled(ctx, a); err != nil {
						return err
					}
				}
				return c.tellImport(r, o.DryRun)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&input, "input", "i", "-", "file to read; - is standard input")
	flags.StringSliceVarP(&o.Names, "name", "n", nil, "only the policy of that name")
	flags.BoolVar(&o.SkipInvalid, "skip-invalid", false, "leave out what does not hold")
	flags.BoolVar(&o.ReplaceAll, "replace-all", false, "remove policies that are not in the file")
	flags.BoolVar(&o.DryRun, "dryrun", false, "tell what would be done, and do nothing")
	flags.BoolVar(&o.DryRun, "dry-run", false, "the same as --dryrun")
	typesFlag(cmd, &types)
	return cmd
}

// minorOf returns a version without what stands behind its minor number.
func minorOf(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

func (c *console) tellImport(r policy.ImportReport, dryRun bool) error {
	type counts struct {
		Created   int `json:"created"`
		Changed   int `json:"changed"`
		Unchanged int `json:"unchanged"`
		Deleted   int `json:"deleted"`
	}
	err := c.print(struct {
		Policy  counts   `json:"policy"`
		Skipped []string `json:"skipped"`
		DryRun  bool     `json:"dry_run"`
	}{counts{r.Created, r.Changed, r.Unchanged, r.Deleted}, append([]string{}, r.Skipped...), dryRun}, func(w io.Writer) {
		for _, line := range r.Skipped {
			fmt.Fprintf(w, "skipped: %s\n", line)
		}
		if dryRun {
			fmt.Fprint(w, "would be: ")
		}
		fmt.Fprintf(w, "policy: %d created, %d changed, %d unchanged", r.Created, r.Changed, r.Unchanged)
		if r.Deleted > 0 {
			fmt.Fprintf(w, ", %d deleted", r.Deleted)
		}
		fmt.Fprintln(w)
	})
	if err == nil && len(r.Skipped) > 0 {
		err = errFound
	}
	return err
}
