package cli

import (
	"context"
	"errors"
	"os"
	"os/user"
	"strconv"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/maintenance"
)

// opening is what a command opens.
type opening struct {
	use    config.Use // settings that are checked and rooms that are opened
	late   config.Use // settings that are checked, for rooms that the work opens
	lock   maintenance.Mode
	create bool // data directory and database may be made
	key    bool // the key file is opened
	mend   bool // stored policies need not hold
}

// shared is what commands open that go beside a server.
func shared(use config.Use) opening { return opening{use: use, lock: maintenance.Shared} }

// open loads the settings a command uses, opens its rooms and calls work.
func (c *console) open(ctx context.Context, o opening, work func(context.Context, *app.App) error) error {
	cfg, err := c.settings(o.use|o.late, nil)
	if err != nil {
		return err
	}
	a, err := app.Open(ctx, cfg, o.use, app.Options{
		Lock:         o.lock,
		LockTimeout:  c.lockTimeout,
		Create:       o.create,
		Key:          o.key,
		MendPolicies: o.mend,
		Operator:     operator(),
		Passphrase:   c.passphrase(ctx),
		AuditTo:      c.err,
		Log:          newLog(c.err, cfg.Server.Debug, c.quiet),
	})
	if err != nil {
		return err
	}
	return errors.Join(work(ctx, a), a.Close())
}

// checked holds the settings to a rule before anything is opened or made. What is
// odd about them is said when they are loaded again.
func (c *console) checked(use config.Use, rule func(*config.Config) error) error {
	silent := *c
	silent.quiet = true
	cfg, err := silent.settings(use, nil)
	if err != nil {
		return err
	}
	return rule(cfg)
}

// passphrase returns what asks for the passphrase of the key file, nil where
// there is nobody to ask.
func (c *console) passphrase(ctx context.Context) func() (string, error) {
	if c.terminal() == nil {
		return nil
	}
	return func() (string, error) { return c.ask(ctx, "Passphrase of the key file: ") }
}

// operator is who audit records name: "cli:" and the user of the operating
// system, by number where the system does not know a name.
func operator() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "cli:" + u.Username
	}
	return "cli:" + strconv.Itoa(os.Getuid())
}
