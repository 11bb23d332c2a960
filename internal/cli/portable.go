package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/portable"
)

func newConfig(c *console) *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "config",
		Short: "Policies, pending log-ins, export and import",
		Example: `  confidant config policy list
  confidant config challenge cleanup
  confidant config export --output config.json`,
	})
	cmd.AddCommand(newPolicy(c), newChallenge(c), newExport(c), newImport(c))
	return cmd
}

// typesOf reads --types.
func typesOf(names []string) (app.PortableTypes, error) {
	var types app.PortableTypes
	for _, name := range names {
		switch name {
		case "all":
			types = app.PortableTypes{Admin: true, Policy: true}
		case "admin":
			types.Admin = true
		case "policy":
			types.Policy = true
		default:
			return types, usage("there is no type %q; there are all, admin and policy", name)
		}
	}
	return types, nil
}

// typesFlag defines --types.
func typesFlag(cmd *cobra.Command, types *[]string) {
	cmd.Flags().StringSliceVarP(types, "types", "t", []string{"all"}, "what: admin, policy or all")
}

func newExport(c *console) *cobra.Command {
	var output, format string
	var types []string
	var o account.ExportOptions
	cmd := &cobra.Command{
		Use:     "export",
		Aliases: []string{"exporter"},
		Short:   "Write policies and administrators to a file",
		Long: `Write policies and local administrators to a file or to standard output, each by name;
the same state gives the same bytes. Of policies that come with the program there is
nothing but whether they are active.

Of an administrator there are name, e-mail address, whether enabled and when created,
and whether log-ins ask for a one-time code. --with-hashes adds the hashes of
passwords; whoever has the file can try passwords against them, so keep it as safe as
the database. With --censor, stars stand in the place of each hash. Seeds of one-time
codes and recovery codes are never exported.`,
		Example: `  confidant config export --output config.json
  confidant config export --types policy --format yaml --name office
  confidant config export --types admin --with-hashes --output admins.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			of, err := typesOf(types)
			if err != nil {
				return err
			}
			if c.json && !cmd.Flags().Changed("output") && format != "json" {
				return usage("--json and --format %s exclude each other", format)
			}
			if !portable.Format(format).Known() {
				return usage("there is no format %q; there are json and yaml", format)
			}
			return c.open(cmd.Context(), policies(false), func(ctx context.Context, a *app.App) error {
				export, err := a.Export(ctx, c.version, of, o)
				if err != nil {
					return err
				}
				if of.Admin && o.Hashes && !o.Censor {
					c.warn("the export holds hashes of passwords; keep it as safe as the database")
				}
				if err := c.writeTo(output, func(w io.Writer) error { return portable.Format(format).Write(w, export) }); err != nil {
					return err
				}
				if output == "" || output == "-" {
					c.printed = true // the export is the document
					return nil
				}
				return c.tellExport(output, export)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&output, "output", "o", "", "file to write, which must not exist (default: standard output)")
	flags.StringVarP(&format, "format", "f", "json", "json or yaml")
	flags.StringSliceVarP(&o.Names, "name", "n", nil, "only what bears that name")
	flags.BoolVar(&o.Hashes, "with-hashes", false, "add the hashes of administrators' passwords")
	flags.BoolVar(&o.Censor, "censor", false, "write stars in place of hashes")
	typesFlag(cmd, &types)
	return cmd
}

func (c *console) tellExport(file string, e app.Export) error {
	document := struct {
		File   string `json:"file"`
		Admin  *int   `json:"admin,omitempty"`
		Policy *int   `json:"policy,omitempty"`
	}{File: file}
	var parts []string
	if e.Policy != nil {
		document.Policy = new(len(*e.Policy))
		parts = append(parts, fmt.Sprintf("%d policies", len(*e.Policy)))
	}
	if e.Admin != nil {
		document.Admin = new(len(*e.Admin))
		parts = append(parts, fmt.Sprintf("%d administrators", len(*e.Admin)))
	}
	return c.print(document, say("%s written to %s", strings.Join(parts, " and "), file))
}

func newImport(c *console) *cobra.Command {
	var input string
	var types []string
	var o account.ImportOptions
	cmd := &cobra.Command{
		Use:     "import",
		Aliases: []string{"importer"},
		Short:   "Read policies and administrators from a file",
		Long: `Read policies and local administrators from an export, JSON or YAML. An entry takes
the place of what bears its name; the rest stays, unless --replace-all is given. A type
that does not stand in the file is left alone. Everything is checked before anything is
written: if one entry does not hold, nothing is changed (exit 2), or with --skip-invalid
the others go in and the exit code is 1. Policies are written at once, then
administrators one by one; an import that was cut short is finished by making it again.

An administrator without a hash in the file, or with stars in its place, keeps password
and one-time codes if there is one of that name, and is else made without a password,
like "confidant admin add --no-password". A new hash, and disabling, end sessions and
refuse API tokens made before. An import that would leave no enabled administrator where
there is one is refused (exit 1) without --force.`,
		Example: `  confidant config import --input config.json --dryrun
  confidant config import --input config.json
  confidant config export --types policy | confidant --data-dir other config import`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			of, err := typesOf(types)
			if err != nil {
				return err
			}
			if o.ReplaceAll && len(o.Names) > 0 {
				return usage("--replace-all and --name exclude each other")
			}
			text, err := c.readInput(cmd.Context(), input)
			if err != nil {
				return err
			}
			document, err := portable.Read(text)
			if err != nil {
				return err
			}
			if minorOf(document.Version) != minorOf(c.version) {
				c.warn("the export was made by version %q, this is %s", document.Version, c.version)
			}
			return c.open(cmd.Context(), policies(!o.DryRun), func(ctx context.Context, a *app.App) error {
				bar := c.progress("administrators")
				o.Progress = bar.show
				done, err := a.Import(ctx, document, of, o)
				bar.hide()
				if err != nil {
					c.tellCutShort(done)
					return err
				}
				if done.Policies || done.Accounts > 0 {
					if err := c.settled(ctx, a); err != nil {
						return err
					}
				}
				return c.tellImport(done, o.DryRun)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&input, "input", "i", "-", "file to read; - is standard input")
	flags.StringSliceVarP(&o.Names, "name", "n", nil, "only what bears that name")
	flags.BoolVar(&o.SkipInvalid, "skip-invalid", false, "leave out what does not hold")
	flags.BoolVar(&o.ReplaceAll, "replace-all", false, "remove what is not in the file, of the types that are")
	flags.BoolVar(&o.Force, "force", false, "although no enabled administrator is left")
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

// tellCutShort says what is true when an import did not come to its end.
func (c *console) tellCutShort(done app.Imported) {
	if done.Policies {
		fmt.Fprintln(c.err, "The policies are imported.")
	}
	if done.Accounts > 0 || done.Policies && done.Admin != nil {
		fmt.Fprintf(c.err, "%d of %d administrators are imported; the same import made again does the rest.\n",
			done.Accounts, done.Admin.Moved())
	}
}

// importedDocument is what an import did with a type, in results.
type importedDocument struct {
	Created   int `json:"created"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Deleted   int `json:"deleted"`
}

func importedDocumentOf(r *portable.Report) *importedDocument {
	if r == nil {
		return nil
	}
	return &importedDocument{r.Created, r.Changed, r.Unchanged, r.Deleted}
}

// countImported writes the line of a type.
func countImported(w io.Writer, what string, r *portable.Report) {
	if r == nil {
		return
	}
	fmt.Fprintf(w, "%s: %d created, %d changed, %d unchanged", what, r.Created, r.Changed, r.Unchanged)
	if r.Deleted > 0 {
		fmt.Fprintf(w, ", %d deleted", r.Deleted)
	}
	fmt.Fprintln(w)
}

func (c *console) tellImport(done app.Imported, dryRun bool) error {
	skipped := []string{}
	for _, r := range []*portable.Report{done.Admin, done.Policy} {
		if r == nil {
			continue
		}
		skipped = append(skipped, r.Skipped...)
		for _, text := range r.Warnings {
			c.warn("%s", text)
		}
	}
	err := c.print(struct {
		Admin   *importedDocument `json:"admin,omitempty"`
		Policy  *importedDocument `json:"policy,omitempty"`
		Skipped []string          `json:"skipped"`
		DryRun  bool              `json:"dry_run"`
	}{importedDocumentOf(done.Admin), importedDocumentOf(done.Policy), skipped, dryRun}, func(w io.Writer) {
		for _, line := range skipped {
			fmt.Fprintf(w, "skipped: %s\n", line)
		}
		prefix := ""
		if dryRun {
			prefix = "would be: "
		}
		countImported(w, prefix+"admin", done.Admin)
		countImported(w, prefix+"policy", done.Policy)
	})
	if err == nil && len(skipped) > 0 {
		err = errFound
	}
	return err
}
