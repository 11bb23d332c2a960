package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/store"
)

// migrateNote is what the help of each migration ends with.
const migrateNote = `
What a row says does not change, nor does its revision or date, and servers may
run meanwhile. A row that changes under the rewrite is left as it is then and
counts as failed. One run is at work at a time; one that was cut short is
finished by the next. Run it again until nothing is left. In SQLite there is
nothing to do.

Exit 1 if a row failed.`

func newMigrateBlindSets(c *console) *cobra.Command {
	return newMigrateSets(c, store.QuotedBlindSets, "migrate-blind-cred-set-attribute", "key names of blind credentials")
}

func newMigrateServiceSets(c *console) *cobra.Command {
	return newMigrateSets(c, store.QuotedServiceSets, "migrate-service-set-attribute", "mapped credentials of services")
}

func newMigrateSets(c *console, form store.LegacyForm, name, what string) *cobra.Command {
	m := migrating{c: c, form: form, archive: true, backOff: 1}
	cmd := &cobra.Command{
		Use:     name,
		Aliases: underscored(name),
		Short:   "Rewrite " + what + " that were stored as JSON strings",
		Long: `Rewrite ` + what + ` that versions before 3.0 of the older
service stored as JSON strings within a set, in current rows and revisions, in the
archive table too where there is one. Confidant reads both forms; the older
service's newer versions read the plain one. Without --force nothing is changed; the
command says what it would do.
` + migrateNote,
		Example: "  confidant " + name + "\n  confidant " + name + " --force",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !isRate(m.updateRate) {
				return usage("--rate must be a number of updates, or 0")
			}
			return m.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&m.force, "force", false, "do it; without it nothing is changed")
	cmd.Flags().Float64Var(&m.updateRate, "rate", 0, "at most so many updates a second; 0: as fast as it goes")
	m.add(cmd)
	return cmd
}

