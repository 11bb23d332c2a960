package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/httpapi"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/vault"
	"github.com/confidant-secrets/confidant/internal/webui"
)

// assemble makes everything between the listener and the store. What it starts
// ends with Close.
func (a *App) assemble(ctx context.Context, version string) (http.Handler, error) {
	events, err := a.openEvents()
	if err != nil {
		return nil, err
	}
	refusals, err := a.openRefusals(ctx)
	if err != nil {
		return nil, err
	}
	a.background(ctx, a.Accounts.Run)
	a.sweep(ctx)
	a.completeIndex(ctx)
	a.readAhead(ctx)

	readOnly := maintenance.NewSwitch(a.cfg.Behaviour.MaintenanceMode, a.cfg.Behaviour.MaintenanceTouchFile, a.log).On
	room, err := vault.New(vault.Dependencies{
		Store:    a.store,
		Sealer:   a.sealer,
		Policy:   a.policy,
		Audit:    a.audit,
		Events:   events,
		ReadOnly: readOnly,
		Metrics:  a.metrics,
		Log:      a.log,
		Rules:    a.rules(),
	})
	if err != nil {
		return nil, err
	}
	callers, err := a.callers(ctx)
	if err != nil {
		return nil, err
	}
	pages, err := webui.New(webui.Options{
		Vault:           room,
		ReadOnly:        readOnly,
		Accounts:        a.accountNames(),
		Brand:           a.cfg.Pages.BrandName,
		BrandColor:      a.cfg.Pages.BrandColor,
		BrandLogo:       a.cfg.Pages.BrandLogo,
		CustomDirectory: a.cfg.Server.CustomFrontend,
		LoginPath:       callers.loginPath,
		Version:         version,
	})
	if err != nil {
		return nil, &StartError{Message: "the pages cannot be made", Cause: err}
	}
	if err := a.openLogin(&callers, pages, refusals); err != nil {
		return nil, err
	}
	return httpapi.New(httpapi.Options{
		Vault:         room,
		Pages:         pages,
		Chain:         callers.chain,
		Sessions:      callers.sessions,
		Proxies:       callers.proxies,
		Login:         callers.login,
		LoginMissing:  callers.loginMissing,
		TokenFailures: callers.tokenFailures,
		LoginFailures: callers.loginFailures,
		Audit:         a.audit,
		Refusals:      refusals,
		AuditFailOpen: a.cfg.Audit.FailOpen,
		ReadOnly:      readOnly,
		Ready:         a.ready,
		Settings: httpapi.Settings{
			ClientConfig:     a.cfg.Server.ClientConfig,
			ManageGrants:     a.cfg.KMSAuth.ManageGrants,
			Accounts:         a.accountNames(),
			DefinedTags:      a.definedTags(),
			HistoryPageLimit: a.cfg.Behaviour.HistoryPageLimit,
		},
		CustomDirectory: a.cfg.Server.CustomFrontend,
		SSLify:          a.cfg.Server.SSLify && !a.cfg.Server.Debug,
		Timeout:         a.cfg.Server.RequestTimeout,
		Log:             a.log,
		Metrics:         a.metrics,
	})
}

// openRefusals starts what records refused proofs, and for a log in files its
// index.
func (a *App) openRefusals(ctx context.Context) (*audit.Refusals, error) {
	o := audit.RefusalOptions{To: a.audit, Spare: func() bool { return true }, Log: a.log}
	if a.file != nil {
		o.Spare = a.file.Spare
		if err := a.metrics.Gauge("audit.unflushed_seconds", func() float64 { return a.file.Unflushed().Seconds() }); err != nil {
			return nil, err
		}
		index, err := audit.OpenIndex(ctx, audit.IndexOptions{Dir: a.cfg.Audit.Dir, Log: a.log})
		if err != nil {
			return nil, fmt.Errorf("opening the index of the audit log: %w", err)
		}
		a.onClose(index.Close)
	}
	refusals, err := audit.NewRefusals(o)
	if err != nil {
		return nil, err
	}
	a.onClose(func() error { refusals.Close(context.WithoutCancel(ctx)); return nil })
	return refusals, nil
}

// openEvents starts the queue to those who are told about changes.
func (a *App) openEvents() (*event.Queue, error) {
	var sinks []event.Sink
	set := a.cfg.Events
	if set.WebhookURL != "" {
		sink, err := event.NewWebhook(event.Endpoint{URL: set.WebhookURL, Username: set.WebhookUsername, Password: set.WebhookPassword.Reveal()})
		if err != nil {
			return nil, &StartError{Message: "WEBHOOK_URL", Cause: err}
		}
		sinks = append(sinks, sink)
	}
	if set.GraphiteURL != "" {
		sink, err := event.NewGraphite(event.Endpoint{URL: set.GraphiteURL, Username: set.GraphiteUsername, Password: set.GraphitePassword.Reveal()})
		if err != nil {
			return nil, &StartError{Message: "GRAPHITE_EVENT_URL", Cause: err}
		}
		sinks = append(sinks, sink)
	}
	queue, err := event.NewQueue(event.Options{Sinks: sinks, Log: a.log, Dropped: a.counter("event.dropped")})
	if err != nil {
		return nil, err
	}
	a.onClose(func() error { queue.Close(context.Background()); return nil })
	return queue, a.metrics.Gauge("event.waiting", func() float64 { return float64(queue.Waiting()) })
}

func (a *App) rules() vault.Rules {
	set := a.cfg.Behaviour
	return vault.Rules{
		IgnoreConflicts:      set.IgnoreConflicts,
		EnforceDocumentation: set.EnforceDocumentation,
		SaveLastDecrypted:    set.SaveLastDecryption,
		StoreKeyNames:        set.StoreKeyNames,
		ListFilter:           set.ListFilter,
		AuditFailOpen:        a.cfg.Audit.FailOpen,
		Rotation: credential.Rotation{
			Maximum: set.MaximumRotationDays,
			Exempt:  set.RotationExemptTags,
			PerTag:  set.RotationDaysPerTag,
		},
		Accounts: a.accountNames(),
	}
}

// accountNames are the accounts that a service may be put into.
func (a *App) accountNames() []string {
	return slices.Sorted(maps.Values(a.cfg.KMSAuth.ScopedKeys))
}

// definedTags are the tags that a rotation rule names.
func (a *App) definedTags() []string {
	set := a.cfg.Behaviour
	return append(slices.Collect(maps.Keys(set.RotationDaysPerTag)), set.RotationExemptTags...)
}

// flushLate is how long the audit log may owe a record to the disk before the
// server no longer counts as ready.
const flushLate = 10 * time.Second

// ready says why the server cannot do its work, nil if it can.
func (a *App) ready(ctx context.Context) error {
	if a.file != nil {
		if late := a.file.Unflushed(); late > flushLate {
			return fmt.Errorf("the audit log has not reached the disk for %v", late)
		}
	}
	if err := a.store.Ping(ctx); err != nil {
		return errors.Join(errors.New("the store does not answer"), err)
	}
	return nil
}
