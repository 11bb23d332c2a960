package maintenance_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/maintenance"
)

func TestAlone_KeepsOthersAwayWhileItWorks(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	own := errors.New("the work's own")
	nothing := func(context.Context) error { return nil }
	err := maintenance.Alone(t.Context(), s.Documents(), "cli:one", time.Now, func(ctx context.Context) error {
		err := maintenance.Alone(ctx, s.Documents(), "cli:two", time.Now, nothing)
		if other, ok := errors.AsType[*maintenance.RunningError](err); !ok || other.Owner != "cli:one" {
			t.Errorf("a second run: %v, want a RunningError that names the first", err)
		}
		return own
	})
	if !errors.Is(err, own) {
		t.Errorf("%v, want what the work returned", err)
	}
	if err := maintenance.Alone(t.Context(), s.Documents(), "cli:two", time.Now, nothing); err != nil {
		t.Errorf("after the first run: %v", err)
	}
}
