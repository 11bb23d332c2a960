package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/maintenance"
)

func newSetup(c *console) *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "setup",
		Short: "Key file and database",
		Example: `  confidant setup create-enckey
  confidant setup check-enckey`,
	})
	cmd.AddCommand(newCreateEnckey(c), newCheckEnckey(c), newEncryptEnckey(c), newRotateEnckey(c), newCreateTables(c), newDropTables(c), newCreateAuditKeys(c), newReindex(c))
	return cmd
}

// keyDocument is a key file in results.
type keyDocument struct {
	File        string `json:"file"`
	Mode        string `json:"mode"`
	Encrypted   bool   `json:"encrypted"`
	Fingerprint string `json:"fingerprint"`
}

func keyDocumentOf(k app.KeyFile) keyDocument {
	return keyDocument{k.Path, fmt.Sprintf("%04o", k.Mode.Perm()), k.Encrypted, k.Fingerprint}
}

func newCreateEnckey(c *console) *cobra.Command {
	key := secretFlag{name: "enckey-b64", what: "key"}
	passphrase := secretFlag{name: "passphrase", what: "passphrase"}
	var force bool
	cmd := &cobra.Command{
		Use:     "create-enckey",
		Aliases: underscored("create-enckey"),
		Short:   "Make the key file",
		Long: `Make the key file that ENCKEY_FILE names, of new random bytes or of given ones. A
file that exists is never overwritten. Keep a copy away from this machine: without
the key nobody can read what is stored.

The server makes a key file by itself on its first start; this command is for making
it beforehand, with a passphrase, or from a key kept elsewhere.`,
		Example: `  confidant setup create-enckey
  confidant setup create-enckey --passphrase-file passphrase
  confidant setup create-enckey --enckey-b64-file key.b64`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			bytes, given, err := key.read(cmd.Context(), c)
			if err == nil && given && bytes == "" {
				err = usage("the given key is empty")
			}
			if err != nil {
				return err
			}
			words, given, err := passphrase.read(cmd.Context(), c)
			if err == nil && given && words == "" {
				err = usage("the passphrase is empty")
			}
			if err != nil {
				return err
			}
			o := opening{
				use:    config.ForData | config.ForKeys | config.ForAudit,
				late:   config.ForStore,
				lock:   maintenance.Exclusive,
				create: true,
			}
			return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) error {
				made, err := a.CreateKeyFile(ctx, app.NewKeyFile{Base64: bytes, Passphrase: words, Force: force})
				if err != nil {
					return err
				}
				return c.print(keyDocumentOf(made), func(w io.Writer) {
					fmt.Fprintf(w, "Encryption key written to %s\n", made.Path)
					fmt.Fprintf(w, "The file mode is %04o; make sure that the right user owns it.\n", made.Mode.Perm())
				})
			})
		},
	}
	key.add(cmd, "e")
	passphrase.addFile(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "although the store holds what another key sealed, which is lost then")
	return cmd
}

func newCheckEnckey(c *console) *cobra.Command {
	return &cobra.Command{
		Use:     "check-enckey",
		Aliases: underscored("check-enckey"),
		Short:   "Tell whether the key file opens and belongs to the database",
		Long: `Open the key file and compare its fingerprint with the one the database remembers;
exit 1 if they differ, or if a rotation of the key is unfinished.`,
		Example: "  confidant setup check-enckey",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := shared(config.ForData | config.ForKeys)
			o.late = config.ForStore
			return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) error {
				k, err := a.CheckKeyFile(ctx)
				if err != nil {
					return err
				}
				form := "plain"
				if k.Encrypted {
					form = "protected by a passphrase"
				}
				err = c.print(struct {
					OK bool `json:"ok"`
					keyDocument
					Database   string `json:"database_fingerprint"`
					RotatingTo string `json:"rotating_to,omitempty"`
				}{k.Belongs(), keyDocumentOf(k.KeyFile), k.Database, k.RotatingTo}, func(w io.Writer) {
					fmt.Fprintf(w, "%s: %s, fingerprint %s\n", k.Path, form, k.Fingerprint)
					switch {
					case k.RotatingTo != "":
						fmt.Fprintf(w, "UNFINISHED ROTATION: the database is on its way from fingerprint %s to %s; \"confidant setup rotate-enckey\" finishes it\n",
							k.Database, k.RotatingTo)
					case k.Database == "":
						fmt.Fprintln(w, "ok, the database has no key yet")
					case k.Belongs():
						fmt.Fprintln(w, "ok, the database belongs to it")
					default:
						fmt.Fprintf(w, "WRONG KEY: the database belongs to fingerprint %s\n", k.Database)
					}
				})
				if err == nil && !k.Belongs() {
					err = errFound
				}
				return err
			})
		},
	}
}

