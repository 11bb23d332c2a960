package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/maintenance"
)

func newRestore(c *console) *cobra.Command {
	var all bool
	var ids string
	move := moving{c: c, did: "restored"}
	cmd := &cobra.Command{
		Use:     "restore-credentials (--all | --ids ID,...)",
		Aliases: underscored("restore-credentials"),
		Short:   "Put archived credentials back",
		Long: `Put archived credentials back with all their revisions, as they were, disabled; the
archive keeps its copies. Without --force nothing is changed; the command says what
it would do.

What stands there already is left alone: with the same content it counts as done,
with other content as failed. Where another credential bears the name by now, the
restored one bears it too, which is said. A run that was cut short is finished by
the next one.

Exit 1 if a credential failed.`,
		Example: `  confidant restore-credentials --ids 4f1c6f2ac3f14bba9fdfa2d6df39b3c5
  confidant restore-credentials --all --force`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			byIDs := cmd.Flags().Changed("ids")
			switch {
			case all && byIDs:
				return usage("--ids and --all are mutually exclusive")
			case !all && !byIDs:
				return usage("either --ids or --all is required")
			}
			var named []string
			if byIDs {
				if named = splitIDs(ids); named == nil {
					return usage("--ids names no credential")
				}
			}
			return move.run(cmd.Context(), byIDs, func(ctx context.Context, a *maintenance.Archiver) (maintenance.Summary, error) {
				return a.Restore(ctx, named, move.force)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "everything that is archived")
	cmd.Flags().StringVar(&ids, "ids", "", "those of these ids, separated by commas")
	move.add(cmd)
	return cmd
}
