package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/confidant-secrets/confidant/internal/fault"
)

func TestKindOf_UnclassifiedIsInternal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want fault.Kind
	}{
		{errors.New("x"), fault.Internal},
		{context.DeadlineExceeded, fault.Unavailable},
		{fmt.Errorf("reading: %w", context.DeadlineExceeded), fault.Unavailable},
		{context.Canceled, fault.Internal},
		{fmt.Errorf("reading: %w", fault.New(fault.NotFound, "gone")), fault.NotFound},
		{fault.Wrap(fault.Stale, "moved", context.DeadlineExceeded), fault.Stale},
	}
	for _, tt := range tests {
		if got := fault.KindOf(tt.err); got != tt.want {
			t.Errorf("KindOf(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
	if fault.Is(nil, fault.Internal) {
		t.Error("Is(nil, Internal) = true")
	}
}

func TestError_HidesNothingFromTheChain(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk on fire")
	err := fault.Wrap(fault.Unavailable, "The store does not answer.", cause)
	if !errors.Is(err, cause) {
		t.Error("the cause is not in the chain")
	}
	about := err.About("id1")
	if about.Reference != "id1" || err.Reference != "" {
		t.Errorf("About changed the original: %q, %q", about.Reference, err.Reference)
	}
}

func TestKinds_AreNamedAndDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range fault.Kinds() {
		if seen[k.String()] {
			t.Errorf("two kinds are called %q", k)
		}
		seen[k.String()] = true
	}
	if next := fault.Kind(len(seen)); next.String() != fault.Internal.String() {
		t.Errorf("kind %d is not listed by Kinds", next)
	}
}
