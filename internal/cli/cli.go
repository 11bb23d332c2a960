// Package cli is the command line: it reads flags, calls the rooms through
// package app, and prints. It decides nothing, ends no process and knows no
// adapter. Results go to standard output, talk to standard error.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
)

// Process is what the command line gets from the process around it.
type Process struct {
	In       io.Reader
	Out, Err io.Writer
	Version  string
	Program  string // as it was called
}

// Run runs one command and returns the exit code.
func Run(ctx context.Context, args []string, p Process) int {
	c := &console{in: p.In, out: p.Out, err: p.Err, version: p.Version, program: p.Program}
	root := newRoot(c)
	root.SetArgs(rewrite(args))
	err := root.ExecuteContext(ctx)
	if err != nil && !c.running {
		err = usageError{err}
	}
	return c.end(ctx, err)
}

// rewrite turns the spellings that flag parsing cannot know into those it does.
func rewrite(args []string) []string {
	args = slices.Clone(args)
	change := slices.Contains(args, "admin") && slices.Contains(args, "change")
	rotate := slices.Contains(args, "audit") && slices.Contains(args, "rotate") || slices.Contains(args, "rotate_audit")
	for i, arg := range args {
		switch {
		case arg == "--":
			return args
		case arg == "-?":
			args[i] = "--help"
		case change && (arg == "-p" || arg == "--password") && (i+1 == len(args) || strings.HasPrefix(args[i+1], "-")):
			args[i] = "--set-password"
		case rotate:
			args[i] = watermark(arg)
		}
	}
	return args
}

func newRoot(c *console) *cobra.Command {
	root := &cobra.Command{
		Use:   "confidant",
		Short: "Keep credentials, map them to services, hand each service exactly its own",
		Long: `Confidant keeps credentials, maps them to services and hands each service exactly
its own. "confidant serve" is the server; the other commands work on its data
directly, beside a running server or without one.

Settings come from the configuration file, the environment and flags; see
"confidant check-config". Exit codes: 0 done, 1 refused, not found or partly
failed, 2 usage, 3 configuration, 4 storage or file, 5 locked, 130 interrupted.`,
		Example: `  confidant serve
  confidant admin add alice --no-password
  confidant api create-token --role admin --username alice`,
		Version:       c.version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			c.running = true
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetUsageTemplate(usageTemplate)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	asGroup(root)

	flags := root.PersistentFlags()
	flags.StringVar(&c.configFile, "config-file", "", "file of NAME=value settings (default: CONFIDANT_CONFIGFILE)")
	flags.StringVar(&c.dataDir, "data-dir", "", "directory of the data (default: CONFIDANT_DATA_DIR, confidant-data)")
	flags.BoolVar(&c.json, "json", false, "print one JSON document")
	flags.BoolVarP(&c.quiet, "quiet", "q", false, "no warnings and notes on standard error")
	flags.DurationVar(&c.lockTimeout, "lock-timeout", 5*time.Second, "how long to wait for the data to be free")

	root.AddCommand(
		newServe(c), newHealthcheck(c), newCheckConfig(c), newVersion(c),
		newSetup(c), newCheck(c), newAdmin(c), newAPI(c), newAudit(c), newBackup(c), newConfig(c), newArchive(c), newRestore(c),
		newGenerateBootstrap(c), newDecryptBootstrap(c), newCreateDynamoTables(c),
		newMigrateBlindSets(c), newMigrateServiceSets(c), newMigrateBooleans(c),
	)
	for _, old := range olderSpellings(c) {
		root.AddCommand(old)
	}
	return root
}

// usageTemplate is cobra's without the aliases: the older spellings work, but
// nobody new should learn them.
const usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [command]{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`

// asGroup makes a command without work of its own: it wants a subcommand.
func asGroup(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{fmt.Errorf("a command is missing\n\n%s", cmd.UsageString())}
		}
		text := fmt.Sprintf("%q is no command of %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return usageError{errors.New(text)}
	}
	return cmd
}

// underscored returns the spelling of a command's name with underscores.
func underscored(name string) []string {
	return []string{strings.ReplaceAll(name, "-", "_")}
}

// olderSpellings are commands that once stood at the top level.
func olderSpellings(c *console) []*cobra.Command {
	var all []*cobra.Command
	for _, old := range []struct {
		name, now string
		build     func(*console) *cobra.Command
	}{
		{"create_enckey", "setup create-enckey", newCreateEnckey},
		{"encrypt_enckey", "setup encrypt-enckey", newEncryptEnckey},
		{"create_tables", "setup create-tables", newCreateTables},
		{"createdb", "setup create-tables", newCreateTables},
		{"create_audit_keys", "setup create-audit-keys", newCreateAuditKeys},
		{"rotate_audit", "audit rotate", newAuditRotate},
		{"policy", "config policy", newPolicy},
	} {
		cmd := old.build(c)
		cmd.Use = old.name + strings.TrimPrefix(cmd.Use, cmd.Name())
		cmd.Aliases = nil
		cmd.Hidden = true
		for _, each := range append(cmd.Commands(), cmd) { // a group has work in its commands alone
			run := each.RunE
			each.RunE = func(cmd *cobra.Command, args []string) error {
				c.warn("%q is an older spelling of %q", old.name, old.now)
				return run(cmd, args)
			}
		}
		all = append(all, cmd)
	}
	return all
}

// settings loads the settings for the uses of a command and says what is odd
// about them.
func (c *console) settings(use config.Use, flags map[string]string) (*config.Config, error) {
	return c.settingsWith(use, flags, nil)
}

// serverSettings are all settings, those of the bootstrap blob included.
func (c *console) serverSettings(ctx context.Context, flags map[string]string, passphrase func() (string, error)) (*config.Config, error) {
	silent := *c
	silent.quiet = true // the same warnings come again below
	cfg, err := silent.settings(config.ForKeys, flags)
	if err != nil {
		return c.settings(config.Everything, flags)
	}
	blob, err := app.OpenBootstrap(ctx, cfg, passphrase, newLog(c.err, cfg.Server.Debug, c.quiet))
	if err != nil {
		return cfg, err
	}
	return c.settingsWith(config.Everything, flags, blob)
}

func (c *console) settingsWith(use config.Use, flags, bootstrap map[string]string) (*config.Config, error) {
	given := map[string]string{}
	if c.dataDir != "" {
		given["CONFIDANT_DATA_DIR"] = c.dataDir
	}
	for name, text := range flags {
		given[name] = text
	}
	cfg, err := config.Load(config.Sources{File: c.configFile, Environ: config.Environ(), Flags: given, Bootstrap: bootstrap}, use)
	for _, w := range cfg.Warnings {
		c.warn("%s", w)
	}
	return cfg, err
}
