package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/maintenance/backup"
)

func newBackup(c *console) *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "backup",
		Short: "Back the data up, check a backup, put one back",
		Long: `A backup is one file that holds the database, the audit log and the directory of
the configuration file, and with --enckey the key file. Data in DynamoDB has the
table's own backups.`,
		Example: `  confidant backup create
  confidant backup verify confidant-data/backup/confidant-backup-20261124-120000.tgz
  confidant backup restore confidant-backup-20261124-120000.tgz`,
	})
	cmd.AddCommand(newBackupCreate(c), newBackupVerify(c), newBackupRestore(c))
	return cmd
}

// embedded refuses what only a database of our own can do.
func (c *console) embedded(use config.Use) error {
	silent := *c
	silent.quiet = true // the same warnings come again when the command opens
	cfg, err := silent.settings(use, nil)
	if err == nil && !cfg.Storage.Embedded() {
		err = usage("Use the table's own backups.")
	}
	return err
}

func newBackupCreate(c *console) *cobra.Command {
	var in app.NewBackup
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Write a backup",
		Long: `Write a backup into a new file. A server may go on meanwhile: the backup holds the
data of one moment.

The key file is left out, under whatever name a copy of it lies in the directory of
the configuration, unless --enckey asks for it. Other private files that lie there,
such as certificates' keys, belong to the configuration and are included.`,
		Example: `  confidant backup create
  confidant backup create --directory /mnt/backup --exclude '*.log'
  confidant backup create --enckey`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			const use = config.ForData | config.ForStore | config.ForAudit
			if err := c.embedded(use); err != nil {
				return err
			}
			o := shared(use)
			o.late = config.ForKeys
			return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) error {
				p := c.progress("backing up, bytes")
				in.Version, in.Wait, in.Warn, in.Progress = c.version, c.lockTimeout, c.warn, p.show
				made, err := a.CreateBackup(ctx, in)
				p.hide()
				if err != nil {
					if ctx.Err() != nil {
						c.note("No backup was written.")
					}
					return err
				}
				c.aboutKey(made.Manifest)
				return c.print(struct {
					File  string       `json:"file"`
					Size  int64        `json:"size"`
					Key   bool         `json:"enckey"`
					Items backup.Items `json:"items"`
				}{made.File, made.Size, made.Manifest.Key, made.Manifest.Items}, say("Backup written to %s", made.File))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&in.Dir, "directory", "d", "", `where the backup goes, made with mode 0700 (default: "backup" in the data directory)`)
	flags.StringVarP(&in.ConfigDir, "config-dir", "c", "", "directory of the configuration (default: that of the configuration file; without one only the data is kept)")
	flags.BoolVarP(&in.WithKey, "enckey", "e", false, "include the key file")
	flags.StringArrayVar(&in.Exclude, "exclude", nil, "leave files of the configuration out whose path or name matches, for example '*.log'; may be repeated")
	return cmd
}

// aboutKey says what a new backup means for the key. That it is in there is
// said to those too who want no notes.
func (c *console) aboutKey(m backup.Manifest) {
	if !m.Key {
		c.note("The encryption key is not included; keep it elsewhere, the backup is useless without it.")
	} else {
		fmt.Fprintln(c.err, "WARNING: this backup contains the database and the encryption key. Whoever has it can read every secret.")
		if m.KeyEncrypted {
			c.note("The key in it is protected by a passphrase, which is needed too.")
		}
	}
	if m.Configuration() > 0 {
		c.note("The directory of the configuration is included, with the private files in it.")
	}
}

func newBackupVerify(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a backup",
		Long: `Read a backup from its beginning to its end, compare everything with the sizes and
hashes it names, check the database in it whole, and print what the backup holds. It
needs nothing but the file, and room for the database in TMPDIR while it works. Exit
1 if the backup is damaged or none.`,
		Example: "  confidant backup verify confidant-backup-20261124-120000.tgz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p := c.progress("verifying, bytes")
			m, err := app.VerifyBackup(cmd.Context(), args[0], p.show)
			p.hide()
			if err != nil {
				return err
			}
			return c.print(m, func(w io.Writer) {
				describeBackup(w, m)
				rows := make([][]string, len(m.Members))
				for i, member := range m.Members {
					rows[i] = []string{fmt.Sprint(member.Size), fmt.Sprintf("%04o", member.Mode), member.SHA256[:16], member.Name}
				}
				table(w, "Size  Mode  SHA-256  Name", rows)
				fmt.Fprintln(w, "ok")
			})
		},
	}
}

func describeBackup(w io.Writer, m backup.Manifest) {
	fmt.Fprintf(w, "Backup of %s, %s, version %s\n", m.Host, when(m.Created), m.Version)
	fmt.Fprintf(w, "%d credentials, %d archived, %d blind credentials, %d services\n",
		m.Items.Credentials, m.Items.Archived, m.Items.BlindCredentials, m.Items.Services)
	switch {
	case m.Key:
		fmt.Fprintf(w, "Key %s, included\n", m.Fingerprint)
	case m.Fingerprint != "":
		fmt.Fprintf(w, "Key %s, not included\n", m.Fingerprint)
	}
}

