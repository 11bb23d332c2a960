package maintenance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/confidant-secrets/confidant/internal/store"
)

// The document that a run of archiving or restoring holds, so that there is one
// at a time on all machines.
const (
	kindRun = "maintenance-lock"
	idRun   = "run"
)

// A run that no longer renews its lock ends by itself; how long it has is how
// long others wait after a machine died under one.
const (
	runExpires = 2 * time.Minute
	runRenewed = 30 * time.Second
)

// RunningError says that another run is at work.
type RunningError struct {
	Owner string // who started it
	Place string // machine and process
	Until time.Time
}

// Error names the run and says when it counts as ended at the latest.
func (e *RunningError) Error() string {
	return fmt.Sprintf("Another run of %s is at work (%s). If it no longer lives, its lock ends at %s.",
		e.Owner, e.Place, e.Until.UTC().Format(time.RFC3339))
}

// errRunLost ends a run whose lock went to another one.
var errRunLost = errors.New("the lock of this run was lost, so another run may be at work; run it again to finish")

// runBody is the content of the lock document. Machine is what the process
// number has a meaning in.
type runBody struct {
	Owner   string `json:"owner"`
	Machine string `json:"machine"`
	PID     int    `json:"pid"`
}

// thisProcess names the process with the space its number belongs to: two
// containers may bear one host name and number their processes alike. Where the
// system does not tell, nobody's death is known, and expired locks alone are
// taken over.
func thisProcess(owner string) runBody {
	host, err := os.Hostname()
	space, unknown := os.Readlink("/proc/self/ns/pid")
	if err != nil || unknown != nil {
		return runBody{Owner: owner, PID: os.Getpid()}
	}
	return runBody{owner, host + " " + space, os.Getpid()}
}

// dead reports whether the process is known to be gone.
func (b runBody) dead() bool {
	mine := thisProcess("")
	return b.PID > 0 && b.Machine != "" && b.Machine == mine.Machine && b.PID != mine.PID && errors.Is(unix.Kill(b.PID, 0), unix.ESRCH)
}

// heldRun is the lock of a run, renewed until it is released. Its context ends
// when the lock is lost.
type heldRun struct {
	ctx       context.Context
	documents store.Documents
	body      json.RawMessage
	now       func() time.Time
	version   int
	end       context.CancelFunc
	ended     chan struct{}
}

// holdRun takes the lock. One whose holder is known to be dead is taken over.
func holdRun(ctx context.Context, documents store.Documents, owner string, now func() time.Time) (*heldRun, error) {
	body, err := json.Marshal(thisProcess(owner))
	if err != nil {
		return nil, fmt.Errorf("encoding the lock of the run: %w", err)
	}
	expect := 0
	there, err := documents.Get(ctx, kindRun, idRun)
	switch {
	case err == nil:
		var other runBody
		if err := json.Unmarshal(there.Body, &other); err != nil || !other.dead() {
			return nil, &RunningError{other.Owner, fmt.Sprintf("process %d on %s", other.PID, other.Machine), there.Expires}
		}
		expect = there.Version
	case !errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("reading the lock of the run: %w", err)
	}
	h := &heldRun{documents: documents, body: body, now: now, ended: make(chan struct{})}
	err = h.put(ctx, expect)
	if errors.Is(err, store.ErrStale) {
		return nil, &RunningError{"somebody", "which began this moment", now().Add(runExpires)}
	}
	if err != nil {
		return nil, err
	}
	var lose context.CancelCauseFunc
	h.ctx, lose = context.WithCancelCause(ctx)
	renewing, end := context.WithCancel(context.WithoutCancel(ctx))
	h.end = end
	go h.renew(renewing, lose)
	return h, nil
}

func (h *heldRun) put(ctx context.Context, expect int) error {
	version, err := h.documents.Put(ctx, store.Document{Kind: kindRun, ID: idRun, Body: h.body, Expires: h.now().Add(runExpires)}, expect)
	if err != nil {
		return fmt.Errorf("writing the lock of the run: %w", err)
	}
	h.version = version
	return nil
}

// renew keeps the lock from expiring, and ends the run when it is lost.
func (h *heldRun) renew(ctx context.Context, lose context.CancelCauseFunc) {
	defer close(h.ended)
	ticker := time.NewTicker(runRenewed)
	defer ticker.Stop()
	for until := h.now().Add(runExpires); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		began := h.now()
		// Not cut short by the end of the run, which has to know the version.
		whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), runRenewed)
		err := h.put(whole, h.version)
		cancel()
		switch {
		case err == nil:
			until = began.Add(runExpires)
		case errors.Is(err, store.ErrStale), !h.now().Before(until.Add(-runRenewed)):
			lose(errRunLost)
			return
		}
	}
}

// release gives the lock up, also when the run was cancelled.
func (h *heldRun) release() error {
	h.end()
	<-h.ended
	if context.Cause(h.ctx) == errRunLost {
		return nil
	}
	err := h.documents.Delete(context.WithoutCancel(h.ctx), kindRun, idRun, h.version)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("releasing the lock of the run: %w", err)
	}
	return nil
}
