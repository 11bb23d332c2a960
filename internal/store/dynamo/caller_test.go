package dynamo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// TestStore_EndsWithItsCaller makes calls that would wait long, and ends their
// contexts.
func TestStore_EndsWithItsCaller(t *testing.T) {
	t.Parallel()
	if w := newWorld(t); w == nil {
		return
	}
	for _, f := range []fault{
		{call: "get", operation: "GetItem", harm: "silence"},
		{call: "get", operation: "GetItem", harm: "throttled"},
		{call: "get many", operation: "BatchGetItem", harm: "none done"},
		{call: "list", operation: "Query", harm: "over capacity"},
		{call: "find", operation: "Query", harm: "silence"},
		{call: "create", operation: "TransactWriteItems", harm: "conflict"},
		{call: "create", operation: "TransactWriteItems", harm: "silence"},
		{call: "amend", operation: "TransactWriteItems", harm: "conflict"},
		{call: "delete", operation: "TransactWriteItems", harm: "conflict"},
		{call: "put document", operation: "TransactWriteItems", harm: "over capacity"},
		{call: "reindex", operation: "Scan", harm: "throttled"},
	} {
		t.Run(f.call+", "+f.harm, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := newProxy(t, w)
			sound := w.indexed(t, w.client(nil))
			call := calls[f.call](t, w, sound)
			s := w.open(t, p.client())
			p.do(f.operation, forEver, harms[f.harm])
			const wait = 300 * time.Millisecond

			cancelled, cancel := context.WithCancel(t.Context())
			time.AfterFunc(wait, cancel)
			started := time.Now()
			err := call.do(cancelled, s)
			if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("cancelled: %v, want %v", err, context.Canceled)
			}
			if took := time.Since(started); took > wait+time.Second {
				t.Errorf("cancelled after %v, it took %v", wait, took)
			}

			limited, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			started = time.Now()
			if err := call.do(limited, s); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("past its deadline: %v, want %v", err, store.ErrUnavailable)
			}
			if took := time.Since(started); took > wait+time.Second {
				t.Errorf("with a deadline of %v, it took %v", wait, took)
			}
		})
	}
}

// TestStore_WaitsOutContentionUntilTheDeadline, which may be further away than the
// patience without one.
func TestStore_WaitsOutContentionUntilTheDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	p := newProxy(t, w)
	call := calls["create"](t, w, nil)
	s := w.indexed(t, p.client())
	p.do("TransactWriteItems", forEver, harms["conflict"])
	time.AfterFunc(7*time.Second, func() { p.lift() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := call.do(ctx, s); err != nil {
		t.Errorf("a conflict of 7 s under a deadline of 20 s: %v, want it waited out", err)
	}
}
