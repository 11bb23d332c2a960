package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/maintenance"
)

const forArchive = config.ForData | config.ForStore | config.ForAudit | config.ForVault

// maxDays keeps ages within what a duration holds.
const maxDays = 100 * 365

func newArchive(c *console) *cobra.Command {
	var days int
	var ids string
	move := moving{c: c, did: "archived"}
	cmd := &cobra.Command{
		Use:     "archive-credentials (--days N | --ids ID,... | --repair)",
		Aliases: underscored("archive-credentials"),
		Short:   "Move disabled credentials that no service maps into the archive",
		Long: `Move disabled credentials that no service maps, with all their revisions, into the
archive: those whose last change lies more than N whole days back, or those named.
Without --force nothing is changed; the command says what it would do.

Each credential is copied, read back, compared, and only then removed; what is
enabled or mapped meanwhile stays. A run that was cut short is finished by the next
one. One run is at work at a time. Switch to maintenance mode before (see
MAINTENANCE_MODE), so that nothing changes under the run.

--repair finishes what the older service left behind when it was cut short:
revisions that are archived but whose current row alone was removed.

Exit 1 if a credential failed, or one named by --ids was skipped.`,
		Example: `  confidant archive-credentials --days 90
  confidant archive-credentials --days 90 --force
  confidant archive-credentials --ids 4f1c6f2ac3f14bba9fdfa2d6df39b3c5 --force
  confidant archive-credentials --repair`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			of := maintenance.ArchiveSelection{Days: days}
			byDays, byIDs := cmd.Flags().Changed("days"), cmd.Flags().Changed("ids")
			switch {
			case byDays && byIDs:
				return usage("--days and --ids are mutually exclusive")
			case move.repair && (byDays || byIDs):
				return usage("--repair excludes --days and --ids")
			case !byDays && !byIDs && !move.repair:
				return usage("either --days or --ids is required")
			case byDays && (days < 1 || days > maxDays):
				return usage("--days must be 1 to %d", maxDays)
			}
			if byIDs {
				if of.IDs = splitIDs(ids); of.IDs == nil {
					return usage("--ids names no credential")
				}
			}
			return move.run(cmd.Context(), byIDs, func(ctx context.Context, a *maintenance.Archiver) (maintenance.Summary, error) {
				if move.repair {
					return a.Repair(ctx, move.force)
				}
				return a.Archive(ctx, of, move.force)
			})
		},
	}
	cmd.Flags().IntVar(&days, "days", 0, "those disabled ones whose last change lies more than this many days back")
	cmd.Flags().StringVar(&ids, "ids", "", "those of these ids, separated by commas")
	cmd.Flags().BoolVar(&move.repair, "repair", false, "remove archived revisions whose current row alone is gone")
	move.add(cmd)
	return cmd
}

// splitIDs reads a list of ids; nil if there is none.
func splitIDs(text string) []string {
	var ids []string
	for id := range strings.SplitSeq(text, ",") {
		if id = strings.TrimSpace(id); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// moving is what the commands have in common that move credentials between the
// main store and the archive.
type moving struct {
	c      *console
	did    string // "archived" or "restored"
	repair bool   // what is archived already is only removed
	force  bool
	rate   int
	output string
}

func (m *moving) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&m.force, "force", false, "do it; without it nothing is changed")
	cmd.Flags().IntVar(&m.rate, "rate", 0, "at most about so many write units (rows of 1 KiB written or removed) a second; 0: as fast as it goes")
	cmd.Flags().StringVar(&m.output, "output", "text", "text or json; json is the same as --json")
}

// itemDocument is a credential in results.
type itemDocument struct {
	ID        string   `json:"id"`
	Status    string   `json:"status"`
	Reason    string   `json:"reason,omitempty"`
	Keys      []string `json:"keys,omitempty"`
	Different []string `json:"different,omitempty"`
	NameTaken string   `json:"name_taken_by,omitempty"`
}

// movingDocument is the result of a run.
type movingDocument struct {
	Credentials []itemDocument  `json:"credentials"`
	Summary     summaryDocument `json:"summary"`
}

type summaryDocument struct {
	DryRun      bool `json:"dry_run"`
	Interrupted bool `json:"interrupted"`
	Selected    int  `json:"selected"`
	Done        int  `json:"done"`
	Already     int  `json:"already_there"`
	Skipped     int  `json:"skipped"`
	Failed      int  `json:"failed"`
	Left        int  `json:"left"`
}

