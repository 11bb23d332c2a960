package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/app"
)

func newChallenge(c *console) *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "challenge",
		Short: "Log-ins that wait for their next step",
		Long: `A challenge is a log-in that waits for its next step: for the answer of an identity
provider, or for a one-time code. So is a link that makes the first administrator.`,
		Example: `  confidant config challenge cleanup`,
	})
	cmd.AddCommand(newChallengeCleanup(c))
	return cmd
}

func newChallengeCleanup(c *console) *cobra.Command {
	var age int
	in := account.ChallengeCleanup{}
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "Delete pending log-ins that expired, or older ones",
		Long: `Delete challenges that expired. The server does this by itself every quarter of an
hour, so it is rarely needed; one that expired is of no use from that moment on anyway.

With --age, those that were begun more than so many minutes ago are deleted although
they may not have expired: this cancels log-ins in progress, and links that make the
first administrator and were not used yet. Whoever is affected starts again. --age 0
deletes all of them.

They are deleted in chunks, between which others write. Interrupted, it ends after the
chunk in hand; the next run deletes the rest.`,
		Example: `  confidant config challenge cleanup
  confidant config challenge cleanup --dryrun
  confidant config challenge cleanup --age 10 --chunksize 500`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			byAge := cmd.Flags().Changed("age")
			switch {
			case age < 0 || age > maxDays*24*60:
				return usage("--age must be 0 to %d minutes", maxDays*24*60)
			case in.Batch < 1:
				return usage("--chunksize must be 1 or more")
			}
			first := "Deleting expired challenges."
			if byAge {
				in.BegunBefore = time.Now().Add(-time.Duration(age) * time.Minute)
				in.All = age == 0
				first = fmt.Sprintf("Deleting challenges older than %s.", when(in.BegunBefore))
			}
			return c.open(cmd.Context(), shared(forAccounts), func(ctx context.Context, a *app.App) error {
				bar := c.progress("challenges")
				in.Progress = func(removed int) { bar.show(removed, 0) }
				deleted, err := a.Accounts.CleanChallenges(ctx, a.Operator, in)
				bar.hide()
				interrupted := err != nil && ctx.Err() != nil
				if err != nil && !interrupted {
					if deleted > 0 {
						fmt.Fprintf(c.err, "%d entries were deleted before that; the next run deletes the rest.\n", deleted)
					}
					return err
				}
				printing := c.print(struct {
					Deleted     int  `json:"deleted"`
					DryRun      bool `json:"dry_run"`
					Interrupted bool `json:"interrupted,omitempty"`
				}{deleted, in.DryRun, interrupted}, func(w io.Writer) {
					fmt.Fprintln(w, first)
					switch {
					case interrupted:
						fmt.Fprintf(w, "%d entries deleted. The next run deletes the rest.\n", deleted)
					case in.DryRun:
						fmt.Fprintf(w, "Would delete %d challenge entries.\n", deleted)
					default:
						fmt.Fprintf(w, "%d entries deleted.\n", deleted)
					}
				})
				if err != nil || printing != nil || in.DryRun {
					return errors.Join(err, printing)
				}
				return a.Settled(ctx)
			})
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&age, "age", 0, "those begun more than this many minutes ago, expired or not; 0: all")
	flags.IntVar(&in.Batch, "chunksize", 1000, "how many are deleted at once")
	flags.BoolVar(&in.DryRun, "dryrun", false, "tell how many would be deleted, and delete none")
	flags.BoolVar(&in.DryRun, "dry-run", false, "the same as --dryrun")
	return cmd
}
