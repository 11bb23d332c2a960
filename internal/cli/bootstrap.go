package cli

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// writtenSettings is a file of settings in results: their names, never values.
type writtenSettings struct {
	File     string   `json:"file"`
	Settings []string `json:"settings"`
}

func writtenSettingsOf(file string, settings map[string]string) writtenSettings {
	return writtenSettings{file, append([]string{}, slices.Sorted(maps.Keys(settings))...)}
}

// taken gives a file that is there already its kind.
func taken(path string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fault.Newf(fault.Exists, "%s already exists. It is not overwritten.", path)
	}
	return err
}

func newGenerateBootstrap(c *console) *cobra.Command {
	var input, output string
	cmd := &cobra.Command{
		Use:     "generate-secrets-bootstrap",
		Aliases: underscored("generate-secrets-bootstrap"),
		Short:   "Seal settings as the blob for SECRETS_BOOTSTRAP",
		Long: `Read secret settings as YAML, a mapping from names to values, and write the blob
that SECRETS_BOOTSTRAP takes: one line of JSON, sealed with KMS_MASTER_KEY, or else
with the key file. What the blob holds wins over the environment when a server
starts. The text is sealed as it is, comments included.

Names that a blob cannot set are sealed with a warning. A file is written with mode
0600, and none is ever replaced.`,
		Example: `  confidant generate-secrets-bootstrap --in secrets.yaml --out bootstrap.json
  sops decrypt secrets.yaml | confidant generate-secrets-bootstrap > bootstrap.json
  SECRETS_BOOTSTRAP=file:///etc/confidant/bootstrap.json confidant serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			text, err := c.readInput(ctx, input)
			if err != nil {
				return err
			}
			defer clear(text)
			settings, err := app.BootstrapSettings(text)
			if err != nil {
				return usage("the input cannot be sealed: %w", err)
			}
			cfg, err := c.settingsWith(config.ForKeys, nil, settings)
			if err != nil {
				return err
			}
			blob, err := app.MakeBootstrap(ctx, cfg, c.passphrase(ctx), newLog(c.err, cfg.Server.Debug, c.quiet), text)
			if err != nil {
				return err
			}
			if output == "" || output == "-" {
				c.printed = true // the blob is the document
				_, err := c.out.Write(blob)
				return err
			}
			if err := app.PlaceBootstrap(output, blob); err != nil {
				return taken(output, err)
			}
			return c.print(writtenSettingsOf(output, settings), say("%d settings sealed in %s", len(settings), output))
		},
	}
	cmd.Flags().StringVar(&input, "in", "-", "file of YAML to read; - is standard input")
	cmd.Flags().StringVar(&output, "out", "-", "file to write, which must not exist; - is standard output")
	return cmd
}

func newDecryptBootstrap(c *console) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "decrypt-secrets-bootstrap",
		Aliases: underscored("decrypt-secrets-bootstrap"),
		Short:   "Print the settings in the blob of SECRETS_BOOTSTRAP",
		Long: `Open the blob that SECRETS_BOOTSTRAP holds or names and print its YAML text exactly as
it was sealed, and nothing else: no setting of the environment is mixed in. With
--json the settings are printed as one object.

What is printed is secret. A file is written with mode 0600, and none is ever
replaced. Exit 3 if SECRETS_BOOTSTRAP is not set, or does not open.`,
		Example: `  confidant decrypt-secrets-bootstrap
  confidant decrypt-secrets-bootstrap --out secrets.yaml
  SECRETS_BOOTSTRAP=file://bootstrap.json confidant decrypt-secrets-bootstrap --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			cfg, err := c.settings(config.ForKeys, nil)
			if err != nil {
				return err
			}
			text, err := app.BootstrapText(ctx, cfg, c.passphrase(ctx), newLog(c.err, cfg.Server.Debug, c.quiet))
			if err != nil {
				return err
			}
			defer clear(text)
			var settings map[string]string
			if c.json {
				if settings, err = app.BootstrapSettings(text); err != nil {
					return &app.StartError{Message: "SECRETS_BOOTSTRAP", Cause: err}
				}
			}
			written := output != "" && output != "-"
			if c.json && !written {
				return c.print(settings, nil)
			}
			err = c.writeTo(output, func(w io.Writer) error { _, err := w.Write(text); return err })
			if err != nil || !written {
				return taken(output, err)
			}
			return c.print(writtenSettingsOf(output, settings), say("Settings written to %s", output))
		},
	}
	cmd.Flags().StringVar(&output, "out", "-", "file to write, which must not exist; - is standard output")
	return cmd
}
