package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/maintenance"
)

func newCreateAuditKeys(c *console) *cobra.Command {
	var bits int
	cmd := &cobra.Command{
		Use:     "create-audit-keys",
		Aliases: underscored("create-audit-keys"),
		Short:   "Make the key pair that signs the audit log",
		Long: `Make an RSA key pair in the file that AUDIT_SIGNING_KEY_FILE names, which must be set;
a file that exists is never overwritten. From its next start on, the server signs the
last record of each segment of the audit log with it.

The public half is printed: whoever keeps it elsewhere can prove later that the log
was not written anew by somebody who got hold of this machine's files.`,
		Example: `  confidant setup create-audit-keys
  confidant setup create-audit-keys --keysize 4096`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]int{2048, 3072, 4096}, bits) {
				return usage("the key size is 2048, 3072 or 4096, not %d", bits)
			}
			o := opening{use: config.ForData, late: config.ForAudit, lock: maintenance.Shared, create: true}
			return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) error {
				made, err := a.CreateAuditKey(ctx, bits)
				if err != nil {
					return err
				}
				return c.print(struct {
					File        string `json:"file"`
					Bits        int    `json:"bits"`
					Fingerprint string `json:"fingerprint"`
					PublicKey   string `json:"public_key"`
				}{made.Path, made.Bits, made.Fingerprint, made.Public}, func(w io.Writer) {
					fmt.Fprintf(w, "Signing key of the audit log written to %s\n", made.Path)
					fmt.Fprintln(w, "The file mode is 0600; make sure that the right user owns it.")
					fmt.Fprint(w, made.Public)
				})
			})
		},
	}
	cmd.Flags().IntVarP(&bits, "keysize", "k", 3072, "2048, 3072 or 4096 bits")
	return cmd
}
