package account_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"testing"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/keyring"
)

func TestRewrap_ReplacesSeedsAlone(t *testing.T) {
	t.Parallel()
	d := newDocuments()
	const rest = `"email": "", "enabled": true, "generation": 7`
	withSeed := func(seed string) string {
		return `"totp": {"seed": "` + base64.StdEncoding.EncodeToString([]byte(seed)) + `", "last_step": 5, "recovery": ["r"]}`
	}
	d.place(t, "account", "ada", `{"name": "Ada", `+rest+`, `+withSeed("old")+`}`)
	d.place(t, "account", "done", `{"name": "done", `+rest+`, `+withSeed("new")+`}`)
	d.place(t, "account", "lost", `{"name": "lost", `+rest+`, `+withSeed("?")+`}`)
	d.place(t, "account", "plain", `{"name": "plain", `+rest+`}`)
	before := map[string]map[string]any{}
	for _, id := range []string{"ada", "done", "lost", "plain"} {
		before[id] = d.decoded(t, "account", id)
	}
	rewrap := func(_ context.Context, wrapped []byte, ec keyring.Context) ([]byte, error) {
		switch {
		case bytes.Equal(wrapped, []byte("old")):
			if ec["purpose"] != "account" || ec["id"] != "ada" || len(ec) != 2 {
				t.Errorf("the context is %v", ec)
			}
			return []byte("new"), nil
		case bytes.Equal(wrapped, []byte("new")):
			return nil, nil
		}
		return nil, keyring.ErrOtherKey
	}
	done, err := account.Rewrap(t.Context(), d, rewrap)
	if err != nil || done.Visited != 3 || done.Changed != 1 || !slices.Equal(done.Refused, []string{"lost"}) {
		t.Errorf("%+v, %v; want 3 visited, 1 changed, lost refused", done, err)
	}
	for id, was := range before {
		now := d.decoded(t, "account", id)
		if codes, ok := now["totp"].(map[string]any); ok && id == "ada" {
			if codes["seed"] != base64.StdEncoding.EncodeToString([]byte("new")) || codes["last_step"] != 5.0 {
				t.Errorf("the codes of ada are %v", codes)
			}
			codes["seed"] = was["totp"].(map[string]any)["seed"]
		}
		for _, member := range []string{"name", "enabled", "generation"} {
			if now[member] != was[member] {
				t.Errorf("%s: %s = %v, want %v", id, member, now[member], was[member])
			}
		}
	}
	again, err := account.Rewrap(t.Context(), d, rewrap)
	if err != nil || again.Changed != 0 {
		t.Errorf("once more: %+v, %v; want nothing changed", again, err)
	}
}

func TestRewrap_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	d := newDocuments()
	d.place(t, "account", "ada", `{"name": "ada", "totp": {"seed": "b2xk"}}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := account.Rewrap(ctx, d, func(context.Context, []byte, keyring.Context) ([]byte, error) { return []byte("new"), nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
}
