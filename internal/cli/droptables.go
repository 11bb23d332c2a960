package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/maintenance"
)

func newDropTables(c *console) *cobra.Command {
	var answer string
	cmd := &cobra.Command{
		Use:     "drop-tables",
		Aliases: underscored("drop-tables"),
		Short:   "Move the database away, so that the next start begins with nothing",
		Long: `Move the database aside, with every credential, archived credential, service,
account and policy in it, to a name that ends in ".before-drop-" and the time. No
server may run on the data. Key file and audit log stay; whoever renames the file
back has everything again. The file still holds all secrets, sealed: remove it when
it is no longer wanted. A database that does not open stays where it is.

Tables in DynamoDB are not dropped: that is done in AWS.`,
		Example: `  confidant setup drop-tables
  confidant setup drop-tables --dropit=yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			yes := answer == "yes"
			switch {
			case cmd.Flags().Changed("dropit") && !yes:
				return usage("nothing is dropped but with --dropit=yes")
			case !yes && c.terminal() == nil:
				return usage("there is no terminal to ask on; --dropit=yes answers")
			}
			o := opening{use: config.ForData | config.ForAudit, late: config.ForStore, lock: maintenance.Exclusive}
			return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) error {
				if err := c.confirmed(ctx, yes, "Move the database aside, with everything in it?"); err != nil {
					return err
				}
				aside, err := a.DropTables(ctx)
				if err != nil {
					if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
						c.note("Nothing was moved; everything is as it was.")
					}
					return err
				}
				moved := []string{}
				human := say("There is no database; nothing was moved.")
				if aside != "" {
					moved, human = append(moved, aside), say("Moved aside: %s", aside)
				}
				return c.print(struct {
					Aside []string `json:"moved_aside"`
				}{moved}, human)
			})
		},
	}
	cmd.Flags().StringVar(&answer, "dropit", "", `"yes" drops without asking`)
	return cmd
}