func newEncryptEnckey(c *console) *cobra.Command {
	passphrase := secretFlag{name: "passphrase", what: "passphrase"}
	old := secretFlag{name: "old-passphrase", what: "old passphrase"}
	var outfile string
	var inPlace bool
	cmd := &cobra.Command{
		Use:     "encrypt-enckey [FILE]",
		Aliases: underscored("encrypt-enckey"),
		Short:   "Protect the key file by a passphrase",
		Long: `Write the key file, or FILE, protected by a passphrase: to standard output, to a new
file, or in place. A file that has a passphrase gets a new one if the old one is
given. The result is an age file (age-encryption.org), which the age tool opens too;
it is decrypted again before success is reported.

The server takes the passphrase from ENCKEY_PASSPHRASE_FILE, ENCKEY_PASSPHRASE, or
with "serve --ask-passphrase" from the terminal.`,
		Example: `  confidant setup encrypt-enckey --in-place
  confidant setup encrypt-enckey --passphrase-file passphrase > enckey.age`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case inPlace && outfile != "":
				return usage("--in-place and --outfile exclude each other")
			case c.json && !inPlace && (outfile == "" || outfile == "-"):
				return usage("--json needs --outfile or --in-place: the file itself would go to standard output")
			}
			in := app.KeyFileProtection{Output: outfile, InPlace: inPlace, Stdout: c.out}
			if outfile == "-" {
				in.Output = ""
			}
			if len(args) == 1 {
				in.File = args[0]
			}
			o := opening{use: config.ForKeys}
			if inPlace {
				o = opening{use: config.ForKeys | config.ForData | config.ForAudit, lock: maintenance.Exclusive}
			}
			return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) (err error) {
				if in.OldPassphrase, _, err = old.read(ctx, c); err != nil {
					return err
				}
				if in.Passphrase, err = passphrase.readNew(ctx, c); err != nil {
					return err
				}
				path, err := a.ProtectKeyFile(ctx, in)
				if err != nil {
					return err
				}
				if path == "" {
					c.note("The key is written to standard output, protected by the passphrase.")
					return nil
				}
				return c.print(struct {
					File      string `json:"file"`
					Encrypted bool   `json:"encrypted"`
				}{path, true}, say("Encryption key written to %s, protected by the passphrase.", path))
			})
		},
	}
	cmd.Flags().StringVarP(&outfile, "outfile", "o", "", "new file to write (default: standard output)")
	cmd.Flags().BoolVar(&inPlace, "in-place", false, "replace the key file itself")
	passphrase.add(cmd, "")
	old.addFile(cmd)
	return cmd
}

func newReindex(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "reindex",
		Short: "Rebuild name claims and mappings",
		Long: `Rebuild from the credentials and services themselves what is kept to find them fast
and to keep names unique, and print what differed.`,
		Example: "  confidant setup reindex",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := shared(config.ForData | config.ForStore | config.ForAudit)
			return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) error {
				bar := c.progress("names and mappings")
				r, err := a.Reindex(ctx, bar.show)
				bar.hide()
				if err != nil {
					return err
				}
				changed := r.Changed
				if changed == nil {
					changed = []string{}
				}
				return c.print(struct {
					Credentials      int      `json:"credentials"`
					BlindCredentials int      `json:"blind_credentials"`
					Services         int      `json:"services"`
					Claims           int      `json:"claims"`
					Mappings         int      `json:"mappings"`
					Changed          []string `json:"changed"`
				}{r.Credentials, r.BlindCredentials, r.Services, r.Claims, r.Mappings, changed}, func(w io.Writer) {
					for _, line := range changed {
						fmt.Fprintln(w, line)
					}
					fmt.Fprintf(w, "%d credentials, %d blind credentials, %d services; %d claims, %d mappings; %d changed.\n",
						r.Credentials, r.BlindCredentials, r.Services, r.Claims, r.Mappings, len(changed))
				})
			})
		},
	}
}
