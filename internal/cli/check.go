package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/maintenance"
)

func newCheck(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Find what stored data holds against the rules",
		Long: `Find what data written by the older service, or beside it, may hold although it is
no longer allowed: equal names, services whose credentials bear the same key,
history without its thing, services that map what does not exist. Nothing is
changed. Exit 1 if anything is found.`,
		Example: "  confidant check",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := shared(config.ForData | config.ForStore | config.ForKeys)
			o.key = true
			return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) error {
				r, err := a.Check(ctx)
				if err != nil {
					return err
				}
				err = c.print(r, func(w io.Writer) { printFindings(w, r) })
				if err == nil && !r.Clean() {
					err = errFound
				}
				return err
			})
		},
	}
}

func printFindings(w io.Writer, r maintenance.Findings) {
	for _, e := range r.EqualNames {
		fmt.Fprintf(w, "equal names: %s %q: %s\n", e.Noun, e.Name, strings.Join(e.IDs, ", "))
	}
	for _, k := range r.Conflicts {
		fmt.Fprintf(w, "equal keys: service %s, key %s: %s\n", k.Service, k.Key, strings.Join(k.Credentials, ", "))
	}
	for _, key := range r.Orphans {
		fmt.Fprintf(w, "history without its thing: %s\n", key)
	}
	for _, m := range r.Unmapped {
		fmt.Fprintf(w, "maps what does not exist: %s\n", m)
	}
	for _, id := range r.Unreadable {
		fmt.Fprintf(w, "does not open: %s\n", id)
	}
	if r.Clean() {
		fmt.Fprintln(w, "ok")
	}
}