func newBackupRestore(c *console) *cobra.Command {
	var in app.Restoration
	var dataDir string
	var yes, keepSettings bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup back",
		Long: `Put a backup back: the database and the files of the configuration. What they
replace is moved aside, to names that end in ".before-restore-" and the time. No
server may run on the data.

A key file and an audit log that are in place stay; where there is none, those of the
backup are put back. All browser sessions end. API tokens stay valid but for those
that were revoked before the backup or since. Nothing changes until the backup was
read whole and found good; if the command is killed while it moves files, a server
does not start, and the same command run again puts it right.`,
		Example: `  confidant backup restore confidant-backup-20261124-120000.tgz
  confidant backup restore confidant-backup-20261124-120000.tgz --yes --keep-config
  confidant backup restore confidant-backup-20261124-120000.tgz --target-data /srv/confidant --target-config /etc/confidant`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && c.terminal() == nil {
				return usage("there is no terminal to ask on; --yes answers")
			}
			if dataDir != "" {
				c.dataDir = dataDir
			}
			in.File, in.KeepConfig = args[0], in.KeepConfig || keepSettings
			if in.KeepConfig && in.ConfigDir != "" {
				return usage("--keep-config and --target-config exclude each other")
			}
			const use = config.ForStore | config.ForKeys | config.ForAudit
			if err := c.embedded(config.ForData | use); err != nil {
				return err
			}
			o := opening{use: config.ForData, late: use, lock: maintenance.Exclusive, create: true}
			return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) error {
				return c.restoreBackup(ctx, a, in, yes)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dataDir, "target-data", "", "data directory to put the data into (default: the configured one)")
	flags.StringVar(&in.ConfigDir, "target-config", "", "directory to put the configuration into (default: that of the configuration file)")
	flags.BoolVar(&in.KeepConfig, "keep-config", false, "put the database back alone")
	flags.BoolVar(&keepSettings, "keep-db-uri", false, "the same")
	flags.BoolVar(&in.KeepKey, "no-enckey", false, "take no key from the backup")
	flags.BoolVar(&in.Force, "force", false, "although the key is another one, or cannot be compared")
	flags.BoolVar(&yes, "yes", false, "do not ask")
	_ = flags.MarkHidden("keep-db-uri") // it exists
	return cmd
}

// restoreDocument is a restore in results.
type restoreDocument struct {
	File        string       `json:"file"`
	Created     string       `json:"created"`
	Fingerprint string       `json:"fingerprint"`
	Key         string       `json:"enckey"` // present, restored or missing
	AuditLog    string       `json:"audit"`  // kept or restored
	Aside       []string     `json:"moved_aside"`
	Items       backup.Items `json:"items"`
}

func (c *console) restoreBackup(ctx context.Context, a *app.App, in app.Restoration, yes bool) error {
	p := c.progress("unpacking, bytes")
	in.Warn = func(format string, args ...any) { p.hide(); c.warn(format, args...) }
	in.Progress, in.AuditTo = p.show, c.err
	in.Confirm = func(plan app.RestorationPlan) error {
		p.hide()
		if yes {
			return nil
		}
		c.describePlan(plan)
		return c.confirmed(ctx, false, "Put it back?")
	}
	done, err := a.RestoreBackup(ctx, in)
	p.hide()
	if err != nil {
		if !done.Begun {
			c.note("Nothing was put back; everything is as it was.")
		}
		return err
	}
	d := restoreDocument{
		in.File, when(done.Manifest.Created), done.Manifest.Fingerprint, string(done.Key), "kept", done.Aside, done.Manifest.Items,
	}
	if done.Log {
		d.AuditLog = "restored"
	}
	if d.Aside == nil {
		d.Aside = []string{}
	}
	switch done.Key {
	case app.KeyRestored:
		c.note("Also restoring the encryption key")
	case app.KeyMissing:
		fmt.Fprintln(c.err, "NO ENCRYPTION KEY IN THIS BACKUP: restore the key by hand before starting the server.")
	}
	return c.print(d, func(w io.Writer) {
		for _, path := range d.Aside {
			fmt.Fprintf(w, "Moved aside: %s\n", path)
		}
		fmt.Fprintf(w, "Restored the backup of %s: %d credentials, %d archived, %d blind credentials, %d services.\n",
			d.Created, d.Items.Credentials, d.Items.Archived, d.Items.BlindCredentials, d.Items.Services)
	})
}

// describePlan shows what a restore is about to do.
func (c *console) describePlan(plan app.RestorationPlan) {
	describeBackup(c.err, plan.Manifest)
	for _, path := range plan.Replaces {
		fmt.Fprintf(c.err, "It replaces %s\n", path)
	}
	if plan.Log {
		fmt.Fprintln(c.err, "The audit log of the backup becomes the log.")
	}
}
