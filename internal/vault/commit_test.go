package vault_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestRetry_EndsWithTheCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	ctx, cancel := context.WithCancel(t.Context())
	w.store.beforeWrite(func(string) error {
		cancel()
		return &store.StaleError{What: "a neighbour"}
	})
	_, err := w.UpdateCredential(ctx, ann, id, whole(t, `{"l":"v"}`))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCommit_IsNotCutShortByTheCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.credential(t, "db", `{"k":"v"}`)
	ctx, cancel := context.WithCancel(t.Context())
	w.store.beforeWrite(func(string) error {
		cancel()
		return nil
	})
	if _, err := w.UpdateCredential(ctx, ann, id, whole(t, `{"k":"w"}`)); err != nil {
		t.Errorf("got %v", err)
	}
	if row, _ := w.store.Credentials().Get(t.Context(), id); row.Revision != 2 {
		t.Errorf("revision %d", row.Revision)
	}
	records, _, _ := w.marks()
	_, err := w.UpdateCredential(ctx, ann, id, whole(t, `{"k":"x"}`))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if e := w.entries(records); len(e) != 1 || e[0].Phase != audit.Done || e[0].Success {
		t.Errorf("audit entries %+v", e)
	}
}

func TestCommit_WaitsForTheFlush(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	w.audit.FailFlush(errDown)
	_, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{Name: "n", Pairs: pairs(t, `{"k":"v"}`)})
	wantFault(t, err, fault.Unavailable, "The audit log does not take records.")
}

func TestCommit_AFullDiskIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	create := func() error {
		_, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{Name: "n", Pairs: pairs(t, `{"k":"v"}`)})
		return err
	}
	w.store.beforeWrite(func(string) error { return fmt.Errorf("%w: %w", store.ErrUnavailable, syscall.ENOSPC) })
	wantFault(t, create(), fault.Unavailable, "The disk of the store is full.")
	w.store.beforeWrite(nil)
	w.audit.Fail(syscall.ENOSPC)
	wantFault(t, create(), fault.Unavailable, "The disk of the audit log is full.")
	w.audit.Fail(nil)
	if err := create(); err != nil {
		t.Errorf("after there is space again: %v", err)
	}
}

func TestCommit_TooLargeSaysTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	w.store.beforeWrite(func(string) error { return fmt.Errorf("row: %w", store.ErrTooLarge) })
	_, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{Name: "n", Pairs: pairs(t, `{"k":"v"}`)})
	wantFault(t, err, fault.TooLarge, "The stored form would be larger than 380 KiB.")
}
