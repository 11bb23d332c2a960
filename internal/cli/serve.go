package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/telemetry"
)

func newServe(c *console) *cobra.Command {
	var host string
	var port int
	var ask bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until it is told to stop (SIGINT, SIGTERM). Without any settings it
keeps its data in ./confidant-data and listens on 127.0.0.1:8080.`,
		Example: `  confidant serve
  confidant serve --config-file /etc/confidant/confidant.env`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := map[string]string{}
			if cmd.Flags().Changed("host") {
				flags["HOST"] = host
			}
			if cmd.Flags().Changed("port") {
				flags["PORT"] = strconv.Itoa(port)
			}
			var passphrase func() (string, error)
			if typed := c.passphrase(cmd.Context()); ask && typed != nil {
				passphrase = sync.OnceValues(typed) // the blob's key is the same
			}
			cfg, err := c.serverSettings(cmd.Context(), flags, passphrase)
			if err != nil {
				return err
			}
			level := new(slog.LevelVar)
			level.Set(logLevel(cfg.Server.Debug, false))
			o := app.ServeOptions{
				Passphrase:  passphrase,
				Version:     c.version,
				Program:     c.program,
				LockTimeout: c.lockTimeout,
				AuditTo:     c.out,
				Log:         telemetry.NewLogger(c.err, level),
				SetLevel: func() error {
					silent := *c
					silent.quiet = true // what is odd was told at the start
					cfg, err := silent.settings(config.ForKeys, flags)
					if err == nil {
						level.Set(logLevel(cfg.Server.Debug, false))
					}
					return err
				},
				Say: c.note,
			}
			return app.Serve(cmd.Context(), cfg, o)
		},
	}
	cmd.Flags().StringVar(&host, "host", "", "address to listen on (default: HOST, 127.0.0.1)")
	cmd.Flags().IntVar(&port, "port", 0, "port to listen on (default: PORT, 8080)")
	cmd.Flags().BoolVar(&ask, "ask-passphrase", false, "ask for the passphrase of the key file")
	return cmd
}

func newHealthcheck(c *console) *cobra.Command {
	return &cobra.Command{
		Use:     "healthcheck",
		Short:   "Ask the server on this machine whether it answers",
		Long:    `Ask the server that HOST and PORT name whether it answers; for containers. Exit 1 if it does not.`,
		Example: "  confidant healthcheck",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings(config.ForServer, nil)
			if err != nil {
				return err
			}
			url, err := app.CheckHealth(cmd.Context(), cfg)
			if interrupted := cmd.Context().Err(); err != nil && interrupted != nil {
				return interrupted
			}
			document := struct {
				URL   string `json:"url"`
				OK    bool   `json:"ok"`
				Error string `json:"error,omitempty"`
			}{URL: url, OK: err == nil}
			if err != nil {
				document.Error = err.Error()
				c.note("%s: %v", url, err)
				err = errFound
			}
			if printing := c.print(document, say("%s: %s", url, map[bool]string{true: "ok", false: "no answer"}[document.OK])); printing != nil {
				return printing
			}
			return err
		},
	}
}

func newVersion(c *console) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  confidant version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.print(struct {
				Version string `json:"version"`
			}{c.version}, say("%s", c.version))
		},
	}
}

func newCheckConfig(c *console) *cobra.Command {
	return &cobra.Command{
		Use:     "check-config",
		Aliases: underscored("check-config"),
		Short:   "Print the settings in force and what is wrong with them",
		Long: `Print every setting as it is in force and where it comes from, secrets masked, and
everything that is wrong or odd. Exit 3 if the server would not start with them.`,
		Example: `  confidant check-config
  confidant check-config --config-file new.env --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			silent := *c
			silent.quiet = true // the warnings are part of the result
			cfg, err := silent.serverSettings(cmd.Context(), nil, nil)
			d := configDocument{OK: err == nil, Settings: cfg.Settings(), Unknown: cfg.Unknown, Warnings: cfg.Warnings}
			if wrong := (*config.Error)(nil); errors.As(err, &wrong) {
				d.Problems = wrong.Problems
			}
			if printing := c.print(d.filled(), d.print); printing != nil {
				return printing
			}
			return err
		},
	}
}

// configDocument is the settings in results.
type configDocument struct {
	OK       bool             `json:"ok"`
	Settings []config.Setting `json:"settings"`
	Unknown  []string         `json:"unknown"`
	Warnings []string         `json:"warnings"`
	Problems []string         `json:"problems"`
}

func (d configDocument) filled() configDocument {
	for _, list := range []*[]string{&d.Unknown, &d.Warnings, &d.Problems} {
		if *list == nil {
			*list = []string{}
		}
	}
	return d
}

func (d configDocument) print(w io.Writer) {
	rows := make([][]string, len(d.Settings))
	for i, s := range d.Settings {
		rows[i] = []string{s.Name, string(s.Origin), s.Value}
	}
	table(w, "Name  Origin  Value", rows)
	for _, text := range d.Warnings {
		fmt.Fprintln(w, "warning: "+text)
	}
}

// newLog returns the log of the process.
func newLog(w io.Writer, debug, quiet bool) *slog.Logger {
	return telemetry.NewLogger(w, logLevel(debug, quiet))
}

func logLevel(debug, quiet bool) slog.Level {
	switch {
	case quiet:
		return slog.LevelError
	case debug:
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}