// run opens what is needed, has work move what it selects, and says what became
// of it. named says that the credentials were named, so that none of them may be
// passed over in silence.
func (m *moving) run(ctx context.Context, named bool, work func(context.Context, *maintenance.Archiver) (maintenance.Summary, error)) error {
	c := m.c
	switch {
	case m.rate < 0:
		return usage("--rate must not be negative")
	case m.output != "text" && m.output != "json":
		return usage("--output is text or json")
	}
	c.json = c.json || m.output == "json"
	if err := c.checked(forArchive, app.CheckArchive); err != nil {
		return err
	}
	return c.open(ctx, shared(forArchive), func(ctx context.Context, a *app.App) error {
		archiver, err := a.Archiver()
		if err != nil {
			return err
		}
		if m.force && m.did == "archived" && !a.Maintained() {
			c.warn("the server is not in maintenance mode; a credential that changes meanwhile stays where it is")
		}
		out := movingDocument{Credentials: []itemDocument{}}
		bar := c.progress("credentials")
		archiver.Rate = m.rate
		archiver.Progress = bar.show
		archiver.Each = func(i maintenance.Item) {
			bar.hide()
			m.tell(i)
			if c.json {
				out.Credentials = append(out.Credentials, itemDocument{i.ID, string(i.Status), i.Reason, i.Keys, i.Different, i.NameTaken})
			}
		}
		sum, err := work(ctx, archiver)
		bar.hide()
		interrupted := err != nil && ctx.Err() != nil
		if err != nil && !interrupted {
			return err
		}
		out.Summary = summaryDocument{!m.force, interrupted, sum.Selected, sum.Moved, sum.Already, sum.Skipped, sum.Failed, sum.Left()}
		if printing := c.print(out, func(w io.Writer) { m.summarize(w, out.Summary) }); printing != nil || interrupted {
			return errors.Join(err, printing)
		}
		if m.force {
			if err := a.Settled(ctx); err != nil {
				return err
			}
		}
		if sum.Failed > 0 || named && sum.Skipped > 0 {
			return errFound
		}
		return nil
	})
}

// tell says what became of one credential: on standard output what was moved, on
// standard error what was not.
func (m *moving) tell(i maintenance.Item) {
	c := m.c
	switch {
	case i.Status == maintenance.Skipped:
		c.note("Skipped %s: %s", i.ID, i.Reason)
	case i.Status == maintenance.Failed:
		fmt.Fprintf(c.err, "FAILED %s: %s\n", i.ID, i.Reason)
	case i.Status == maintenance.Moved && !c.json:
		m.tellMoved(i)
	}
	if i.NameTaken != "" {
		c.warn("the name of %s belongs to %s by now; both bear it once this one is restored", i.ID, i.NameTaken)
	}
}

// tellMoved names the keys in the order of the two acts: the current row leads
// what is written, and is the last that is removed.
func (m *moving) tellMoved(i maintenance.Item) {
	say := func(did string, keys []string) {
		prefix := "Would have " + did
		if m.force {
			prefix = strings.ToUpper(did[:1]) + did[1:]
		}
		fmt.Fprintf(m.c.out, "%s credential and revisions: %s\n", prefix, strings.Join(keys, ", "))
	}
	if !m.repair {
		keys := i.Keys
		if last := len(keys) - 1; last > 0 && keys[last] == i.ID {
			keys = slices.Concat(keys[last:], keys[:last])
		}
		say(m.did, keys)
	}
	if m.did == "archived" {
		say("deleted", i.Keys)
	}
}

// summarize says what is true at the end of a run.
func (m *moving) summarize(w io.Writer, s summaryDocument) {
	did := m.did
	if m.repair {
		did = "repaired"
	}
	if s.DryRun {
		did = "would be " + did
	}
	parts := []string{fmt.Sprintf("%d of %d credentials %s", s.Done, s.Selected, did)}
	for _, more := range []struct {
		n    int
		what string
	}{{s.Already, "already there"}, {s.Skipped, "skipped"}, {s.Failed, "failed"}} {
		if more.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", more.n, more.what))
		}
	}
	if s.Interrupted {
		parts = append(parts, fmt.Sprintf("%d left as they were; run it again to finish", s.Left))
	}
	text := strings.Join(parts, ", ") + "."
	if s.DryRun {
		text += " Nothing was changed; --force does it."
	}
	fmt.Fprintln(w, text)
}
