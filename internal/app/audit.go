package app

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// auditReserve is the disk space kept free for audit records, in bytes: some ten
// thousand of them can still be written when the disk is full.
const auditReserve = 8 << 20

// openAudit opens the log in its directory, or on a stream where it has none.
func (a *App) openAudit(stream io.Writer) error {
	if a.cfg.Audit.Dir == "" {
		log, err := audit.NewStream(audit.StreamOptions{To: stream, Chain: rand.Text()})
		if err != nil {
			return fmt.Errorf("opening the audit log: %w", err)
		}
		a.audit = countingLog{log, a.counter("audit.failure")}
		return nil
	}
	signer, err := signingKey(a.cfg)
	if err != nil {
		return err
	}
	return a.openAuditFiles(signer)
}

// openAuditFiles opens the log in its directory.
func (a *App) openAuditFiles(signer crypto.Signer) error {
	log, err := audit.OpenFile(audit.FileOptions{
		Dir:         a.cfg.Audit.Dir,
		SegmentSize: a.cfg.Audit.SegmentSize,
		Sync:        audit.Sync(a.cfg.Audit.Sync),
		SigningKey:  signer,
		Reserve:     auditReserve,
		Log:         a.log,
	})
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	a.file, a.audit = log, countingLog{log, a.counter("audit.failure")}
	a.onClose(log.Close)
	return nil
}

// signingKey reads the key that signs the log; nil if none is set.
func signingKey(cfg *config.Config) (crypto.Signer, error) {
	path := cfg.Audit.SigningKeyFile
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &StartError{Message: "AUDIT_SIGNING_KEY_FILE", Cause: err}
	}
	signer, err := audit.ParseSigningKey(text)
	if err != nil {
		return nil, &StartError{Message: "AUDIT_SIGNING_KEY_FILE " + path, Cause: err}
	}
	return signer, nil
}

// auditDirectory returns where the log is. A log that is not there is not taken
// for an empty one.
func auditDirectory(cfg *config.Config) (string, error) {
	if cfg.Audit.Dir == "" {
		return "", startError("the audit log goes to standard output and is kept by whoever collects that; set AUDIT_DIR to keep it in files")
	}
	if !exists(cfg.Audit.Dir) {
		return "", startError("there is no audit log in %s; name the right place with AUDIT_DIR, CONFIDANT_DATA_DIR or --data-dir", cfg.Audit.Dir)
	}
	return cfg.Audit.Dir, nil
}

// DumpAudit writes the audit log out and returns how many records it wrote.
func DumpAudit(ctx context.Context, cfg *config.Config, to io.Writer, o audit.DumpOptions) (int, error) {
	dir, err := auditDirectory(cfg)
	if err != nil {
		return 0, err
	}
	return audit.Dump(ctx, dir, to, o)
}

// VerifyAudit checks the audit log from its files alone.
func VerifyAudit(ctx context.Context, cfg *config.Config) (audit.Report, error) {
	dir, err := auditDirectory(cfg)
	if err != nil {
		return audit.Report{}, err
	}
	o := audit.VerifyOptions{}
	signer, err := signingKey(cfg)
	if err != nil {
		return audit.Report{}, err
	}
	if signer != nil {
		o.Key = signer.Public()
	}
	return audit.Verify(ctx, dir, o)
}

// permit asks the policy for a change that a command makes and returns what
// decided. A refusal, which names what was to be changed, is recorded.
func (a *App) permit(ctx context.Context, e audit.Entry, what string) (by []string, err error) {
	d := a.policy.Decide(ctx, authz.Request{
		Caller:   a.Operator,
		Action:   authz.Action(e.Action),
		Resource: authz.Resource{Type: authz.ResourceType(e.ResourceType), Name: e.ResourceName},
		Now:      time.Now(),
	})
	if d.Allowed {
		return d.By, nil
	}
	e.Phase, e.Policies = audit.Done, d.By
	a.sign(&e)
	if _, err := a.audit.Append(ctx, e); err != nil {
		return nil, fault.Wrap(fault.Unavailable, "The audit log is not available.", err)
	}
	denied := fault.Newf(fault.Denied, "%s does not have access to change %s", a.Operator.Name, what)
	if len(d.By) > 0 {
		denied.By = d.By[0]
	}
	return nil, denied
}

// sign says in a record who gives the command.
func (a *App) sign(e *audit.Entry) {
	e.User, e.UserType, e.Administrator = a.Operator.Name, string(a.Operator.Type), a.Operator.Administrator
	e.Door = a.Operator.Door
}

// audited records a change made by a command that no use-case room records: an
// attempt before it, which must be on the disk when the command returns, and
// the failure after it.
func (a *App) audited(ctx context.Context, e audit.Entry, change func() error) error {
	e.Phase, e.Success = audit.Attempt, true
	a.sign(&e)
	receipt, err := a.audit.Append(ctx, e)
	if err != nil {
		return fault.Wrap(fault.Unavailable, "The audit log is not available.", err)
	}
	if err := change(); err != nil {
		e.Phase, e.Success, e.Of = audit.Failed, false, receipt.Number()
		_, recording := a.audit.Append(context.WithoutCancel(ctx), e)
		return errors.Join(err, recording)
	}
	if err := receipt.Wait(ctx); err != nil {
		return fault.Wrap(fault.Unavailable, "The audit log is not available.", err)
	}
	return nil
}
