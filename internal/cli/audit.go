package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/config"
)

func newAudit(c *console) *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "audit",
		Short: "The log of who did what",
		Example: `  confidant audit verify
  confidant audit dump --timelimit 5d
  confidant audit rotate --age 365 --dryrun`,
	})
	cmd.AddCommand(newAuditVerify(c), newAuditDump(c), newAuditRotate(c))
	return cmd
}

// verifyDocument is a verification in results.
type verifyDocument struct {
	OK         bool   `json:"ok"`
	Problem    string `json:"problem,omitempty"`
	Segments   int    `json:"segments"`
	Entries    uint64 `json:"entries"`
	Tombstones uint64 `json:"tombstones"`
	First      uint64 `json:"first"`
	Last       uint64 `json:"last"`
	Hash       string `json:"hash"`
	TornAside  int    `json:"torn_aside"`
	Signed     int    `json:"signed_segments"`
	Unsigned   int    `json:"unsigned_segments"`
	Remains    int    `json:"remaining_segments"`
	Index      string `json:"index"`
}

func newAuditVerify(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Prove that the log is what was written",
		Long: `Check every record of the log: numbers, hashes, what was removed on purpose,
signatures if AUDIT_SIGNING_KEY_FILE is set, and that the end was not cut off. It
needs nothing but the files, and a server may write meanwhile. Exit 1 if the log is
broken.`,
		Example: "  confidant audit verify",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings(config.ForData|config.ForAudit, nil)
			if err != nil {
				return err
			}
			r, err := app.VerifyAudit(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			d := verifyDocument{
				r.Broken == nil, "", r.Segments, r.Entries, r.Tombstones, r.First, r.Last, r.Hash,
				r.TornAside, r.Signed, r.Unsigned, r.Remains, string(r.Index),
			}
			if r.Broken != nil {
				d.Problem = r.Broken.String()
			}
			err = c.print(d, func(w io.Writer) {
				fmt.Fprintf(w, "%d entries in %d segments, numbers %d to %d\n", d.Entries, d.Segments, d.First, d.Last)
				if d.TornAside > 0 {
					fmt.Fprintf(w, "%d incomplete ends were left by crashes and moved aside\n", d.TornAside)
				}
				if d.Remains > 0 {
					fmt.Fprintf(w, "%d segments are left from an interrupted rotation, which the next one removes\n", d.Remains)
				}
				if d.Signed > 0 {
					fmt.Fprintf(w, "%d segments signed, up to number %d\n", d.Signed, r.SignedTo)
				}
				if d.OK {
					fmt.Fprintf(w, "ok, head %s\n", d.Hash)
				} else {
					fmt.Fprintln(w, "BROKEN: "+d.Problem)
				}
			})
			if err == nil && !d.OK {
				err = errFound
			}
			return err
		},
	}
}

func newAuditDump(c *console) *cobra.Command {
	var filename, limit string
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Print the log, oldest first",
		Long:  `Print the log as CSV, or with --json as JSON lines, oldest record first. A server may write meanwhile.`,
		Example: `  confidant audit dump --timelimit 5d --filename audit.csv
  confidant audit dump --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := audit.DumpOptions{Format: audit.CSV}
			if c.json {
				o.Format = audit.Lines
			}
			if limit != "" {
				age, err := parseAge(limit)
				if err != nil {
					return err
				}
				o.Since = time.Now().Add(-age)
			}
			cfg, err := c.settings(config.ForData|config.ForAudit, nil)
			if err != nil {
				return err
			}
			return c.writeTo(filename, func(w io.Writer) error { return c.dump(cmd.Context(), cfg, w, o) })
		},
	}
	cmd.Flags().StringVarP(&filename, "filename", "f", "", "file to write, which must not exist (default: standard output)")
	cmd.Flags().StringVarP(&limit, "timelimit", "t", "", "only what is younger, for example 5d, 3h or 90m")
	return cmd
}

func (c *console) dump(ctx context.Context, cfg *config.Config, w io.Writer, o audit.DumpOptions) error {
	c.printed = true // lines, not one document
	written, err := app.DumpAudit(ctx, cfg, w, o)
	if err == nil {
		c.note("%d records", written)
	}
	return err
}

// writeTo calls write with a new file of that name, or with standard output if
// there is no name. A file that could not be written whole is removed.
func (c *console) writeTo(name string, write func(io.Writer) error) error {
	if name == "" || name == "-" {
		return write(c.out)
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// parseAge reads a length of time; days are written as 5d.
func parseAge(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err == nil && n >= 0 && n <= 100*365 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, nil
	}
	return 0, usage("%q is no length of time such as 5d, 3h or 90m", text)
}