func newMigrateBooleans(c *console) *cobra.Command {
	var withoutRCU, dryRun bool
	m := migrating{c: c, form: store.NumberForBoolean}
	cmd := &cobra.Command{
		Use:     "migrate-boolean-attribute",
		Aliases: underscored("migrate-boolean-attribute"),
		Short:   `Rewrite "enabled" that was stored as a number`,
		Long: `Rewrite "enabled" that versions before 4.0 of the older service stored as the number 0
or 1, in current rows and revisions. Confidant reads both forms; the older service's
newer versions read the boolean alone. This command does it at once, slowly, so that
the table has enough left for others; --dry-run only tells.
` + migrateNote,
		Example: `  confidant migrate-boolean-attribute --dry-run
  confidant migrate-boolean-attribute
  confidant migrate-boolean-attribute --archive --RCU 100 --update-rate 20
  confidant migrate-boolean-attribute --scan-without-rcu --limit 1000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !isRate(m.readRate) || m.readRate == 0:
				return usage("--RCU must be a number of read units above 0")
			case !isRate(m.updateRate) || m.updateRate == 0:
				return usage("--update-rate must be a number of updates above 0")
			case !isRate(m.backOff):
				return usage("--back-off must be a number of seconds, or 0")
			case cmd.Flags().Changed("page-size") && (m.pageSize < 1 || m.pageSize > maxPage):
				return usage("--page-size must be 1 to %d", maxPage)
			case cmd.Flags().Changed("limit") && m.limit < 1:
				return usage("--limit must be 1 or more")
			}
			switch {
			case withoutRCU:
				m.readRate = 0
			case m.pageSize == 0:
				// No more at once than a second is worth, where rows are small.
				m.pageSize = int(max(1, min(m.readRate, maxPage)))
			}
			m.force = !dryRun
			return m.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.Float64Var(&m.readRate, "RCU", 10, "at most so many read units (rows of 4 KiB) a second")
	flags.BoolVar(&withoutRCU, "scan-without-rcu", false, "read as fast as it goes, whatever --RCU says")
	flags.IntVar(&m.pageSize, "page-size", 0, "read so many rows at once (default: as many as --RCU)")
	flags.IntVar(&m.limit, "limit", 0, "stop after so many rows in the older form (default: none)")
	flags.Float64Var(&m.backOff, "back-off", 1, "wait so many seconds after a row that changed meanwhile or was throttled")
	flags.Float64Var(&m.updateRate, "update-rate", 1, "at most so many updates a second")
	flags.BoolVar(&m.archive, "archive", false, "rewrite the archive table too")
	flags.BoolVar(&dryRun, "dry-run", false, "change nothing, tell what would be done")
	m.add(cmd)
	return cmd
}

// maxPage is how many rows DynamoDB is asked for at once at most; it gives no more
// than 1 MiB of them.
const maxPage = 100_000

// Rates and waits stay within what a duration holds.
const (
	minRate = 1e-6
	maxRate = 1e9
)

func isRate(n float64) bool { return n == 0 || n >= minRate && n <= maxRate }

// migrating is what the commands have in common that rewrite an older form.
type migrating struct {
	c                             *console
	form                          store.LegacyForm
	force, archive                bool
	readRate, updateRate, backOff float64
	pageSize, limit               int
	output                        string
}

func (m *migrating) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.output, "output", "text", "text or json; json is the same as --json")
}

// rowDocument is a row in results.
type rowDocument struct {
	Table  string `json:"table"`
	Key    string `json:"key"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// migrationDocument is the result of a run.
type migrationDocument struct {
	Rows    []rowDocument   `json:"rows"`
	Summary migratedSummary `json:"summary"`
}

type migratedSummary struct {
	DryRun      bool `json:"dry_run"`
	Interrupted bool `json:"interrupted"`
	Limited     bool `json:"limited"` // there may be more than --limit let through
	Seen        int  `json:"seen"`
	Needed      int  `json:"needed"`
	Done        int  `json:"done"`
	Failed      int  `json:"failed"`
}

func (m *migrating) run(ctx context.Context) error {
	c := m.c
	if m.output != "text" && m.output != "json" {
		return usage("--output is text or json")
	}
	c.json = c.json || m.output == "json"
	embedded := false
	err := c.checked(forArchive, func(cfg *config.Config) error {
		if embedded = cfg.Storage.Embedded(); !embedded && m.form == store.NumberForBoolean && m.archive {
			return app.CheckArchive(cfg)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if embedded {
		out := migrationDocument{Rows: []rowDocument{}, Summary: migratedSummary{DryRun: !m.force}}
		return c.print(out, say("Nothing to do: the data is in SQLite, which never held older forms."))
	}
	return c.open(ctx, shared(forArchive), m.migrate)
}

func (m *migrating) migrate(ctx context.Context, a *app.App) error {
	c := m.c
	migration, err := a.Migration(ctx, m.form, m.archive, m.force)
	if err != nil {
		return err
	}
	out := migrationDocument{Rows: []rowDocument{}}
	bar := c.progress("rows")
	migration.ReadRate, migration.UpdateRate = m.readRate, m.updateRate
	migration.PageSize, migration.Limit = m.pageSize, m.limit
	migration.BackOff = time.Duration(m.backOff * float64(time.Second))
	migration.Progress = bar.show
	migration.Each = func(row maintenance.MigratedRow) {
		bar.hide()
		m.tell(row)
		if c.json {
			out.Rows = append(out.Rows, rowDocument{row.Table, row.Key, string(row.Status), row.Reason})
		}
	}
	sum, err := migration.Run(ctx, m.force)
	bar.hide()
	interrupted := err != nil && ctx.Err() != nil
	if err != nil && !interrupted {
		if sum.Done > 0 && m.force {
			c.note("%d rows are rewritten and stay so; run it again to finish.", sum.Done)
		}
		return err
	}
	out.Summary = migratedSummary{!m.force, interrupted, sum.Limited, sum.Seen, sum.Done + sum.Failed, sum.Done, sum.Failed}
	if printing := c.print(out, func(w io.Writer) { summarizeMigration(w, out.Summary) }); printing != nil || interrupted {
		return errors.Join(err, printing)
	}
	if sum.Failed > 0 {
		return errFound
	}
	return nil
}

// tell says what became of one row.
func (m *migrating) tell(row maintenance.MigratedRow) {
	c := m.c
	switch {
	case row.Status == maintenance.Failed:
		fmt.Fprintf(c.err, "FAILED %s in %s: %s\n", row.Key, row.Table, row.Reason)
	case c.json:
	case m.force:
		fmt.Fprintf(c.out, "Rewrote %s in %s\n", row.Key, row.Table)
	default:
		fmt.Fprintf(c.out, "Would rewrite %s in %s\n", row.Key, row.Table)
	}
}

// summarizeMigration says what is true at the end of a run.
func summarizeMigration(w io.Writer, s migratedSummary) {
	text := fmt.Sprintf("%d rows in the older form, %d rewritten, %d failed.", s.Needed, s.Done, s.Failed)
	if s.DryRun {
		text = fmt.Sprintf("%d rows in the older form, %d would be rewritten, %d failed. Nothing was changed.", s.Needed, s.Done, s.Failed)
	}
	switch {
	case s.Interrupted:
		text += " The rest is as it was; run it again to finish."
	case s.Limited:
		text += " It stopped at the limit; there may be more."
	}
	fmt.Fprintln(w, text)
}
