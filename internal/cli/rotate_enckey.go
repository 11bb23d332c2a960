package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/maintenance"
)

func newRotateEnckey(c *console) *cobra.Command {
	passphrase := secretFlag{name: "passphrase", what: "passphrase"}
	var in app.KeyRotation
	var yes bool
	cmd := &cobra.Command{
		Use:     "rotate-enckey",
		Aliases: underscored("rotate-enckey"),
		Short:   "Put a new key in the place of the present one",
		Long: `Make a new key file and wrap anew whatever the old key wrapped: the data keys of all
credentials, in every revision and in the archive, and the seeds of one-time codes.
The sealed values themselves stay as they are. No server may run on the data; one
that works on a table in DynamoDB must be stopped by hand.

Sessions, API tokens and service tokens made under the old key end. The new file has
the form of the old: one without a passphrase gets none, one with a passphrase gets
the same, or the one of --passphrase-file. The old file is kept beside it under a
name that ends in ".before-rotation-" and the time; backups made before need it. If
SECRETS_BOOTSTRAP is set, its blob is written anew beside the key file too.

A backup of the last hour must be in the directory of backups, unless --no-backup
says otherwise. If the command is interrupted or killed, a server does not start, and
the same command run again finishes the rotation.

Exit 1 also if the rotation is done but something was found that neither key opens,
which stays as it was.`,
		Example: `  confidant backup create && confidant setup rotate-enckey
  confidant setup rotate-enckey --passphrase-file new-passphrase
  confidant setup rotate-enckey --no-backup --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes && c.terminal() == nil {
				return usage("there is no terminal to ask on; --yes answers")
			}
			words, given, err := passphrase.read(cmd.Context(), c)
			if err == nil && given && words == "" {
				err = usage("the passphrase is empty")
			}
			if err != nil {
				return err
			}
			in.Passphrase = words
			const use = config.ForData | config.ForStore | config.ForKeys | config.ForAudit
			o := opening{use: use, lock: maintenance.Exclusive}
			if !c.settingsAreEmbedded(use) {
				o.lock = maintenance.Shared // there is no lock to take
			}
			return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) error {
				return c.rotateKey(ctx, a, in, yes)
			})
		},
	}
	passphrase.addFile(cmd)
	cmd.Flags().StringVarP(&in.BackupDir, "directory", "d", "", `where the backup is (default: "backup" in the data directory)`)
	cmd.Flags().BoolVar(&in.NoBackup, "no-backup", false, "although there is no backup of the last hour")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// settingsAreEmbedded reports whether the data is in a database of our own. What
// is wrong with the settings is said when the command opens.
func (c *console) settingsAreEmbedded(use config.Use) bool {
	silent := *c
	silent.quiet = true
	cfg, err := silent.settings(use, nil)
	return err != nil || cfg.Storage.Embedded()
}

// rotatedDocument is a rotation in results.
type rotatedDocument struct {
	keyDocument
	OldFingerprint string   `json:"old_fingerprint"`
	OldFile        string   `json:"old_file"`
	DataKeys       int      `json:"data_keys"`
	Secrets        int      `json:"secrets"`
	Refused        []string `json:"refused"`
	Bootstrap      string   `json:"bootstrap,omitempty"`
}

func (c *console) rotateKey(ctx context.Context, a *app.App, in app.KeyRotation, yes bool) error {
	checking, keys := c.progress("checking the backup, bytes"), c.progress("data keys")
	in.Checking, in.Progress = checking.show, keys.show
	in.Confirm = func(plan app.KeyRotationPlan) error {
		checking.hide()
		c.describeRotation(plan)
		return c.confirmed(ctx, yes, "Rotate the key?")
	}
	done, err := a.RotateKey(ctx, in)
	checking.hide()
	keys.hide()
	for _, what := range done.Refused {
		fmt.Fprintf(c.err, "REFUSED %s: neither key opens it; it stays as it was\n", what)
	}
	if err != nil {
		switch {
		case done.Begun:
			c.note("The rotation is not finished: %d data keys are under the new key. No server starts until \"confidant setup rotate-enckey\", run again, has finished it.",
				done.DataKeys)
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			c.note("Nothing was changed; the old key stays in use.")
		}
		return err
	}
	document := rotatedDocument{
		keyDocument: keyDocumentOf(done.KeyFile), OldFingerprint: done.From, OldFile: done.Kept,
		DataKeys: done.DataKeys, Secrets: done.Seeds,
		Refused: append([]string{}, done.Refused...), Bootstrap: done.Bootstrap,
	}
	err = c.print(document, func(w io.Writer) {
		fmt.Fprintf(w, "The key %s is replaced by %s in %s.\n", done.From, done.Fingerprint, done.Path)
		fmt.Fprintf(w, "%d data keys and %d other secrets are wrapped under it.\n", document.DataKeys, document.Secrets)
		fmt.Fprintf(w, "The old key file is kept as %s; backups made before need it.\n", done.Kept)
	})
	if done.Bootstrap != "" {
		fmt.Fprintf(c.err, "SECRETS_BOOTSTRAP must name the blob under the new key now: SECRETS_BOOTSTRAP=file://%s\n", done.Bootstrap)
	}
	if done.Reprotected {
		fmt.Fprintln(c.err, "ENCKEY_PASSPHRASE_FILE or ENCKEY_PASSPHRASE must give the new passphrase now.")
	}
	if err == nil && len(done.Refused) > 0 {
		err = errFound
	}
	return err
}

func (c *console) describeRotation(p app.KeyRotationPlan) {
	if p.Resumed {
		c.note("An earlier rotation was interrupted; it is finished now.")
	}
	c.note("The key %s in %s is replaced by a new one.", p.From, p.File)
	c.note("Sessions, API tokens and service tokens made under the old key end.")
	if !p.Alone {
		c.warn("no lock keeps servers away from a table in DynamoDB; make sure that none runs")
	}
}
